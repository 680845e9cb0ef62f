/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What the calling thread does: for which client, with which locks, and whether it may sleep. */
#include "checks/checks.h"

static _Thread_local struct check_thread self;

struct check_thread *check_self(void)
{
	return &self;
}

int check_is_on(void)
{
	return check_client_is_on(self.client);
}

struct host_client *host_client_now(void)
{
	return self.client;
}

struct host_client *host_client_set(struct host_client *client)
{
	struct host_client *before = self.client;

	self.client = client;
	return before;
}

/* ---- Locks ---- */

struct check_lock *check_find_lock(const void *lock)
{
	kup_u32 i;

	for (i = 0; i < self.held; i++)
		if (self.locks[i].lock == lock)
			return &self.locks[i];
	return NULL;
}

/* Of a thread that holds more locks than there are places, only the first ones are known. */
void check_lock_taken(const void *lock, kup_u32 kind, const void *caller)
{
	if (self.held < CHECK_MOST_LOCKS)
		self.locks[self.held++] = (struct check_lock){ lock, caller, kind, 1 };
	else
		self.more++;
}

void check_lock_left(struct check_lock *lock)
{
	*lock = self.locks[--self.held];
}

static const struct check_lock *find_kind(kup_u32 kind)
{
	kup_u32 i;

	for (i = 0; i < self.held; i++)
		if (self.locks[i].kind == kind)
			return &self.locks[i];
	return NULL;
}

static const char *kind_of(const struct check_lock *lock)
{
	return lock->kind == CHECK_SPINLOCK ? "kup_spinlock" : "kup_monitor";
}

void check_returned(const struct kup_channel *channel, const char *what)
{
	char place[CHECK_PLACE];

	while (self.held > 0) {
		struct check_lock lock = self.locks[self.held - 1];

		check_report(channel, NULL,
			     "%s has returned with a %s held, which was taken at %s; unlock it on "
			     "every path",
			     what, kind_of(&lock), check_place(lock.caller, place));
		if (lock.kind == CHECK_SPINLOCK)
			kup_spinlock_unlock((struct kup_spinlock *)lock.lock);
		else
			kup_monitor_unlock((struct kup_monitor *)lock.lock);
	}
}

/* ---- Sleeping ---- */

/* A holder of a monitor may sleep for less than this. Longer sleeps depend on others. */
#define LONG_NS (100 * KUP_MS)

static void report_atomic(const char *call, const void *caller)
{
	const struct check_lock *lock = find_kind(CHECK_SPINLOCK);
	char place[CHECK_PLACE];

	if (lock)
		check_report(NULL, caller,
			     "%s may sleep, but this thread holds a kup_spinlock, which was taken "
			     "at %s; unlock it first, or use a call of \"any context\" in kup.h",
			     call, check_place(lock->caller, place));
	else
		check_report(NULL, caller,
			     "%s may sleep, but is called in a context that may not, such as a "
			     "timer's callback; use a call of \"any context\" in kup.h, or a "
			     "thread",
			     call);
}

COLD static struct check_sleep look(const char *call, const void *caller, kup_time longest)
{
	const struct check_lock *lock = find_kind(CHECK_MONITOR);
	struct check_sleep sleep = { host_suspend_atomic() };
	char place[CHECK_PLACE];

	if (sleep.depth > 0)
		report_atomic(call, caller);
	else if (lock && (longest < 0 || longest >= LONG_NS))
		check_report(NULL, caller,
			     "%s may sleep for long, but this thread holds a kup_monitor, which "
			     "was taken at %s; unlock it first, or all that need it wait too",
			     call, check_place(lock->caller, place));
	return sleep;
}

struct check_sleep check_asleep(const char *call, const void *caller, kup_time longest)
{
	const struct check_thread *thread = &self;

	if (!check_client_is_on(thread->client))
		return (struct check_sleep){ 0 };
	if (thread->channel && check_of(thread->channel))
		check_note_own(check_of(thread->channel), call, caller);
	/* A client may call this for each record, and usually there is nothing to look at. */
	if (longest == 0 || (thread->held == 0 && !kup_load(&host_all_depths)))
		return (struct check_sleep){ 0 };
	return look(call, caller, longest);
}

void check_awake(struct check_sleep sleep)
{
	host_resume_atomic(sleep.depth);
}

kup_u32 host_check_log(const void *caller)
{
	return check_asleep("kup_log", caller, CHECK_SHORT).depth;
}
