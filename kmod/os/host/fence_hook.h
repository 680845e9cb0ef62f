/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The host driver's builds include this before all else. With KUP_HOST_DELAYS, a thread may wait on
 * both sides of a fence, because that is where wake-ups would get lost. A fence is executed for
 * each record, so without delays the hook costs a load.
 */
#ifndef KUP_FENCE_HOOK_H
#define KUP_FENCE_HOOK_H

/*
 * Every payload is copied by memcpy, in which AddressSanitizer finds what a client's buffer lacks;
 * see core/copy.h.
 */
#define KUP_COPY_INLINE 0u

extern unsigned int host_delays_on;
void host_delay(void);

#define kup_fence_hook()                                                                           \
	do {                                                                                       \
		if (__atomic_load_n(&host_delays_on, __ATOMIC_RELAXED))                            \
			host_delay();                                                              \
	} while (0)

#endif
