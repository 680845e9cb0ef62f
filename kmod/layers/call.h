/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Calls: requests and replies, in both directions at once. This is a layer on the streams of kup.h,
 * for devices whose mode is KUP_MODE_CALL. The user's side is native/kup_user_call.h, and in
 * TypeScript channel.call and channel.handle. docs/calls.md explains how the parts work together.
 *
 *   static void call(struct kup_request request, kup_u32 method, const void *data, kup_u32 length)
 *   {
 *           if (kup_reply(request, 0, data, length))
 *                   kup_reply_status(request, KUP_STATUS_NO_ROOM);
 *   }
 *   static const struct kup_call_ops call_ops = { .call = call };
 *
 *   static int attach(struct kup_channel *channel)
 *   {
 *           struct kup_calls *calls;
 *           int error = kup_calls_begin(channel, &call_ops, NULL, &calls);
 *
 *           if (!error)
 *                   kup_channel_set_context(channel, calls);
 *           return error;
 *   }
 *   static int serve(struct kup_channel *channel)
 *   {
 *           return kup_calls_serve(kup_channel_context(channel));
 *   }
 *   static void detach(struct kup_channel *channel)
 *   {
 *           kup_calls_end(kup_channel_context(channel));
 *   }
 *   static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };
 *
 * What a call returns, besides the errors of kup.h:
 *
 *   -EDEADLK  kup_call, kup_reply_wait: the caller is in ops.call or ops.cancel of this channel;
 *             its own thread would have to read the reply
 *   -ENOENT   kup_reply, kup_reply_wait: this request was answered before
 *
 * Contexts. kup_reply, kup_reply_status, kup_calls_get and kup_calls_put: any context that allows
 * kup_try_send. kup_call and kup_reply_wait: a thread that may sleep; any number of them at once.
 */
#ifndef KUP_CALL_H
#define KUP_CALL_H

#include "../kup.h"

struct kup_calls;

/*
 * A request of the user. The client may copy it and keep it, also after the channel's end, until it
 * is answered.
 */
struct kup_request {
	struct kup_calls *calls;
	kup_u64 id;
	kup_u32 round; /* distinguishes it from later requests; only for the layer */
};

/*
 * What a client does with the user's requests. Both functions run in the thread of
 * kup_calls_serve, one at a time. While one of them runs, no reply is read, so they must not wait
 * for another call's reply, nor for a lock whose holder does. They may sleep.
 */
struct kup_call_ops {
	/*
	 * A request has come. Answer it by kup_reply or kup_reply_status, here or later. The data
	 * is valid until the return. The user can change it during that time: read each byte once,
	 * and copy what a decision depends on. NULL: requests are answered with
	 * KUP_STATUS_NO_HANDLER.
	 */
	void (*call)(struct kup_request request, kup_u32 method, const void *data, kup_u32 length);

	/*
	 * The user does not wait for this request any more, or the channel has ended. It is called
	 * once for a request at most. The request must still be answered. Another thread of the
	 * client may be answering it at this moment. At the channel's end it runs in
	 * kup_calls_end. Optional.
	 */
	void (*cancel)(struct kup_request request);
};

/*
 * Begins the calls of a channel; for attach. `ops` must stay valid until kup_calls_end has
 * returned. -EINVAL: the device's mode is not KUP_MODE_CALL. -ENOMEM. May sleep.
 */
int kup_calls_begin(struct kup_channel *channel, const struct kup_call_ops *ops, void *context,
		    struct kup_calls **calls);

/*
 * Reads the user's requests, replies and cancels until the channel ends; for serve. Without it, no
 * call is ever answered. Returns why the channel has ended: -EPIPE, -ESHUTDOWN or -EPROTO.
 */
int kup_calls_serve(struct kup_calls *calls);

/*
 * Ends the calls; for detach, after kup_calls_serve has returned. Waits until all threads have left
 * kup_call and kup_reply_wait, and calls ops.cancel for all requests that are not answered. When it
 * returns, the layer calls no client code any more. Puts the client's reference: `calls` is freed
 * when all requests are answered. NULL does nothing. May sleep.
 */
void kup_calls_end(struct kup_calls *calls);

/*
 * A reference keeps the struct, not the channel: after kup_calls_end, calls and replies return
 * -EPIPE. A thread that calls kup_call while the channel may end needs a reference.
 */
void kup_calls_get(struct kup_calls *calls);
void kup_calls_put(struct kup_calls *calls);

/* The client's own pointer. Any context. */
void *kup_calls_context(const struct kup_calls *calls);

/* The longest data of a request to the user, in bytes. Not after kup_calls_end. */
kup_u32 kup_calls_max_request(const struct kup_calls *calls);

/*
 * The number of the user's replies and cancels that belong to no call, modulo 2^32. A few are
 * normal: a cancel may cross a reply. Any context.
 */
kup_u32 kup_calls_ignored(const struct kup_calls *calls);

/* A reply of the user. */
struct kup_answer {
	void *buffer;	  /* in: where to copy its data */
	kup_u32 capacity; /* in: the buffer's size in bytes */
	kup_u32 length;	  /* out: the true length of the data */
	kup_u32 status;	  /* out: as in kup_abi.h */
};

/*
 * Sends a request and waits for the reply. 0: the reply has come, whatever its status is. On every
 * failure the call is over: a reply that comes later is ignored. A request that was sent is
 * cancelled.
 *
 *   -ETIMEDOUT  no reply came, or KUP_CALLS calls are open, or there is no room
 *   -EMSGSIZE   the data is longer than kup_calls_max_request; or the reply is longer than the
 *               buffer, and then answer->length is its length
 *   -EINVAL     the method is KUP_TYPE_RESERVED or above
 *   -EAGAIN     the timeout is 0, and a reply takes longer
 *   -EPIPE      the user has left without a reply. It may have acted on the request
 *
 * The data is copied before the wait for the reply begins.
 */
int kup_call(struct kup_calls *calls, kup_u32 method, const void *data, kup_u32 length,
	     struct kup_answer *answer, kup_time timeout);

/*
 * Answers a request. Never sleeps. 0: the request is answered. -EAGAIN (no room now) and -EMSGSIZE
 * (there will never be room) leave the request open. -EPIPE, -ESHUTDOWN and -EPROTO: the channel
 * has ended; the request is over, and must not be used again.
 */
int kup_reply(struct kup_request request, kup_u32 status, const void *data, kup_u32 length);

/*
 * The same, but waits for room. -ETIMEDOUT and -EINTR leave the request open, too.
 */
int kup_reply_wait(struct kup_request request, kup_u32 status, const void *data, kup_u32 length,
		   kup_time timeout);

/*
 * Answers a request with a status and no data. It always succeeds: if there is no room, the thread
 * of kup_calls_serve sends the reply later. Never sleeps. The request must not be used again.
 */
void kup_reply_status(struct kup_request request, kup_u32 status);

#endif
