/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The kernel client API: what a kernel module includes to talk to processes over KUP. The same on
 * every system.
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
 * Results are 0 or a negative errno. Those of calls on a channel:
 *
 *   -EAGAIN    (calls that don't sleep, or a timeout of 0) no room; nothing to read
 *   -ETIMEDOUT the timeout passed
 *   -EINTR     the calling process has a signal (never in a kernel thread)
 *   -EMSGSIZE  the message is longer than kup_max_payload(); the caller's buffer is too short
 *   -EPIPE     the user is gone and, for receiving, everything it sent has been read
 *   -ESHUTDOWN this side was closed: kup_channel_close, or the device is being destroyed
 *   -EPROTO    the user broke the protocol; the channel is over
 *   -EBUSY     another thread looks for a message of the same channel at this moment
 *   -EINVAL    an argument makes no sense
 *
 * Contexts: kup_try_send, kup_try_reserve, kup_commit and kup_discard may be called anywhere,
 * interrupt handlers included (not NMI; with PREEMPT_RT only threaded ones; on FreeBSD those of
 * interrupt threads, callouts and task queues, but no filters, and no spin mutex held);
 * kup_try_receive, kup_try_peek and kup_release anywhere, by one at a time; kup_send, kup_reserve,
 * kup_receive and kup_peek with a timeout of 0 as their try forms; all others in a thread that may
 * sleep, with no spinlock held.
 *
 * Threads: any number may send on a channel at once, and wait for it; one at a time may receive on
 * it, or look for a message.
 */
#ifndef KUP_H
#define KUP_H

#include "kup_record.h"
#include "kup_system.h" /* the system's: errno, NULL, memcpy and its like, KUP_MODULE, KUP_PARAM */

struct kup_device;
struct kup_channel;

typedef __INT64_TYPE__ kup_time; /* microseconds */
#define KUP_FOREVER ((kup_time)-1)

/* ---- Devices ---- */

struct kup_config {
	const char *name;      /* /dev/NAME; letters, digits, ".", "_", "-"; "/" for folders */
	kup_u32 channels;      /* 1 to KUP_MAX_CHANNELS; 0 means 1 */
	kup_u32 to_user_pages; /* ring sizes in pages, powers of two; 0 means 16 */
	kup_u32 to_kernel_pages;
	kup_u32 mode;	     /* KUP_MODE_STREAM, or KUP_MODE_TURN (layers/turn.h); 0 means stream */
	kup_u32 permissions; /* of the node; 0 means 0600 */
	kup_u32 group;	     /* its group; 0 is root's */
	kup_u32 spin_us;     /* look this long before sleeping, at most; see KUP_NO_SPIN */
};

#define KUP_NO_SPIN 0xffffffffu /* spin_us: sleep at once. 0 means KUP_SPIN_DEFAULT. */
#define KUP_SPIN_DEFAULT 100	/* microseconds; less while waits are longer than that */
#define KUP_SPIN_MAX 10000

/*
 * What a client does for each attached channel, all optional. A channel is valid from attach until
 * detach has returned (or as long as the client holds a reference), and never two at once with the
 * same number.
 */
struct kup_ops {
	/*
	 * A process wants this channel: return 0, or a negative errno which its ATTACH then
	 * returns. In the attaching process, may sleep.
	 */
	int (*attach)(struct kup_channel *channel);

	/*
	 * Runs in a kernel thread of its own while the channel is attached. After it returns (the
	 * value is of no consequence) the user reads what is left and sees a clean close.
	 */
	int (*serve)(struct kup_channel *channel);

	/*
	 * Both are done: the user with the channel, and serve. Stop using the channel, or keep a
	 * reference to read what is left of a user that is gone. May sleep.
	 */
	void (*detach)(struct kup_channel *channel);
};

/*
 * Creates the device and its node; processes may attach from here on, before this returns too.
 * config and its name are copied; ops must stay until kup_device_destroy has returned. context is
 * the client's own. -EINVAL (a config that makes no sense), -EEXIST (the name is taken, or a part
 * of a path is a device), -ENOMEM. Of the first two a line of the kernel's log says which field
 * it is about and what is wrong with its value; on the host driver, the error of what has loaded
 * the client says it.
 */
int kup_device_create(const struct kup_config *config, const struct kup_ops *ops, void *context,
		      struct kup_device **device);

/*
 * Removes the node, closes every channel (users read what is left, then see a clean close), ends
 * every blocking call, waits for every serve and detach to return. Afterwards no client code is
 * called any more and the device pointer is dead, however many processes still have it open. Not
 * from serve itself.
 */
void kup_device_destroy(struct kup_device *device);

void *kup_device_context(const struct kup_device *device);

/* ---- Channels ---- */

kup_u32 kup_channel_number(const struct kup_channel *channel);
struct kup_device *kup_channel_device(const struct kup_channel *channel);

/* The client's own pointer, for one attachment. */
void kup_channel_set_context(struct kup_channel *channel, void *context);
void *kup_channel_context(const struct kup_channel *channel);

/* The longest message towards the user, in bytes. */
kup_u32 kup_max_payload(const struct kup_channel *channel);

/* 0, or why calls on this channel can't succeed any more: -EPIPE, -ESHUTDOWN, -EPROTO. Any context.
 */
int kup_ended(const struct kup_channel *channel);

/*
 * Sleeps for this time and returns 0; or until the channel ends, and then returns what kup_ended
 * returns. A client that sleeps in any other way keeps its channel, and the unloading of its
 * module, for as long as it sleeps, though its user or its device is gone.
 */
int kup_pause(struct kup_channel *channel, kup_time time);

/* Ends this side: the user reads what is left and sees a clean close; calls here return -ESHUTDOWN.
 */
void kup_channel_close(struct kup_channel *channel);

/*
 * Keeps the channel's memory beyond detach, where calls return -EPIPE or -ESHUTDOWN: but first, for
 * receiving, what the user had sent before it left. put: may sleep.
 */
void kup_channel_get(struct kup_channel *channel);
void kup_channel_put(struct kup_channel *channel);

/* ---- Sending ---- */

/* Copies one message into the ring; waits for room. Records from one thread arrive in its order. */
int kup_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length,
	     kup_time timeout);

/*
 * Any context, never sleeps. When it fails the message is lost, and counted: by reason in the
 * statistics, and in a GAP record that goes ahead of the next record that fits. (Who wants to try
 * again rather than lose calls kup_send with a timeout of 0.)
 */
int kup_try_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length);

/* Room for a message, to be written in place. From reserve to commit the user stops at it. */
struct kup_reservation {
	void *data; /* `length` contiguous bytes, not zeroed */
	kup_u32 length;
	kup_u32 position;
};

int kup_reserve(struct kup_channel *channel, kup_u32 length, kup_time timeout,
		struct kup_reservation *reservation);
int kup_try_reserve(struct kup_channel *channel, kup_u32 length,
		    struct kup_reservation *reservation); /* counts losses like kup_try_send */

/* Publishes the first `length` bytes (at most the reserved ones; what is over is cut). Exactly
 * once. */
void kup_commit(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 type,
		kup_u32 length);

/* Instead of kup_commit: gives the room back, the user sees nothing. */
void kup_discard(struct kup_channel *channel, struct kup_reservation *reservation);

/* ---- Receiving ---- */

/*
 * Copies the next message: up to `capacity` bytes into `buffer`, its length and type into *record
 * (data points to buffer). -EMSGSIZE leaves the message in the ring, with its true length in
 * record->length.
 */
int kup_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		struct kup_record *record, kup_time timeout);
int kup_try_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record);

/*
 * The next message in place, until kup_release. The user can change record->data's bytes at any
 * moment: read each once, and copy before you decide by it. length and type can't change any
 * more. What isn't released keeps all that comes behind it in the ring.
 */
int kup_peek(struct kup_channel *channel, struct kup_record *record, kup_time timeout);
int kup_try_peek(struct kup_channel *channel, struct kup_record *record);
void kup_release(struct kup_channel *channel, const struct kup_record *record);

/* ---- For layers: modes of use that are built on streams, such as layers/turn.h ---- */

#define KUP_WAIT_IN 1u	/* a record can be read */
#define KUP_WAIT_OUT 2u /* a record of `length` bytes has room */

/* When a timeout that begins now is over; for kup_wait. Any context. */
kup_u64 kup_until(kup_time timeout);

/*
 * Looks for a while, then sleeps, until one of `what` may hold, the channel has ended, or
 * kup_wake is called: 0 in all these cases, so the caller looks again. It consumes nothing and
 * holds nothing, and any number of threads may wait. `wakes` is what kup_wakes returned before
 * the caller looked: so no kup_wake is lost that comes between the look and the sleep. -EAGAIN:
 * the timeout was 0; -ETIMEDOUT; -EINTR.
 */
int kup_wait(struct kup_channel *channel, kup_u32 what, kup_u32 length, kup_u32 wakes,
	     kup_u64 until);

/* Nonzero: kup_wait with this would return at once: one of `what` may hold, or the channel has ended.
 * Any context. */
int kup_ready(struct kup_channel *channel, kup_u32 what, kup_u32 length);

/* How many calls of kup_wake there were (modulo 2^32). Any context. */
kup_u32 kup_wakes(const struct kup_channel *channel);

/* Makes all threads in kup_wait look again. Any context. */
void kup_wake(struct kup_channel *channel);

/*
 * Instead of kup_commit: publishes a control record of this kind, with the first `length` bytes.
 * The channel's mode must allow the kind (KUP_CONTROLS_TO_USER). It is not counted as a record.
 */
void kup_commit_control(struct kup_channel *channel, struct kup_reservation *reservation,
			kup_u32 kind, kup_u32 length);

/*
 * The user broke the rules of a layer: as with the rules of the rings, the channel is over for both
 * sides, and calls return -EPROTO. `error` is the KUP_ERROR_* that the user sees. Any context.
 */
void kup_channel_break(struct kup_channel *channel, kup_u32 error);

/* ---- Threads of a client's own ---- */

struct kup_thread;

/* Starts a thread that runs main(argument). -ENOMEM. May sleep. */
int kup_thread_start(void (*main)(void *argument), void *argument, const char *name,
		     struct kup_thread **thread);

/* Waits until main has returned; once for each thread, before the client is unloaded. NULL does
 * nothing. */
void kup_thread_join(struct kup_thread *thread);

/* ---- What a client needs of the system, beside kup_system.h ---- */

/* Bytes of a page. Any context. */
kup_u32 kup_page_size(void);

/*
 * One line of the kernel's log, for the person who loads the module: a sentence without its full
 * stop, as printf formats it (%s, %u, %d, %lu and %o, which all systems have). "kup: " comes before
 * it. May sleep.
 */
void kup_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A lock that a thread may sleep with, and sleeps to get; its holder can wait until another holder
 * has changed something. All of it in a thread that may sleep.
 */
struct kup_monitor;

/* -ENOMEM. The monitor is the caller's to destroy, when no thread uses it. NULL does nothing. */
int kup_monitor_create(struct kup_monitor **monitor);
void kup_monitor_destroy(struct kup_monitor *monitor);

void kup_monitor_lock(struct kup_monitor *monitor);
void kup_monitor_unlock(struct kup_monitor *monitor);

/*
 * For the holder: gives the lock away, sleeps until kup_monitor_wake is called, and takes the lock
 * again: look again, the change may be another one. 0; -ETIMEDOUT; or -EINTR, the calling process
 * has a signal (which does not end the second one).
 */
int kup_monitor_wait(struct kup_monitor *monitor, kup_time timeout);
void kup_monitor_wait_always(struct kup_monitor *monitor);

/* For the holder: all threads that wait look again, one after the other. */
void kup_monitor_wake(struct kup_monitor *monitor);

/*
 * The calling thread's number, whatever has started it: not 0, and not that of an earlier thread.
 * (FreeBSD may give a number again when a thousand threads have ended meanwhile.)
 */
kup_u64 kup_thread_self(void);

/*
 * Nonzero: the thread with this number has ended. Soon after its end it may still be 0. May take as
 * long as a look at each thread of the system, in a thread that may sleep.
 */
int kup_thread_ended(kup_u64 thread);

/* ---- For tests of non-sleeping producers ---- */

#define KUP_CONTEXT_INTERRUPT 1 /* an interrupt handler: of hardware, or (FreeBSD) of a thread */
#define KUP_CONTEXT_DEFERRED 2	/* what runs after interrupts: a softirq, a callout */

/* Runs work(argument) once in that context, and waits until it has returned. May sleep. */
int kup_run_in_context(kup_u32 context, void (*work)(void *argument), void *argument);

#endif
