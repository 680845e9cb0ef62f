/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The unchanged engine and echo client in threads of this process, under a sanitizer: first with
 * good timing, then with delays wherever threads meet.
 *
 *   engine [SEED]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user.h"

int main(int count, char **arguments)
{
	kup_u32 seed = count > 1 ? (kup_u32)strtoul(arguments[1], NULL, 0) : 1;

	/* A lost wake-up is a hang: SIGALRM ends it, without the summary that a good run has. */
	alarm(240);
	if (kup_user_host_load("echo", NULL)) {
		printf("not ok the echo client can be loaded\n");
		return 1;
	}
	life_cases();
	flow_cases();
	fprintf(stderr, "# with delays, seed %u\n", seed);
	host_delays(50, seed);
	life_cases();
	flow_cases();
	host_delays(0, 0);
	kup_user_host_unload("echo");
	host_join_threads();
	printf("ok everything is over without a leak or a race\n");
	return failures != 0;
}
