/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Threads for clients that drive channels by themselves. */
#include "core.h"

struct kup_thread {
	kup_u32 refs; /* the thread's own, and its joiner's */
	kup_u32 ended;
	void (*main)(void *argument);
	void *argument;
	struct os_waitq waitq;
};

static void put(struct kup_thread *thread)
{
	if (!kup_ref_put(&thread->refs))
		return;
	os_waitq_destroy(&thread->waitq);
	os_free(thread);
}

static void thread_main(void *argument)
{
	struct kup_thread *thread = argument;

	thread->main(thread->argument);
	/* Pairs with the acquire in has_ended: the client's code has been left. */
	kup_store_release(&thread->ended, 1);
	os_wake(&thread->waitq);
	put(thread);
}

int kup_thread_start(void (*main)(void *argument), void *argument, const char *name,
		     struct kup_thread **started)
{
	struct kup_thread *thread = os_alloc(sizeof(*thread));
	int error;

	if (!thread)
		return -ENOMEM;
	thread->refs = 2;
	thread->main = main;
	thread->argument = argument;
	os_waitq_init(&thread->waitq);
	error = os_thread_start(thread_main, thread, name, 0, 0);
	if (error) {
		thread->refs = 1;
		put(thread);
		return error;
	}
	*started = thread;
	return 0;
}

static int has_ended(void *argument)
{
	const struct kup_thread *thread = argument;

	return kup_load_acquire(&thread->ended) != 0;
}

void kup_thread_join(struct kup_thread *thread)
{
	if (!thread)
		return;
	os_wait_always(&thread->waitq, has_ended, thread);
	put(thread);
}

kup_u64 kup_thread_self(void)
{
	return os_thread_self();
}

int kup_thread_ended(kup_u64 thread)
{
	return os_thread_ended(thread);
}
