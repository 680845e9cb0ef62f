/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rounds: each one does `count` items of one kind of work, and measures the time of an item. A
 * round takes 1 to 3 ms, less than a scheduler's slice, so many of them are not disturbed.
 */
#ifndef ROUNDS_H
#define ROUNDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kup_user_channel;

/* Trips before the time is taken. The threads of both sides run then. */
#define WARM_UP 20

/* What a round works with. */
struct round {
	struct kup_user_channel *channel; /* for rounds over KUP */
	int theirs;			  /* the processor of the other side, or -1 */
	uint32_t length;		  /* bytes of a message */
	uint32_t batch;			  /* messages in a call */
	uint32_t threads;		  /* that send, in the kernel */
	uint32_t count;			  /* items */
	double *each; /* if not NULL: where to store the time of each item, in ns */
};

/* Returns ns per item, or a negative errno. -EILSEQ: what arrived is not what was sent. */
typedef double (*round_fn)(const struct round *round);

struct round_entry {
	const char *name;
	round_fn run;
	int (*is_here)(void); /* NULL: always */
};

/* Each table ends with an entry without a name. */
extern const struct round_entry kup_rounds[], ring_rounds[], call_rounds[], kernel_rounds[],
	iceoryx2_rounds[];

/* Runs main(round) in a thread on the other side's processor. Returns 0 or a positive errno. */
struct helper {
	const struct round *round;
	void (*main)(const struct round *round);
	unsigned long thread;
};
int helper_start(struct helper *helper);
void helper_join(const struct helper *helper);

/* Puts the calling thread, and those that it starts, on a processor. -1: any. */
int32_t bench_pin(int32_t processor);

static inline double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The time of items. Each is timed by itself only if the round has an array for that. */
struct stopwatch {
	double start, last;
};

static inline void stopwatch_item(struct stopwatch *watch, const struct round *round, uint32_t i)
{
	double now;

	if (i == 0)
		watch->start = watch->last = now_ns();
	else if (__builtin_expect(round->each != NULL, 0)) {
		now = now_ns();
		round->each[i - 1] = now - watch->last;
		watch->last = now;
	}
}

static inline double stopwatch_end(struct stopwatch *watch, const struct round *round)
{
	double now = now_ns();

	if (round->each != NULL)
		round->each[round->count - 1] = now - watch->last;
	return (now - watch->start) / round->count;
}

static inline void put_word(void *data, uint64_t word)
{
	memcpy(data, &word, sizeof(word));
}

static inline uint64_t get_word(const void *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
	return word;
}

/* 0 + 1 + ... + (count - 1) */
static inline uint64_t sum_below(uint64_t count)
{
	return count * (count - 1) / 2;
}

#ifdef __cplusplus
}
#endif

#endif
