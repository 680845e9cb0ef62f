/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Replies to the user's requests, from any context. */
#include "calls.h"

/* ---- Answering ---- */

/*
 * Takes an open request for answering it, and enters. 0; -ENOENT; -EPIPE: the channel is gone, and
 * the request is over.
 */
static int take_request(struct kup_request of, struct request **taken)
{
	struct request *request = &of.calls->requests[of.id % KUP_CALLS];
	int may_use = kup_calls_enter(of.calls);

	if (!calls_change(&request->state, of.round | OPEN, of.round | ANSWERING)) {
		if (may_use)
			kup_calls_leave(of.calls);
		return -ENOENT;
	}
	*taken = request;
	if (may_use)
		return 0;
	calls_set_state(request, FREE);
	kup_calls_put(of.calls);
	return -EPIPE;
}

/* The request is answered. The last step, since it may free the struct. */
static void answered(struct kup_calls *calls)
{
	kup_calls_leave(calls);
	kup_calls_put(calls);
}

int kup_calls_send_reply(struct kup_calls *calls, struct request *request, kup_u32 status,
			 const void *data, kup_u32 length)
{
	const struct kup_call frame = { request->id, KUP_CALL_REPLY, status };
	struct kup_reservation reservation;
	int error = kup_calls_prepare(calls, &frame, data, length, &reservation);

	if (error)
		return error;
	calls_set_state(request, FREE);
	kup_calls_publish(calls, &reservation, 0);
	return 0;
}

int kup_reply(struct kup_request of, kup_u32 status, const void *data, kup_u32 length)
{
	struct request *request;
	int error = take_request(of, &request);

	if (error)
		return error;
	error = kup_calls_send_reply(of.calls, request, status, data, length);
	if (error == -EAGAIN || error == -EMSGSIZE) {
		calls_set_state(request, OPEN);
		kup_calls_leave(of.calls);
		return error;
	}
	if (error)
		calls_set_state(request, FREE);
	answered(of.calls);
	return error;
}

void kup_reply_status(struct kup_request of, kup_u32 status)
{
	struct request *request;
	int error;

	if (take_request(of, &request))
		return;
	error = kup_calls_send_reply(of.calls, request, status, NULL, 0);
	if (error == -EAGAIN) {
		request->status = status;
		calls_set_state(request, OWES);
		kup_calls_owe(of.calls);
		kup_calls_leave(of.calls);
		return;
	}
	if (error)
		calls_set_state(request, FREE);
	answered(of.calls);
}

int kup_reply_wait(struct kup_request of, kup_u32 status, const void *data, kup_u32 length,
		   kup_time timeout)
{
	struct kup_calls *calls = of.calls;
	kup_u64 until = kup_until(timeout);
	int error;

	if (calls_is_handler(calls))
		return -EDEADLK;
	if (!kup_calls_enter(calls))
		return kup_reply(of, status, data, length);
	/* The struct outlives the request, since this thread still has to leave. */
	kup_calls_get(calls);
	for (;;) {
		kup_u32 wakes = kup_wakes(calls->channel);

		kup_breathe();
		error = kup_reply(of, status, data, length);
		if (error == -EAGAIN)
			error = kup_wait(calls->channel, KUP_WAIT_OUT, FRAME + length, wakes,
					 until);
		else
			break;
		if (error)
			break;
	}
	kup_calls_leave(calls);
	kup_calls_put(calls);
	return error;
}
