/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Atomic access to single words, by the compiler's own C11 operations: the same in a kernel
 * and in a process, with no system header. Each caller's comment names its partner.
 */
#ifndef KUP_ATOMIC_H
#define KUP_ATOMIC_H

#include "../uapi/kup_abi.h"

static inline kup_u32 kup_load(const kup_u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline kup_u32 kup_load_acquire(const kup_u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void kup_store(kup_u32 *word, kup_u32 value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline void kup_store_release(kup_u32 *word, kup_u32 value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* A counter that others may read at any time, and only one context at a time changes. */
static inline void kup_store64(kup_u64 *word, kup_u64 value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline kup_u64 kup_load64(const kup_u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/*
 * Pointers to what is complete before it can be seen. The types of `word` and `value` are the
 * caller's.
 */
#define kup_load_pointer(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)
#define kup_store_pointer(word, value) __atomic_store_n(word, value, __ATOMIC_RELEASE)

/* Returns what was there before: `from`, if the word is `to` now. */
static inline kup_u32 kup_change(kup_u32 *word, kup_u32 from, kup_u32 to)
{
	__atomic_compare_exchange_n(word, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return from;
}

static inline kup_u32 kup_exchange(kup_u32 *word, kup_u32 value)
{
	return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}

/* Returns what was there before. */
static inline kup_u32 kup_fetch_or(kup_u32 *word, kup_u32 bits)
{
	return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static inline kup_u32 kup_fetch_and(kup_u32 *word, kup_u32 bits)
{
	return __atomic_fetch_and(word, bits, __ATOMIC_SEQ_CST);
}

static inline void kup_add64(kup_u64 *word, kup_u64 value)
{
	__atomic_fetch_add(word, value, __ATOMIC_RELAXED);
}

/* Tests stretch the time on both sides of a fence: that is where wake-ups get lost. */
#ifdef KUP_FENCE_HOOK
void KUP_FENCE_HOOK(void);
#else
#define KUP_FENCE_HOOK() ((void)0)
#endif

/* The full fence between "I said that I sleep / that there is more" and "what did the other say".
 */
static inline void kup_fence(void)
{
	KUP_FENCE_HOOK();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	KUP_FENCE_HOOK();
}

/*
 * Reference counts saturate: one that has come to half of its range, or that was put once too
 * often, stays in the upper half, and what it counts is never freed. A leak is harmless, and a
 * count that wraps to 0 is not. The stores below race with other threads, which have 2^30 calls to
 * go before that matters.
 */
#define KUP_REFS_LIMIT 0x80000000u
#define KUP_REFS_FULL 0xc0000000u

static inline void kup_ref_get(kup_u32 *refs)
{
	if (__atomic_fetch_add(refs, 1, __ATOMIC_RELAXED) >= KUP_REFS_LIMIT - 1)
		__atomic_store_n(refs, KUP_REFS_FULL, __ATOMIC_RELAXED);
}

/* Nonzero for the caller that let go of the last reference: it sees all that the others did. */
static inline int kup_ref_put(kup_u32 *refs)
{
	kup_u32 before = __atomic_fetch_sub(refs, 1, __ATOMIC_ACQ_REL);

	if (before == 0 || before >= KUP_REFS_LIMIT)
		__atomic_store_n(refs, KUP_REFS_FULL, __ATOMIC_RELAXED);
	return before == 1;
}

#endif
