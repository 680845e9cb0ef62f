/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Locks, waiting and waking, time, timers, threads. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host.h"
#include "portable.h"

/* ---- Locks ---- */

static void processor_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

void os_spin_init(struct os_spin *spin)
{
	spin->held = 0;
}

void os_spin_destroy(struct os_spin *spin)
{
	(void)spin;
}

/* From here on a waiter yields: the holder may have lost its processor. */
#define MOST_PAUSES 64u

/*
 * Each look takes the cache line away from the holder, so the looks become rarer. The holder may
 * take the lock several times meanwhile. This is not fair, but with several senders it is several
 * times faster than a handover for each record.
 */
static void wait_for_spin(struct os_spin *spin)
{
	kup_u32 pauses = 1, i;

	do {
		for (i = 0; i < pauses; i++)
			processor_pause();
		if (pauses < MOST_PAUSES)
			pauses *= 2;
		else
			sched_yield();
		/* Relaxed: the exchange in os_spin_lock follows. */
	} while (__atomic_load_n(&spin->held, __ATOMIC_RELAXED));
}

/* A check that only this system has: in tests, the holder of a spinlock must not sleep. */
#ifdef KUP_HOST_CHECKS
#define CHECK_ATOMIC(call) call
#else
#define CHECK_ATOMIC(call) ((void)0)
#endif

unsigned long os_spin_lock(struct os_spin *spin)
{
	kup_fence_hook();
	/* Pairs with the release in os_spin_unlock. */
	while (__atomic_exchange_n(&spin->held, 1, __ATOMIC_ACQUIRE))
		wait_for_spin(spin);
	CHECK_ATOMIC(host_enter_atomic());
	return 0;
}

void os_spin_unlock(struct os_spin *spin, unsigned long state)
{
	(void)state;
	CHECK_ATOMIC(host_leave_atomic());
	/* Pairs with the exchange in os_spin_lock. */
	__atomic_store_n(&spin->held, 0, __ATOMIC_RELEASE);
	kup_fence_hook();
}

void os_mutex_init(struct os_mutex *mutex)
{
	pthread_mutex_init(&mutex->lock, NULL);
}

void os_mutex_destroy(struct os_mutex *mutex)
{
	pthread_mutex_destroy(&mutex->lock);
}

void os_mutex_lock(struct os_mutex *mutex)
{
	host_may_sleep("os_mutex_lock");
	kup_fence_hook();
	pthread_mutex_lock(&mutex->lock);
}

void os_mutex_unlock(struct os_mutex *mutex)
{
	pthread_mutex_unlock(&mutex->lock);
	kup_fence_hook();
}

/* ---- Waiting and waking ---- */

void os_waitq_init(struct os_waitq *waitq)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&waitq->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&waitq->wake, &attributes);
	pthread_condattr_destroy(&attributes);
}

void os_waitq_destroy(struct os_waitq *waitq)
{
	/*
	 * A waker that has just released the lock may still be in the broadcast to an empty queue.
	 */
	pthread_cond_destroy(&waitq->wake);
	pthread_mutex_destroy(&waitq->lock);
}

static struct timespec deadline_after(kup_u64 timeout_ns)
{
	kup_u64 at = os_now_ns() + timeout_ns;
	struct timespec time = { (time_t)(at / 1000000000u), (long)(at % 1000000000u) };

	return time;
}

int os_wait(struct os_waitq *waitq, int (*ready)(void *), void *argument, kup_u64 timeout_ns)
{
	struct timespec deadline = { 0 };
	int error = 0;

	host_may_sleep("os_wait");
	kup_fence_hook();
	if (timeout_ns != OS_FOREVER)
		deadline = deadline_after(timeout_ns);
	pthread_mutex_lock(&waitq->lock);
	while (!ready(argument) && !error) {
		if (timeout_ns == OS_FOREVER)
			pthread_cond_wait(&waitq->wake, &waitq->lock);
		else
			error = pthread_cond_timedwait(&waitq->wake, &waitq->lock, &deadline);
	}
	error = error && !ready(argument) ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&waitq->lock);
	return error;
}

void os_wait_always(struct os_waitq *waitq, int (*ready)(void *), void *argument)
{
	os_wait(waitq, ready, argument, OS_FOREVER);
}

void os_wake(struct os_waitq *waitq)
{
	kup_fence_hook();
	pthread_mutex_lock(&waitq->lock);
	pthread_cond_broadcast(&waitq->wake);
	pthread_mutex_unlock(&waitq->lock);
}

void os_pollq_init(struct os_pollq *pollq)
{
	pthread_mutex_init(&pollq->lock, NULL);
	pollq->pollers = NULL;
}

void os_pollq_destroy(struct os_pollq *pollq)
{
	pthread_mutex_destroy(&pollq->lock);
}

void os_poll_wake(struct os_pollq *pollq)
{
	struct host_poller *poller;

	kup_fence_hook();
	pthread_mutex_lock(&pollq->lock);
	host_enter_atomic();
	for (poller = pollq->pollers; poller; poller = poller->next)
		poller->wake(poller);
	host_leave_atomic();
	pthread_mutex_unlock(&pollq->lock);
}

/* ---- Processes ---- */

/* There is only one user. */
kup_u32 os_user(void)
{
	return 0;
}

void os_process_get(struct os_process *process)
{
	(void)process;
}

void os_process_put(struct os_process *process)
{
	(void)process;
}

kup_u32 os_process_number(const struct os_process *process)
{
	(void)process;
	return (kup_u32)getpid();
}

/* No protection is needed: a process can read all of its memory anyway. */
kup_u32 os_index(kup_u32 index, kup_u32 count)
{
	(void)count;
	return index;
}

/* ---- Time and the processor ---- */

kup_u64 os_now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (kup_u64)time.tv_sec * 1000000000u + (kup_u64)time.tv_nsec;
}

kup_u64 os_stamp_ns(void)
{
	return os_now_ns();
}

kup_u32 os_cpu(void)
{
	int cpu = processor_number();

	return cpu < 0 ? 0 : (kup_u32)cpu;
}

/* A process finds out whether other threads want its processor only by yielding. */
int os_relax(int yield)
{
	static _Thread_local struct kup_crowd crowd;

	if (!yield)
		processor_pause();
	else if (kup_crowd_avoids(&crowd))
		return 0;
	else
		kup_crowd_yielded(&crowd, yield_processor());
	return 1;
}

void os_breathe(void)
{
	host_may_sleep("os_breathe");
	kup_fence_hook();
}

/* ---- Timers ---- */

struct timer_wait {
	struct os_timer *timer;
	kup_u64 at;
};

static int timer_is_changed(void *argument)
{
	const struct timer_wait *wait = argument;

	return kup_load(&wait->timer->ends) || kup_load64(&wait->timer->at) != wait->at;
}

/* The time is taken before the call, which may set another one. */
static void timer_main(void *argument)
{
	struct timer_wait wait = { argument, 0 };
	struct os_timer *timer = argument;

	while (!kup_load(&timer->ends)) {
		kup_u64 now = os_now_ns();

		wait.at = kup_load64(&timer->at);
		if (wait.at > now) {
			os_wait(&timer->waitq, timer_is_changed, &wait,
				wait.at == OS_FOREVER ? OS_FOREVER : wait.at - now);
			/* Relaxed: the word means nothing but itself. */
		} else if (__atomic_compare_exchange_n(&timer->at, &wait.at, OS_FOREVER, 0,
						       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			host_enter_atomic();
			timer->expired(timer->argument);
			host_leave_atomic();
		}
	}
}

int os_timer_init(struct os_timer *timer, void (*expired)(void *), void *argument)
{
	int error;

	timer->at = OS_FOREVER;
	timer->expired = expired;
	timer->argument = argument;
	os_waitq_init(&timer->waitq);
	error = kup_thread_start(timer_main, timer, "kup timer", &timer->thread);
	if (error)
		os_waitq_destroy(&timer->waitq);
	return error;
}

void os_timer_set(struct os_timer *timer, kup_u64 at_ns)
{
	kup_store64(&timer->at, at_ns);
	os_wake(&timer->waitq);
}

void os_timer_end(struct os_timer *timer)
{
	kup_store(&timer->ends, 1);
	os_wake(&timer->waitq);
	kup_thread_join(timer->thread);
	os_waitq_destroy(&timer->waitq);
}

/* ---- Threads ---- */

struct thread {
	void (*main)(void *argument);
	void *argument;
	/* the module that owns the devices that the thread makes */
	const struct host_module *module;
	struct host_client *client; /* for which the thread works */
};

static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t threads_ended = PTHREAD_COND_INITIALIZER;
static kup_u32 threads; /* under threads_lock */

static void thread_leave(void)
{
	pthread_mutex_lock(&threads_lock);
	if (--threads == 0)
		pthread_cond_broadcast(&threads_ended);
	pthread_mutex_unlock(&threads_lock);
}

static void *thread_main(void *data)
{
	struct thread thread = *(struct thread *)data;

	os_free(data);
	host_set_loading(thread.module);
	host_client_set(thread.client);
	thread.main(thread.argument);
	thread_leave();
	return NULL;
}

/*
 * Signals are for the program's own threads, as in a kernel. But a thread gets its own faults,
 * which are a client's mistakes, and which a sanitizer explains.
 */
static int create_thread(struct thread *thread, pthread_t *id)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP };
	sigset_t blocked;
	size_t i;

	sigfillset(&blocked);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&blocked, faults[i]);
	return host_create_thread(id, HOST_DEFAULT_STACK, &blocked, thread_main, thread);
}

/* All threads belong to the process anyway. */
int os_thread_start(void (*main)(void *), void *argument, const char *name, kup_u32 number,
		    int for_caller)
{
	struct thread *thread = os_alloc(sizeof(*thread));
	char label[16];
	pthread_t id;

	(void)for_caller;
	if (!thread)
		return -ENOMEM;
	thread->main = main;
	thread->argument = argument;
	thread->module = host_loading();
	thread->client = host_client_now();
	pthread_mutex_lock(&threads_lock);
	threads++;
	pthread_mutex_unlock(&threads_lock);
	if (host_allocation_fails() || create_thread(thread, &id)) {
		thread_leave();
		os_free(thread);
		return -ENOMEM;
	}
	snprintf(label, sizeof(label), "%.10s:%u", name, number % 10000);
	name_thread(id, label);
	pthread_detach(id);
	return 0;
}

/* The system's number and, above it, a count that no other thread has had. */
kup_u64 os_thread_self(void)
{
	static kup_u64 last;
	static _Thread_local kup_u64 self;

	if (!self)
		self = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED) << 32 | thread_number();
	return self;
}

int os_thread_ended(kup_u64 thread)
{
	host_may_sleep("os_thread_ended");
	return !thread_exists((unsigned int)thread);
}

void host_join_threads(void)
{
	pthread_mutex_lock(&threads_lock);
	while (threads > 0)
		pthread_cond_wait(&threads_ended, &threads_lock);
	pthread_mutex_unlock(&threads_lock);
}

/* ---- For clients ---- */

void kup_sleep_ms(unsigned int milliseconds)
{
	struct timespec time = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 };

	host_may_sleep("kup_sleep_ms");
	nanosleep(&time, NULL);
}

/* What the holder must not do is found here, before it hangs a kernel. */
struct kup_spinlock {
	struct os_spin spin;
};

int kup_spinlock_create(struct kup_spinlock **spinlock)
{
	*spinlock = os_alloc(sizeof(**spinlock));
	return *spinlock ? 0 : -ENOMEM;
}

void kup_spinlock_destroy(struct kup_spinlock *spinlock)
{
	os_free(spinlock);
}

void kup_spinlock_lock(struct kup_spinlock *spinlock)
{
	os_spin_lock(&spinlock->spin);
	host_enter_atomic();
}

void kup_spinlock_unlock(struct kup_spinlock *spinlock)
{
	host_leave_atomic();
	os_spin_unlock(&spinlock->spin, 0);
}
