/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The reader: all that comes from the user, and what this side owes it. */
#include "calls.h"

/* ---- Reading ---- */

static int lie(struct kup_calls *calls)
{
	kup_channel_break(calls->channel, KUP_ERROR_CALL);
	return -EPROTO;
}

static int ignore(struct kup_calls *calls)
{
	__atomic_fetch_add(&calls->ignored, 1, __ATOMIC_RELAXED);
	return 0;
}

static int take_frame(const struct kup_record *record, struct kup_call *frame)
{
	const struct kup_call *shared = record->data;

	if (record->length < FRAME)
		return -EPROTO;
	/* Each word once. Relaxed: the record is ready, and a user that changes it lies. */
	frame->id = __atomic_load_n(&shared->id, __ATOMIC_RELAXED);
	frame->kind = __atomic_load_n(&shared->kind, __ATOMIC_RELAXED);
	frame->status = __atomic_load_n(&shared->status, __ATOMIC_RELAXED);
	return 0;
}

static int requested(struct kup_calls *calls, const struct kup_call *frame,
		     const struct kup_record *record)
{
	struct request *request = &calls->requests[frame->id % KUP_CALLS];
	const struct kup_request of = { calls, frame->id, calls_round(request) + ROUND };
	int no_handler = !calls->ops->call;

	if (frame->status || calls_state(request) != FREE)
		return lie(calls);
	kup_calls_get(calls);
	calls_set_id(&request->id, frame->id);
	request->cancelled = 0;
	calls_store(&request->state, of.round | OPEN);
	if (no_handler || record->type >= KUP_TYPE_RESERVED) {
		kup_reply_status(of, no_handler ? KUP_STATUS_NO_HANDLER : KUP_STATUS_NO_METHOD);
		return 0;
	}
	calls_set_handler(calls, kup_thread_self());
	calls->ops->call(of, record->type, (const kup_u8 *)record->data + FRAME,
			 record->length - FRAME);
	calls_set_handler(calls, 0);
	return 0;
}

/* Copies a reply for its caller, which waits. */
static void fill(struct call *call, kup_u32 status, const struct kup_record *record)
{
	struct kup_answer *answer = call->answer;

	answer->status = status;
	answer->length = record->length - FRAME;
	call->result = answer->length > answer->capacity ? -EMSGSIZE : 0;
	if (!call->result && answer->length > 0)
		__builtin_memcpy(answer->buffer, (const kup_u8 *)record->data + FRAME,
				 answer->length);
}

static int replied(struct kup_calls *calls, const struct kup_call *frame,
		   const struct kup_record *record)
{
	struct call *call = &calls->calls[frame->id % KUP_CALLS];
	kup_u32 seen = calls_load(&call->state);

	if (seen == OPEN && calls_has_id(&call->id, frame->id) &&
	    calls_change(&call->state, OPEN, FILLING)) {
		fill(call, frame->status, record);
		calls_store(&call->state, DONE);
		kup_wake(calls->channel);
		return 0;
	}
	/* If the change has failed, the caller has left. Only this thread ends these states. */
	seen = calls_load(&call->state);
	if ((seen != LEFT && seen != LEFT_OWES) || !calls_has_id(&call->id, frame->id))
		return ignore(calls);
	if (seen == LEFT_OWES)
		calls_add(&calls->owed, (kup_u32)-1);
	calls_store(&call->state, FREE);
	kup_calls_freed(calls);
	return 0;
}

static int cancelled(struct kup_calls *calls, const struct kup_call *frame,
		     const struct kup_record *record)
{
	struct request *request = &calls->requests[frame->id % KUP_CALLS];
	kup_u32 seen = calls_state(request);

	if (frame->status || record->length != FRAME)
		return lie(calls);
	if (!calls_has_id(&request->id, frame->id) || (seen != OPEN && seen != ANSWERING) ||
	    request->cancelled)
		return ignore(calls);
	kup_calls_cancel(calls, request);
	return 0;
}

static int take_record(struct kup_calls *calls, const struct kup_record *record)
{
	struct kup_call frame;

	if (take_frame(record, &frame))
		return lie(calls);
	switch (frame.kind) {
	case KUP_CALL_REQUEST:
		return requested(calls, &frame, record);
	case KUP_CALL_REPLY:
		return replied(calls, &frame, record);
	case KUP_CALL_CANCEL:
		return cancelled(calls, &frame, record);
	default:
		return frame.kind & KUP_CALL_OPTIONAL ? ignore(calls) : lie(calls);
	}
}

/* Sends the cancel of a call whose caller has left. Nonzero: there is no room. */
static int send_cancel(struct kup_calls *calls, struct call *call)
{
	const struct kup_call frame = { call->id, KUP_CALL_CANCEL, 0 };
	struct kup_reservation reservation;

	if (kup_calls_prepare(calls, &frame, NULL, 0, &reservation))
		return 1;
	calls_store(&call->state, LEFT);
	kup_calls_publish(calls, &reservation, 0);
	return 0;
}

/* Sends what is owed, as far as there is room. */
static void settle(struct kup_calls *calls)
{
	kup_u32 i;

	for (i = 0; i < KUP_CALLS && calls_load(&calls->owed); i++) {
		struct call *call = &calls->calls[i];
		struct request *request = &calls->requests[i];

		if (calls_load(&call->state) == LEFT_OWES) {
			if (send_cancel(calls, call))
				return;
			calls_add(&calls->owed, (kup_u32)-1);
		}
		if (calls_state(request) == OWES) {
			if (kup_calls_send_reply(calls, request, request->status, NULL, 0))
				return;
			calls_add(&calls->owed, (kup_u32)-1);
			kup_calls_put(calls);
		}
	}
}

/* Reads one record, or waits for one. */
static int read_one(struct kup_calls *calls)
{
	kup_u32 wakes = kup_wakes(calls->channel), what = KUP_WAIT_IN;
	struct kup_record record;
	int error;

	kup_breathe();
	if (calls_load(&calls->owed))
		settle(calls);
	error = kup_try_peek(calls->channel, &record);
	if (error == -EAGAIN) {
		if (calls_load(&calls->owed))
			what |= KUP_WAIT_OUT;
		return kup_wait(calls->channel, what, FRAME, wakes, kup_until(KUP_FOREVER));
	}
	if (error)
		return error;
	error = take_record(calls, &record);
	kup_release(calls->channel, &record);
	return error;
}

int kup_calls_serve(struct kup_calls *calls)
{
	int error = 0;

	while (!error)
		error = read_one(calls);
	calls_store(&calls->end, (kup_u32)-error);
	/* The callers that wait for what the user has left look again. */
	kup_wake(calls->channel);
	return error;
}
