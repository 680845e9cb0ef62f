/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* All contexts are the same here: another thread, which may not sleep. */
#include "../context.h"
#include "host.h"

struct context_call {
	void (*work)(void *argument);
	void *argument;
};

static void *run_atomic(void *data)
{
	const struct context_call *call = data;

	host_enter_atomic();
	call->work(call->argument);
	host_leave_atomic();
	return NULL;
}

int echo_in_interrupt(void (*work)(void *), void *argument)
{
	struct context_call call = { work, argument };
	pthread_t id;

	host_may_sleep("echo_in_interrupt");
	if (host_create_thread(&id, HOST_DEFAULT_STACK, NULL, run_atomic, &call))
		return -ENOMEM;
	pthread_join(id, NULL);
	return 0;
}

int echo_in_deferred(void (*work)(void *), void *argument)
{
	return echo_in_interrupt(work, argument);
}
