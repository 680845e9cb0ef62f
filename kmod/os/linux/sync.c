/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Locks, waiting and waking, time, timers, threads. */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>

#include "linux.h"

/* ---- Locks ---- */

void os_spin_init(struct os_spin *spin)
{
	raw_spin_lock_init(&spin->lock);
}

void os_spin_destroy(struct os_spin *spin)
{
}

unsigned long os_spin_lock(struct os_spin *spin)
{
	unsigned long state;

	raw_spin_lock_irqsave(&spin->lock, state);
	return state;
}

void os_spin_unlock(struct os_spin *spin, unsigned long state)
{
	raw_spin_unlock_irqrestore(&spin->lock, state);
}

void os_mutex_init(struct os_mutex *mutex)
{
	mutex_init(&mutex->lock);
}

void os_mutex_destroy(struct os_mutex *mutex)
{
	mutex_destroy(&mutex->lock);
}

void os_mutex_lock(struct os_mutex *mutex)
{
	mutex_lock(&mutex->lock);
}

void os_mutex_unlock(struct os_mutex *mutex)
{
	mutex_unlock(&mutex->lock);
}

/* ---- Waiting and waking ---- */

void os_waitq_init(struct os_waitq *waitq)
{
	init_waitqueue_head(&waitq->head);
}

void os_waitq_destroy(struct os_waitq *waitq)
{
}

/*
 * Converts a timeout. Longer timeouts are cut to a maximum; the engine's callers loop until their
 * own deadline.
 */
static long ticks(kup_u64 timeout_ns)
{
	u64 jiffies_left;

	if (timeout_ns == OS_FOREVER)
		return MAX_SCHEDULE_TIMEOUT;
	jiffies_left = nsecs_to_jiffies64(timeout_ns) + 1;
	return jiffies_left < MAX_JIFFY_OFFSET ? (long)jiffies_left : MAX_JIFFY_OFFSET;
}

int os_wait(struct os_waitq *waitq, int (*ready)(void *), void *argument, kup_u64 timeout_ns)
{
	long left;

	/*
	 * A kernel thread that waits for work is idle: it does not count as load, or as a hung
	 * task.
	 */
	if (current->flags & PF_KTHREAD)
		left = wait_event_idle_timeout(waitq->head, ready(argument), ticks(timeout_ns));
	else
		left = wait_event_interruptible_timeout(waitq->head, ready(argument),
							ticks(timeout_ns));
	if (left < 0)
		return -EINTR;
	return left == 0 ? -ETIMEDOUT : 0;
}

/* Not idle: if a client's serve never returns, the hung task detector should report it. */
void os_wait_always(struct os_waitq *waitq, int (*ready)(void *), void *argument)
{
	wait_event(waitq->head, ready(argument));
}

void os_wake(struct os_waitq *waitq)
{
	wake_up_all(&waitq->head);
}

void os_pollq_init(struct os_pollq *pollq)
{
	init_waitqueue_head(&pollq->head);
}

void os_pollq_destroy(struct os_pollq *pollq)
{
}

void os_poll_wake(struct os_pollq *pollq)
{
	wake_up_all(&pollq->head);
}

/* ---- Processes ---- */

kup_u32 os_user(void)
{
	return from_kuid(&init_user_ns, current_uid());
}

void os_process_get(struct os_process *process)
{
	process->pid = get_task_pid(current, PIDTYPE_TGID);
}

void os_process_put(struct os_process *process)
{
	put_pid(process->pid);
}

/* Another process may have the number of one that has ended, though not its struct pid. */
kup_u32 os_process_number(const struct os_process *process)
{
	kup_u32 number = 0;

	rcu_read_lock();
	if (pid_task(process->pid, PIDTYPE_TGID))
		number = pid_nr_ns(process->pid, task_active_pid_ns(current));
	rcu_read_unlock();
	return number;
}

kup_u32 os_index(kup_u32 index, kup_u32 count)
{
	return array_index_nospec(index, count);
}

/* ---- Time and the processor ---- */

kup_u64 os_now_ns(void)
{
	return ktime_get_mono_fast_ns();
}

/* The fast clock of os_now_ns may differ a little between processors. */
kup_u64 os_stamp_ns(void)
{
	return ktime_get_ns();
}

kup_u32 os_cpu(void)
{
	return raw_smp_processor_id();
}

/*
 * A process that is ready to run on this processor may be the peer. The kernel would ask this
 * thread for the processor only at the end of its time slice.
 */
int os_relax(int yield)
{
	cpu_relax();
	return single_task_running() && !need_resched() && !signal_pending(current);
}

void os_breathe(void)
{
	cond_resched();
}

/* ---- Timers ---- */

static enum hrtimer_restart timer_expired(struct hrtimer *hrtimer)
{
	struct os_timer *timer = container_of(hrtimer, struct os_timer, timer);

	timer->expired(timer->argument);
	/* If it was set meanwhile, it is queued already. */
	return HRTIMER_NORESTART;
}

/*
 * In a softirq, which is a thread with PREEMPT_RT, because a wake-up takes locks that sleep there.
 */
int os_timer_init(struct os_timer *timer, void (*expired)(void *), void *argument)
{
	timer->expired = expired;
	timer->argument = argument;
	linux_hrtimer_setup(&timer->timer, timer_expired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	return 0;
}

/* A call that has begun is not waited for: the caller may be that call. */
void os_timer_set(struct os_timer *timer, kup_u64 at_ns)
{
	if (at_ns == OS_FOREVER)
		hrtimer_try_to_cancel(&timer->timer);
	else
		hrtimer_start(&timer->timer, ns_to_ktime(min_t(u64, at_ns, KTIME_MAX)),
			      HRTIMER_MODE_ABS_SOFT);
}

void os_timer_end(struct os_timer *timer)
{
	hrtimer_cancel(&timer->timer);
}

/* ---- Threads ---- */

struct thread {
	void (*main)(void *argument);
	void *argument;
};

static int thread_main(void *data)
{
	struct thread thread = *(struct thread *)data;

	kfree(data);
	thread.main(thread.argument);
	/*
	 * The thread ends in the kernel's own code, so this module may be unloaded as soon as its
	 * count is down.
	 */
	module_put_and_kthread_exit(0);
	return 0;
}

/*
 * Whether the two have the same cgroups in all hierarchies. If not, only the system's locks would
 * allow a closer look.
 */
static bool shares_cgroups(struct task_struct *task)
{
	bool same = true;

#ifdef CONFIG_CGROUPS
	rcu_read_lock();
	same = task_css_set(task) == task_css_set(current);
	rcu_read_unlock();
#endif
	return same;
}

/* Returns the new thread, which does not run yet, or an ERR_PTR. */
static struct task_struct *create_thread(struct thread *thread, const char *name, kup_u32 number,
					 int for_caller)
{
	struct task_struct *task = kthread_create(thread_main, thread, "%s:%u", name, number);
	int error = 0;

	if (IS_ERR(task) || !for_caller)
		return task;
	/* The thread's work for the process is limited and counted as the process's own work is. */
	if (!shares_cgroups(task))
		error = cgroup_attach_task_all(current, task);
	if (!error)
		return task;
	/* The thread ends without having run. */
	kthread_stop(task);
	return ERR_PTR(error);
}

int os_thread_start(void (*main)(void *), void *argument, const char *name, kup_u32 number,
		    int for_caller)
{
	struct thread *thread = kmalloc(sizeof(*thread), GFP_KERNEL);
	struct task_struct *task;

	if (!thread)
		return -ENOMEM;
	thread->main = main;
	thread->argument = argument;
	__module_get(THIS_MODULE);
	task = create_thread(thread, name, number, for_caller);
	if (IS_ERR(task)) {
		module_put(THIS_MODULE);
		kfree(thread);
		return PTR_ERR(task);
	}
	wake_up_process(task);
	return 0;
}

/* A pid is used again, but not with the same start time. */
static u64 number_of(struct task_struct *task)
{
	/* A processor's idle thread, which an interrupt may find, has 0 for both. */
	return (task->start_time ^ (u64)task_pid_nr(task) << 40) ?: 1;
}

kup_u64 os_thread_self(void)
{
	return number_of(current);
}

/* Kernel threads are found too, since each is a process. */
int os_thread_ended(kup_u64 thread)
{
	struct task_struct *process, *task;
	int ended = 1;

	rcu_read_lock();
	for_each_process_thread (process, task) {
		if (number_of(task) == thread)
			ended = 0;
	}
	rcu_read_unlock();
	return ended;
}

/* ---- For clients ---- */

void kup_sleep_ms(unsigned int milliseconds)
{
	msleep(milliseconds);
}

/* Not a raw spinlock: with PREEMPT_RT, a wake-up under it takes locks that sleep there. */
struct kup_spinlock {
	spinlock_t lock;
	unsigned long state; /* of the interrupts, before the holder took the lock; under lock */
};

int kup_spinlock_create(struct kup_spinlock **spinlock)
{
	struct kup_spinlock *created = kzalloc(sizeof(*created), GFP_KERNEL);

	if (!created)
		return -ENOMEM;
	spin_lock_init(&created->lock);
	*spinlock = created;
	return 0;
}

void kup_spinlock_destroy(struct kup_spinlock *spinlock)
{
	kfree(spinlock);
}

void kup_spinlock_lock(struct kup_spinlock *spinlock)
{
	unsigned long state;

	spin_lock_irqsave(&spinlock->lock, state);
	spinlock->state = state;
}

void kup_spinlock_unlock(struct kup_spinlock *spinlock)
{
	spin_unlock_irqrestore(&spinlock->lock, spinlock->state);
}
