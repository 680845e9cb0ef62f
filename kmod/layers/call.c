/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Calls of this side: a channel's calls from their beginning to their end, and kup_call. */
#include "calls.h"

/* ---- Life ---- */

int kup_calls_begin(struct kup_channel *channel, const struct kup_call_ops *ops, void *context,
		    struct kup_calls **begun)
{
	struct kup_calls *calls;

	if (kup_channel_mode(channel) != KUP_MODE_CALL)
		return -EINVAL;
	calls = kup_alloc(sizeof(*calls));
	if (!calls)
		return -ENOMEM;
	calls->refs = 1;
	calls->channel = channel;
	calls->ops = ops;
	calls->context = context;
	*begun = calls;
	return 0;
}

void kup_calls_get(struct kup_calls *calls)
{
	/* No partner: the caller has a reference already. */
	__atomic_fetch_add(&calls->refs, 1, __ATOMIC_RELAXED);
}

void kup_calls_put(struct kup_calls *calls)
{
	/* The last reference may be put where no thread can sleep. */
	_Static_assert(sizeof(*calls) <= KUP_SMALL, "kup_free of a larger struct may sleep");

	/* Pairs with itself: the thread that frees sees what all others did. */
	if (__atomic_fetch_sub(&calls->refs, 1, __ATOMIC_ACQ_REL) == 1)
		kup_free(calls);
}

int kup_calls_enter(struct kup_calls *calls)
{
	/* Pairs with the fetch_or in kup_calls_end: one of the two sees the other. */
	if (!(__atomic_fetch_add(&calls->use, 1, __ATOMIC_SEQ_CST) & GONE))
		return 1;
	/* Pairs with the acquire in kup_calls_end, which waits until no thread is counted. */
	__atomic_fetch_sub(&calls->use, 1, __ATOMIC_RELEASE);
	return 0;
}

void kup_calls_leave(struct kup_calls *calls)
{
	/* Pairs with the acquire in kup_calls_end. */
	__atomic_fetch_sub(&calls->use, 1, __ATOMIC_RELEASE);
}

void kup_calls_cancel(struct kup_calls *calls, struct request *request)
{
	if (request->cancelled || !calls->ops->cancel)
		return;
	request->cancelled = 1;
	calls_set_handler(calls, kup_thread_self());
	calls->ops->cancel((struct kup_request){ calls, request->id, calls_round(request) });
	calls_set_handler(calls, 0);
}

void kup_calls_end(struct kup_calls *calls)
{
	kup_u32 i;

	if (!calls)
		return;
	/* Pairs with the fetch_add in kup_calls_enter. */
	__atomic_fetch_or(&calls->use, GONE, __ATOMIC_SEQ_CST);
	/* The reader does not come any more, if it ever did. */
	calls_change(&calls->end, 0, EPIPE);
	/* The channel has ended, so each thread leaves soon. */
	while (calls_load(&calls->use) != GONE)
		kup_sleep_ms(1);
	for (i = 0; i < KUP_CALLS; i++) {
		struct request *request = &calls->requests[i];

		kup_u32 state = calls_state(request);

		if (state == OPEN) {
			kup_calls_cancel(calls, request);
		} else if (state == OWES) {
			calls_set_state(request, FREE);
			kup_calls_put(calls);
		}
	}
	kup_calls_put(calls);
}

void *kup_calls_context(const struct kup_calls *calls)
{
	return calls->context;
}

kup_u32 kup_calls_ignored(const struct kup_calls *calls)
{
	return __atomic_load_n(&calls->ignored, __ATOMIC_RELAXED);
}

/* The room that a request leaves to replies. */
static kup_u32 quarter(const struct kup_calls *calls)
{
	return (kup_max_payload(calls->channel) + KUP_RECORD_RESERVE) / 4;
}

kup_u32 kup_calls_max_request(const struct kup_calls *calls)
{
	return kup_max_payload(calls->channel) - quarter(calls) - FRAME;
}

/* ---- Frames ---- */

int kup_calls_prepare(struct kup_calls *calls, const struct kup_call *frame, const void *data,
		      kup_u32 length, struct kup_reservation *reservation)
{
	int error;

	if (length > KUP_RECORD_LENGTH)
		return -EMSGSIZE;
	error = kup_reserve(calls->channel, FRAME + length, 0, reservation);
	if (error)
		return error;
	__builtin_memcpy(reservation->data, frame, FRAME);
	/* Without bytes, `data` may be NULL. */
	if (length > 0)
		__builtin_memcpy((kup_u8 *)reservation->data + FRAME, data, length);
	return 0;
}

void kup_calls_publish(struct kup_calls *calls, struct kup_reservation *reservation, kup_u32 type)
{
	kup_commit(calls->channel, reservation, type, reservation->length);
}

void kup_calls_owe(struct kup_calls *calls)
{
	calls_add(&calls->owed, 1);
	kup_wake(calls->channel);
}

/* ---- Calling ---- */

/*
 * 0, or why no reply can come. When serve has returned, the engine closes the channel, and so
 * replaces the reason.
 */
static int ended(const struct kup_calls *calls)
{
	int error = kup_ended(calls->channel);
	kup_u32 first = calls_load(&calls->end);

	return error == -ESHUTDOWN && first ? -(int)first : error;
}

void kup_calls_freed(struct kup_calls *calls)
{
	/* Pairs with the fence in take_call: it sees the slot, or this thread sees it wait. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&calls->waiting, __ATOMIC_RELAXED))
		kup_wake(calls->channel);
}

static struct call *find_free(struct kup_calls *calls)
{
	kup_u32 i;

	for (i = 0; i < KUP_CALLS; i++)
		if (calls_change(&calls->calls[i].state, FREE, TAKEN))
			return &calls->calls[i];
	return NULL;
}

/* Waits for a free slot, and takes it. */
static int take_call(struct kup_calls *calls, kup_u64 until, struct call **taken)
{
	int error = 0;

	*taken = find_free(calls);
	if (*taken)
		return 0;
	calls_add(&calls->waiting, 1);
	/* Pairs with the fence in kup_calls_freed. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (!error) {
		kup_u32 wakes = kup_wakes(calls->channel);

		*taken = find_free(calls);
		if (*taken)
			break;
		error = ended(calls);
		if (!error)
			error = kup_wait(calls->channel, 0, 0, wakes, until);
	}
	calls_add(&calls->waiting, (kup_u32)-1);
	return error;
}

static kup_u64 new_id(struct kup_calls *calls, const struct call *call)
{
	kup_u64 generation = __atomic_add_fetch(&calls->generation, 1, __ATOMIC_RELAXED);

	return generation << 32 | (kup_u64)(call - calls->calls);
}

/* Waits for room, and sends the request. */
static int send_request(struct kup_calls *calls, struct call *call, kup_u32 method,
			const void *data, kup_u32 length, kup_u64 until)
{
	const struct kup_call frame = { new_id(calls, call), KUP_CALL_REQUEST, 0 };
	kup_u32 space = FRAME + length + quarter(calls);
	struct kup_reservation reservation;

	for (;;) {
		kup_u32 wakes = kup_wakes(calls->channel);
		int error = ended(calls);

		if (error)
			return error;
		error = kup_ready(calls->channel, KUP_WAIT_OUT, space)
				? kup_calls_prepare(calls, &frame, data, length, &reservation)
				: -EAGAIN;
		if (!error)
			break;
		if (error != -EAGAIN)
			return ended(calls);
		error = kup_wait(calls->channel, KUP_WAIT_OUT, space, wakes, until);
		if (error)
			return error;
		kup_breathe();
	}
	calls_set_id(&call->id, frame.id);
	calls_store(&call->state, OPEN);
	kup_calls_publish(calls, &reservation, method);
	return 0;
}

/* The reply has come. Returns what kup_call returns. */
static int finish(struct kup_calls *calls, struct call *call)
{
	int result = call->result;

	calls_store(&call->state, FREE);
	kup_calls_freed(calls);
	return result;
}

/*
 * The caller leaves an open call, because of this error: it sends a cancel, now or later. If the
 * reply has come in between, returns what that brings.
 */
static int give_up(struct kup_calls *calls, struct call *call, int error)
{
	const struct kup_call frame = { call->id, KUP_CALL_CANCEL, 0 };
	struct kup_reservation reservation;
	int over = ended(calls);
	int full = over || kup_calls_prepare(calls, &frame, NULL, 0, &reservation);
	int left = calls_change(&call->state, OPEN, over ? FREE : full ? LEFT_OWES : LEFT);

	if (!full && left)
		kup_calls_publish(calls, &reservation, 0);
	else if (!full)
		kup_discard(calls->channel, &reservation);
	else if (left && !over)
		kup_calls_owe(calls);
	if (left)
		return error;
	/* The reader is copying it. */
	while (calls_load(&call->state) != DONE)
		kup_breathe();
	return finish(calls, call);
}

static int await_reply(struct kup_calls *calls, struct call *call, kup_u64 until)
{
	for (;;) {
		kup_u32 wakes = kup_wakes(calls->channel);
		kup_u32 end = calls_load(&calls->end);
		int error;

		if (calls_load(&call->state) == DONE)
			return finish(calls, call);
		error = ended(calls);
		/* The reader may still find the reply in what the user has left. */
		if (error == -EPIPE && !end)
			error = 0;
		if (!error)
			error = kup_wait(calls->channel, 0, 0, wakes, until);
		if (error)
			return give_up(calls, call, error);
		/* A wait on a channel that has ended returns at once. */
		if (ended(calls))
			kup_sleep_ms(1);
	}
}

static int call_out(struct kup_calls *calls, kup_u32 method, const void *data, kup_u32 length,
		    struct kup_answer *answer, kup_u64 until)
{
	struct call *call;
	int error;

	if (length > kup_calls_max_request(calls))
		return -EMSGSIZE;
	error = take_call(calls, until, &call);
	if (error)
		return error;
	call->answer = answer;
	error = send_request(calls, call, method, data, length, until);
	if (!error)
		return await_reply(calls, call, until);
	calls_store(&call->state, FREE);
	kup_calls_freed(calls);
	return error;
}

int kup_call(struct kup_calls *calls, kup_u32 method, const void *data, kup_u32 length,
	     struct kup_answer *answer, kup_time timeout)
{
	int error;

	if (method >= KUP_TYPE_RESERVED)
		return -EINVAL;
	if (!timeout)
		return -EAGAIN;
	if (calls_is_handler(calls))
		return -EDEADLK;
	if (!kup_calls_enter(calls))
		return -EPIPE;
	error = call_out(calls, method, data, length, answer, kup_until(timeout));
	kup_calls_leave(calls);
	return error;
}
