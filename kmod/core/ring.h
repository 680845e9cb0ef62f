/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * One ring, seen from its producing and from its consuming side. Written once: the engine, the
 * native library's C side and the tests use this code; TypeScript's ring is held against it.
 *
 * Each side keeps its positions in a struct of its own, which the peer can't reach. From shared
 * memory it reads only the peer's words (never its own back), each once, and checks them:
 * KUP_RING_LIE_* tells that the peer's word made no sense, and nothing was changed.
 *
 * Who pairs with whom. Stores on the left, the loads that they are for on the right; "fence" is
 * a full fence on both sides, so of two sides that meet, one at least sees the other:
 *
 *      producer                                consumer
 *      reserve:  header = BUSY
 *   A  reserve:  head        (release)   ----> peek:     head          (acquire)  A
 *      commit:   payload, type
 *   B  commit:   header      (release)   ----> peek:     header        (acquire)  B
 *      commit:   fence; load consumer_event    wait:     store consumer_event; fence;
 *                                                        look again (A, B)        C
 *   D  reserve:  tail        (acquire)   <---- release:  tail          (release)  D
 *      wait:     store producer_event; fence;  release:  fence; load producer_event
 *                look again (D)                                                   E
 *
 * Thread rule: calls on one side of one ring are serialised by the caller, but for
 * kup_producer_commit, which may run concurrently with everything, and for kup_consumer_ready and
 * kup_consumer_announce, as said there.
 */
#ifndef KUP_RING_H
#define KUP_RING_H

#include "../kup_record.h"
#include "atomic.h"

/* Results; the engine maps them to the system's errno values. */
#define KUP_RING_OK 0
#define KUP_RING_WAIT 1		/* no room, or nothing readable */
#define KUP_RING_LIE_POSITION 2 /* the peer's head or tail makes no sense */
#define KUP_RING_LIE_LENGTH 3	/* a record is longer than what lies before head */
#define KUP_RING_LIE_FLAGS 4	/* a record has flags, or a kind, that this consumer doesn't take */
#define KUP_RING_END 5		/* frozen, and everything has been read */

/* The producing side. */
struct kup_producer {
	kup_u8 *data;		  /* the ring, mapped twice */
	kup_u32 bytes;		  /* of the ring, once; a power of two */
	kup_u32 head;		  /* where the next record goes */
	kup_u32 tail;		  /* the last tail that was found valid */
	kup_u32 *head_word;	  /* ours, shared: output only */
	kup_u32 *event_word;	  /* ours, shared: output only */
	const kup_u32 *tail_word; /* the peer's */
	const kup_u32 *peer_event;
};

/* The consuming side. */
struct kup_consumer {
	const kup_u8 *data;
	kup_u32 bytes;
	kup_u32 tail;	       /* the next record to read */
	kup_u32 head;	       /* the last head that was found valid */
	kup_u32 controls;      /* the kinds that a control record may have: a mask of 1 << kind */
	kup_u32 skips_unknown; /* nonzero: skips kinds that are optional, and not known */
	kup_u32 frozen;	       /* no more records after head */
	kup_u32 owes_wake;     /* the producer sleeps, and the tail has reached its event */
	kup_u32 *tail_word;    /* ours, shared: output only */
	kup_u32 *event_word;   /* ours, shared: output only */
	const kup_u32 *head_word; /* the peer's */
	const kup_u32 *peer_event;
};

/* Free bytes by the peer's newest tail, or 0 and a result other than KUP_RING_OK. */
int kup_producer_free(struct kup_producer *producer, kup_u32 *bytes);

/* Room for `space` bytes? KUP_RING_OK, KUP_RING_WAIT or KUP_RING_LIE_POSITION. Changes nothing. */
int kup_producer_room(struct kup_producer *producer, kup_u32 space);

/*
 * Claims the next record: a BUSY header of this length, head published. On KUP_RING_OK *position
 * names it, and each such record must be committed. `length` is at most KUP_MAX_PAYLOAD(bytes).
 */
int kup_producer_reserve(struct kup_producer *producer, kup_u32 length, kup_u32 *position);

/* Where the payload of the record at `position` goes: `length` contiguous bytes. */
void *kup_producer_payload(const struct kup_producer *producer, kup_u32 position);

/*
 * Finishes the record at `position`, reserved with `reserved` bytes; `length` may be less. flags:
 * 0, KUP_RECORD_DISCARD or KUP_RECORD_CONTROL. Nonzero if the consumer sleeps for this very record:
 * wake it.
 */
int kup_producer_commit(struct kup_producer *producer, kup_u32 position, kup_u32 reserved,
			kup_u32 length, kup_u32 type, kup_u32 flags);

/* "I am going to sleep until the tail has reached this position." Then look again. */
void kup_producer_announce(struct kup_producer *producer, kup_u32 position);

/*
 * The next readable record, without consuming it: KUP_RING_OK, _WAIT, _END, or a lie. Skips
 * discarded records, so look at owes_wake afterwards whatever the result.
 */
int kup_consumer_peek(struct kup_consumer *consumer, struct kup_record *record);

/* Consumes the record that the last peek returned. Look at owes_wake afterwards. */
void kup_consumer_release(struct kup_consumer *consumer, const struct kup_record *record);

/* Might a peek return something else than KUP_RING_WAIT? Reads shared words, trusts none, changes
 * nothing. Also by threads that don't own the consumer, and by several at once. */
int kup_consumer_ready(const struct kup_consumer *consumer);

/* "I am going to sleep until the record at my tail is readable." Then look again. Also by threads
 * that don't own the consumer, one at a time. */
void kup_consumer_announce(struct kup_consumer *consumer);

/* The producer is gone: what it has published now is all there will be. KUP_RING_OK or a lie. */
int kup_consumer_freeze(struct kup_consumer *consumer);

#endif
