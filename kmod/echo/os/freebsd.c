/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/lock.h>
#include <sys/mutex.h>
#include <sys/callout.h>
#include <sys/sema.h>
#include <sys/taskqueue.h>

#include "../context.h"

struct context_call {
	struct task task;
	struct callout callout;
	void (*work)(void *argument);
	void *argument;
	struct sema done;
};

static void run_task(void *data, int pending)
{
	struct context_call *call = data;

	(void)pending;
	call->work(call->argument);
}

static void run_callout(void *data)
{
	struct context_call *call = data;

	call->work(call->argument);
	sema_post(&call->done);
}

/* An interrupt handler runs in an interrupt thread; taskqueue_swi is run by one. */
int echo_in_interrupt(void (*work)(void *), void *argument)
{
	struct context_call call = { .work = work, .argument = argument };

	TASK_INIT(&call.task, 0, run_task, &call);
	taskqueue_enqueue(taskqueue_swi, &call.task);
	taskqueue_drain(taskqueue_swi, &call.task);
	return 0;
}

/*
 * Draining waits until the function has returned. It would cancel a callout that hasn't begun, so
 * the callout reports its end first.
 */
int echo_in_deferred(void (*work)(void *), void *argument)
{
	struct context_call call = { .work = work, .argument = argument };

	sema_init(&call.done, 0, "kup echo");
	callout_init(&call.callout, 1);
	callout_reset_sbt(&call.callout, SBT_1US, 0, run_callout, &call, 0);
	sema_wait(&call.done);
	callout_drain(&call.callout);
	sema_destroy(&call.done);
	return 0;
}
