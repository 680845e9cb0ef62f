/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The waiter: one thread for the life of the process, inside epoll_wait unless something happened. Each
 * file is registered one-shot: an event disables it, is told on the pipe of the isolate
 * that asked, and nothing more comes until that isolate arms again. So an idle process uses
 * no CPU, and a slow isolate has at most one event per arm in its pipe.
 *
 * waiter.lock guards the table, and is held while the thread writes to a pipe: once remove has had the
 * lock, the thread can't be about to write for that id. Writes never block. Arming takes no lock:
 * epoll does its own locking, and the caller owns its fd and id.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kup_user.h"

/* An id is a place in the table and, above it, how often the place was used: stale ids match nothing. */
#define PLACE_BITS 20
#define MAX_PLACES (1 << PLACE_BITS)
#define TURN_MASK 0x7ff

/* An event that found its pipe full is told again this soon. */
#define RETRY_MS 5

#define STACK_BYTES (256 * 1024)
#define EVENTS_AT_ONCE 64

struct place {
	int32_t pipe; /* -1: free */
	int32_t id;   /* of the present user, or of the next one */
	int owed;     /* its event is still to be told */
};

static struct {
	pthread_mutex_t lock;
	struct place *places;
	int count;
	int epoll; /* -1: not started */
	int owed;  /* places that are owed an event */
} waiter = { .lock = PTHREAD_MUTEX_INITIALIZER, .epoll = -1 };

/* ---- The table; all under the lock ---- */

static struct place *find(int32_t id)
{
	int index = id & (MAX_PLACES - 1);

	if (id < 0 || index >= waiter.count || waiter.places[index].id != id ||
	    waiter.places[index].pipe < 0)
		return NULL;
	return &waiter.places[index];
}

/* The first id of a place: its turn is 1, so that no id is 0. */
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

static int take_place(int32_t pipe, struct place **taken)
{
	int i, error;

	for (i = 0; i < waiter.count && waiter.places[i].pipe >= 0; i++)
		;
	if (i == waiter.count) {
		error = grow();
		if (error)
			return error;
	}
	*taken = &waiter.places[i];
	(*taken)->pipe = pipe;
	return 0;
}

static void leave_place(struct place *place)
{
	int32_t index = place->id & (MAX_PLACES - 1);
	int32_t turn = ((place->id >> PLACE_BITS) + 1) & TURN_MASK;

	waiter.owed -= place->owed;
	place->owed = 0;
	place->pipe = -1;
	place->id = ((turn ? turn : 1) << PLACE_BITS) | index;
}

/* ---- The thread ---- */

/* A pipe that nobody reads any more (EPIPE: the isolate is gone) needs no telling. */
static void tell(struct place *place)
{
	int full = write(place->pipe, &place->id, sizeof(place->id)) < 0 && errno == EAGAIN;

	waiter.owed += full - place->owed;
	place->owed = full;
}

static void tell_owed(void)
{
	int i;

	for (i = 0; i < waiter.count && waiter.owed > 0; i++)
		if (waiter.places[i].owed)
			tell(&waiter.places[i]);
}

static void *waiter_main(void *argument)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int timeout = -1;

	(void)argument;
	for (;;) {
		/* EINTR (a debugger, a stopped process) comes out as "no events". */
		int i, count = epoll_wait(waiter.epoll, events, EVENTS_AT_ONCE, timeout);

		pthread_mutex_lock(&waiter.lock);
		if (waiter.owed > 0)
			tell_owed();
		for (i = 0; i < count; i++) {
			struct place *place = find((int32_t)events[i].data.u32);

			if (place)
				tell(place);
		}
		timeout = waiter.owed > 0 ? RETRY_MS : -1;
		pthread_mutex_unlock(&waiter.lock);
	}
	return NULL;
}

/* Signals are for the host program's own threads; a SIGPIPE of ours stays pending and harms nobody. */
static int start_thread(void)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, waiter_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (!error)
		pthread_setname_np(thread, "kup-waiter");
	return -error;
}

/*
 * A forked child has no waiter, and none of what it waited for is of use there: it starts afresh. The lock
 * is held across the fork, so the table is whole.
 */
static void before_fork(void)
{
	pthread_mutex_lock(&waiter.lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&waiter.lock);
}

static void after_fork_in_child(void)
{
	int i;

	for (i = 0; i < waiter.count; i++)
		if (waiter.places[i].pipe >= 0)
			leave_place(&waiter.places[i]);
	if (waiter.epoll >= 0)
		close(waiter.epoll);
	waiter.epoll = -1;
	pthread_mutex_unlock(&waiter.lock);
}

/* Under the lock. */
static int start(void)
{
	static int watches_forks;
	int error;

	if (waiter.epoll >= 0)
		return 0;
	if (!watches_forks) {
		error = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
		if (error)
			return error;
		watches_forks = 1;
	}
	waiter.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (waiter.epoll < 0)
		return -errno;
	error = start_thread();
	if (error) {
		close(waiter.epoll);
		waiter.epoll = -1;
	}
	return error;
}

/* ---- Calls ---- */

static int control(int command, int32_t fd, int32_t id, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLONESHOT, .data.u32 = (uint32_t)id };

	return epoll_ctl(waiter.epoll, command, fd, &event) < 0 ? -errno : 0;
}

int32_t kup_user_pipe(int32_t *fds)
{
	return pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

int32_t kup_user_waiter_add(int32_t fd, int32_t pipe)
{
	struct place *place;
	int error, id = 0;

	if (pipe < 0)
		return -EBADF;
	pthread_mutex_lock(&waiter.lock);
	error = start();
	if (!error)
		error = take_place(pipe, &place);
	if (!error) {
		id = place->id;
		error = control(EPOLL_CTL_ADD, fd, id, 0);
		if (error)
			leave_place(place);
	}
	pthread_mutex_unlock(&waiter.lock);
	return error ? error : id;
}

int32_t kup_user_waiter_arm(int32_t fd, int32_t id, uint32_t events)
{
	return control(EPOLL_CTL_MOD, fd, id, events);
}

int32_t kup_user_waiter_remove(int32_t fd, int32_t id)
{
	struct place *place;
	int error = -ENOENT;

	pthread_mutex_lock(&waiter.lock);
	place = find(id);
	if (place) {
		error = control(EPOLL_CTL_DEL, fd, id, 0);
		leave_place(place);
	}
	pthread_mutex_unlock(&waiter.lock);
	return error;
}
