/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * One ring, from its producing and from its consuming side. The engine, the C side of the native
 * library and the tests use this code; tests compare TypeScript's ring with it. kup_abi.h explains
 * the rules of publication and of events.
 *
 * Each side keeps its positions in a private struct, which the peer can't access. In shared memory
 * it reads only the peer's words, and never its own. It loads each word once and checks it;
 * KUP_RING_LIE_* means that a word of the peer makes no sense.
 *
 * Which accesses pair with each other: stores are on the left, the loads that they are for on the
 * right. "fence" is a full fence on both sides, so when two sides meet, at least one of them sees
 * the other's store.
 *
 *      producer                                consumer
 *      reserve:  sentinel; head
 *      fill:     payload, type
 *   A  commit,   header      (release)   ----> peek:     header        (acquire)  A
 *      publish:                                check:    head          (relaxed: A is enough)
 *   B  commit,   fence; load consumer_event    announce: store consumer_event; fence;
 *      publish:                                          look again (A)           B
 *   C  room:     tail        (acquire)   <---- publish:  tail          (release)  C
 *   D  announce: store producer_event; fence;  publish:  fence; load producer_event
 *                look again (C)                                                   D
 *
 * And between two threads of the consumer's side:
 *
 *   E  release_late: cursor  (release)   ----> publish:  cursor        (acquire)  E
 *
 * Thread rule. The caller serialises the calls on one side of one ring. The exceptions are
 * kup_producer_payload, kup_producer_crowded, kup_producer_wants and kup_consumer_ready, which may
 * run concurrently with all calls; and kup_consumer_announce, which any thread may call, one at a
 * time.
 */
#ifndef KUP_RING_H
#define KUP_RING_H

#include "../kup_record.h"
#include "atomic.h"

/*
 * For what is rare, so that a message's path has no part of it. ("__": Linux defines `noinline` as a
 * macro.)
 */
#define KUP_COLD __attribute__((__noinline__, __cold__))

/* Results; the engine maps them to the system's errno values. */
#define KUP_RING_OK 0
#define KUP_RING_WAIT 1		/* no room, or nothing readable */
#define KUP_RING_LIE_POSITION 2 /* the peer's head or tail makes no sense */
#define KUP_RING_LIE_LENGTH 3	/* a record is longer than it can be */
/* a record has flags, or a kind, that this consumer doesn't accept */
#define KUP_RING_LIE_FLAGS 4
#define KUP_RING_END 5	   /* frozen, and everything has been read */
#define KUP_RING_CROWDED 6 /* KUP_MOST_OPEN records lie from the first unfinished one on */

/* How many records may be reserved at a time, counted from the first unfinished one. */
#define KUP_MOST_OPEN 64u

/* The producing side. */
struct kup_producer {
	kup_u8 *data;  /* the ring, mapped twice */
	kup_u32 bytes; /* of the ring, not doubled; a power of two */
	kup_u32 head;  /* where the next record begins */
	kup_u32 end;   /* where the first unfinished record begins, or head */
	kup_u32 tail;  /* the last valid tail */
	kup_u32 first; /* the index in `open` of the record at `end` */
	kup_u32 count; /* the number of records at `end` and behind it */
	/* their positions; the lowest bit is set if a record is finished */
	kup_u32 open[KUP_MOST_OPEN];
	kup_u32 withheld;    /* the header of the record at `end`, if it is appended; 0: none is */
	kup_u32 *head_word;  /* this side's, shared: output only */
	kup_u32 *event_word; /* this side's, shared: output only */
	const kup_u32 *tail_word; /* the peer's */
	const kup_u32 *peer_event;
};

/* The consuming side. */
struct kup_consumer {
	const kup_u8 *data;
	kup_u32 bytes;
	kup_u32 cursor;	 /* where the next record begins */
	kup_u32 tail;	 /* the published tail: what is given back ends here */
	kup_u32 checked; /* where the cursor was when head was last loaded */
	kup_u32 head;	 /* if frozen: no records come after this */
	kup_u32 frozen;
	kup_u32 controls;      /* the kinds that a control record may have: a mask of 1 << kind */
	kup_u32 skips_unknown; /* nonzero: skips kinds that are optional and not known */
	/* the producer sleeps, and the tail has reached its event: wake it */
	kup_u32 owes_wake;
	kup_u32 caught_up;   /* nothing was readable behind the record that was released last */
	kup_u32 *tail_word;  /* this side's, shared: output only */
	kup_u32 *event_word; /* this side's, shared: output only */
	const kup_u32 *head_word; /* the peer's */
	const kup_u32 *peer_event;
};

/* ---- Producing ---- */

/* Loads the peer's newest tail. KUP_RING_OK or KUP_RING_LIE_POSITION. */
int kup_producer_refresh(struct kup_producer *producer);

/*
 * Looks for room for `space` bytes. KUP_RING_OK, KUP_RING_WAIT or KUP_RING_LIE_POSITION. Claims
 * nothing.
 */
int kup_producer_room(struct kup_producer *producer, kup_u32 space);

/* The tail with which there is room for `space` bytes; a producer announces it. */
kup_u32 kup_producer_wants(const struct kup_producer *producer, kup_u32 space);

/* Nonzero if kup_producer_reserve would return KUP_RING_CROWDED. */
int kup_producer_crowded(const struct kup_producer *producer);

/*
 * Claims the next record. KUP_RING_OK: *position is its position, and it must be committed.
 * Otherwise KUP_RING_CROWDED, or what kup_producer_room returns. `length` is at most
 * KUP_MAX_PAYLOAD(bytes).
 */
int kup_producer_reserve(struct kup_producer *producer, kup_u32 length, kup_u32 *position);

/* The payload of the record at `position`: contiguous bytes. */
void *kup_producer_payload(const struct kup_producer *producer, kup_u32 position);

/*
 * Finishes the record at `position`, which was reserved with `reserved` bytes; `length` may be
 * less. flags: 0, KUP_RECORD_DISCARD or KUP_RECORD_CONTROL. Returns 1 if the consumer sleeps for
 * what is finished now: wake it. A position that is not open (a second commit) is ignored.
 */
int kup_producer_commit(struct kup_producer *producer, kup_u32 position, kup_u32 reserved,
			kup_u32 length, kup_u32 type, kup_u32 flags);

/*
 * Claims, fills and finishes the next record at once; `data` is copied. The results are those of
 * kup_producer_reserve. Nothing is readable before kup_producer_publish: several records that are
 * appended one after the other cost one fence. No other call on the producer may come in between,
 * except kup_producer_room.
 */
int kup_producer_append(struct kup_producer *producer, kup_u32 type, const void *data,
			kup_u32 length);

/* The same; the payload is the stamp, and then the data. */
int kup_producer_append_stamped(struct kup_producer *producer, kup_u32 type,
				const struct kup_stamp *stamp, const void *data, kup_u32 length);

/* Makes all appended records readable. Returns 1 if the consumer sleeps for them: wake it. */
int kup_producer_publish(struct kup_producer *producer);

/* Announces a sleep until the tail has reached this position. Then look again. */
void kup_producer_announce(struct kup_producer *producer, kup_u32 position);

/* ---- Consuming ---- */

/* Gives all room back, at the end of a batch. The results are those of release. */
int kup_consumer_publish(struct kup_consumer *consumer);

/*
 * Nonzero if a peek may return something else than KUP_RING_WAIT. Trusts nothing, changes nothing.
 */
int kup_consumer_ready(const struct kup_consumer *consumer);

/*
 * Called before a sleep on the channel: gives all room back, and checks what was read against head.
 * The results are those of release.
 */
int kup_consumer_settle(struct kup_consumer *consumer);

/* Announces a sleep until the record that contains this position is readable. Then look again. */
void kup_consumer_announce(struct kup_consumer *consumer, kup_u32 position);

/*
 * The producer is gone: no records come after those that it has published now. KUP_RING_OK or a
 * lie.
 */
int kup_consumer_freeze(struct kup_consumer *consumer);

/* Peek, glance and release, which are inline. */
#include "look.h"

#endif
