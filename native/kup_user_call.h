/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls, for programs in C: requests and replies in both directions, on a channel of kup_user.h
 * whose device's mode is KUP_MODE_CALL. The kernel's side is kmod/layers/call.h. docs/calls.md
 * explains how the parts work together.
 *
 * A program either polls, or has callbacks:
 *
 *   kup_user_call_start, kup_user_calls_next       one event at a time
 *   kup_user_calls_set_handlers, kup_user_calls_run,   functions that are called for each event,
 *   kup_user_call                                      and calls that wait for their reply
 *
 * One thread at a time may use a channel. Timeouts are as in kup_user.h. The errors are those of
 * the channel's calls, and:
 *
 *   -ENOENT    no call, or no request, with this id is open
 *   -EINVAL    the method is KUP_TYPE_RESERVED or above; or the device's mode is another one
 *   -EDEADLK   a call that reads was made from a handler
 */
#ifndef KUP_USER_CALL_H
#define KUP_USER_CALL_H

#include "kup_user.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kup_user_calls;

/*
 * What has come. The data is in the ring: it is valid until the next call that reads or prepares a
 * wait.
 */
struct kup_user_call_event {
	uint32_t kind;	 /* KUP_CALL_REQUEST, KUP_CALL_REPLY or KUP_CALL_CANCEL */
	uint32_t method; /* of a request */
	uint32_t status; /* of a reply */
	int32_t error;	 /* of a reply: 0, or why the call has ended without one: -EPIPE, -EPROTO */
	uint64_t id;	 /* of the request, or of the call */
	void *context;	 /* of a reply: what kup_user_call_start was given */
	const void *data;
	uint32_t length; /* bytes of data */
};

/*
 * Begins the calls of a channel that is open and unused. From then on only the layer may make the
 * channel's own calls that send, receive, release or wait. -EINVAL, -ENOMEM.
 */
KUP_USER_CALL int32_t kup_user_calls_begin(struct kup_user_channel *channel,
					   struct kup_user_calls **calls);

/* Frees the struct; close the channel too. NULL does nothing. */
KUP_USER_CALL void kup_user_calls_end(struct kup_user_calls *calls);

/* The longest data of a request to the kernel, in bytes. */
KUP_USER_CALL uint32_t kup_user_calls_max_request(const struct kup_user_calls *calls);

/* The number of the kernel's replies and cancels that belong to no call. A few are normal. */
KUP_USER_CALL uint32_t kup_user_calls_ignored(const struct kup_user_calls *calls);

/*
 * Sends a request, and stores its id. Never waits. -EAGAIN: there is no room, or KUP_CALLS calls
 * are open; read what has come, then try again. For each call that was started, one event comes,
 * unless it is cancelled: its reply, or the channel's end.
 */
KUP_USER_CALL int32_t kup_user_call_start(struct kup_user_calls *calls, uint32_t method,
					  const void *data, uint32_t length, void *context,
					  uint64_t *id);

/* Ends a call without its event, and sends a cancel. Never waits. 0 or -ENOENT. */
KUP_USER_CALL int32_t kup_user_call_cancel(struct kup_user_calls *calls, uint64_t id);

/*
 * Waits for the next event. When the channel ends, a reply event with an error comes for each open
 * call, and a cancel event for each request that is not answered or cancelled; then the call
 * returns -EPIPE or -EPROTO.
 */
KUP_USER_CALL int32_t kup_user_calls_next(struct kup_user_calls *calls,
					  struct kup_user_call_event *event, double timeout_ms);

/*
 * Answers a request. Never waits. -EAGAIN (no room now) and -EMSGSIZE (there will never be room)
 * leave the request open. -EPIPE, -EPROTO: the channel has ended, and so has the request.
 */
KUP_USER_CALL int32_t kup_user_reply(struct kup_user_calls *calls, uint64_t id, uint32_t status,
				     const void *data, uint32_t length);

/*
 * Answers a request with a status and no data. It always succeeds: without room, the reply is sent
 * by a later call that reads. -ENOENT.
 */
KUP_USER_CALL int32_t kup_user_reply_status(struct kup_user_calls *calls, uint64_t id,
					    uint32_t status);

/*
 * For event loops, as kup_user_prepare_wait. `room` is nonzero if the program also waits for room,
 * because a start or a reply was -EAGAIN. Returns what poll should wait for, POLLIN or POLLIN |
 * POLLOUT; 0: call kup_user_calls_next (or try again) instead of sleeping.
 */
KUP_USER_CALL int32_t kup_user_calls_prepare_wait(struct kup_user_calls *calls, int room);

/* ---- Callbacks ---- */

/* Each function is optional. Without `request`, requests get KUP_STATUS_NO_HANDLER. */
struct kup_user_call_handlers {
	void *context;
	void (*request)(struct kup_user_calls *calls, const struct kup_user_call_event *event,
			void *context);
	void (*cancel)(struct kup_user_calls *calls, const struct kup_user_call_event *event,
		       void *context);
	void (*reply)(struct kup_user_calls *calls, const struct kup_user_call_event *event,
		      void *context);
};

/* Copies the table. */
KUP_USER_CALL void kup_user_calls_set_handlers(struct kup_user_calls *calls,
					       const struct kup_user_call_handlers *handlers);

/* Calls the handlers until the timeout (-ETIMEDOUT; -EAGAIN for 0) or the channel's end. */
KUP_USER_CALL int32_t kup_user_calls_run(struct kup_user_calls *calls, double timeout_ms);

/* A reply of the kernel. */
struct kup_user_answer {
	void *buffer;	   /* in: where to copy its data */
	uint32_t capacity; /* in: the buffer's size in bytes */
	uint32_t length;   /* out: the true length of the data */
	uint32_t status;   /* out: as in kup_abi.h */
};

/*
 * Sends a request, and calls the handlers until its reply has come. 0: the reply has come, whatever
 * its status is. On every failure the call is over, and a request that was sent is cancelled.
 * -EMSGSIZE: the data is longer than kup_user_calls_max_request; or the reply is longer than the
 * buffer, and then answer->length is its length.
 */
KUP_USER_CALL int32_t kup_user_call(struct kup_user_calls *calls, uint32_t method, const void *data,
				    uint32_t length, struct kup_user_answer *answer,
				    double timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
