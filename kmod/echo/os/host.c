/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* All contexts are the same here: another thread, which may not sleep. */
#include "../context.h"

/*
 * The host driver's own marks: between these calls, a call that may sleep ends the process. They
 * are missing where the echo client is a shared object of its own.
 */
__attribute__((weak)) void host_enter_atomic(void);
__attribute__((weak)) void host_leave_atomic(void);

struct context_call {
	void (*work)(void *argument);
	void *argument;
};

static void run_atomic(void *data)
{
	const struct context_call *call = data;

	if (host_enter_atomic)
		host_enter_atomic();
	call->work(call->argument);
	if (host_leave_atomic)
		host_leave_atomic();
}

int echo_in_interrupt(void (*work)(void *), void *argument)
{
	struct context_call call = { work, argument };
	struct kup_thread *thread = NULL;
	int error = kup_thread_start(run_atomic, &call, "echo context", &thread);

	if (!error)
		kup_thread_join(thread);
	return error;
}

int echo_in_deferred(void (*work)(void *), void *argument)
{
	return echo_in_interrupt(work, argument);
}
