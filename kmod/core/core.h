/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The engine's own structures, and what it offers to a system's device node.
 *
 *   kup_device   one /dev/NAME; lives until it is destroyed and its last handle is closed
 *   kup_slot     one channel number of a device: its channel now, and counters of all its channels
 *   kup_channel  one attachment: memory, the private sides of both rings, private state
 *   kup_handle   one open file; owns a channel after ATTACH
 *
 * References. An open file holds its handle until it is closed, and through it the device and the
 * channel. A channel holds its device, its memory and the bare handle. The kernel's side holds the
 * channel from ATTACH until `finish` (see channel.c).
 */
#ifndef KUP_CORE_H
#define KUP_CORE_H

#include "kup.h"
#include "os.h"
#include "ring.h"
#include "spin.h"

/* Bits of kup_channel.state. They are set, and never cleared. */
#define CHANNEL_USER_GONE 1u /* the handle was closed: no records come after those in the ring */
#define CHANNEL_CLOSED 2u    /* by the kernel's side */
#define CHANNEL_BROKEN 4u    /* the user broke the protocol */
#define CHANNEL_ENDED 8u     /* CHANNEL_CLOSED, and the user sees it */

/* Bits of kup_channel.poll_armed: a process in poll waits for this, and has announced nothing. */
#define POLL_DATA 1u
#define POLL_ROOM 2u

/* What kup_handle_poll reports; each system's node.c translates these. */
#define KUP_POLL_IN 1u
#define KUP_POLL_OUT 2u
#define KUP_POLL_HANGUP 4u
#define KUP_POLL_ERROR 8u

/* How long one kind of wait spins before it sleeps: from 0 to the channel's spin_us. */
struct kup_spin {
	kup_u32 now_us;
	kup_u32 look_ns; /* what a look took last time; 0: not known */
	struct kup_pace pace;
};

/* The counters of one attachment. Each has one writer at a time; any thread may read. */
struct kup_counters {
	kup_u64 to_user_records, to_user_payload;      /* under send_lock */
	kup_u64 dropped_no_space, dropped_too_long;    /* under send_lock */
	kup_u64 to_kernel_records, to_kernel_payload;  /* written by the receiver */
	kup_u64 wakeups, sleeps, kicks, ioctls, polls; /* atomic */
};

/* Not a position, since those are multiples of KUP_RECORD_ALIGN. */
#define NO_POSITION 1u

struct kup_channel {
	kup_u32 refs;
	kup_u32 number;
	kup_u32 generation;
	kup_u32 state; /* CHANNEL_*; atomic */
	kup_u32 error; /* KUP_ERROR_*; written once, before CHANNEL_BROKEN */
	kup_u32 spin_us;
	kup_u64 understood; /* KUP_FEATURE_* of the process */
	struct kup_device *device;
	void *context;
	struct os_memory *memory;
	struct kup_account *account;  /* of the user that attached the channel */
	struct os_process process;    /* that attached it */
	struct kup_kernel_page *page; /* output only */
	kup_u32 *user_producer_event; /* in the user page */
	kup_u32 *user_consumer_event;

	struct os_waitq waitq;	   /* the threads of the kernel's side sleep here */
	kup_u32 wakes;		   /* how often kup_wake was called; atomic */
	struct kup_handle *handle; /* the user's side sleeps at its pollq; a reference */
	kup_u32 poll_armed;	   /* POLL_*; atomic */
	/* the user's events that poll has found behind; atomic, see is_old */
	kup_u32 old_consumer_event;
	kup_u32 old_producer_event;

	struct os_spin send_lock;
	struct kup_producer out; /* under send_lock */
	kup_u32 out_ended;	 /* under send_lock: the END record was sent, or is about to be */
	kup_u32 room_waiters;	 /* under send_lock: the number of threads that sleep for room */
	kup_u32 room_event;	 /* under send_lock: the position announced for them */
	/* how often a reached position was replaced; written under send_lock */
	kup_u32 room_round;
	/* under send_lock: while the tail is here, the user must not wait for more */
	kup_u32 urgent_tail;
	kup_u32 woken_tail;  /* under send_lock: the tail when the user was last woken for that, */
	kup_u32 woken_event; /* and the event for which it was woken */
	struct kup_gap lost; /* under send_lock: the losses since the last GAP record */
	kup_u32 stamp_bytes; /* what each payload to the user begins with: 0, or a kup_stamp */
	kup_u32 sequence;    /* under send_lock: the number of the next stamp */
	struct kup_spin send_spin;

	kup_u32 receiving; /* the owner of `in`; see wait.c; atomic */
	struct kup_consumer in;
	kup_u32 in_ended; /* the user's END was received; written by the receiver */
	struct kup_spin receive_spin;

	struct kup_counters counters;

	/* under device->live_lock; see broadcast.c */
	struct kup_channel *live_next;
	struct kup_channel **live_link; /* NULL: it is not in the list */
	kup_u32 pins;	 /* the walks that are at this channel; read without the lock */
	kup_u32 leaving; /* no walk comes here any more */

	/* under device->lock */
	kup_u8 started;	 /* client code has been called for this channel */
	kup_u8 accepted; /* the attach callback has accepted it */
	kup_u8 live;	 /* it was handed over to the handle */
	kup_u8 serving;	 /* serve has not returned */
	kup_u8 user_gone;
	kup_u8 finished;
};

struct kup_slot {
	struct kup_channel *channel; /* NULL: free */
	kup_u32 generation;
	struct kup_counters total; /* of the attachments before the current one */
};

struct kup_device {
	kup_u32 refs;
	char name[KUP_NAME_MAX];
	struct kup_config config; /* with all defaults filled in */
	const struct kup_ops *ops;
	void *context;
	struct os_node *node;
	/* threads sleep here until a slot becomes free, or a channel's last pin is gone */
	struct os_waitq idle;
	struct os_mutex lock;
	kup_u64 instance; /* the contract's number of this device; constant */
	kup_u32 dead;	  /* set under lock; atomic for poll */
	kup_u64 attaches; /* under lock */
	kup_u32 started;  /* the number of channels with client code; written under lock */
	struct kup_account *accounts; /* under lock */
	struct os_spin waiting_lock;
	/* under waiting_lock: the handles that wait for a free channel */
	struct kup_handle *waiting;
	struct os_spin live_lock;
	struct kup_channel *live; /* under live_lock: see broadcast.c */
	struct kup_device *next;  /* under the registry's lock */
	struct kup_slot slots[];
};

struct kup_handle {
	/* one for the open file, one for its channel, and one for a waker */
	kup_u32 refs;
	struct kup_handle *next;  /* under waiting_lock, as the pointer to this handle is */
	struct kup_handle **link; /* NULL: the handle is not in the list */
	struct kup_device *device;
	struct os_pollq pollq;	     /* wakes for a free channel, and later for the handle's own */
	struct kup_channel *channel; /* set once, under device->lock; read with acquire */
	/* atomic: the channel that the last ATTACH found busy, or KUP_CHANNEL_ANY */
	kup_u32 wanted;
};

/* The features that a process must understand to attach. */
static inline kup_u64 kup_device_required(const struct kup_device *device)
{
	return device->config.stamps ? KUP_FEATURE_STAMPS : 0;
}

static inline struct kup_channel *kup_handle_channel(const struct kup_handle *handle)
{
	/* Pairs with the release in hand_over, so the channel is complete. */
	return kup_load_pointer(&handle->channel);
}

/* ---- refs.c ---- */

void kup_device_get(struct kup_device *device);
void kup_device_put(struct kup_device *device); /* may sleep */
void kup_handle_put(struct kup_handle *handle);

/* ---- device.c ---- */

/* Called once when the module is loaded, and once when it is unloaded. */
void kup_registry_init(void);
void kup_registry_destroy(void);
/* 0, or -EINVAL after logging the reason. May sleep. */
int kup_name_check(const char *name);
/*
 * Destroys the devices of a module that is about to be unloaded, as kup_device_destroy does, and
 * logs their names. `is_within` finds whether a device's table of callbacks, or their code, lies in
 * the module. Returns the number of devices. May sleep.
 */
kup_u32 kup_devices_end(int (*is_within)(const void *address, void *argument), void *argument);

/* ---- handle.c: one open file, for a system's device node; all of these may sleep ---- */

/* -ENXIO: the device is being destroyed. */
int kup_handle_open(struct kup_device *device, struct kup_handle **handle);
void kup_handle_close(struct kup_handle *handle);
int kup_handle_info(struct kup_handle *handle, struct kup_info *info);
int kup_handle_kick(struct kup_handle *handle);
int kup_handle_stats(struct kup_handle *handle, struct kup_stats *stats);
void kup_handle_count_ioctl(struct kup_handle *handle);

/* The memory to map, valid as long as the handle is open. -ENOTCONN or -ENODEV. */
int kup_handle_memory(struct kup_handle *handle, struct os_memory **memory);

/* Finds the area that is exactly this range. -EINVAL: none of the four is. */
struct kup_area {
	kup_u64 offset;
	kup_u64 bytes;
	int writable; /* by the user */
};
int kup_area_find(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes, kup_u64 offset, kup_u64 bytes,
		  struct kup_area *area);

int kup_all_zero(const kup_u8 *bytes, unsigned long count);

/* ---- attach.c ---- */

/*
 * The size of a ring for which ATTACH asks for `asked` bytes, or for the standard size (0). All
 * sizes are in bytes; the last two are powers of two of at least a page. 0: that is above `most`.
 */
kup_u32 kup_ring_bytes(kup_u32 page, kup_u32 asked, kup_u32 standard, kup_u32 most);

/* May sleep. */
int kup_handle_attach(struct kup_handle *handle, struct kup_attach *attach, int may_wait);

/* ---- broadcast.c: the channels that walks and broadcasts reach ---- */

void kup_live_add(struct kup_channel *channel);
/* Waits until no walk is at the channel. Does nothing for a channel that was not added. May sleep.
 */
void kup_live_remove(struct kup_channel *channel);

/* ---- poll.c ---- */

/*
 * Returns the conditions that hold now: KUP_POLL_*. For those of `events` (IN and OUT) that don't
 * hold, it makes sure that handle->pollq is woken once they do; it may be woken for others too. The
 * caller has put itself into the pollq before.
 *
 * Never sleeps, so the caller may hold a lock of its own. If it finds a lie, or puts a GAP record,
 * it may wake the pollq of this handle.
 */
kup_u32 kup_handle_poll(struct kup_handle *handle, kup_u32 events);

/* Called when the handle is closed. */
void kup_handle_stop_waiting(struct kup_handle *handle);
/* Makes handles look again that wait for a free channel, or for the device's end. May sleep. */
void kup_handles_wake(struct kup_device *device);
/* Whether this channel, or any, is free now. Any context. */
int kup_slot_is_free(struct kup_device *device, kup_u32 wanted);

/* ---- account.c: the closed channels that a user still maps; all of these may sleep ---- */

/* A user may keep as many as the device has channels, and at least this many. */
#define KUP_KEPT_LEAST 8

/*
 * Returns the calling process's user, with a reference. -ENOMEM: the user keeps too much already.
 */
int kup_account_get(struct kup_device *device, struct kup_account **account);
void kup_account_put(struct kup_account *account);
/*
 * For a system's memory.c: mappings of a channel are left, which hold a reference; and they are
 * gone.
 */
void kup_account_keep(struct kup_account *account);
void kup_account_release(struct kup_account *account);

/* ---- channel.c ---- */

/* Returns a channel without a number or memory, with a reference for the caller; or NULL. */
struct kup_channel *kup_channel_create(struct kup_handle *handle);
/* Allocates the pages and the rings, whose sizes are in bytes. */
int kup_channel_fill(struct kup_channel *channel, kup_u32 to_user_bytes, kup_u32 to_kernel_bytes);
/* Starts the kernel's side: calls attach, then starts serve in its thread. */
int kup_channel_start(struct kup_channel *channel);
/* Called when the handle is closed, or did not get the channel. */
void kup_channel_user_gone(struct kup_channel *channel);
/*
 * Under device->lock: whether the kernel's side is to be finished now. If so, the caller calls
 * kup_channel_finish after the unlock.
 */
int kup_channel_take_finish(struct kup_channel *channel);
void kup_channel_finish(struct kup_channel *channel);
void kup_counters_add(struct kup_counters *sum, const struct kup_counters *more);

/* ---- state.c; any context ---- */

/* As kup_ended, which is called only if there is something to find out. */
static inline int kup_channel_ended(const struct kup_channel *channel)
{
	/* Pairs as the load in kup_ended does. */
	return kup_load_acquire(&channel->state) ? kup_ended(channel) : 0;
}
/* Returns KUP_STATE_*, for STATS. Under device->lock. */
kup_u32 kup_channel_state(const struct kup_channel *channel);
/* Publishes the state to the user, after a change of channel->state. */
void kup_channel_publish_state(struct kup_channel *channel);
/*
 * Under send_lock, after the close: publishes it, unless a reservation is open. A user that sees
 * the close looks for records only once more, so what lies behind an open one would be lost.
 */
void kup_channel_publish_close(struct kup_channel *channel);
/* Wakes all threads that sleep, on both sides. */
void kup_channel_wake_all(struct kup_channel *channel);
/* The part of kup_channel_result for a lie. */
int kup_channel_lie(struct kup_channel *channel, int result, kup_u32 position_error);
/*
 * Converts a ring's result to an errno, and breaks the channel if it is a lie. `position_error` is
 * the KUP_ERROR_* of a wrong position.
 */
static inline int kup_channel_result(struct kup_channel *channel, int result,
				     kup_u32 position_error)
{
	if (result == KUP_RING_OK)
		return 0;
	if (result == KUP_RING_WAIT)
		return -EAGAIN;
	return kup_channel_lie(channel, result, position_error);
}
/* Wakes the user, which sleeps for this or (`poll_bit`) is inside poll for it. */
void kup_channel_wake_sleeper(struct kup_channel *channel, kup_u32 poll_bit);
/* Wakes the user if it sleeps for exactly this (`asked`), or is inside poll for `poll_bit`. */
static inline void kup_channel_wake_user(struct kup_channel *channel, int asked, kup_u32 poll_bit)
{
	/*
	 * Pairs with the arming in kup_handle_poll. The caller executed a full fence after its
	 * publication.
	 */
	if (asked || kup_load(&channel->poll_armed) & poll_bit)
		kup_channel_wake_sleeper(channel, poll_bit);
}

/* ---- shortage.c; any context, and under send_lock where nothing else is stated ---- */

/* The stamp of the record that is reserved now, with this number. */
struct kup_stamp kup_channel_stamp(kup_u32 sequence);
/* The bytes of a GAP record's payload. */
static inline kup_u32 kup_channel_gap_bytes(const struct kup_channel *channel)
{
	return channel->stamp_bytes + (kup_u32)sizeof(struct kup_gap);
}
/*
 * The room that a record of `length` bytes needs, with the GAP record that precedes it. It may
 * change while send_lock is not held.
 */
static inline kup_u32 kup_channel_space(const struct kup_channel *channel, kup_u32 length)
{
	kup_u32 space = KUP_RECORD_SPACE(length + channel->stamp_bytes);

	return kup_load64(&channel->lost.records)
		       ? space + KUP_RECORD_SPACE(kup_channel_gap_bytes(channel))
		       : space;
}
/* Counts a message that was lost with this errno. */
void kup_channel_count_lost(struct kup_channel *channel, kup_u32 length, int error);
/*
 * Report the losses in a GAP record, if no later record has reported them. _write needs room for
 * it. _flush does nothing without room. _put takes send_lock itself, and wakes the user. The result
 * is nonzero if the user has to be woken, whatever it sleeps for.
 */
int kup_channel_write_gap(struct kup_channel *channel);
int kup_channel_flush_gap(struct kup_channel *channel);
void kup_channel_put_gap(struct kup_channel *channel);

/* Whether the user's event lies ahead of all finished records. */
int kup_sleeps_ahead(const struct kup_producer *out, kup_u32 event);
/* Whether the user must take what is there instead of waiting for more, by the last known tail. */
static inline int kup_channel_must_hurry(const struct kup_channel *channel)
{
	kup_u32 tail = channel->out.tail;

	/* Behind an END, a watermark would not be reached any more. */
	return channel->out_ended || channel->urgent_tail == tail ||
	       (channel->room_waiters && (__INT32_TYPE__)(tail - channel->room_event) < 0);
}
/* The same with the newest tail; and nonzero only once for each sleep of the user. */
int kup_channel_is_overdue(struct kup_channel *channel);
/*
 * Nonzero if the user has to be woken: it sleeps until more has come, but nothing more comes, or a
 * producer has no room, so both might sleep forever. It is nonzero once for each sleep of the user.
 */
static inline int kup_channel_overdue(struct kup_channel *channel)
{
	return kup_channel_must_hurry(channel) && kup_channel_is_overdue(channel);
}
/*
 * Called when a record has no room by the newest tail. The result is that of kup_channel_overdue.
 */
int kup_channel_hurry(struct kup_channel *channel);

/* ---- wait.c ---- */

/*
 * The limit of one call, which may wait several times. It begins when the clock is first read,
 * which is after the first looks: with a slow clock, a reading takes longer than a round trip.
 */
struct kup_limit {
	kup_time timeout;
	kup_u64 until; /* 0: the clock has not been read yet */
	kup_u32 waits;
	struct kup_steps steps;
};

/*
 * Begins a call that receives, and pauses if this consumer is fast enough for its looks to
 * delay the producer. The caller has set the timeout, and calls _found when it has received a
 * record.
 */
void kup_channel_begin(struct kup_channel *channel, struct kup_limit *limit);
void kup_channel_found(struct kup_channel *channel, const struct kup_limit *limit,
		       const struct kup_record *record);

/* As kup_wakes. */
static inline kup_u32 kup_channel_wakes(const struct kup_channel *channel)
{
	/* Pairs with the release in kup_wake: what its caller did before is visible. */
	return kup_load_acquire(&channel->wakes);
}

/* As kup_wait. May sleep, unless the timeout is 0. */
int kup_channel_wait(struct kup_channel *channel, kup_u32 what, kup_u32 length, kup_u32 wakes,
		     struct kup_limit *limit);

/* These calls may be made in any context. */

/* The owners of the ring's private side; see wait.c. */
#define RECEIVER 1u
#define SETTLER 2u

/* The part of kup_channel_enter for a side that another thread owns. */
int kup_channel_enter_late(struct kup_channel *channel);
/*
 * Takes the private side of the ring to the kernel. 0, or -EBUSY: another thread receives. The
 * caller calls kup_channel_leave, and does not sleep before that.
 */
static inline int kup_channel_enter(struct kup_channel *channel)
{
	/* Pairs with the release in kup_channel_leave. */
	return kup_change(&channel->receiving, 0, RECEIVER) ? kup_channel_enter_late(channel) : 0;
}
static inline void kup_channel_leave(struct kup_channel *channel)
{
	/* Pairs with the exchanges that take it. */
	kup_store_release(&channel->receiving, 0);
}
/* Nonzero if another thread is receiving at this moment, against the rule of kup.h. */
static inline int kup_channel_is_received(const struct kup_channel *channel)
{
	/* Relaxed: by the rule of kup.h, this can't be true. */
	return kup_load(&channel->receiving) == RECEIVER;
}
/*
 * Called before a thread sleeps on the channel: gives the user all room back, and checks what was
 * read. 0: a receiver owns the ring's private side at this moment, so nothing was done.
 */
int kup_channel_settle(struct kup_channel *channel);

#endif
