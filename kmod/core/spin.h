/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * How both sides spin before they sleep. A spin looks again and again, for a budget of time, and
 * reads the clock only after several looks: a slow clock (HPET, ACPI: usual in virtual machines)
 * costs more than a whole round trip. The time of a look is measured while spinning, so even a
 * budget of less than 32 looks ends nearly in time.
 */
#ifndef KUP_SPIN_H
#define KUP_SPIN_H

#include "../uapi/kup_abi.h"

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

#endif
