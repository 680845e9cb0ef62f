/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints one line per case: "ok sentence", "not ok sentence: why", or "skip sentence: why". */
#ifndef CASES_H
#define CASES_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "../../lib/patience.h"

/* Ends the program with a "not ok" after five times as many seconds as a quiet machine may need. */
void begin_cases(unsigned int seconds);

/* Names what the program does next: the "not ok" of a program that hangs contains it. */
void trying(const char *what);

/*
 * Prints the outcome of a case. `why` is a format, printed only if `good` is false. Returns `good`.
 */
bool check(bool good, const char *sentence, const char *why, ...)
	__attribute__((format(printf, 3, 4)));

/* Checks a call that has to return the negative of this errno. */
bool refused(long result, int wanted, const char *sentence);

/* Checks a call that has to return zero; it returns a negative errno on failure. */
bool worked(long result, const char *sentence);

/* The name of a negative errno, or "nothing" for zero. */
const char *error_name(long result);

void skip(const char *sentence, const char *why);

/* The program's exit status. */
int finish(void);

/* Ends the program at once if `good` is false: without it the rest makes no sense. */
void need(bool good, const char *what);

uint64_t now_ms(void);
void sleep_ms(unsigned int milliseconds);
void sleep_us(unsigned int microseconds);

/* xorshift: the test's own random numbers, the same in each run for the same seed. */
uint32_t random_next(uint32_t *state);

/* The program's own dice with this many sides, from 0 on. For one thread only. */
uint32_t dice(uint32_t sides);

/*
 * Waits not at all, for a few instructions, for a short sleep, or longer than the kernel's side
 * spins.
 */
void dawdle(void);

/* Tries a condition again and again, for at most this long. */
#define EVENTUALLY(milliseconds, condition)                                                        \
	({                                                                                         \
		uint64_t eventually_end = now_ms() + (milliseconds);                               \
		bool eventually_true;                                                              \
		while (!(eventually_true = (condition)) && now_ms() < eventually_end)              \
			sleep_ms(1);                                                               \
		eventually_true;                                                                   \
	})

/* The longest pause that the echo client makes. */
#define LONGEST_PAUSE_MS 60000

/*
 * Runs a test that must do something before a pause of this length ends. If it returns false, it
 * was late: its cases do not count, and it runs again with a pause that is four times longer. Ends
 * the program with a failure if no pause is long enough; the last cases count. A test is in time if
 * less than the pause has passed since before the pause began.
 */
void test_in_pause(uint32_t milliseconds, bool (*test)(uint32_t milliseconds));

#endif
