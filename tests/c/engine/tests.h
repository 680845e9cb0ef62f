/* SPDX-License-Identifier: BSD-3-Clause */
/* How a case reports, what a run was asked for, and which cases there are. */
#ifndef TESTS_H
#define TESTS_H

#include "host.h"
#include "../../lib/patience.h"

/* Prints "ok SENTENCE" or "not ok SENTENCE: why"; the process's exit status tells of `failures`. */
extern int failures;
void check(int good, const char *sentence, const char *why, ...)
	__attribute__((format(printf, 3, 4)));

/* What the command line asked for, and whether delays are on now. */
extern struct test_run {
	kup_u32 seed;
	kup_u32 odds;	  /* of delays, in the second half */
	kup_u64 storm_ns; /* of each storm */
	int delays;
} run;

/* In between: a case has much to do before it begins, and is after something else. */
void pause_delays(void);
void resume_delays(void);

/* xorshift32; `state` is never 0. */
kup_u32 dice(kup_u32 *state);
/* Different for each user of it. */
kup_u32 dice_seed(kup_u32 user);

void sleep_ms(kup_u32 milliseconds);

/*
 * Storms last as long as the run wants them to, and longer while they haven't come to anything: on
 * a busy machine little happens in half a second. Who gets something done says so by storm_step.
 */
void storm_begin(void);
void storm_step(void);
kup_u32 storm_steps(void);
int storm_goes_on(kup_u32 least_steps);
/* Until it is over. */
void storm_wait(kup_u32 least_steps);
/* A device's life in a storm: short, but for one in which nobody gets anything done. */
void storm_pause(kup_u32 milliseconds);

/* A device with this client; ends the process when it can't be made. */
struct kup_device *make_device(const struct kup_config *config, const struct kup_ops *ops);

/* Waits until nobody has an open file of it any more; 0: that didn't come to be. */
int nobody_has(struct kup_device *device);

/* A client that echoes. */
extern const struct kup_ops echo_ops;

/* ---- faults.c: what the native library and the host driver ask of the system ---- */

/* The n-th request of the calling thread from now fails, once; 0: none. */
void fail_request(kup_u32 n);
/* How many there were since. */
kup_u32 requests(void);

/*
 * Whoever asks for a file in memory waits until this is 0 again; and a word that says if one does.
 */
void hold_memory(kup_u32 hold);
const kup_u32 *memory_is_held(void);

/* ---- The cases ---- */

/* First: it wants to see the waiter start. Nothing may be loaded. */
void failure_cases(void);
void module_cases(void);
void end_cases(void);
/* With the echo client loaded. */
void life_cases(void);
void number_cases(void);
void waiter_cases(void);
void flow_cases(void);
void duplex_cases(void);
void wait_cases(void);
void publish_cases(void);
void batch_cases(void);
void watermark_cases(void);
void turn_cases(void);
void turn_raw_cases(void);
void call_cases(void);
void call_storm_cases(void);
void kupdev_cases(void);
void kupdev_late_cases(void);
void kupdev_given_up_cases(void);
void spin_cases(void);

#endif
