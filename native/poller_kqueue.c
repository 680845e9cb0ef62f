/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each file has two knotes, for reading and for writing. A knote is disabled unless it is armed,
 * and its event disables it again (EV_DISPATCH). Knotes stay until the file is removed. So enabling
 * one needs nothing of the file; even its device need not exist any more.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#include <unistd.h>

#include "poller.h"

#define EVENTS_AT_ONCE 64

static int change(const struct poller *poller, const struct kevent *changes, int count)
{
	return kevent(poller->fd, changes, count, NULL, 0, NULL) < 0 ? -errno : 0;
}

static struct kevent knote(int fd, short filter, unsigned int flags, int32_t id)
{
	struct kevent event;

	EV_SET(&event, (uintptr_t)fd, filter, (unsigned short)flags, 0, 0, (void *)(intptr_t)id);
	return event;
}

int poller_open(struct poller *poller)
{
	struct kevent poke;
	int error;

	EV_SET(&poke, 0, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
	/* A kqueue is not inherited by fork, and is closed by exec. */
	poller->fd = kqueue();
	if (poller->fd < 0)
		return -errno;
	error = change(poller, &poke, 1);
	if (error)
		poller_close(poller);
	return error;
}

void poller_close(struct poller *poller)
{
	close(poller->fd);
	poller->fd = -1;
}

/* In the child the number is free, or already another file's. */
void poller_after_fork(struct poller *poller)
{
	poller->fd = -1;
}

int poller_add(struct poller *poller, int fd, int32_t id)
{
	const unsigned int flags = EV_ADD | EV_DISPATCH | EV_DISABLE;
	const struct kevent both[] = { knote(fd, EVFILT_READ, flags, id),
				       knote(fd, EVFILT_WRITE, flags, id) };
	int error = change(poller, both, 2);

	/* The first knote may exist without the second. */
	if (error)
		poller_remove(poller, fd);
	return error;
}

int poller_arm(struct poller *poller, int fd, int32_t id, uint32_t events)
{
	const unsigned int in = events & POLLIN ? EV_ENABLE : EV_DISABLE;
	const unsigned int out = events & POLLOUT ? EV_ENABLE : EV_DISABLE;
	/*
	 * Both filters report the end. A caller that asks for neither event asks for the end alone.
	 */
	const unsigned int end = events & (POLLIN | POLLOUT) ? 0 : EV_ENABLE;
	const struct kevent both[] = {
		knote(fd, EVFILT_READ, EV_DISPATCH | (end ? end : in), id),
		knote(fd, EVFILT_WRITE, EV_DISPATCH | out, id),
	};

	return change(poller, both, 2);
}

int poller_remove(struct poller *poller, int fd)
{
	const struct kevent in = knote(fd, EVFILT_READ, EV_DELETE, 0);
	const struct kevent out = knote(fd, EVFILT_WRITE, EV_DELETE, 0);
	int error = change(poller, &in, 1), other = change(poller, &out, 1);

	return error ? error : other;
}

void poller_poke(struct poller *poller)
{
	struct kevent poke;

	EV_SET(&poke, 0, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	change(poller, &poke, 1);
}

int poller_wait(struct poller *poller, int32_t *ids, int capacity, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	struct kevent events[EVENTS_AT_ONCE];
	int i, found = 0, count;

	/* EINTR (a debugger, a stopped process) becomes "no events". */
	count = kevent(poller->fd, NULL, 0, events,
		       capacity < EVENTS_AT_ONCE ? capacity : EVENTS_AT_ONCE,
		       timeout_ms < 0 ? NULL : &timeout);
	for (i = 0; i < count; i++) {
		int32_t id = (int32_t)(intptr_t)events[i].udata;

		/* If both knotes of a file have an event, these lie side by side. */
		if (id != 0 && (found == 0 || ids[found - 1] != id))
			ids[found++] = id;
	}
	return found;
}
