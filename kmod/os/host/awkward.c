/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What makes this system as awkward as a kernel: no sleep in atomic contexts, no memory, delays. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host.h"

static _Thread_local kup_u32 atomic_depth;

void host_enter_atomic(void)
{
	atomic_depth++;
}

void host_leave_atomic(void)
{
	atomic_depth--;
}

void host_may_sleep(const char *what)
{
	if (atomic_depth == 0)
		return;
	fprintf(stderr, "kup: %s in a context that may not sleep\n", what);
	abort();
}

/* ---- Allocations ---- */

static kup_u32 fail_at;
static kup_u32 allocations;

void host_fail_allocation(kup_u32 n)
{
	kup_store(&allocations, 0);
	kup_store(&fail_at, n);
}

kup_u32 host_allocations(void)
{
	return kup_load(&allocations);
}

int host_allocation_fails(void)
{
	return __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED) == kup_load(&fail_at);
}

/* ---- Delays ---- */

static kup_u32 delay_odds;
static kup_u32 delay_seed;

void host_delays(kup_u32 odds, kup_u32 seed)
{
	kup_store(&delay_seed, seed);
	kup_store(&delay_odds, odds);
}

/* Each thread throws dice of its own, so that one thread's luck doesn't depend on another's. */
static kup_u32 dice(void)
{
	static kup_u32 threads;
	static _Thread_local kup_u32 state;

	if (!state)
		state = (kup_load(&delay_seed) +
			 __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED)) *
				2654435761u |
			1;
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

void host_delay(void)
{
	kup_u32 odds = kup_load(&delay_odds);
	struct timespec time = { 0 };

	if (odds == 0 || dice() % odds != 0)
		return;
	time.tv_nsec = dice() % 300000;
	nanosleep(&time, NULL);
}
