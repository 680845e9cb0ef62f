/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * One ring, seen from its producing and from its consuming side. Written once: the engine, the
 * native library's C side and the tests use this code; TypeScript's ring is held against it. The
 * rules of publication and of events are explained in kup_abi.h.
 *
 * Each side keeps its positions in a struct of its own, which the peer can't reach. From shared
 * memory it reads only the peer's words (never its own back), each once, and checks them:
 * KUP_RING_LIE_* means that the peer's word made no sense.
 *
 * Who pairs with whom. Stores on the left, the loads that they are for on the right; "fence" is
 * a full fence on both sides, so of two sides that meet, one at least sees the other:
 *
 *      producer                                consumer
 *      reserve:  sentinel; head
 *      fill:     payload, type
 *   A  commit:   header      (release)   ----> peek:     header        (acquire)  A
 *                                              check:    head          (relaxed: A is enough)
 *   B  commit:   fence; load consumer_event    announce: store consumer_event; fence;
 *                                                        look again (A)           B
 *   C  room:     tail        (acquire)   <---- publish:  tail          (release)  C
 *   D  announce: store producer_event; fence;  publish:  fence; load producer_event
 *                look again (C)                                                   D
 *
 * Thread rule: calls on one side of one ring are serialised by the caller, but for
 * kup_producer_payload, kup_producer_crowded, kup_producer_wants and kup_consumer_ready, which may
 * run concurrently with everything; and for kup_consumer_announce, which several threads may call,
 * one at a time.
 */
#ifndef KUP_RING_H
#define KUP_RING_H

#include "../kup_record.h"
#include "atomic.h"

/* Results; the engine maps them to the system's errno values. */
#define KUP_RING_OK 0
#define KUP_RING_WAIT 1		/* no room, or nothing readable */
#define KUP_RING_LIE_POSITION 2 /* the peer's head or tail makes no sense */
#define KUP_RING_LIE_LENGTH 3	/* a record is longer than it can be */
#define KUP_RING_LIE_FLAGS 4	/* a record has flags, or a kind, that this consumer doesn't take */
#define KUP_RING_END 5		/* frozen, and everything has been read */
#define KUP_RING_CROWDED 6	/* KUP_MOST_OPEN records are reserved, and not finished */

/* How many records may be reserved at a time, counted from the first unfinished one. */
#define KUP_MOST_OPEN 64u

/* The producing side. */
struct kup_producer {
	kup_u8 *data;		     /* the ring, mapped twice */
	kup_u32 bytes;		     /* of the ring, once; a power of two */
	kup_u32 head;		     /* where the next record goes */
	kup_u32 end;		     /* where the first unfinished record begins, or head */
	kup_u32 tail;		     /* the last tail that was found valid */
	kup_u32 first;		     /* of `open`: where the record at `end` stands */
	kup_u32 count;		     /* of records at `end` and behind it */
	kup_u32 open[KUP_MOST_OPEN]; /* their positions; the lowest bit: it is finished */
	kup_u32 *head_word;	     /* ours, shared: output only */
	kup_u32 *event_word;	     /* ours, shared: output only */
	const kup_u32 *tail_word;    /* the peer's */
	const kup_u32 *peer_event;
};

/* The consuming side. */
struct kup_consumer {
	const kup_u8 *data;
	kup_u32 bytes;
	kup_u32 cursor;	 /* the next record to read */
	kup_u32 tail;	 /* what is given back ends here: the tail that was published */
	kup_u32 checked; /* where the cursor was when head was looked at last */
	kup_u32 head;	 /* frozen: no more records after this */
	kup_u32 frozen;
	kup_u32 controls;      /* the kinds that a control record may have: a mask of 1 << kind */
	kup_u32 skips_unknown; /* nonzero: skips kinds that are optional, and not known */
	kup_u32 owes_wake;     /* the producer sleeps, and the tail has reached its event */
	kup_u32 *tail_word;    /* ours, shared: output only */
	kup_u32 *event_word;   /* ours, shared: output only */
	const kup_u32 *head_word; /* the peer's */
	const kup_u32 *peer_event;
};

/* ---- Producing ---- */

/* Looks at the peer's newest tail: KUP_RING_OK or KUP_RING_LIE_POSITION. */
int kup_producer_refresh(struct kup_producer *producer);

/* Room for `space` bytes? KUP_RING_OK, KUP_RING_WAIT or KUP_RING_LIE_POSITION. Changes nothing. */
int kup_producer_room(struct kup_producer *producer, kup_u32 space);

/* The tail that gives room for `space` bytes: what a producer announces. */
kup_u32 kup_producer_wants(const struct kup_producer *producer, kup_u32 space);

/* Nonzero: kup_producer_reserve would return KUP_RING_CROWDED. */
int kup_producer_crowded(const struct kup_producer *producer);

/*
 * Claims the next record. On KUP_RING_OK *position names it, and each such record must be committed;
 * KUP_RING_CROWDED, or what kup_producer_room returns. `length` is at most KUP_MAX_PAYLOAD(bytes).
 */
int kup_producer_reserve(struct kup_producer *producer, kup_u32 length, kup_u32 *position);

/* Where the payload of the record at `position` goes: `length` contiguous bytes. */
void *kup_producer_payload(const struct kup_producer *producer, kup_u32 position);

/*
 * Finishes the record at `position`, reserved with `reserved` bytes; `length` may be less. flags:
 * 0, KUP_RECORD_DISCARD or KUP_RECORD_CONTROL. 1 if the consumer sleeps for what is finished now:
 * wake it. A position that is not open (a record that is committed twice) is ignored.
 */
int kup_producer_commit(struct kup_producer *producer, kup_u32 position, kup_u32 reserved,
			kup_u32 length, kup_u32 type, kup_u32 flags);

/* "I am going to sleep until the tail has reached this position." Then look again. */
void kup_producer_announce(struct kup_producer *producer, kup_u32 position);

/* ---- Consuming ---- */

/*
 * The next readable record, without consuming it: KUP_RING_OK, _WAIT, _END, or a lie. Skips
 * discarded records, so look at owes_wake afterwards whatever the result.
 */
int kup_consumer_peek(struct kup_consumer *consumer, struct kup_record *record);

/*
 * Consumes the record that the last peek returned. Gives its room back at once if nothing is
 * readable behind it, if the producer sleeps for it, or if it is much; otherwise later. KUP_RING_OK,
 * or KUP_RING_LIE_POSITION. Look at owes_wake afterwards.
 */
int kup_consumer_release(struct kup_consumer *consumer, const struct kup_record *record);

/* Gives all room back, at the end of a batch. As release. */
int kup_consumer_publish(struct kup_consumer *consumer);

/* Might a peek return something else than KUP_RING_WAIT? Trusts nothing, changes nothing. */
int kup_consumer_ready(const struct kup_consumer *consumer);

/*
 * Before a sleep on the channel: gives all room back, and checks what was read against head. As
 * release.
 */
int kup_consumer_settle(struct kup_consumer *consumer);

/* "I am going to sleep until the record that contains this position is readable." Then look again. */
void kup_consumer_announce(struct kup_consumer *consumer, kup_u32 position);

/* The producer is gone: what it has published now is all there will be. KUP_RING_OK or a lie. */
int kup_consumer_freeze(struct kup_consumer *consumer);

#endif
