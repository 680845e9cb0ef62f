/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Atomic access to single words, with the compiler's C11 operations: the same in a kernel and in a
 * process, without a system header. The comment of each caller names its partner.
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

/* A counter that any thread may read, and that one context at a time changes. */
static inline void kup_store64(kup_u64 *word, kup_u64 value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline kup_u64 kup_load64(const kup_u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/*
 * For pointers to objects that must be complete before another thread sees them. The caller chooses
 * the types of `word` and `value`.
 */
#define kup_load_pointer(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)
#define kup_store_pointer(word, value) __atomic_store_n(word, value, __ATOMIC_RELEASE)

/*
 * Changes the word from `from` to `to`. Returns the old value, which is `from` if it was changed.
 */
static inline kup_u32 kup_change(kup_u32 *word, kup_u32 from, kup_u32 to)
{
	__atomic_compare_exchange_n(word, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return from;
}

static inline kup_u32 kup_exchange(kup_u32 *word, kup_u32 value)
{
	return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}

/* Returns the old value. */
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

/* os/host/fence_hook.h has one. */
#ifndef kup_fence_hook
#define kup_fence_hook() ((void)0)
#endif

/*
 * The full fence between a side's own store (its sleep, or its new record) and its load of the
 * other side's word.
 */
static inline void kup_fence(void)
{
	kup_fence_hook();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	kup_fence_hook();
}

/*
 * Reference counts saturate. A count that has reached half of its range, or that was put once too
 * often, stays in the upper half, and its object is never freed. That leak is harmless; a count
 * that wraps to 0 is not. The stores below race with other threads, but that could matter only
 * after 2^30 more calls.
 */
#define KUP_REFS_LIMIT 0x80000000u
#define KUP_REFS_FULL 0xc0000000u

static inline void kup_ref_get(kup_u32 *refs)
{
	if (__atomic_fetch_add(refs, 1, __ATOMIC_RELAXED) >= KUP_REFS_LIMIT - 1)
		__atomic_store_n(refs, KUP_REFS_FULL, __ATOMIC_RELAXED);
}

/* Nonzero for the caller that put the last reference; it sees all that the other threads did. */
static inline int kup_ref_put(kup_u32 *refs)
{
	kup_u32 before = __atomic_fetch_sub(refs, 1, __ATOMIC_ACQ_REL);

	if (before == 0 || before >= KUP_REFS_LIMIT)
		__atomic_store_n(refs, KUP_REFS_FULL, __ATOMIC_RELAXED);
	return before == 1;
}

#endif
