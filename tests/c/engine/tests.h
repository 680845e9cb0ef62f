/* SPDX-License-Identifier: BSD-3-Clause */
/* How a case reports, the options of a run, and the list of cases. */
#ifndef TESTS_H
#define TESTS_H

#include "host.h"
#include "../../lib/patience.h"

/*
 * Prints "ok SENTENCE" or "not ok SENTENCE: why". The process's exit status depends on `failures`.
 */
extern int failures;
void check(int good, const char *sentence, const char *why, ...)
	__attribute__((format(printf, 3, 4)));

/* The options from the command line, and whether delays are on now. */
extern struct test_run {
	kup_u32 seed;
	kup_u32 odds;	  /* of delays, in the second half */
	kup_u64 storm_ns; /* of each storm */
	int delays;
} run;

/* Delays are off while a case prepares something long, and on again after that. */
void pause_delays(void);
void resume_delays(void);

/* xorshift32; `state` is never 0. */
kup_u32 dice(kup_u32 *state);
/* A seed that differs for each user. */
kup_u32 dice_seed(kup_u32 user);

void sleep_ms(kup_u32 milliseconds);

/*
 * Waits until the condition holds, for PATIENCE_MS at most. The value is whether it holds.
 */
#define EVENTUALLY(condition)                                                                      \
	({                                                                                         \
		kup_u64 eventually_end = os_now_ns() + PATIENCE_MS * 1000000ull;                   \
		int eventually_true;                                                               \
		while (!(eventually_true = (condition)) && os_now_ns() < eventually_end)           \
			sleep_ms(1);                                                               \
		eventually_true;                                                                   \
	})

/*
 * Storms last as long as the run's option, and longer until enough has happened: on a busy machine
 * little happens in half a second. A thread that completes something calls storm_step.
 */
void storm_begin(void);
void storm_step(void);
kup_u32 storm_steps(void);
int storm_goes_on(kup_u32 least_steps);
/* Waits until the storm is over. */
void storm_wait(kup_u32 least_steps);
/* How long a device lives in a storm: a short time, or longer if nothing was completed. */
void storm_pause(kup_u32 milliseconds);

/* Makes a device with this client, or ends the process. */
struct kup_device *make_device(const struct kup_config *config, const struct kup_ops *ops);

/* Waits until no file of the device is open any more. Returns 0 if that did not happen. */
int all_files_closed(struct kup_device *device);

/* A client that echoes. */
extern const struct kup_ops echo_ops;

/*
 * ---- faults.c: the requests that the native library and the host driver make of the system ----
 */

/* Makes the calling thread's n-th request from now fail, once; 0: none. */
void fail_request(kup_u32 n);
/* How many requests there were since. */
kup_u32 requests(void);

/*
 * Threads that ask for a file in memory wait until `hold` is 0 again. The word is 1 while a thread
 * waits.
 */
void hold_memory(kup_u32 hold);
const kup_u32 *memory_is_held(void);

/* ---- The cases ---- */

/* First, since it has to see the waiter start. Nothing may be loaded. */
void failure_cases(void);
void module_cases(void);
void end_cases(void);
void size_cases(void);
void broadcast_cases(void);
void direction_cases(void);
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
void watermark_user_cases(void);
void stamps_cases(void);
void meeting_cases(void);
void timer_cases(void);
void turn_cases(void);
void turn_raw_cases(void);
void call_cases(void);
void call_storm_cases(void);
void kupdev_cases(void);
void kupdev_late_cases(void);
void kupdev_given_up_cases(void);
void spin_cases(void);

/*
 * The engine's calls without the checks, for tests of what the engine does about a client's
 * mistakes.
 */
extern __typeof__(kup_device_create) engine_device_create;
extern __typeof__(kup_try_reserve) engine_try_reserve;
extern __typeof__(kup_commit) engine_commit;
extern __typeof__(kup_discard) engine_discard;
extern __typeof__(kup_peek) engine_peek;

#endif
