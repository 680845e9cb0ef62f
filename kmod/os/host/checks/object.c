/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a client has to give back before it is unloaded: memory, threads, timers, locks. */
#include <stdio.h>
#include <stdlib.h>

#include "checks/checks.h"

ENGINE(alloc);
ENGINE(free);
ENGINE(sleep_ms);
ENGINE(timer_create);
ENGINE(timer_destroy);
ENGINE(thread_start);
ENGINE(thread_join);
ENGINE(thread_ended);
ENGINE(spinlock_destroy);
ENGINE(monitor_destroy);

struct check_object {
	struct check_object *next;
	const void *address;
	kup_u32 kind;
	struct host_client *client; /* NULL: none is known */
	const void *caller;
	unsigned long bytes;
	void (*function)(void *argument); /* of the client, in its thread or for its timer */
	void *argument;
};

#define BUCKETS 1024u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct check_object *objects[BUCKETS]; /* under lock */

static const struct kind {
	const char *name, *make, *undo;
} kinds[CHECK_KINDS] = {
	[CHECK_MEMORY] = { "memory", "kup_alloc", "kup_free" },
	[CHECK_THREAD] = { "kup_thread", "kup_thread_start", "kup_thread_join" },
	[CHECK_TIMER] = { "kup_timer", "kup_timer_create", "kup_timer_destroy" },
	[CHECK_SPINLOCKS] = { "kup_spinlock", "kup_spinlock_create", "kup_spinlock_destroy" },
	[CHECK_MONITORS] = { "kup_monitor", "kup_monitor_create", "kup_monitor_destroy" },
};

static struct check_object **bucket_of(const void *address)
{
	return &objects[((size_t)address >> 4) * 2654435761u % BUCKETS];
}

struct check_object *check_make(kup_u32 kind, const void *caller)
{
	struct check_object *object = host_allocation_fails() ? NULL : malloc(sizeof(*object));

	if (object)
		*object = (struct check_object){ .kind = kind,
						 .client = check_self()->client,
						 .caller = caller };
	return object;
}

void check_add(struct check_object *object, const void *address)
{
	struct check_object **bucket = bucket_of(address);

	if (!address) {
		free(object);
		return;
	}
	object->address = address;
	pthread_mutex_lock(&lock);
	object->next = *bucket;
	*bucket = object;
	pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static struct check_object **find(kup_u32 kind, const void *address)
{
	struct check_object **link = bucket_of(address);

	while (*link && ((*link)->address != address || (*link)->kind != kind))
		link = &(*link)->next;
	return link;
}

int check_take(kup_u32 kind, const void *address, const char *call, const void *caller,
	       struct check_object **taken)
{
	struct check_object **link, *object;

	pthread_mutex_lock(&lock);
	link = find(kind, address);
	object = *link;
	if (object)
		*link = object->next;
	pthread_mutex_unlock(&lock);
	/* It may be of a client that is not checked, if the thread's client is not known. */
	if (!object && check_self()->client && check_is_on()) {
		check_report(NULL, caller,
			     "%s of %s that was given back already, or is none; it is refused "
			     "here; give each one back once",
			     call, kind == CHECK_MEMORY ? "memory" : "something");
		return 0;
	}
	*taken = object;
	return 1;
}

/* ---- Memory, and time ---- */

void *kup_alloc(unsigned long bytes)
{
	struct check_object *object;
	struct check_sleep sleep;
	void *memory;

	if (!check_is_on())
		return engine_alloc(bytes);
	object = check_make(CHECK_MEMORY, CALLER);
	if (!object)
		return NULL;
	object->bytes = bytes;
	sleep = check_asleep("kup_alloc", CALLER, CHECK_SHORT);
	memory = engine_alloc(bytes);
	check_awake(sleep);
	check_add(object, memory);
	return memory;
}

/* Whether kup_free of it may sleep. */
static int is_large(const void *memory)
{
	struct check_object *object;
	int large;

	pthread_mutex_lock(&lock);
	object = *find(CHECK_MEMORY, memory);
	large = object && object->bytes > KUP_SMALL;
	pthread_mutex_unlock(&lock);
	return large;
}

void kup_free(void *memory)
{
	struct check_sleep sleep = { 0 };
	struct check_object *object;

	if (check_is_on() && is_large(memory))
		sleep = check_asleep("kup_free", CALLER, CHECK_SHORT);
	if (memory && check_take(CHECK_MEMORY, memory, "kup_free", CALLER, &object)) {
		engine_free(memory);
		free(object);
	}
	check_awake(sleep);
}

void kup_sleep_ms(unsigned int milliseconds)
{
	struct check_sleep sleep;

	sleep = check_asleep("kup_sleep_ms", CALLER, milliseconds * KUP_MS + CHECK_SHORT);
	engine_sleep_ms(milliseconds);
	check_awake(sleep);
}

void kup_breathe(void)
{
	struct check_sleep sleep;

	/* A client may call this for each record, and usually there is nothing to check. */
	if (!kup_load(&host_all_depths)) {
		os_breathe();
		return;
	}
	sleep = check_asleep("kup_breathe", CALLER, CHECK_SHORT);
	os_breathe();
	check_awake(sleep);
}

/* ---- Threads and timers ---- */

static void run(const struct check_object *object, const char *what)
{
	struct check_thread *self = check_self();
	const struct check_object *before = self->running;

	self->running = object;
	object->function(object->argument);
	check_returned(NULL, what);
	self->running = before;
}

static void run_thread(void *argument)
{
	run(argument, "a thread's function");
}

static void run_timer(void *argument)
{
	run(argument, "a timer's callback");
}

int kup_thread_start(void (*main)(void *argument), void *argument, const char *name,
		     struct kup_thread **thread)
{
	struct check_object *object;
	struct check_sleep sleep;
	int error;

	if (!check_is_on())
		return engine_thread_start(main, argument, name, thread);
	object = check_make(CHECK_THREAD, CALLER);
	if (!object)
		return -ENOMEM;
	object->function = main;
	object->argument = argument;
	sleep = check_asleep("kup_thread_start", CALLER, CHECK_SHORT);
	error = engine_thread_start(run_thread, object, name, thread);
	check_awake(sleep);
	check_add(object, error ? NULL : *thread);
	return error;
}

/* Nonzero if the object runs in this thread, which would then wait for itself. */
static int is_own(kup_u32 kind, const void *address, const char *call, const void *caller)
{
	const struct check_object *object;

	pthread_mutex_lock(&lock);
	object = *find(kind, address);
	pthread_mutex_unlock(&lock);
	if (!object || object != check_self()->running)
		return 0;
	check_report(NULL, caller,
		     "%s from the %s itself would wait for itself; it is refused here; call it "
		     "from another thread",
		     call, kind == CHECK_TIMER ? "timer's callback" : "thread");
	return 1;
}

void kup_thread_join(struct kup_thread *thread)
{
	struct check_sleep sleep;
	struct check_object *object;

	if (!thread || is_own(CHECK_THREAD, thread, "kup_thread_join", CALLER) ||
	    !check_take(CHECK_THREAD, thread, "kup_thread_join", CALLER, &object))
		return;
	sleep = check_asleep("kup_thread_join", CALLER, KUP_FOREVER);
	engine_thread_join(thread);
	check_awake(sleep);
	free(object);
}

int kup_thread_ended(kup_u64 thread)
{
	struct check_sleep sleep;
	int ended;

	sleep = check_asleep("kup_thread_ended", CALLER, CHECK_SHORT);
	ended = engine_thread_ended(thread);
	check_awake(sleep);
	return ended;
}

int kup_timer_create(void (*expired)(void *argument), void *argument, struct kup_timer **timer)
{
	struct check_object *object;
	struct check_sleep sleep;
	int error;

	if (!check_is_on())
		return engine_timer_create(expired, argument, timer);
	object = check_make(CHECK_TIMER, CALLER);
	if (!object)
		return -ENOMEM;
	object->function = expired;
	object->argument = argument;
	sleep = check_asleep("kup_timer_create", CALLER, CHECK_SHORT);
	error = engine_timer_create(run_timer, object, timer);
	check_awake(sleep);
	check_add(object, error ? NULL : *timer);
	return error;
}

void kup_timer_destroy(struct kup_timer *timer)
{
	struct check_sleep sleep;
	struct check_object *object;

	if (!timer || is_own(CHECK_TIMER, timer, "kup_timer_destroy", CALLER) ||
	    !check_take(CHECK_TIMER, timer, "kup_timer_destroy", CALLER, &object))
		return;
	sleep = check_asleep("kup_timer_destroy", CALLER, CHECK_SHORT);
	engine_timer_destroy(timer);
	check_awake(sleep);
	free(object);
}

/* ---- The end of a client ---- */

/* Under the lock: takes the client's objects of one kind out of the table. */
static struct check_object *take_all(const struct host_client *client, kup_u32 kind)
{
	struct check_object *taken = NULL, *object, **link;
	kup_u32 i;

	for (i = 0; i < BUCKETS; i++) {
		for (link = &objects[i]; *link;) {
			object = *link;
			if (object->client != client || object->kind != kind) {
				link = &object->next;
				continue;
			}
			*link = object->next;
			object->next = taken;
			taken = object;
		}
	}
	return taken;
}

static void give_back(const struct check_object *object)
{
	void *address = (void *)(size_t)object->address;

	switch (object->kind) {
	case CHECK_MEMORY:
		engine_free(address);
		break;
	case CHECK_TIMER:
		engine_timer_destroy(address);
		break;
	case CHECK_SPINLOCKS:
		engine_spinlock_destroy(address);
		break;
	case CHECK_MONITORS:
		engine_monitor_destroy(address);
		break;
	default:
		/* A thread that still runs can't be ended. */
		break;
	}
}

/* How many of the objects come from the same place, and their bytes; these are removed. */
static struct check_object take_alike(struct check_object **all, kup_u32 *count)
{
	struct check_object first = **all, **link = all, *object;

	*count = 0;
	first.bytes = 0;
	while (*link) {
		object = *link;
		if (object->caller != first.caller) {
			link = &object->next;
			continue;
		}
		first.bytes += object->bytes;
		++*count;
		*link = object->next;
		/* A thread that was left may be about to call its function. */
		if (object->kind != CHECK_THREAD)
			free(object);
	}
	return first;
}

static void report_all(struct host_client *client, struct check_object *all, kup_u32 kind)
{
	const struct kind *words = &kinds[kind];
	char place[CHECK_PLACE], what[64];

	while (all) {
		kup_u32 count;
		struct check_object one = take_alike(&all, &count);

		check_place(one.caller, place);
		if (kind == CHECK_MEMORY)
			snprintf(what, sizeof(what), "%lu bytes of memory are", one.bytes);
		else
			snprintf(what, sizeof(what), count == 1 ? "%u %s is" : "%u %ss are", count,
				 words->name);
		check_report_of(client, NULL,
				"%s left after unload, from %s at %s; call %s for each before the "
				"return of unload, and of a load that fails",
				what, words->make, place, words->undo);
	}
}

int check_left(struct host_client *client)
{
	struct check_object *left, *object;
	/* Threads may use the other objects, so these are given back only without threads. */
	const kup_u32 order[] = { CHECK_THREAD, CHECK_TIMER, CHECK_MEMORY, CHECK_SPINLOCKS,
				  CHECK_MONITORS };
	int has_threads = 0;
	kup_u32 i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		pthread_mutex_lock(&lock);
		left = take_all(client, order[i]);
		pthread_mutex_unlock(&lock);
		if (left && order[i] == CHECK_THREAD)
			has_threads = 1;
		for (object = has_threads ? NULL : left; object; object = object->next)
			give_back(object);
		report_all(client, left, order[i]);
	}
	return has_threads;
}
