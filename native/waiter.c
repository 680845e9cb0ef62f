/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The waiter: one thread for the life of the process. It sleeps in the system's poller (epoll,
 * kqueue) unless something has happened. Each file is registered one-shot. Its event disables it,
 * and is reported on the pipe of the isolate that armed it; no other event follows until that
 * isolate arms the file again. So an idle process uses no CPU, and the pipe of a slow isolate
 * contains at most one event for each file, and one for its alarm.
 *
 * The poller can't watch a file of the host driver: the thread that wakes such a file writes the
 * event to the pipe itself. The waiter's thread only repeats events that found their pipe full.
 *
 * waiter.lock guards the table, and is held during a write to a pipe. So after remove has taken the
 * lock, no thread can be about to write for that id. Writes never block. Arming a descriptor takes
 * no lock: the system does its own locking, and the caller owns the fd and its id. The lock is
 * taken after the host driver's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"
#include "host/files.h"
#include "owners.h"
#include "poller.h"
#include "portable.h"

/*
 * An id consists of an index into the table and, above it, a count of the place's uses, so that a
 * stale id matches no file.
 */
#define PLACE_BITS 20
#define MAX_PLACES (1 << PLACE_BITS)
#define USE_MASK 0x7ff

/* An event that found its pipe full is reported again after this time. */
#define RETRY_MS 5

#define NO_ALARM 0.0
#define LONGEST_MS 1000000000

/* Smaller than the default: a process that locks its memory has the whole stack in RAM. */
#define STACK_BYTES (256 * 1024)
#define EVENTS_AT_ONCE 64

struct place {
	int32_t pipe; /* -1: free */
	int32_t fd;
	int32_t id;		  /* of the current file, or of the next one */
	int owed;		  /* its event is not reported yet, because the pipe was full */
	int armed;		  /* for a watch: its next event is to be reported */
	double alarm;		  /* the time of kup_user_now to report; NO_ALARM: never */
	struct host_watch *watch; /* NULL for a descriptor */
};

static struct {
	pthread_mutex_t lock;
	struct place *places;
	int count;
	struct poller poller; /* closed before the start; poked when an event becomes owed */
	int owed;	      /* how many places have an owed event */
	int alarms;	      /* how many places have an alarm */
	double wakes_at;      /* the thread sleeps until then at most; NO_ALARM: without a limit */
} waiter = { .lock = PTHREAD_MUTEX_INITIALIZER, .poller = POLLER_CLOSED };

/* ---- The table; all of this under the lock ---- */

static struct place *find(int32_t id)
{
	int index = id & (MAX_PLACES - 1);

	if (id < 0 || index >= waiter.count || waiter.places[index].id != id ||
	    waiter.places[index].pipe < 0)
		return NULL;
	return &waiter.places[index];
}

/* Adds places. The count of uses begins at 1, so that no id is 0. */
static int grow(void)
{
	int count = waiter.count ? 2 * waiter.count : 16, i;
	struct place *places;

	if (count > MAX_PLACES)
		return -EMFILE;
	places = realloc(waiter.places, (size_t)count * sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (i = waiter.count; i < count; i++)
		places[i] = (struct place){ .pipe = -1, .id = (1 << PLACE_BITS) | i };
	waiter.places = places;
	waiter.count = count;
	return 0;
}

static struct place *find_file(int32_t fd)
{
	int i;

	for (i = 0; i < waiter.count; i++)
		if (waiter.places[i].pipe >= 0 && waiter.places[i].fd == fd)
			return &waiter.places[i];
	return NULL;
}

static int take_place(int32_t fd, int32_t pipe, struct place **taken)
{
	int i, error;

	if (find_file(fd))
		return -EEXIST;
	for (i = 0; i < waiter.count && waiter.places[i].pipe >= 0; i++)
		;
	if (i == waiter.count) {
		error = grow();
		if (error)
			return error;
	}
	*taken = &waiter.places[i];
	(*taken)->fd = fd;
	(*taken)->pipe = pipe;
	return 0;
}

static void set_alarm(struct place *place, double at_ms)
{
	waiter.alarms += (at_ms != NO_ALARM) - (place->alarm != NO_ALARM);
	place->alarm = at_ms;
}

static void leave_place(struct place *place)
{
	int32_t index = place->id & (MAX_PLACES - 1);
	int32_t uses = ((place->id >> PLACE_BITS) + 1) & USE_MASK;

	waiter.owed -= place->owed;
	place->owed = 0;
	place->armed = 0;
	set_alarm(place, NO_ALARM);
	place->watch = NULL;
	place->pipe = -1;
	place->id = ((uses ? uses : 1) << PLACE_BITS) | index;
}

/* ---- Reporting; under the lock ---- */

/*
 * Writes the event. If the pipe has no reader (EPIPE: the isolate is gone), nothing needs to be
 * reported.
 */
static void report(struct place *place)
{
	int full = write(place->pipe, &place->id, sizeof(place->id)) < 0 && errno == EAGAIN;

	waiter.owed += full - place->owed;
	place->owed = full;
}

static void report_armed(int32_t id)
{
	struct place *place = find(id);

	if (!place || !place->armed)
		return;
	place->armed = 0;
	report(place);
}

/* Called in any thread of the host driver. */
static void on_wake(int32_t id)
{
	int owed;

	pthread_mutex_lock(&waiter.lock);
	owed = waiter.owed;
	report_armed(id);
	/* Before this, the waiter's thread sleeps without a limit. */
	if (waiter.owed > 0 && owed == 0)
		poller_poke(&waiter.poller);
	pthread_mutex_unlock(&waiter.lock);
}

static void report_owed(void)
{
	int i;

	for (i = 0; i < waiter.count && waiter.owed > 0; i++)
		if (waiter.places[i].owed)
			report(&waiter.places[i]);
}

/* Reports the alarms that are due, and stores in wakes_at when the next one is. */
static void report_alarms(void)
{
	double now;
	int i;

	waiter.wakes_at = NO_ALARM;
	if (waiter.alarms == 0)
		return;
	now = kup_user_now();
	for (i = 0; i < waiter.count; i++) {
		struct place *place = &waiter.places[i];

		if (place->alarm == NO_ALARM)
			continue;
		if (place->alarm <= now) {
			set_alarm(place, NO_ALARM);
			report(place);
		} else if (waiter.wakes_at == NO_ALARM || place->alarm < waiter.wakes_at) {
			waiter.wakes_at = place->alarm;
		}
	}
}

/* For how long the thread sleeps: milliseconds, or -1. It must not wake before an alarm is due. */
static int sleep_ms(void)
{
	double left;

	report_alarms();
	if (waiter.owed > 0)
		return RETRY_MS;
	if (waiter.wakes_at == NO_ALARM)
		return -1;
	left = waiter.wakes_at - kup_user_now();
	if (left < 0)
		return 0;
	return left < LONGEST_MS ? (int)left + 1 : LONGEST_MS;
}

/* ---- The thread ---- */

static void *waiter_main(void *argument)
{
	int32_t ids[EVENTS_AT_ONCE];
	int timeout = -1;

	(void)argument;
	for (;;) {
		int i, count = poller_wait(&waiter.poller, ids, EVENTS_AT_ONCE, timeout);

		pthread_mutex_lock(&waiter.lock);
		if (waiter.owed > 0)
			report_owed();
		for (i = 0; i < count; i++) {
			struct place *place = find(ids[i]);

			if (place)
				report(place);
		}
		timeout = sleep_ms();
		pthread_mutex_unlock(&waiter.lock);
	}
	return NULL;
}

/*
 * The thread blocks all signals: they are for the host program's own threads. A SIGPIPE of this
 * thread stays pending, and has no effect.
 */
static int start_thread(void)
{
	pthread_t thread;
	sigset_t all;
	int error;

	sigfillset(&all);
	error = host_create_thread(&thread, STACK_BYTES, &all, waiter_main, NULL);
	if (error)
		return -error;
	name_thread(thread, "kup-waiter");
	pthread_detach(thread);
	return 0;
}

/*
 * A forked child has no waiter's thread, and can't use what its parent waited for, so it starts
 * again from an empty table. The locks are held across the fork, so the tables are consistent.
 */
static void before_fork(void)
{
	owners_before_fork();
	pthread_mutex_lock(&waiter.lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&waiter.lock);
	owners_after_fork();
}

static void after_fork_in_child(void)
{
	int i;

	for (i = 0; i < waiter.count; i++)
		if (waiter.places[i].pipe >= 0)
			leave_place(&waiter.places[i]);
	waiter.wakes_at = NO_ALARM;
	poller_after_fork(&waiter.poller);
	after_fork_in_parent();
}

/* Registers the handlers, once. */
int watch_forks(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int watched;
	int error = 0;

	/* Pairs with the release below. */
	if (__atomic_load_n(&watched, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&lock);
	if (!watched)
		error = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	if (!error)
		__atomic_store_n(&watched, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return error;
}

/* Under the lock. */
static int start(void)
{
	int error = watch_forks();

	if (error || waiter.poller.fd >= 0)
		return error;
	error = poller_open(&waiter.poller);
	if (error)
		return error;
	error = start_thread();
	if (error)
		poller_close(&waiter.poller);
	return error;
}

/* ---- Calls ---- */

int32_t kup_user_pipe(int32_t *fds)
{
	return pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

/*
 * Takes a place, and adds a descriptor to the poller in the same step, so that a failure leaves
 * nothing behind.
 */
static int32_t enter(int32_t fd, int32_t pipe)
{
	struct place *place;
	int error;
	int32_t id = 0;

	pthread_mutex_lock(&waiter.lock);
	error = start();
	if (!error)
		error = take_place(fd, pipe, &place);
	if (!error) {
		id = place->id;
		error = is_host_file(fd) ? 0 : poller_add(&waiter.poller, fd, id);
		if (error)
			leave_place(place);
	}
	pthread_mutex_unlock(&waiter.lock);
	return error ? error : id;
}

/* Not under the lock, which is taken after the driver's. Only the caller has the id yet. */
static int32_t watch_host_file(int32_t fd, int32_t id)
{
	struct host_watch *watch = NULL;
	int error = host_watch_begin(fd, id, on_wake, &watch);
	struct place *place;

	pthread_mutex_lock(&waiter.lock);
	place = find(id);
	if (error)
		leave_place(place);
	else
		place->watch = watch;
	pthread_mutex_unlock(&waiter.lock);
	return error ? error : id;
}

int32_t kup_user_waiter_add(int32_t fd, int32_t pipe)
{
	int32_t id = pipe < 0 ? -EBADF : enter(fd, pipe);

	return id > 0 && is_host_file(fd) ? watch_host_file(fd, id) : id;
}

static int arm_watch(int32_t id, uint32_t events)
{
	struct host_watch *watch = NULL;
	struct place *place;

	pthread_mutex_lock(&waiter.lock);
	place = find(id);
	if (place && place->watch) {
		place->armed = 1;
		watch = place->watch;
	}
	pthread_mutex_unlock(&waiter.lock);
	if (!watch)
		return -ENOENT;
	/* The caller does not remove an id while it arms it, so the watch exists. */
	if (host_watch_look(watch, events))
		on_wake(id);
	return 0;
}

int32_t kup_user_waiter_arm(int32_t fd, int32_t id, uint32_t events)
{
	return is_host_file(fd) ? arm_watch(id, events)
				: poller_arm(&waiter.poller, fd, id, events);
}

int32_t kup_user_waiter_alarm(int32_t fd, int32_t id, double at_ms)
{
	struct place *place;

	pthread_mutex_lock(&waiter.lock);
	place = find(id);
	if (place && place->fd == fd) {
		set_alarm(place, at_ms > 0 && at_ms < HUGE_VAL ? at_ms : NO_ALARM);
		if (place->alarm != NO_ALARM &&
		    (waiter.wakes_at == NO_ALARM || place->alarm < waiter.wakes_at))
			poller_poke(&waiter.poller);
	}
	pthread_mutex_unlock(&waiter.lock);
	return place ? 0 : -ENOENT;
}

/*
 * Under the lock. The caller ends the watch without the lock, which is taken after the driver's
 * own.
 */
static int remove_place(struct place *place, struct host_watch **watch)
{
	int error;

	*watch = place->watch;
	error = is_host_file(place->fd) ? 0 : poller_remove(&waiter.poller, place->fd);
	leave_place(place);
	return error;
}

int32_t kup_user_waiter_remove(int32_t fd, int32_t id)
{
	struct host_watch *watch = NULL;
	struct place *place;
	int error = -ENOENT;

	pthread_mutex_lock(&waiter.lock);
	place = find(id);
	if (place && place->fd == fd)
		error = remove_place(place, &watch);
	pthread_mutex_unlock(&waiter.lock);
	if (watch)
		host_watch_end(watch);
	return error;
}

void waiter_forget(int32_t fd)
{
	struct host_watch *watch = NULL;
	struct place *place;

	pthread_mutex_lock(&waiter.lock);
	place = find_file(fd);
	if (place)
		(void)remove_place(place, &watch);
	pthread_mutex_unlock(&waiter.lock);
	if (watch)
		host_watch_end(watch);
}
