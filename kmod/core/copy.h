/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef KUP_COPY_H
#define KUP_COPY_H

#include "../uapi/kup_abi.h"

/* Longer payloads are left to the system's memcpy. (The host driver has its own number.) */
#ifndef KUP_COPY_INLINE
#define KUP_COPY_INLINE 128u
#endif

/*
 * memcpy for payloads, most of which are short. A kernel's memcpy has a single instruction for all
 * lengths, which takes longer to begin than these take to end. Without bytes, both pointers may be
 * NULL.
 */
static inline void kup_copy(void *target, const void *source, kup_u32 length)
{
	kup_u8 *to = (kup_u8 *)target;
	const kup_u8 *from = (const kup_u8 *)source;

	if (length > KUP_COPY_INLINE) {
		__builtin_memcpy(to, from, length);
		return;
	}
	for (; length >= 32; length -= 32, to += 32, from += 32)
		__builtin_memcpy(to, from, 32);
	if (length & 16) {
		__builtin_memcpy(to, from, 16);
		to += 16;
		from += 16;
	}
	if (length & 8) {
		__builtin_memcpy(to, from, 8);
		to += 8;
		from += 8;
	}
	if (length & 4) {
		__builtin_memcpy(to, from, 4);
		to += 4;
		from += 4;
	}
	if (length & 2) {
		__builtin_memcpy(to, from, 2);
		to += 2;
		from += 2;
	}
	if (length & 1)
		*to = *from;
}

#endif
