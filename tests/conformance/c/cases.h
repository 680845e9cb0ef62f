/* SPDX-License-Identifier: BSD-3-Clause */
/* One line of output per case: "ok sentence", "not ok sentence: why", "skip sentence: why". */
#ifndef CASES_H
#define CASES_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "../../lib/patience.h"

/*
 * Ends the program with a "not ok" if it isn't done in five times as many seconds as a quiet machine
 * may need.
 */
void begin_cases(unsigned int seconds);

/* What is being tried: told if the program gets stuck. */
void trying(const char *what);

/* Prints a case's outcome; `why` is a format, printed only if `good` is false. Returns `good`. */
bool check(bool good, const char *sentence, const char *why, ...)
	__attribute__((format(printf, 3, 4)));

/* A call that had to return the negative of this errno. */
bool refused(long result, int wanted, const char *sentence);

/* A call that had to return zero, and otherwise returns a negative errno. */
bool worked(long result, const char *sentence);

/* The name of a negative errno; "nothing" for zero. */
const char *error_name(long result);

void skip(const char *sentence, const char *why);

/* The program's exit status. */
int finish(void);

/* Ends the program at once: without this the rest makes no sense. */
void need(bool good, const char *what);

uint64_t now_ms(void);
void sleep_ms(unsigned int milliseconds);
void sleep_us(unsigned int microseconds);

/* xorshift: a test's own randomness, the same in each run for the same seed. */
uint32_t random_next(uint32_t *state);

/* The program's own dice, of so many sides from 0 on, for one thread. */
uint32_t dice(uint32_t sides);

/* Does nothing, a few instructions, a yield's worth, or longer than the kernel's side looks. */
void dawdle(void);

/* Tries a condition again and again for so long. */
#define EVENTUALLY(milliseconds, condition)                                                        \
	({                                                                                         \
		uint64_t eventually_end = now_ms() + (milliseconds);                               \
		bool eventually_true;                                                              \
		while (!(eventually_true = (condition)) && now_ms() < eventually_end)              \
			sleep_ms(1);                                                               \
		eventually_true;                                                                   \
	})

#endif
