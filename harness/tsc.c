/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints the frequency of the processor's time stamp counter in kHz. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define MEASURE_NS 200000000
#define TRIES 50

struct moment {
	int64_t ns;
	int64_t ticks;
};

/* Both clocks at once: of several tries the one in which the least time went by in between. */
static struct moment look(void)
{
	struct moment best = { 0, 0 };
	int64_t shortest = INT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		int64_t before = (int64_t)__rdtsc();
		struct timespec now;
		int64_t after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		after = (int64_t)__rdtsc();
		if (after - before >= shortest)
			continue;
		shortest = after - before;
		best.ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
		best.ticks = before + shortest / 2;
	}
	return best;
}

int main(void)
{
	struct timespec pause = { 0, MEASURE_NS };
	struct moment start = look(), end;

	nanosleep(&pause, NULL);
	end = look();
	printf("%lld\n", (long long)((end.ticks - start.ticks) * 1000000 / (end.ns - start.ns)));
	return 0;
}
