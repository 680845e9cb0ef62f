/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The unchanged engine and echo client behind the native library, in threads of this process, under
 * a sanitizer: first without delays, then with delays at places where threads meet.
 *
 *   engine [SEED [ODDS [MILLISECONDS]]]
 *
 * Each place delays one time in ODDS. Each storm takes MILLISECONDS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kup_user.h"
#include "tests.h"

static kup_u32 number(int count, char **arguments, int at, kup_u32 otherwise)
{
	return count > at ? (kup_u32)strtoul(arguments[at], NULL, 0) : otherwise;
}

static void all_cases(void)
{
	failure_cases();
	module_cases();
	end_cases();
	number_cases();
	size_cases();
	broadcast_cases();
	direction_cases();
	waiter_cases();
	duplex_cases();
	wait_cases();
	publish_cases();
	batch_cases();
	watermark_cases();
	watermark_user_cases();
	stamps_cases();
	meeting_cases();
	timer_cases();
	life_cases();
	turn_cases();
	turn_raw_cases();
	call_cases();
	call_storm_cases();
	kupdev_cases();
	kupdev_late_cases();
	kupdev_given_up_cases();
	spin_cases();
	if (kup_user_host_load("echo", NULL)) {
		failures++;
		printf("not ok kup_user_host_load() loads the echo client\n");
		return;
	}
	flow_cases();
	kup_user_host_unload("echo");
}

int main(int count, char **arguments)
{
	kup_u32 storm_ms = number(count, arguments, 3, 700);

	run.seed = number(count, arguments, 1, 1);
	run.odds = number(count, arguments, 2, 50);
	run.storm_ns = storm_ms * 1000000ull;
	/*
	 * A lost wake-up is a hang. SIGALRM ends it, without the last line that a good run prints.
	 */
	alarm(patience(900 + 60 * storm_ms / 1000));
	all_cases();
	fprintf(stderr, "# with delays, seed %u, odds %u\n", run.seed, run.odds);
	run.delays = 1;
	resume_delays();
	all_cases();
	run.delays = 0;
	host_delays(0, 0);
	host_join_threads();
	printf("ok the engine ends without a leak or a race\n");
	return failures != 0;
}
