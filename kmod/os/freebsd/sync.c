/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Locks, waiting and waking, time, timers, threads.
 *
 * Lock order: the engine's os_mutexes; a pollq's lock; the kqueue's own lock; and last, one at a
 * time, send_lock or a waitq's lock. A process's look through kqueue runs in the middle of this
 * order (see kup_handle_poll), so it takes no os_mutex.
 */
#include "freebsd.h"

#include <sys/callout.h>
#include <sys/event.h>
#include <sys/jail.h>
#include <sys/kthread.h>
#include <sys/proc.h>
#include <sys/sched.h>
#include <sys/taskqueue.h>
#include <sys/time.h>
#include <sys/ucred.h>

/* ---- Locks ---- */

void os_spin_init(struct os_spin *spin)
{
	mtx_init(&spin->lock, "kup send", NULL, MTX_DEF | MTX_NEW);
}

void os_spin_destroy(struct os_spin *spin)
{
	mtx_destroy(&spin->lock);
}

unsigned long os_spin_lock(struct os_spin *spin)
{
	mtx_lock(&spin->lock);
	return 0;
}

void os_spin_unlock(struct os_spin *spin, unsigned long state)
{
	(void)state;
	mtx_unlock(&spin->lock);
}

void os_mutex_init(struct os_mutex *mutex)
{
	sx_init_flags(&mutex->lock, "kup", SX_NEW);
}

void os_mutex_destroy(struct os_mutex *mutex)
{
	sx_destroy(&mutex->lock);
}

void os_mutex_lock(struct os_mutex *mutex)
{
	sx_xlock(&mutex->lock);
}

void os_mutex_unlock(struct os_mutex *mutex)
{
	sx_xunlock(&mutex->lock);
}

/* ---- Waiting and waking ---- */

void os_waitq_init(struct os_waitq *waitq)
{
	mtx_init(&waitq->lock, "kup waitq", NULL, MTX_DEF | MTX_NEW);
}

/* A waker does not touch the lock after its unlock, so mtx_destroy may follow mtx_unlock. */
void os_waitq_destroy(struct os_waitq *waitq)
{
	mtx_destroy(&waitq->lock);
}

/* Converts a time since the system's start or a duration; 0: longer than any machine runs. */
static sbintime_t sbt_of(kup_u64 ns)
{
	/* 2^30 seconds are far from overflow. */
	const kup_u64 limit_s = 1u << 30;
	struct timespec time;

	if (ns / 1000000000u >= limit_s)
		return 0;
	time.tv_sec = (time_t)(ns / 1000000000u);
	time.tv_nsec = (long)(ns % 1000000000u);
	return tstosbt(time);
}

/* The time at which the timeout is over; 0 means "never" to msleep_sbt. */
static sbintime_t deadline_in(kup_u64 timeout_ns)
{
	sbintime_t timeout = sbt_of(timeout_ns);

	return timeout == 0 && timeout_ns > 0 ? 0 : sbinuptime() + timeout;
}

/*
 * wakeup wakes the threads that sleep at the queue's address. ready() is called under the lock.
 * msleep releases the lock and falls asleep in one step, and os_wake takes the lock (kern_synch.c:
 * _sleep). priority: 0 keeps the thread's own; with PCATCH, signals end the sleep with EINTR or
 * ERESTART.
 */
static int sleep_until(struct os_waitq *waitq, int (*ready)(void *), void *argument,
		       sbintime_t deadline, int priority)
{
	int error = 0;

	mtx_lock(&waitq->lock);
	while (!ready(argument) && !error)
		error = msleep_sbt(waitq, &waitq->lock, priority, "kup", deadline, 0, C_ABSOLUTE);
	if (error)
		error = ready(argument) ? 0 : error == EWOULDBLOCK ? -ETIMEDOUT : -EINTR;
	mtx_unlock(&waitq->lock);
	return error;
}

/* A kernel thread has no signals. */
int os_wait(struct os_waitq *waitq, int (*ready)(void *), void *argument, kup_u64 timeout_ns)
{
	sbintime_t deadline = timeout_ns == OS_FOREVER ? 0 : deadline_in(timeout_ns);

	return sleep_until(waitq, ready, argument, deadline,
			   curthread->td_pflags & TDP_KTHREAD ? 0 : PCATCH);
}

void os_wait_always(struct os_waitq *waitq, int (*ready)(void *), void *argument)
{
	sleep_until(waitq, ready, argument, 0, 0);
}

void os_wake(struct os_waitq *waitq)
{
	mtx_lock(&waitq->lock);
	wakeup(waitq);
	mtx_unlock(&waitq->lock);
}

void os_pollq_init(struct os_pollq *pollq)
{
	memset(&pollq->sel, 0, sizeof(pollq->sel));
	mtx_init(&pollq->lock, "kup pollq", NULL, MTX_DEF | MTX_NEW);
	knlist_init_mtx(&pollq->sel.si_note, &pollq->lock);
}

/*
 * The file is closed, so no thread is inside poll, and there is no knote, since a knote holds its
 * file.
 */
void os_pollq_destroy(struct os_pollq *pollq)
{
	seldrain(&pollq->sel);
	knlist_destroy(&pollq->sel.si_note);
	mtx_destroy(&pollq->lock);
}

/*
 * When a knote's own look finds a lie, this is called with the list locked. That knote reports the
 * end itself. The other knotes of the same file, which is the liar's, are not woken.
 */
void os_poll_wake(struct os_pollq *pollq)
{
	selwakeup(&pollq->sel);
	if (!mtx_owned(&pollq->lock))
		KNOTE_UNLOCKED(&pollq->sel.si_note, 0);
}

/* ---- Processes ---- */

kup_u32 os_user(void)
{
	return curthread->td_ucred->cr_ruid;
}

static int jail_of_caller(void)
{
	return curthread->td_ucred->cr_prison->pr_id;
}

void os_process_get(struct os_process *process)
{
	process->number = curproc->p_pid;
	process->jail = jail_of_caller();
}

void os_process_put(struct os_process *process)
{
	(void)process;
}

/* A process that has passed its handle on may have ended: then this is an old number. */
kup_u32 os_process_number(const struct os_process *process)
{
	int jail = jail_of_caller();

	/* 0 is the system itself, which sees all. */
	return jail == 0 || jail == process->jail ? (kup_u32)process->number : 0;
}

/*
 * The kernel has no function for this. The mask has all bits set if `index` is below `count`, and
 * is made without a branch.
 */
kup_u32 os_index(kup_u32 index, kup_u32 count)
{
	kup_u32 mask = (kup_u32)(((kup_u64)index - count) >> 32);

	__asm__("" : "+r"(mask));
	return index & mask;
}

/* ---- Time and the processor ---- */

kup_u64 os_now_ns(void)
{
	struct timespec now;

	nanouptime(&now);
	return (kup_u64)now.tv_sec * 1000000000u + (kup_u64)now.tv_nsec;
}

kup_u64 os_stamp_ns(void)
{
	return os_now_ns();
}

kup_u32 os_cpu(void)
{
	return (kup_u32)curcpu;
}

/*
 * Stops spinning if a thread is in this processor's queue: it may be the very process that this
 * thread spins for. The kernel's own "must yield" flag would come too late, since kernel threads
 * run before users' threads.
 */
int os_relax(int yield)
{
	(void)yield;
	cpu_spinwait();
	return !sched_runnable();
}

/* Yields when the time slice has been used up (kern_synch.c). */
void os_breathe(void)
{
	maybe_yield();
}

/* ---- Timers ---- */

static void timer_expired(void *data)
{
	struct os_timer *timer = data;

	timer->expired(timer->argument);
}

/* "1": the callout runs without Giant. */
int os_timer_init(struct os_timer *timer, void (*expired)(void *), void *argument)
{
	timer->expired = expired;
	timer->argument = argument;
	callout_init(&timer->callout, 1);
	return 0;
}

/*
 * Neither call waits for one that has begun, which may be the caller (kern_timeout.c). A callout
 * runs again only after it has returned, since it stays on its processor, whose callouts one thread
 * runs.
 */
void os_timer_set(struct os_timer *timer, kup_u64 at_ns)
{
	/* os_now_ns and sbinuptime have the same zero. The conversion rounds down. */
	sbintime_t at = sbt_of(at_ns);

	if (at == 0)
		callout_stop(&timer->callout);
	else
		callout_reset_sbt(&timer->callout, at + SBT_1NS, 0, timer_expired, timer,
				  C_ABSOLUTE);
}

void os_timer_end(struct os_timer *timer)
{
	callout_drain(&timer->callout);
}

/* ---- Threads ---- */

/*
 * All are threads of one process, "kup". Its first thread only keeps the process alive. The process
 * counts the other threads: the kernel subtracts a thread after it has entered the kernel's own
 * code for the last time (kern_kthread.c: kthread_exit, kern_thread.c: thread_exit).
 */
static struct proc *process;
static struct mtx process_lock;
static int process_ends; /* under process_lock */

static void process_main(void *argument)
{
	(void)argument;
	mtx_lock(&process_lock);
	while (!process_ends)
		mtx_sleep(&process_ends, &process_lock, 0, "kup", 0);
	mtx_unlock(&process_lock);
	kproc_exit(0);
}

int freebsd_threads_init(void)
{
	int error;

	mtx_init(&process_lock, "kup process", NULL, MTX_DEF);
	process_ends = 0;
	error = kproc_create(process_main, NULL, &process, 0, 0, "kup");
	if (error)
		mtx_destroy(&process_lock);
	return -error;
}

static int other_threads(void)
{
	int count;

	PROC_LOCK(process);
	count = process->p_numthreads - 1;
	PROC_UNLOCK(process);
	return count;
}

/*
 * The first thread can't see process_ends before this thread sleeps. kproc_exit then wakes this
 * thread from within the kernel, and does not return to this module (kern_kthread.c).
 */
void freebsd_threads_exit(void)
{
	while (other_threads() > 0)
		pause_sbt("kupthr", SBT_1MS, 0, 0);
	mtx_lock(&process_lock);
	process_ends = 1;
	wakeup(&process_ends);
	mtx_sleep(process, &process_lock, 0, "kupend", 0);
	mtx_unlock(&process_lock);
	mtx_destroy(&process_lock);
}

struct start {
	void (*main)(void *argument);
	void *argument;
};

static void thread_main(void *data)
{
	struct start start = *(struct start *)data;

	os_free(data);
	start.main(start.argument);
	kthread_exit();
}

/*
 * A thread belongs to a process, and our process must outlive the caller's. So the thread's time
 * counts as the kernel's.
 */
int os_thread_start(void (*main)(void *), void *argument, const char *name, kup_u32 number,
		    int for_caller)
{
	struct start *start = os_alloc(sizeof(*start));
	int error;

	(void)for_caller;
	start->main = main;
	start->argument = argument;
	error = kthread_add(thread_main, start, process, NULL, 0, 0, "%s:%u", name, number);
	if (error)
		os_free(start);
	return -error;
}

/*
 * The kernel uses a thread's number again after a thousand threads have ended (kern_thread.c:
 * tid_free). The number of a process's first thread comes again at once, with the next process
 * (kern_fork.c: fork1), but then with another pid.
 */
kup_u64 os_thread_self(void)
{
	return (kup_u64)curproc->p_pid << 32 | (kup_u64)curthread->td_tid;
}

/*
 * tdfind finds a thread until kthread_exit or thread_exit removes it, and returns it with its
 * process locked (kern_thread.c).
 */
int os_thread_ended(kup_u64 thread)
{
	struct thread *found = tdfind((lwpid_t)(kup_u32)thread, (pid_t)(thread >> 32));

	if (found)
		PROC_UNLOCK(found->td_proc);
	return !found;
}

/* ---- For clients ---- */

void kup_sleep_ms(unsigned int milliseconds)
{
	pause_sbt("kup", milliseconds * SBT_1MS, 0, 0);
}

/* An ordinary mutex, as os_spin is. */
struct kup_spinlock {
	struct mtx lock;
};

int kup_spinlock_create(struct kup_spinlock **spinlock)
{
	*spinlock = os_alloc(sizeof(**spinlock));
	mtx_init(&(*spinlock)->lock, "kup client", NULL, MTX_DEF | MTX_NEW);
	return 0;
}

void kup_spinlock_destroy(struct kup_spinlock *spinlock)
{
	if (!spinlock)
		return;
	mtx_destroy(&spinlock->lock);
	os_free(spinlock);
}

void kup_spinlock_lock(struct kup_spinlock *spinlock)
{
	mtx_lock(&spinlock->lock);
}

void kup_spinlock_unlock(struct kup_spinlock *spinlock)
{
	mtx_unlock(&spinlock->lock);
}
