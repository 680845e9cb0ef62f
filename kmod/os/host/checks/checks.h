/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The host driver's search for mistakes of client modules. This folder defines the calls of kup.h
 * that clients make (see engine_names.h); each looks, and calls the engine's. docs/mistakes.md has
 * every sentence that is reported. The parts of the host driver outside this folder use the calls
 * that host.h declares.
 *
 * Locks: checks->lock of a channel, and one in each file. None of them is held while a mistake is
 * reported, since that asks the loader where an address lies (see stack.c).
 */
#ifndef KUP_CHECKS_H
#define KUP_CHECKS_H

#include "host.h"

/* The engine's call for a client's one. */
#define ENGINE(name) extern __typeof__(kup_##name) engine_##name

/* Where the client has called. Used in the calls of kup.h themselves. */
#define CALLER __builtin_return_address(0)

/* What is called for checked channels only; so the others cost one comparison. */
#define COLD __attribute__((noinline))

/* ---- thread.c: what the calling thread does ---- */

struct check_object;

#define CHECK_SPINLOCK 1u
#define CHECK_MONITOR 2u

/* A lock of a client, and where it was taken. */
struct check_lock {
	const void *lock;
	const void *caller;
	kup_u32 kind;
	kup_u32 count;
};

#define CHECK_MOST_LOCKS 8

struct check_thread {
	struct host_client *client;	    /* for which the thread works; NULL: none is known */
	struct kup_channel *channel;	    /* whose attach, serve or detach runs in this thread */
	const struct check_object *running; /* the timer or thread of the client that runs here */
	kup_u32 held;			    /* how many of `locks` are used */
	kup_u32 more; /* how many locks the thread holds that have no place there */
	struct check_lock locks[CHECK_MOST_LOCKS];
};

struct check_thread *check_self(void);
/* Whether this thread's client is checked. */
int check_is_on(void);

/* A call that may sleep. */
struct check_sleep {
	kup_u32 depth;
};

#define CHECK_SHORT 1 /* `longest` of a call that sleeps for memory or a lock, but not for a user */

/*
 * Called before a call that may sleep for up to `longest` nanoseconds, as a kup_time; 0: it doesn't
 * sleep. Reports a call that kup.h forbids here, if this thread's client is checked. check_awake
 * follows the call.
 */
struct check_sleep check_asleep(const char *call, const void *caller, kup_time longest);
void check_awake(struct check_sleep sleep);

void check_lock_taken(const void *lock, kup_u32 kind, const void *caller);
struct check_lock *check_find_lock(const void *lock);
void check_lock_left(struct check_lock *lock);
/* Reports locks that are held when the client's function `what` returns, and unlocks them. */
void check_returned(const struct kup_channel *channel, const char *what);

/* ---- client.c: clients and their mistakes ---- */

/* Reports a mistake on this channel; NULL: on the one whose callback runs here, if one does. */
__attribute__((format(printf, 3, 4))) void
check_report(const struct kup_channel *channel, const void *caller, const char *format, ...);
/* The same for a mistake of this client, and no call. */
__attribute__((format(printf, 3, 4))) void check_report_of(struct host_client *client,
							   const struct kup_channel *channel,
							   const char *format, ...);
/* A serve of this client does not return. */
void check_stuck(struct host_client *client);
/* The client has made a device with this name. */
void check_add_device(struct host_client *client, const char *name);
/* The client for a thread that works for none that is known. */
struct host_client *check_client(void);
int check_client_is_on(const struct host_client *client);

/* ---- place.c ---- */

/* Writes where a call was made: "serve+0x24 (my.so+0x11f4)", or less. */
#define CHECK_PLACE 192
const char *check_place(const void *caller, char place[CHECK_PLACE]);

/* ---- channel.c: one checked channel ---- */

/* A reservation that is not finished. */
struct check_reservation {
	kup_u32 position;
	kup_u32 length;
	kup_u8 *area; /* what the client writes to; NULL: the ring */
	void *data;   /* in the ring */
	const void *caller;
	kup_u64 awaited_ns; /* since when the user waits for it; 0: it doesn't */
	int is_reported;
};

/* A reservation that was finished. */
struct check_finished {
	kup_u32 position;
	const char *call; /* NULL: none */
	const void *caller;
};

#define CHECK_MOST_FINISHED 64u

/* The memory of a reservation that was finished; the client must not write to it any more. */
struct check_retired {
	kup_u8 *area; /* NULL: none */
	kup_u32 length;
	const char *call;
	const void *caller;
};

#define CHECK_MOST_RETIRED 8u

/* A call of kup.h, and where it was made. Both are atomic. */
struct check_note {
	const char *call; /* NULL: none */
	const void *caller;
};

struct check_channel {
	struct check_channel *next, **link; /* under the lock of channel.c */
	struct kup_channel *channel;
	struct host_client *client;
	struct os_spin lock; /* of all below but the notes; see check_enter */

	kup_u32 open;
	struct check_reservation reservations[KUP_MOST_OPEN];
	kup_u32 last_finished;
	struct check_finished finished[CHECK_MOST_FINISHED];
	kup_u32 last_retired;
	struct check_retired retired[CHECK_MOST_RETIRED];

	int is_peeked;	/* the record at `peeked` was returned by a peek and is not released */
	int is_serves;	/* it was peeked in attach, serve or detach, not in another thread */
	int is_excused; /* since then, a call that sends has reported the channel's end */
	int was_released;
	kup_u32 peeked, released;
	const void *peek_caller;
	const char *release_call;
	const void *release_caller;

	int serving;
	kup_u64 progress_ns; /* when serve last got a message */
	kup_u64 ended_ns;    /* when the watcher first saw the end; 0: it has not */
	int is_reported;     /* serve has not returned */

	/* serve's calls: the last one is notes[note % 2], and the next one takes the other place */
	kup_u32 note; /* atomic */
	struct check_note notes[2];
};

/*
 * Nearly every call of a client holds this for a few instructions, so it is no mutex. (The watcher
 * holds it while it looks at all open reservations; the others yield meanwhile.)
 */
static inline void check_enter(struct check_channel *checks)
{
	(void)os_spin_lock(&checks->lock);
}

static inline void check_leave(struct check_channel *checks)
{
	os_spin_unlock(&checks->lock, 0);
}

/* NULL: the channel is not checked, as in benchmarks. */
static inline struct check_channel *check_of(const struct kup_channel *channel)
{
	struct check_channel *checks = channel->memory->checks;

	return __builtin_expect(checks != NULL, 0) ? checks : NULL;
}

/* Called by attach's wrapper. A channel for which there is no memory is not checked. */
void check_channel_begin(struct kup_channel *channel, struct host_client *client);
/* Notes a call of serve's thread, for the sentence about a serve that does not return. */
static inline void check_note_own(struct check_channel *checks, const char *call,
				  const void *caller)
{
	kup_u32 note = checks->note + 1;

	kup_store_pointer(&checks->notes[note % 2].call, call);
	kup_store_pointer(&checks->notes[note % 2].caller, caller);
	/* Pairs with the acquire in last_note. */
	kup_store_release(&checks->note, note);
}

/* The same if the calling thread is serve's; otherwise nothing. */
void check_note(struct check_channel *checks, const char *call, const void *caller);
/* detach has returned: reports reservations that are open. */
void check_reservations_left(struct check_channel *checks);
/*
 * The same, or (is_freed) the channel is freed: reports a message that is not released. Another
 * thread, which has used kup_channel_get, may release what it has peeked later than detach.
 */
void check_peek_left(struct check_channel *checks, int is_freed);

/* ---- send.c ---- */

/* After a successful reserve: gives the client memory of its own, with canaries around it. */
void check_reserved(struct check_channel *checks, struct kup_reservation *reservation,
		    const void *caller);
/*
 * Before a commit or a discard, which is refused if the result is 0. Otherwise *real is the
 * engine's reservation; with `copies`, the client's bytes are in the ring.
 */
int check_finish(struct check_channel *checks, const struct kup_reservation *reservation,
		 struct kup_reservation *real, const char *call, const void *caller, int copies);
/* The channel's end: looks at the memory of reservations, and frees it. */
void check_free_areas(struct check_channel *checks);

/* ---- receive.c ---- */

void check_progress(struct check_channel *checks);
/* A call that sends has failed: a client that returns now need not release what it has peeked. */
void check_excuse(struct check_channel *checks, int error);

/* ---- object.c: what a client has to give back ---- */

#define CHECK_MEMORY 0u
#define CHECK_THREAD 1u
#define CHECK_TIMER 2u
#define CHECK_SPINLOCKS 3u
#define CHECK_MONITORS 4u
#define CHECK_KINDS 5u

/* Makes a note for an object that the calling thread's client wants. NULL: there is no memory. */
struct check_object *check_make(kup_u32 kind, const void *caller);
/* The object was made; NULL: it was not, and the note is freed. */
void check_add(struct check_object *object, const void *address);
/*
 * Before an object is given back. 0: it is not one that the client has, which was reported; the
 * call is refused. Otherwise *object, which may be NULL, is for free() after the call.
 */
int check_take(kup_u32 kind, const void *address, const char *call, const void *caller,
	       struct check_object **object);

#endif
