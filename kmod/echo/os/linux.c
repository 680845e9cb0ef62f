/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/version.h>

#include "../context.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define timer_delete_sync del_timer_sync
#endif

struct context_call {
	struct irq_work interrupt;
	struct tasklet_struct deferred;
	struct timer_list timer;
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

static void run_timer(struct timer_list *timer)
{
	struct context_call *call = container_of(timer, struct context_call, timer);

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

int echo_in_timer(void (*work)(void *), void *argument)
{
	struct context_call *call = new_call(work, argument);

	if (!call)
		return -ENOMEM;
	timer_setup(&call->timer, run_timer, 0);
	mod_timer(&call->timer, jiffies);
	wait_for_completion(&call->done);
	timer_delete_sync(&call->timer);
	kfree(call);
	return 0;
}
