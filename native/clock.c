/* SPDX-License-Identifier: BSD-3-Clause */
/* Time for TypeScript, whose own clocks a test framework may have replaced or stopped. */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "kup_user.h"

/* A clock that moves with the system's tick, so reading it takes only a few nanoseconds. */
#ifdef CLOCK_MONOTONIC_COARSE
#define COARSE CLOCK_MONOTONIC_COARSE
#else
#define COARSE CLOCK_MONOTONIC_FAST
#endif

static double milliseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double kup_user_now(void)
{
	return milliseconds(CLOCK_MONOTONIC);
}

double kup_user_now_coarse(void)
{
	return milliseconds(COARSE);
}

int32_t kup_user_yield(void)
{
	return sched_yield() ? -errno : 0;
}
