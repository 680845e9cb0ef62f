/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The engine's own structures, and what it offers to a backend's device node.
 *
 *   kup_device   one /dev/NAME; lives until destroyed and the last handle is closed
 *   kup_slot     one channel number of it: who has it now, counters of all who had it
 *   kup_channel  one attachment: memory, both rings' private sides, private state
 *   kup_handle   one open file; owns a channel after ATTACH
 *
 * References: an open file holds its handle, and through it device and channel until it is closed;
 * a channel holds its device, its memory and the bare handle; the kernel's side holds the channel
 * from ATTACH until `finish` (see channel.c).
 */
#ifndef KUP_CORE_H
#define KUP_CORE_H

#include "kup.h"
#include "os.h"
#include "ring.h"

/* Bits of kup_channel.state. They are set, never cleared. */
#define CHANNEL_USER_GONE 1u /* the handle was closed: no more records after those in the ring */
#define CHANNEL_CLOSED 2u    /* by the kernel's side */
#define CHANNEL_BROKEN 4u    /* the user lied */

/* Bits of kup_channel.poll_armed: a process in poll waits for this, and has announced nothing. */
#define POLL_DATA 1u
#define POLL_ROOM 2u

/* What kup_handle_poll reports; the backend translates. */
#define KUP_POLL_IN 1u
#define KUP_POLL_OUT 2u
#define KUP_POLL_HANGUP 4u
#define KUP_POLL_ERROR 8u

/* No reservation; real positions are even. */
#define NO_POSITION 1u
/* So many open reservations are noted, for poll to know what isn't readable yet. */
#define OPEN_POSITIONS 8

/* How long one kind of wait spins before it sleeps: between 0 and the channel's spin_us. */
struct kup_spin {
	kup_u32 now_us;
	kup_u32 look_ns; /* what a look took last time; 0: not known */
};

/* Counters of one attachment. Each has one writer at a time; anybody may read. */
struct kup_counters {
	kup_u64 to_user_records, to_user_payload;      /* under send_lock */
	kup_u64 dropped_no_space, dropped_too_long;    /* under send_lock */
	kup_u64 to_kernel_records, to_kernel_payload;  /* by the receiver */
	kup_u64 wakeups, sleeps, kicks, ioctls, polls; /* atomic */
};

struct kup_channel {
	kup_u32 refs;
	kup_u32 number;
	kup_u32 generation;
	kup_u32 state; /* CHANNEL_*; atomic */
	kup_u32 error; /* KUP_ERROR_*; written once, before CHANNEL_BROKEN */
	kup_u32 spin_us;
	struct kup_device *device;
	void *context;
	struct os_memory *memory;
	struct kup_account *account;  /* of the user who attached it */
	struct kup_kernel_page *page; /* output only */
	kup_u32 *user_producer_event; /* in the user page */
	kup_u32 *user_consumer_event;

	struct os_waitq waitq;	   /* the kernel's side sleeps here */
	kup_u32 wakes;		   /* calls of kup_wake; atomic */
	struct kup_handle *handle; /* whose pollq the user's side sleeps at; a reference */
	kup_u32 poll_armed;	   /* POLL_*; atomic */

	struct os_spin send_lock;
	struct kup_producer out; /* under send_lock */
	/* Of reservations that aren't committed: taken under send_lock, given back by anybody. */
	kup_u32 open_positions[OPEN_POSITIONS];
	kup_u32 room_waiters; /* under send_lock: threads that sleep for room */
	kup_u32 room_event;   /* under send_lock: what was announced for them */
	struct kup_gap lost;  /* under send_lock: since the last GAP record */
	struct kup_spin send_spin;

	kup_u32 receiving; /* nonzero: a thread looks at `in`; atomic */
	struct kup_consumer in;
	struct kup_spin receive_spin;

	struct kup_counters counters;

	/* under device->lock */
	kup_u8 started;	 /* client code has been called for it */
	kup_u8 accepted; /* by the attach callback */
	kup_u8 live;	 /* handed over to the handle */
	kup_u8 serving;	 /* serve has not returned */
	kup_u8 user_gone;
	kup_u8 finished;
};

struct kup_slot {
	struct kup_channel *channel; /* NULL: free */
	kup_u32 generation;
	struct kup_counters total; /* of the attachments before this one */
};

struct kup_device {
	kup_u32 refs;
	char name[KUP_NAME_MAX];
	struct kup_config config; /* all values filled in */
	const struct kup_ops *ops;
	void *context;
	struct os_node *node;
	struct os_waitq idle; /* a slot became free */
	struct os_mutex lock;
	kup_u64 instance; /* its number in the contract; constant */
	kup_u8 dead;	  /* set under lock; atomic for poll */
	kup_u64 attaches; /* under lock */
	kup_u32 started;  /* channels with client code; changed under lock, read anywhere */
	struct kup_account *accounts; /* under lock */
	struct os_spin waiting_lock;
	struct kup_handle *waiting; /* under waiting_lock: that have looked for a free channel */
	struct kup_device *next;    /* under the registry's lock */
	struct kup_slot slots[];
};

struct kup_handle {
	kup_u32 refs;		  /* the open file's, its channel's, and a waker's */
	struct kup_handle *next;  /* under waiting_lock, as is what points here */
	struct kup_handle **link; /* NULL: the handle is not in the list */
	struct kup_device *device;
	struct os_pollq pollq;	     /* for a free channel, and later for its own */
	struct kup_channel *channel; /* set once, under device->lock; read with acquire */
	kup_u32 wanted; /* atomic: what the last ATTACH found busy, or KUP_CHANNEL_ANY */
};

/* ---- device.c ---- */

/* Both once, when the module is loaded and unloaded. */
void kup_registry_init(void);
void kup_registry_destroy(void);
/* 0; or -EINVAL, and the log says why. May sleep. */
int kup_name_check(const char *name);
void kup_device_get(struct kup_device *device);
void kup_device_put(struct kup_device *device); /* may sleep */
/*
 * Destroys, as kup_device_destroy does, and names in the log, the devices whose table of callbacks
 * or code `is_within` finds in a module that is about to go. Returns how many. May sleep.
 */
kup_u32 kup_devices_end(int (*is_within)(const void *address, void *argument), void *argument);

/* ---- handle.c: one open file, for a backend's device node; all may sleep ---- */

/* -ENXIO: the device is going away. */
int kup_handle_open(struct kup_device *device, struct kup_handle **handle);
void kup_handle_close(struct kup_handle *handle);
int kup_handle_info(struct kup_handle *handle, struct kup_info *info);
int kup_handle_attach(struct kup_handle *handle, struct kup_attach *attach, int may_wait);
int kup_handle_kick(struct kup_handle *handle);
int kup_handle_stats(struct kup_handle *handle, struct kup_stats *stats);
void kup_handle_count_ioctl(struct kup_handle *handle);
void kup_handle_put(struct kup_handle *handle);
/* Handles that wait for a free channel, or for the device's end, look again. May sleep. */
void kup_handles_wake(struct kup_device *device);

/*
 * The conditions that hold now: KUP_POLL_*. If IN or OUT of `events` does not hold, handle->pollq is
 * woken when it does (and may be woken before); the caller has entered itself there before. Never
 * sleeps, so a backend may hold a lock of its own meanwhile. It may wake this handle's pollq itself,
 * when it finds a lie.
 */
kup_u32 kup_handle_poll(struct kup_handle *handle, kup_u32 events);

/* The memory to map, for as long as the handle is open; -ENOTCONN or -ENODEV. */
int kup_handle_memory(struct kup_handle *handle, struct os_memory **memory);

/* One of the four areas, exactly and whole? */
struct kup_area {
	kup_u64 offset;
	kup_u64 bytes;
	int writable; /* by the user */
};
int kup_area_find(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes, kup_u64 offset, kup_u64 bytes,
		  struct kup_area *area);

/* ---- account.c: what one user keeps mapped of channels that are closed; all may sleep ---- */

/* As many as the device has channels, and at least so many. */
#define KUP_KEPT_LEAST 8

/* The calling process's user, with a reference; -ENOMEM, it keeps too much already. */
int kup_account_get(struct kup_device *device, struct kup_account **account);
void kup_account_put(struct kup_account *account);
/* For a backend: mappings of a channel are left, which hold a reference; and they are gone. */
void kup_account_keep(struct kup_account *account);
void kup_account_release(struct kup_account *account);

/* ---- channel.c ---- */

/* A channel without number or memory yet, or NULL. The caller has the reference. */
struct kup_channel *kup_channel_create(struct kup_handle *handle);
/* Pages and rings. */
int kup_channel_fill(struct kup_channel *channel);
/* The kernel's side begins: attach, then serve in its thread. */
int kup_channel_start(struct kup_channel *channel);
/* The handle is closed, or never came to own it. */
void kup_channel_user_gone(struct kup_channel *channel);
/* Under device->lock: may the kernel's side be finished now? Then call kup_channel_finish without
 * the lock. */
int kup_channel_take_finish(struct kup_channel *channel);
void kup_channel_finish(struct kup_channel *channel);
/* A ring's result as errno; breaks the channel on a lie. `position_error` says whose position it
 * was. */
int kup_channel_result(struct kup_channel *channel, int result, kup_u32 position_error);
void kup_counters_add(struct kup_counters *sum, const struct kup_counters *more);

/* ---- wait.c ---- */

/* Wakes the user if one of these is so: it sleeps for exactly that, or is inside poll. Any context.
 */
void kup_channel_wake_user(struct kup_channel *channel, int asked, kup_u32 poll_bit);

/* ---- send.c, receive.c ---- */

/* What a record of `length` bytes needs of the ring. Any context; without send_lock it may
 * change. */
kup_u32 kup_channel_space(const struct kup_channel *channel, kup_u32 length);

/* Under send_lock: losses that no later record will report; a GAP record if there is room. */
void kup_channel_flush_gap(struct kup_channel *channel);
/*
 * For poll: is there a finished record at the user's tail; has its producer the room that it asked
 * for? If not: has the user announced what it waits for, so that the ring's own event wakes it?
 */
int kup_channel_readable(struct kup_channel *channel, int *announced);
int kup_channel_writable(struct kup_channel *channel, int *announced);

#endif
