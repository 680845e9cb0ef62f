/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * How both sides spin before they sleep. A spin looks again and again, for a budget of time, and
 * reads the clock only after several looks: a slow clock (HPET, ACPI: usual in virtual machines)
 * costs more than a whole round trip. The time of a look is measured while spinning, so even a
 * budget of less than 32 looks ends nearly in time.
 */
#ifndef KUP_SPIN_H
#define KUP_SPIN_H

#include "atomic.h"

#define KUP_MOST_LOOKS 32u
#define KUP_FIRST_LOOKS 8u
/* Far above the time of any real look, and 32 of them fit into 32 bits. */
#define KUP_LONGEST_LOOK_NS (1u << 26)

/*
 * Returns how many looks to make before the clock is read: 0 only without time, and at most
 * KUP_MOST_LOOKS.
 */
static inline kup_u32 kup_looks_in(kup_u64 ns, kup_u32 look_ns)
{
	kup_u32 looks;

	if (ns == 0)
		return 0;
	/* The time of a look is not known yet. */
	if (look_ns == 0)
		return KUP_FIRST_LOOKS;
	if (ns >= (kup_u64)look_ns * KUP_MOST_LOOKS)
		return KUP_MOST_LOOKS;
	looks = (kup_u32)ns / look_ns;
	return looks > 0 ? looks : 1;
}

/*
 * Returns the time of one of these looks. The reading of the clock is included, so a single look
 * seems long.
 */
static inline kup_u32 kup_look_ns(kup_u32 looks, kup_u64 took_ns)
{
	if (took_ns >= (kup_u64)KUP_LONGEST_LOOK_NS)
		return KUP_LONGEST_LOOK_NS;
	return (kup_u32)took_ns / looks + 1; /* 0 means "not known" */
}

/*
 * ---- What happens between two looks ----
 *
 * Usually a pause of the processor. Two kinds of waits need something else.
 *
 * The peer may wait for this very processor; then no number of looks would find anything. A process
 * can't ask for that, so it yields after some looks, which takes as long as some dozen of them. If
 * waits end again and again right after a yield, the next ones yield after each look.
 *
 * A consumer that is faster than its producer finds each record within the first few looks, while a
 * round trip takes longer. Then each look takes the cache line away that the producer writes next,
 * which slows the stream down to one record in the time of such a transfer. So if waits end again
 * and again within the first looks, the next ones begin with a longer pause, in which the producer
 * gets ahead.
 *
 * Either guess may be wrong, or become wrong. So one wait in some is made without them: if the peer
 * has the same processor, that wait can't end before its first yield; and if there is a stream, it
 * ends within the first looks. And a pause after which few records are there was in vain: then many
 * more quick waits have to come before the next one.
 */
struct kup_pace {
	kup_u32 shared; /* how many waits in a row have ended right after a yield */
	kup_u32 quick;	/* how many waits in a row have ended within the first looks */
	kup_u32 sure;	/* how many of them mean a stream, beside KUP_SURE_QUICK */
	kup_u32 paused; /* the last wait began with pauses */
	kup_u32 enough; /* then: the position of the cursor from which they were useful */
	kup_u32 waits;
	kup_u32 pauses; /* how many pauses take KUP_STREAM_NS; 0: not measured yet */
};

/* One wait. */
struct kup_steps {
	kup_u32 looks; /* so far */
	kup_u32 until_yield;
	kup_u32 per_yield;
	kup_u32 first_pauses;
	int measures;	 /* call kup_pace_measured with the time of the first pauses */
	kup_u32 yielded; /* between the last look and the next one */
};

#define KUP_LOOKS_PER_YIELD 64u
#define KUP_QUICK_LOOKS 4u
#define KUP_SURE_SHARED 3u
#define KUP_SURE_QUICK 8u
#define KUP_MOST_SURE 4096u
#define KUP_USEFUL_RECORDS 4u
#define KUP_WAITS_PER_PROBE 32u
#define KUP_WAITS_PER_MEASUREMENT 1024u
/*
 * How long the producer gets ahead. With less, streams of short messages are slower, and with more,
 * their messages come later. A pause takes 10 to 50 ns, so the number is measured.
 */
#define KUP_STREAM_NS 2400u
#define KUP_LEAST_STREAM_PAUSES 32u
#define KUP_MOST_STREAM_PAUSES 256u

/* Whether the steps have begun. */
static inline int kup_pace_is_on(const struct kup_steps *steps)
{
	return steps->per_yield != 0;
}

/* Called at the first wait after one with pauses. Checks whether several records came meanwhile. */
static inline void kup_pace_judge(struct kup_pace *pace, kup_u32 cursor)
{
	kup_u32 sure = kup_load(&pace->sure);

	kup_store(&pace->paused, 0);
	if ((int)(cursor - kup_load(&pace->enough)) >= 0) {
		kup_store(&pace->sure, 0);
		return;
	}
	kup_store(&pace->quick, 0);
	if (sure < KUP_MOST_SURE)
		kup_store(&pace->sure, 4 * sure + 4 * KUP_SURE_QUICK);
}

/*
 * Any threads may use one pace at the same time. A lost update only costs time.
 * `cursor` is the consumer's; a wait for room makes no use of it.
 */
static inline struct kup_steps kup_pace_begin(struct kup_pace *pace, kup_u32 cursor)
{
	struct kup_steps steps = { .per_yield = KUP_LOOKS_PER_YIELD };
	kup_u32 waits = kup_load(&pace->waits);

	if (kup_load(&pace->paused))
		kup_pace_judge(pace, cursor);
	kup_store(&pace->waits, waits + 1);
	if (waits % KUP_WAITS_PER_PROBE != 0) {
		if (kup_load(&pace->shared) >= KUP_SURE_SHARED)
			steps.per_yield = 1;
		if (kup_load(&pace->quick) >= KUP_SURE_QUICK + kup_load(&pace->sure)) {
			kup_u32 pauses = kup_load(&pace->pauses);

			steps.first_pauses = pauses ? pauses : KUP_LEAST_STREAM_PAUSES;
			steps.measures = !pauses || waits % KUP_WAITS_PER_MEASUREMENT == 1;
		}
	}
	steps.until_yield = steps.per_yield;
	return steps;
}

/* Called with the time that the first pauses took. */
static inline void kup_pace_measured(struct kup_pace *pace, const struct kup_steps *steps,
				     kup_u64 took_ns)
{
	kup_u64 pauses = (kup_u64)steps->first_pauses * KUP_STREAM_NS / (took_ns ? took_ns : 1);

	if (pauses < KUP_LEAST_STREAM_PAUSES)
		pauses = KUP_LEAST_STREAM_PAUSES;
	else if (pauses > KUP_MOST_STREAM_PAUSES)
		pauses = KUP_MOST_STREAM_PAUSES;
	kup_store(&pace->pauses, (kup_u32)pauses);
}

/* Called after a look that has found nothing. Nonzero: yield instead of a pause. */
static inline int kup_pace_step(struct kup_steps *steps)
{
	steps->looks++;
	steps->yielded = --steps->until_yield == 0;
	if (steps->yielded)
		steps->until_yield = steps->per_yield;
	return (int)steps->yielded;
}

/* Called after a look that has found a record: where that is, and the room that it takes. */
static inline void kup_pace_found(struct kup_pace *pace, const struct kup_steps *steps,
				  kup_u32 position, kup_u32 space)
{
	kup_u32 shared = kup_load(&pace->shared), quick = kup_load(&pace->quick);
	int is_quick = steps->looks <= KUP_QUICK_LOOKS && !steps->yielded;

	if (steps->first_pauses > 0) {
		kup_store(&pace->enough, position + KUP_USEFUL_RECORDS * space);
		kup_store(&pace->paused, 1);
	}
	if (steps->yielded) {
		if (shared < KUP_SURE_SHARED)
			kup_store(&pace->shared, shared + 1);
	} else if (shared > 0 && steps->looks > 0) {
		kup_store(&pace->shared, 0);
	}
	if (!is_quick && quick > 0)
		kup_store(&pace->quick, 0);
	else if (is_quick && quick < KUP_SURE_QUICK + kup_load(&pace->sure))
		kup_store(&pace->quick, quick + 1);
}

/*
 * ---- Yields on a crowded machine ----
 *
 * A yield takes a microsecond, or as long as the peer computes. If more threads want the processor,
 * it takes one of their slices, which is milliseconds; a thread that sleeps and is woken gets the
 * processor sooner. So after two such yields, the next waits sleep where they would yield. Then one
 * yields nevertheless, because the others may be gone. The more often they are not, the longer it
 * takes to the next try.
 */
struct kup_crowd {
	kup_u32 level; /* KUP_SLOW_YIELD for each slow yield, less 1 for each other one */
	kup_u32 left;  /* how many yields to leave out */
	kup_u32 span;  /* how many were left out last time */
};

#define KUP_SLOW_YIELD 8u
#define KUP_CROWDED 12u
#define KUP_LEAST_LEFT_OUT 4u
#define KUP_MOST_LEFT_OUT 256u

/* Nonzero: sleep instead of a yield. */
static inline int kup_crowd_avoids(struct kup_crowd *crowd)
{
	kup_u32 left = kup_load(&crowd->left);

	if (left > 0)
		kup_store(&crowd->left, left - 1);
	return left > 0;
}

/* Called after a yield; `slow`: another thread had the processor for a slice. */
static inline void kup_crowd_yielded(struct kup_crowd *crowd, int slow)
{
	kup_u32 level = kup_load(&crowd->level), span = kup_load(&crowd->span);

	if (!slow) {
		kup_store(&crowd->level, level > 0 ? level - 1 : 0);
		kup_store(&crowd->span, span / 2);
	} else if (level + KUP_SLOW_YIELD < KUP_CROWDED) {
		kup_store(&crowd->level, level + KUP_SLOW_YIELD);
	} else {
		span = span < KUP_LEAST_LEFT_OUT ? KUP_LEAST_LEFT_OUT : 2 * span;
		span = span < KUP_MOST_LEFT_OUT ? span : KUP_MOST_LEFT_OUT;
		kup_store(&crowd->span, span);
		kup_store(&crowd->left, span);
	}
}

#endif
