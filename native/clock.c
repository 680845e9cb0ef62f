/* SPDX-License-Identifier: BSD-3-Clause */
/* Time for TypeScript, whose own clocks a test framework may have replaced or stopped. */
#include <time.h>

#include "kup_user.h"
#include "portable.h"

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
	return milliseconds(COARSE_CLOCK);
}

int32_t kup_user_yield(void)
{
	return yield_processor();
}
