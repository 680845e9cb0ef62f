/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Calls on a stream. Each direction has a table with a slot for each call that may be open. There
 * is no lock: a slot's state, one word, determines which thread owns its other fields.
 *
 * A call of this side, in `calls`:
 *
 *          take             send              the reply comes
 *   FREE --------> TAKEN --------> OPEN --------------------> FILLING ----> DONE ----+
 *    ^               |               |                      (the reader)             |
 *    +---------------+               | the caller leaves                             |
 *    |  nothing sent                 +----> LEFT, or LEFT_OWES (a cancel is owed) -+ |
 *    +------------------------------------------------ the reply comes ------------+-+
 *
 * A request of the user, in `requests`:
 *
 *          it comes           kup_reply                      sent
 *   FREE -------------> OPEN ------------> ANSWERING -------------------> FREE
 *    ^                   ^                     | | no room, a status
 *    |                   +---------------------+ +------> OWES ---+
 *    +------------------------------------------------------------+ sent by the reader
 *
 * A slot of `requests` becomes free before the reply is published: once it has the reply, the user
 * may use the slot again.
 *
 * The thread of kup_calls_serve, the reader, never waits for room: what it can't send now it owes.
 */
#ifndef KUP_CALLS_H
#define KUP_CALLS_H

#include "call.h"

/* The states of both tables. */
#define FREE 0u
#define OPEN 1u
#define TAKEN 2u
#define FILLING 3u
#define DONE 4u
#define LEFT 5u
#define LEFT_OWES 6u
#define ANSWERING 7u
#define OWES 8u

/*
 * Each request gets the next round of its slot, in the word of the state. So a thread that answers
 * a request too late can't take the next request of that slot.
 */
#define ROUND 0x100u
#define STATE (ROUND - 1)

#define FRAME ((kup_u32)sizeof(struct kup_call))

struct call {
	kup_u32 state;
	kup_u64 id;
	struct kup_answer *answer; /* the caller's */
	int result;		   /* of kup_call, once it is DONE */
};

struct request {
	kup_u32 state;	   /* and the slot's round: see ROUND */
	kup_u32 cancelled; /* ops.cancel was called; only for the reader and kup_calls_end */
	kup_u64 id;
	kup_u32 status; /* that is owed */
};

/* `use`: the number of threads that use the channel, and a bit that forbids its use. */
#define GONE 0x80000000u

struct kup_calls {
	kup_u32 refs; /* the client's, and one for each open request */
	kup_u32 use;
	struct kup_channel *channel; /* valid for threads that are counted in `use` */
	const struct kup_call_ops *ops;
	void *context;
	kup_u64 handler;    /* the thread that is in ops, or 0 */
	kup_u32 end;	    /* 0; then minus what kup_calls_serve has returned */
	kup_u32 waiting;    /* threads that wait for a free slot of `calls` */
	kup_u32 owed;	    /* frames that the reader has to send */
	kup_u32 ignored;    /* see kup_calls_ignored */
	kup_u32 generation; /* of the newest id */
	struct call calls[KUP_CALLS];
	struct request requests[KUP_CALLS];
};

static inline kup_u32 calls_load(const kup_u32 *word)
{
	/* Pairs with the releases in calls_store and calls_change. */
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void calls_store(kup_u32 *word, kup_u32 value)
{
	/* Pairs with the acquires in calls_load and calls_change. */
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Changes the word from `from`. Nonzero: it was changed. */
static inline int calls_change(kup_u32 *word, kup_u32 from, kup_u32 to)
{
	/* Pairs with itself, calls_load and calls_store: the next owner sees what this one did. */
	return __atomic_compare_exchange_n(word, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline kup_u32 calls_state(const struct request *request)
{
	return calls_load(&request->state) & STATE;
}

static inline kup_u32 calls_round(const struct request *request)
{
	return calls_load(&request->state) & ~STATE;
}

/* For the thread that owns the slot. */
static inline void calls_set_state(struct request *request, kup_u32 state)
{
	calls_store(&request->state, calls_round(request) | state);
}

static inline void calls_add(kup_u32 *word, kup_u32 value)
{
	/* Pairs with the calls_load of `owed` in settle: the reader finds the slot that owes. */
	__atomic_fetch_add(word, value, __ATOMIC_RELEASE);
}

/* Another thread may look at the id of a slot that it does not own; its change then fails. */
static inline void calls_set_id(kup_u64 *id, kup_u64 value)
{
	__atomic_store_n(id, value, __ATOMIC_RELAXED);
}

static inline int calls_has_id(const kup_u64 *id, kup_u64 value)
{
	return __atomic_load_n(id, __ATOMIC_RELAXED) == value;
}

/* Marks the calling thread as the one that is in ops, during a callback. */
static inline void calls_set_handler(struct kup_calls *calls, kup_u64 thread)
{
	/* Relaxed: only the thread itself has to see its own number. */
	__atomic_store_n(&calls->handler, thread, __ATOMIC_RELAXED);
}

static inline int calls_is_handler(const struct kup_calls *calls)
{
	kup_u64 handler = __atomic_load_n(&calls->handler, __ATOMIC_RELAXED);

	return handler && handler == kup_thread_self();
}

/* ---- call.c ---- */

/* Nonzero: the channel is valid until kup_calls_leave. */
int kup_calls_enter(struct kup_calls *calls);
void kup_calls_leave(struct kup_calls *calls);

/* Calls ops.cancel for an open request, once. */
void kup_calls_cancel(struct kup_calls *calls, struct request *request);

/*
 * Reserves room for a frame and its data, and writes both. Never sleeps. kup_calls_publish commits
 * it.
 */
int kup_calls_prepare(struct kup_calls *calls, const struct kup_call *frame, const void *data,
		      kup_u32 length, struct kup_reservation *reservation);
void kup_calls_publish(struct kup_calls *calls, struct kup_reservation *reservation, kup_u32 type);

/* The reader has one more frame to send. */
void kup_calls_owe(struct kup_calls *calls);

/* A slot of `calls` has become free. */
void kup_calls_freed(struct kup_calls *calls);

/* ---- call_reply.c ---- */

/*
 * Sends the reply to a request that is taken. 0: it is sent, and the slot is free. On a failure the
 * slot is unchanged.
 */
int kup_calls_send_reply(struct kup_calls *calls, struct request *request, kup_u32 status,
			 const void *data, kup_u32 length);

#endif
