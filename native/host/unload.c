/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client's unload waits for each serve. If a serve never returns, rmmod hangs in a kernel. A test
 * must be able to fail instead, so a checked client's unload runs in a thread of its own, which is
 * left alone then.
 */
#include <stdlib.h>
#include <time.h>

#include "host.h"
#include "host/module.h"

/* Freed by the later one of the two threads. */
struct unloading {
	void (*unload)(void);
	struct host_client *record;
	pthread_mutex_t lock;
	int has_returned; /* under lock */
	int is_left;	  /* under lock: no thread waits for it any more */
};

static void run(void (*unload)(void), struct host_client *record)
{
	struct host_client *before = host_client_set(record);

	unload();
	host_client_set(before);
}

static void free_unloading(struct unloading *unloading)
{
	pthread_mutex_destroy(&unloading->lock);
	free(unloading);
}

static void *unload_main(void *argument)
{
	struct unloading *unloading = argument;
	int is_left;

	run(unloading->unload, unloading->record);
	pthread_mutex_lock(&unloading->lock);
	unloading->has_returned = 1;
	is_left = unloading->is_left;
	pthread_mutex_unlock(&unloading->lock);
	if (is_left)
		free_unloading(unloading);
	return NULL;
}

/*
 * After a serve was found that does not return, it has this much more time. It may have been found
 * long before, and return because of the unload.
 */
#define STUCK_NS 5000000000ull

static int is_stuck(struct host_client *record, kup_u64 begin_ns)
{
	kup_u64 at = host_client_stuck_ns(record);

	return at && os_now_ns() > (at > begin_ns ? at : begin_ns) + STUCK_NS;
}

static int await(struct unloading *unloading)
{
	const struct timespec tick = { 0, 1000000 };
	kup_u64 begin_ns = os_now_ns();
	int is_left = 0, has_returned;

	for (;;) {
		pthread_mutex_lock(&unloading->lock);
		has_returned = unloading->has_returned;
		if (!has_returned && is_stuck(unloading->record, begin_ns))
			is_left = unloading->is_left = 1;
		pthread_mutex_unlock(&unloading->lock);
		if (is_left)
			return 1;
		if (has_returned)
			break;
		nanosleep(&tick, NULL);
	}
	free_unloading(unloading);
	return 0;
}

int host_call_unload(void (*unload)(void), struct host_client *record)
{
	struct unloading *unloading = NULL;
	pthread_t id;

	if (record && host_client_is_checked(record))
		unloading = malloc(sizeof(*unloading));
	if (unloading) {
		*unloading = (struct unloading){ .unload = unload, .record = record };
		pthread_mutex_init(&unloading->lock, NULL);
		if (!host_create_thread(&id, HOST_DEFAULT_STACK, NULL, unload_main, unloading)) {
			pthread_detach(id);
			return await(unloading);
		}
		free_unloading(unloading);
	}
	run(unload, record);
	return 0;
}
