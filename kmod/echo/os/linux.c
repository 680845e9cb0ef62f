/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/slab.h>

#include "../context.h"

struct context_call {
	struct irq_work interrupt;
	struct tasklet_struct deferred;
	void (*work)(void *argument);
	void *argument;
	struct completion done;
};

static void run_interrupt(struct irq_work *interrupt)
{
	struct context_call *call = container_of(interrupt, struct context_call, interrupt);

	call->work(call->argument);
	complete(&call->done);
}

static void run_deferred(struct tasklet_struct *tasklet)
{
	struct context_call *call = from_tasklet(call, tasklet, deferred);

	call->work(call->argument);
	complete(&call->done);
}

static struct context_call *new_call(void (*work)(void *), void *argument)
{
	struct context_call *call = kzalloc(sizeof(*call), GFP_KERNEL);

	if (call) {
		call->work = work;
		call->argument = argument;
		init_completion(&call->done);
	}
	return call;
}

int echo_in_interrupt(void (*work)(void *), void *argument)
{
	struct context_call *call = new_call(work, argument);

	if (!call)
		return -ENOMEM;
	/*
	 * It runs in the interrupt; with PREEMPT_RT in a thread, as other handlers do, because a
	 * wake-up takes locks that sleep there.
	 */
	call->interrupt = IRQ_WORK_INIT(run_interrupt);
	irq_work_queue(&call->interrupt);
	wait_for_completion(&call->done);
	irq_work_sync(&call->interrupt);
	kfree(call);
	return 0;
}

int echo_in_deferred(void (*work)(void *), void *argument)
{
	struct context_call *call = new_call(work, argument);

	if (!call)
		return -ENOMEM;
	tasklet_setup(&call->deferred, run_deferred);
	tasklet_schedule(&call->deferred);
	wait_for_completion(&call->done);
	tasklet_kill(&call->deferred);
	kfree(call);
	return 0;
}
