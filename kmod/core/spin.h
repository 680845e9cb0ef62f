/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * How both sides look before they sleep: for a budget of time, with a look at the clock only now
 * and then. A slow clock (HPET, ACPI: ordinary in virtual machines) costs more than a whole round
 * trip. The time that a look takes is measured while spinning, so a budget shorter than 32 looks
 * still ends about in time.
 */
#ifndef KUP_SPIN_H
#define KUP_SPIN_H

#include "../uapi/kup_abi.h"

#define KUP_MOST_LOOKS 32u
#define KUP_FIRST_LOOKS 8u
/* Far above any real look, and 32 of them fit into 32 bits. */
#define KUP_LONGEST_LOOK_NS (1u << 26)

/* How many looks to take before the next reading: 0 only without time, KUP_MOST_LOOKS at most. */
static inline kup_u32 kup_looks_in(kup_u64 ns, kup_u32 look_ns)
{
	kup_u32 looks;

	if (ns == 0)
		return 0;
	/* Nothing is known yet. */
	if (look_ns == 0)
		return KUP_FIRST_LOOKS;
	if (ns >= (kup_u64)look_ns * KUP_MOST_LOOKS)
		return KUP_MOST_LOOKS;
	looks = (kup_u32)ns / look_ns;
	return looks > 0 ? looks : 1;
}

/* What one of these looks took. A reading is part of it, so a single look counts as a long one. */
static inline kup_u32 kup_look_ns(kup_u32 looks, kup_u64 took_ns)
{
	if (took_ns >= (kup_u64)KUP_LONGEST_LOOK_NS)
		return KUP_LONGEST_LOOK_NS;
	return (kup_u32)took_ns / looks + 1; /* 0 is "not known" */
}

#endif
