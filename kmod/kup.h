/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The kernel client API: a kernel module includes this file to talk to processes over KUP. It is
 * the same on every system.
 *
 *   static int serve(struct kup_channel *channel)
 *   {
 *           struct kup_record record;
 *           char buffer[256];
 *           int error;
 *
 *           while (!(error = kup_receive(channel, buffer, sizeof(buffer), &record, KUP_FOREVER)))
 *                   kup_send(channel, record.type, buffer, record.length, KUP_FOREVER);
 *           return error;
 *   }
 *   static const struct kup_ops ops = { .serve = serve };
 *   static const struct kup_config config = { .name = "kup/mine", .channels = 4 };
 *   ...
 *   error = kup_device_create(&config, &ops, NULL, &device);	(when the module is loaded)
 *   kup_device_destroy(device);				(when it is unloaded)
 *
 * Each call returns 0 or a negative errno. Calls on a channel return:
 *
 *   -EAGAIN    no room, or nothing to read (calls that don't sleep, or a timeout of 0)
 *   -ETIMEDOUT the timeout passed
 *   -EINTR     the calling process has a signal (never in a kernel thread)
 *   -EMSGSIZE  the message is longer than kup_max_payload(), or than the caller's buffer
 *   -EPIPE     the user is gone and, for receiving, everything it sent has been read
 *   -ESHUTDOWN this side was closed by kup_channel_close, or the device is being destroyed; for
 *              sending also: this side has ended its direction by kup_end
 *   -ENODATA   (receiving, once) the user has ended its direction, and everything it sent has been
 *              read; this side may still send. Later calls wait until the user is gone
 *   -EPROTO    the user broke the protocol; the channel is over
 *   -EBUSY     another thread is looking for a message of the same channel at this moment
 *   -EINVAL    an argument makes no sense
 *
 * Contexts. This table has every call of kup.h, of kup_client.h and of the layers.
 *
 *   ANY CONTEXT
 *     to send    kup_try_send, kup_try_send_batch, kup_broadcast, kup_try_reserve, kup_commit,
 *                kup_discard, kup_commit_control, kup_reply, kup_reply_status
 *     to ask     kup_device_context, kup_channel_number, kup_channel_mode, kup_channel_device,
 *                kup_channel_context, kup_channel_set_context, kup_max_payload, kup_max_received,
 *                kup_ended, kup_ready, kup_until, kup_wakes, kup_turn_is_mine, kup_calls_context,
 *                kup_calls_max_request, kup_calls_ignored
 *     channels   kup_channel_get, kup_walk, kup_walk_end, kup_wake, kup_channel_break,
 *                kup_calls_get, kup_calls_put
 *     system     kup_page_size, kup_now_ns, kup_timer_start, kup_timer_stop, kup_spinlock_lock,
 *                kup_spinlock_unlock, kup_thread_self
 *   ANY CONTEXT, one thread at a time for each channel
 *     to receive kup_try_receive, kup_try_peek, kup_release
 *   ANY CONTEXT WITH A TIMEOUT OF 0, otherwise a thread that may sleep
 *     channels   kup_send, kup_send_batch, kup_reserve, kup_end, kup_receive, kup_peek, kup_wait
 *     turns      kup_turn_peek, kup_turn_receive, kup_turn_send, kup_turn_pass, kup_turn_reserve,
 *                kup_turn_commit, kup_turn_discard
 *   A THREAD THAT MAY SLEEP and holds no spinlock
 *     devices    kup_device_create, kup_device_destroy
 *     channels   kup_pause, kup_channel_close, kup_channel_put, kup_turn_begin
 *     calls      kup_calls_begin, kup_calls_serve, kup_calls_end, kup_call, kup_reply_wait
 *     memory     kup_alloc, kup_free
 *     time       kup_sleep_ms, kup_breathe, kup_timer_create, kup_timer_destroy
 *     locks      kup_spinlock_create, kup_spinlock_destroy, kup_monitor_create,
 *                kup_monitor_destroy, kup_monitor_lock, kup_monitor_unlock, kup_monitor_wait,
 *                kup_monitor_wait_always, kup_monitor_wake
 *     threads    kup_thread_start, kup_thread_join, kup_thread_ended, kup_log
 *
 * "Any context" includes a timer's callback, the holder of a kup_spinlock, and interrupt handlers.
 * It excludes NMI handlers; with PREEMPT_RT, handlers that are not threaded, and code that holds a
 * raw spinlock or has disabled preemption or interrupts; and on FreeBSD, filters, and code that
 * holds a spin mutex (interrupt threads, callouts and task queues are fine).
 * attach, serve, detach, and a client's load, unload and threads may sleep.
 *
 * The host driver reports calls that break these rules, and other mistakes, with a sentence that
 * names the call's place; docs/mistakes.md has all of them. In a kernel, nothing
 * looks for them.
 *
 * Threads. Any number of threads may send on one channel at once, and any number may wait for it.
 * One thread at a time may receive on it, or look for a message.
 */
#ifndef KUP_H
#define KUP_H

#include "kup_client.h" /* what a client needs besides channels: memory, time, locks, threads */
#include "kup_record.h"

struct kup_device;
struct kup_channel;

/* ---- Devices ---- */

struct kup_config {
	const char *name;      /* /dev/NAME; letters, digits, ".", "_", "-"; "/" for folders */
	kup_u32 channels;      /* 1 to KUP_MAX_CHANNELS; 0 means 1 */
	kup_u32 to_user_pages; /* ring sizes in pages, powers of two; 0 means 16 */
	kup_u32 to_kernel_pages;
	/* the largest rings that ATTACH may ask for, as above; 0 means the sizes above */
	kup_u32 max_to_user_pages;
	kup_u32 max_to_kernel_pages;
	kup_u32 mode; /* KUP_MODE_STREAM (or 0), _TURN (layers/turn.h) or _CALL (layers/call.h) */
	kup_u32 permissions; /* of the node; 0 means 0600 */
	kup_u32 group;	     /* its group; 0 is root's */
	kup_u32 spin_us;     /* how long a side spins before it sleeps, at most; see KUP_NO_SPIN */
	/* 1: each message to the user has a time, processor and number; stream mode; 0: none has */
	kup_u32 stamps;
};

#define KUP_NO_SPIN 0xffffffffu /* spin_us: sleep at once; 0 means KUP_SPIN_DEFAULT */
/* microseconds; a side spins less while its waits take longer than that */
#define KUP_SPIN_DEFAULT 100
#define KUP_SPIN_MAX 10000

/*
 * What a client does for each attached channel; each function is optional. A channel is valid from
 * attach until detach has returned, or as long as the client holds a reference. Two channels with
 * the same number are never valid at the same time.
 */
struct kup_ops {
	/*
	 * A process asks for this channel. Return 0 to accept it, or a negative errno, which the
	 * process's ATTACH then returns. Runs in the attaching process; may sleep.
	 */
	int (*attach)(struct kup_channel *channel);

	/*
	 * Runs in a kernel thread of its own while the channel is attached. After it returns, the
	 * user reads what is left and sees a clean close. The value that it returns is ignored.
	 */
	int (*serve)(struct kup_channel *channel);

	/*
	 * Called when the user is done with the channel and serve has returned. Stop using the
	 * channel here. To read what a user that is gone has left, keep a reference instead. May
	 * sleep.
	 */
	void (*detach)(struct kup_channel *channel);
};

/*
 * Creates the device and its node. Processes may attach as soon as the node exists, which is before
 * this call returns. config and its name are copied; ops must stay valid until kup_device_destroy
 * has returned. context belongs to the client.
 *
 * -EINVAL: the config makes no sense. -EEXIST: the name is taken, or a part of its path is a
 * device. -ENOSPC: on Linux, there are 256 devices already. -ENOMEM. Except for the last, a line of
 * the kernel's log names the field or the cause. On the host driver, the same line becomes the
 * error of the call that loads the client.
 */
int kup_device_create(const struct kup_config *config, const struct kup_ops *ops, void *context,
		      struct kup_device **device);

/*
 * Removes the node, closes every channel, ends every blocking call, and waits until every serve and
 * detach has returned. Users read what is left, then see a clean close. Afterwards no client code
 * is called any more and the device pointer is invalid, even if processes still have the device
 * open. Must not be called from serve.
 */
void kup_device_destroy(struct kup_device *device);

void *kup_device_context(const struct kup_device *device);

/* ---- Channels ---- */

kup_u32 kup_channel_number(const struct kup_channel *channel);
kup_u32 kup_channel_mode(const struct kup_channel *channel); /* KUP_MODE_* */
struct kup_device *kup_channel_device(const struct kup_channel *channel);

/* The client's own pointer, for one attachment. */
void kup_channel_set_context(struct kup_channel *channel, void *context);
void *kup_channel_context(const struct kup_channel *channel);

/* The longest message towards the user, in bytes. */
kup_u32 kup_max_payload(const struct kup_channel *channel);

/*
 * The longest message that a well-behaved user sends, in bytes. Both are this channel's own: a
 * process may ask for rings that are smaller than the device's.
 */
kup_u32 kup_max_received(const struct kup_channel *channel);

/*
 * 0 if calls on this channel can still succeed; otherwise the reason why they can't: -EPIPE,
 * -ESHUTDOWN or -EPROTO. Any context.
 */
int kup_ended(const struct kup_channel *channel);

/*
 * Sleeps for this time and returns 0. If the channel ends first, returns what kup_ended returns. A
 * client that sleeps in another way keeps its channel, and delays the unloading of its module,
 * until its sleep ends, even if the user or the device is gone.
 */
int kup_pause(struct kup_channel *channel, kup_time time);

/*
 * Ends this side: the user reads what is left and sees a clean close. Later calls on the channel
 * return -ESHUTDOWN. If reservations are open, the user sees the close when they are finished, or
 * when detach has returned.
 */
void kup_channel_close(struct kup_channel *channel);

/*
 * Keep the channel's memory after detach. Receiving calls first return what the user sent before it
 * left; then all calls return -EPIPE or -ESHUTDOWN. put may sleep.
 */
void kup_channel_get(struct kup_channel *channel);
void kup_channel_put(struct kup_channel *channel);

/*
 * Walks over the channels that are attached now, in any order:
 *
 *   for (channel = kup_walk(device, NULL); channel; channel = kup_walk(device, channel))
 *           ...;
 *
 * Each step returns a channel that stays valid until the next step: its detach is not called before
 * that. So finish a reservation before the next step, or take a reference. The end of a channel
 * waits for the walk, so do not sleep for its user. NULL: there is no other channel. Channels that
 * are attached during the walk may be left out. Any context. The walk must end before
 * kup_device_destroy is called, as for kup_broadcast; and before serve or detach of a channel
 * returns, in the thread that runs it.
 */
struct kup_channel *kup_walk(struct kup_device *device, struct kup_channel *previous);

/* Ends a walk early, at the channel that its last step returned. NULL does nothing. Any context. */
void kup_walk_end(struct kup_device *device, struct kup_channel *previous);

/* ---- Sending ---- */

/*
 * Copies one message into the ring; waits for room. Records that one thread sends arrive in order.
 */
int kup_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length,
	     kup_time timeout);

/*
 * Never sleeps. Any context. If it fails, the message is lost. The loss is counted by its reason in
 * the statistics, and in a GAP record that precedes the next record that fits. To try again instead
 * of losing the message, call kup_send with a timeout of 0.
 */
int kup_try_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length);

/* A message that is sent with others. */
struct kup_message {
	const void *data;
	kup_u32 length; /* bytes */
	kup_u32 type;
};

/*
 * Sends several messages in order; waits for room. It costs less than a kup_send of each: it takes
 * the channel's lock, executes a full fence and looks for a sleeping user once for up to 64
 * messages of up to 1 KiB. Other threads' records may come in between.
 *
 * Returns how many messages it has sent, from the first one on. That is less than `count` if the
 * timeout passed, the channel ended or a message is too long. The messages that were not sent are
 * not lost: the caller may send them again. If the first one was not sent, the result is the
 * negative errno that kup_send returns for it. 0: `count` is 0. `timeout` limits the whole call; 0
 * doesn't wait.
 */
int kup_send_batch(struct kup_channel *channel, const struct kup_message *messages, kup_u32 count,
		   kup_time timeout);

/*
 * As kup_try_send of each message in turn: those that fail are lost, and counted. Returns how many
 * were sent; or if none was, the negative errno of the last one. To know which ones were sent, call
 * kup_send_batch with a timeout of 0.
 */
int kup_try_send_batch(struct kup_channel *channel, const struct kup_message *messages,
		       kup_u32 count);

/*
 * Sends a message to each attached channel of the device, as kup_try_send does. Never sleeps. Any
 * context. A channel that has no room for it, or is too small, loses it: its user gets a GAP
 * record. The others get everything. A channel that is being attached or detached meanwhile may be
 * left out. Returns the number of channels that got the message. -EINVAL: the device is not in
 * stream mode.
 *
 * The call must return before kup_device_destroy is called. In serve and attach it is allowed: the
 * destruction waits for them.
 */
int kup_broadcast(struct kup_device *device, kup_u32 type, const void *data, kup_u32 length);

/*
 * Room for a message, to be written in place. The user stops at it until the commit or the discard.
 */
struct kup_reservation {
	void *data; /* `length` contiguous bytes, not zeroed */
	kup_u32 length;
	kup_u32 position;
};

int kup_reserve(struct kup_channel *channel, kup_u32 length, kup_time timeout,
		struct kup_reservation *reservation);
int kup_try_reserve(struct kup_channel *channel, kup_u32 length,
		    struct kup_reservation *reservation); /* counts losses as kup_try_send does */

/*
 * Publishes the first `length` bytes, but at most the reserved ones. Call it once for each
 * reservation, unless kup_discard is called, also if the channel has ended, and before detach
 * returns. A second call makes the counters wrong.
 */
void kup_commit(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 type,
		kup_u32 length);

/* Instead of kup_commit: gives the room back; the user sees nothing. */
void kup_discard(struct kup_channel *channel, struct kup_reservation *reservation);

/*
 * Ends this side's direction of a stream: after all that was sent, and reservations that are open,
 * the user sees the end. Receiving goes on. Waits for room for one record; with a timeout of 0, any
 * context. Later sends, and a second kup_end, return -ESHUTDOWN. -EINVAL: the device is not in
 * stream mode. -EOPNOTSUPP: the process is too old to understand it; close the channel instead.
 */
int kup_end(struct kup_channel *channel, kup_time timeout);

/* ---- Receiving ---- */

/*
 * Copies the next message into `buffer`, up to `capacity` bytes, and stores its length and type in
 * *record; record->data points to `buffer`. -EMSGSIZE: the message is longer than `capacity`; it
 * stays in the ring, and record->length is its true length.
 */
int kup_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		struct kup_record *record, kup_time timeout);
int kup_try_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record);

/*
 * Returns the next message in place; it is valid until kup_release. The user can change the bytes
 * at record->data at any moment: read each byte once, and copy what a decision depends on. length
 * and type can't change any more. A message that is not released keeps all later ones in the ring.
 * Call kup_release once for each message, before the next peek. kup_receive and kup_try_receive
 * release the message too.
 */
int kup_peek(struct kup_channel *channel, struct kup_record *record, kup_time timeout);
int kup_try_peek(struct kup_channel *channel, struct kup_record *record);
void kup_release(struct kup_channel *channel, const struct kup_record *record);

/* ---- For layers: modes of use that are built on streams, such as layers/turn.h ---- */

#define KUP_WAIT_IN 1u	/* a record can be read */
#define KUP_WAIT_OUT 2u /* a record of `length` bytes has room */

/* The deadline of a timeout that begins now, for kup_wait. Any context. */
kup_u64 kup_until(kup_time timeout);

/*
 * Spins for a while, then sleeps, until one of `what` may hold, the channel has ended, or kup_wake
 * is called. It returns 0 in all these cases, so the caller looks again. It consumes nothing and
 * holds nothing; any number of threads may wait.
 *
 * `wakes` is what kup_wakes returned before the caller looked. With it, a kup_wake that comes
 * between the look and the sleep is not lost. -EAGAIN: the timeout was 0. -ETIMEDOUT. -EINTR.
 */
int kup_wait(struct kup_channel *channel, kup_u32 what, kup_u32 length, kup_u32 wakes,
	     kup_u64 until);

/*
 * Nonzero if kup_wait with these arguments would return at once: one of `what` may hold, or the
 * channel has ended. Any context.
 */
int kup_ready(struct kup_channel *channel, kup_u32 what, kup_u32 length);

/* The number of kup_wake calls so far, modulo 2^32. Any context. */
kup_u32 kup_wakes(const struct kup_channel *channel);

/* Makes all threads in kup_wait look again. Any context. */
void kup_wake(struct kup_channel *channel);

/*
 * Instead of kup_commit: publishes a control record of this kind, with the first `length` bytes.
 * The channel's mode must allow the kind (KUP_CONTROLS_TO_USER). The statistics don't count it.
 */
void kup_commit_control(struct kup_channel *channel, struct kup_reservation *reservation,
			kup_u32 kind, kup_u32 length);

/*
 * Ends the channel because the user broke the rules of a layer, as the engine does for the rules of
 * the rings: the channel is over for both sides, and calls return -EPROTO. The user sees `error`, a
 * KUP_ERROR_* value. Any context.
 */
void kup_channel_break(struct kup_channel *channel, kup_u32 error);

#endif
