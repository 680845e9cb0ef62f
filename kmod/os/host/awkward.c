/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What makes this system as awkward as a kernel: contexts that may not sleep, failing allocations,
 * delays. To debug a client, set the last two by environment variables, each as ODDS or ODDS:SEED:
 *
 *   KUP_HOST_FAILURES=100:7  one allocation in 100 fails
 *   KUP_HOST_DELAYS=50:7     one time in 50, a thread waits at a place where threads meet
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host.h"

static _Thread_local kup_u32 atomic_depth;
/* The sum of all threads'. It is cheaper to read, and nearly always 0. */
kup_u32 host_all_depths;

void host_enter_atomic(void)
{
	atomic_depth++;
	__atomic_fetch_add(&host_all_depths, 1, __ATOMIC_RELAXED);
}

void host_leave_atomic(void)
{
	atomic_depth--;
	__atomic_fetch_sub(&host_all_depths, 1, __ATOMIC_RELAXED);
}

kup_u32 host_suspend_atomic(void)
{
	kup_u32 depth = kup_load(&host_all_depths) ? atomic_depth : 0;

	if (depth > 0) {
		atomic_depth = 0;
		__atomic_fetch_sub(&host_all_depths, depth, __ATOMIC_RELAXED);
	}
	return depth;
}

void host_resume_atomic(kup_u32 depth)
{
	if (depth == 0)
		return;
	atomic_depth += depth;
	__atomic_fetch_add(&host_all_depths, depth, __ATOMIC_RELAXED);
}

void host_may_sleep(const char *what)
{
	/* Relaxed: this thread's own part is what counts. */
	if (kup_load(&host_all_depths) == 0 || atomic_depth == 0)
		return;
	fprintf(stderr, "kup: %s in a context that may not sleep\n", what);
	abort();
}

/* ---- Dice: each thread has its own, so its numbers don't depend on other threads ---- */

static kup_u32 dice(kup_u32 seed)
{
	static kup_u32 threads;
	static _Thread_local kup_u32 state;

	if (!state)
		state = (seed + __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED)) * 2654435761u |
			1;
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* ---- Allocations ---- */

static kup_u32 fail_at;
static kup_u32 failure_odds, failure_seed;
static kup_u32 allocations;

void host_fail_allocation(kup_u32 n)
{
	kup_store(&allocations, 0);
	kup_store(&fail_at, n);
}

void host_fail_allocations(kup_u32 odds, kup_u32 seed)
{
	kup_store(&failure_seed, seed);
	kup_store(&failure_odds, odds);
}

kup_u32 host_allocations(void)
{
	return kup_load(&allocations);
}

int host_allocation_fails(void)
{
	kup_u32 odds = kup_load(&failure_odds);
	kup_u32 n = __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);

	return n == kup_load(&fail_at) || (odds && dice(kup_load(&failure_seed)) % odds == 0);
}

/* ---- Delays ---- */

unsigned int host_delays_on;
static kup_u32 delay_odds, delay_seed;

void host_delays(kup_u32 odds, kup_u32 seed)
{
	kup_store(&delay_seed, seed);
	kup_store(&delay_odds, odds);
	kup_store(&host_delays_on, odds != 0);
}

void host_delay(void)
{
	kup_u32 odds = kup_load(&delay_odds);
	struct timespec time = { 0 };

	if (odds == 0 || dice(kup_load(&delay_seed)) % odds != 0)
		return;
	time.tv_nsec = dice(0) % 300000;
	nanosleep(&time, NULL);
}

/* ---- The environment variables ---- */

static void set_from(const char *variable, void (*set)(kup_u32 odds, kup_u32 seed))
{
	const char *value = getenv(variable);
	unsigned int odds, seed = 1;

	if (!value || !*value)
		return;
	if (sscanf(value, "%u:%u", &odds, &seed) < 1) {
		fprintf(stderr, "kup: %s must be ODDS or ODDS:SEED\n", variable);
		return;
	}
	set(odds, seed);
}

__attribute__((constructor)) static void read_environment(void)
{
	set_from("KUP_HOST_FAILURES", host_fail_allocations);
	set_from("KUP_HOST_DELAYS", host_delays);
}
