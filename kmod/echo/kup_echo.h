/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What the echo client does with a record depends on the record's type:
 *
 *   below ECHO_COMMANDS   sends the record back with the same type and bytes. (A record that does
 *                         not fit into a smaller ring to the user is skipped.)
 *   ECHO_PRODUCE          an echo_produce: sends `count` records of type ECHO_SAMPLE, each an
 *                         echo_sample and filler up to `length` bytes, then an echo_produced of
 *                         type ECHO_PRODUCE
 *   ECHO_SAMPLE           an echo_sample: checks number and checksum, sends nothing
 *   ECHO_REPORT           sends the echo_report of the samples so far, with type ECHO_REPORT, and
 *                         resets it
 *   ECHO_PAUSE            an echo_pause: reads nothing for this time, or until the channel ends
 *   ECHO_SHUFFLE          an echo_pause: reserves three records, commits the third, discards the
 *                         second, waits, commits the first. They contain the bytes "1" and "3".
 *                         (Ignored on a turn device, where two can't be open.)
 *   ECHO_CLOSE            closes the channel from the kernel's side
 *   ECHO_CONTEXTS         an echo_contexts: makes every call that kup.h allows in any context, in
 *                         this context; then sends an echo_contexts_done of type ECHO_CONTEXTS.
 *                         Records of this type and another length come before that, and are
 *                         ignored when the user sends them. (Ignored on a turn device.)
 *
 * On a call device, the methods below are all that it knows. Each answers with its own data, if
 * nothing else is stated:
 *
 *   below ECHO_CALL_COMMANDS  answers with the same bytes
 *   ECHO_CALL_STATUS      a u32: answers with this status and no data
 *   ECHO_CALL_LONG        a u32: answers with that many bytes, each 0x5a. A reply that doesn't fit
 *                         gets KUP_STATUS_TOO_LONG or KUP_STATUS_NO_ROOM
 *   ECHO_CALL_KEEP        is answered by ECHO_CALL_RELEASE, or with KUP_STATUS_CANCELLED when it is
 *                         cancelled
 *   ECHO_CALL_IGNORE      the same, but a cancel does not end it
 *   ECHO_CALL_RELEASE     a u32, where the kept requests are answered: ECHO_INTERRUPT,
 *                         ECHO_DEFERRED or ECHO_TRYING. Its own answer is their number, a u32
 *   ECHO_CALL_BACK        an echo_back and data: calls the user, from a thread of its own. The
 *                         answer has the user's status and data; if the call fails, the status
 *                         ECHO_CALL_FAILED and the positive errno, a u32
 *   ECHO_CALL_DEADLOCK    calls the user from the handler; answers with the positive errno, a u32
 *   ECHO_CALL_COUNTS      an echo_counts
 *   ECHO_CALL_CLOSE       closes the channel from the kernel's side, and does not answer
 *
 * A command with a payload of another size is ignored. Numbers are in the machine's byte order.
 */
#ifndef KUP_ECHO_H
#define KUP_ECHO_H

#include "kup_abi.h"

#define ECHO_COMMANDS 0xffff0000u
#define ECHO_PRODUCE 0xffff0001u
#define ECHO_SAMPLE 0xffff0002u
#define ECHO_REPORT 0xffff0003u
#define ECHO_PAUSE 0xffff0004u
#define ECHO_SHUFFLE 0xffff0005u
#define ECHO_CLOSE 0xffff0006u
#define ECHO_CONTEXTS 0xffff0007u

/* Methods; those from KUP_TYPE_RESERVED on can't be called. */
#define ECHO_CALL_COMMANDS 0xfffe0000u
#define ECHO_CALL_STATUS 0xfffe0001u
#define ECHO_CALL_LONG 0xfffe0002u
#define ECHO_CALL_KEEP 0xfffe0003u
#define ECHO_CALL_IGNORE 0xfffe0004u
#define ECHO_CALL_RELEASE 0xfffe0005u
#define ECHO_CALL_BACK 0xfffe0006u
#define ECHO_CALL_DEADLOCK 0xfffe0007u
#define ECHO_CALL_COUNTS 0xfffe0008u
#define ECHO_CALL_CLOSE 0xfffe0009u

/* A status of this client. */
#define ECHO_CALL_FAILED 1u

struct echo_back {
	kup_u32 method;
	kup_u32 milliseconds; /* the timeout */
};
KUP_ABI_ASSERT(sizeof(struct echo_back) == 8);

struct echo_counts {
	kup_u32 kept;	   /* requests that are kept now */
	kup_u32 cancelled; /* calls of ops.cancel so far */
	kup_u32 ignored;   /* see kup_calls_ignored */
	kup_u32 reserved;
};
KUP_ABI_ASSERT(sizeof(struct echo_counts) == 16);

/*
 * echo_produce.context: where the producer runs. Only the first one waits for room. The others lose
 * a record that doesn't fit, or that is longer than any message may be.
 */
#define ECHO_WAITING 0	 /* the channel's thread, as fast as it can */
#define ECHO_INTERRUPT 1 /* an interrupt handler */
#define ECHO_DEFERRED 2	 /* code that runs after interrupts (softirq, callout) */
#define ECHO_TRYING 3	 /* the channel's thread, never waiting */
#define ECHO_TIMER 4	 /* a timer's function */
/*
 * Four producers at once, in the contexts 1 to 4. Each sends `count` samples, which it numbers
 * itself, with its context as their `producer`. The echo_produced is the sum.
 */
#define ECHO_TOGETHER 5

struct echo_produce {
	kup_u64 count;
	kup_u32 length; /* of each payload; at least sizeof(struct echo_sample) */
	kup_u32 context;
};
KUP_ABI_ASSERT(sizeof(struct echo_produce) == 16);

/* echo_contexts.context: one of the above, or: */
#define ECHO_TIMER 4  /* a timer's callback */
#define ECHO_LOCKED 5 /* the channel's thread, which holds a spinlock */

struct echo_contexts {
	kup_u32 context;
	kup_u32 ends; /* nonzero: the last call ends the channel, so no answer comes */
};
KUP_ABI_ASSERT(sizeof(struct echo_contexts) == 8);

struct echo_contexts_done {
	kup_u32 wrong;	  /* the line in contexts.c of a call with a wrong result, or 0 */
	kup_u32 received; /* records that were received there */
};
KUP_ABI_ASSERT(sizeof(struct echo_contexts_done) == 8);

struct echo_produced {
	kup_u64 sent;
	kup_u64 lost;
};
KUP_ABI_ASSERT(sizeof(struct echo_produced) == 16);

/* Samples are numbered from 0, on each channel and in each direction. */
struct echo_sample {
	kup_u64 number;
	/* echo_checksum of all bytes behind this struct, with the number as its seed */
	kup_u32 checksum;
	kup_u32 producer; /* 0, or a context of ECHO_TOGETHER */
};
KUP_ABI_ASSERT(sizeof(struct echo_sample) == 16);

struct echo_report {
	kup_u64 records;
	kup_u64 bytes;	      /* of payload */
	kup_u64 out_of_order; /* records whose number does not follow the one before */
	kup_u64 damaged;      /* records with a wrong checksum */
};
KUP_ABI_ASSERT(sizeof(struct echo_report) == 32);

struct echo_pause {
	kup_u32 milliseconds; /* at most 60000 */
	kup_u32 reserved;
};
KUP_ABI_ASSERT(sizeof(struct echo_pause) == 8);

/* FNV-1a, 32 bits, over the bytes. It starts from the offset basis xor the seed. */
static inline kup_u32 echo_checksum_begin(kup_u32 seed)
{
	return 2166136261u ^ seed;
}

static inline kup_u32 echo_checksum_add(kup_u32 hash, kup_u8 byte)
{
	return (hash ^ byte) * 16777619u;
}

static inline kup_u32 echo_checksum(kup_u32 seed, const kup_u8 *bytes, kup_u32 length)
{
	kup_u32 hash = echo_checksum_begin(seed);

	while (length-- > 0)
		hash = echo_checksum_add(hash, *bytes++);
	return hash;
}

#endif
