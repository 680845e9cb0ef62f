/* SPDX-License-Identifier: BSD-3-Clause */
/* Each file is registered one-shot: an event disables it until it is armed again. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "poller.h"

#define EVENTS_AT_ONCE 64

int poller_open(struct poller *poller)
{
	struct epoll_event event = { .events = EPOLLIN };
	int error;

	poller->fd = epoll_create1(EPOLL_CLOEXEC);
	poller->poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (poller->fd >= 0 && poller->poke >= 0 &&
	    epoll_ctl(poller->fd, EPOLL_CTL_ADD, poller->poke, &event) == 0)
		return 0;
	error = -errno;
	poller_close(poller);
	return error;
}

void poller_close(struct poller *poller)
{
	if (poller->fd >= 0)
		close(poller->fd);
	if (poller->poke >= 0)
		close(poller->poke);
	poller->fd = -1;
	poller->poke = -1;
}

void poller_after_fork(struct poller *poller)
{
	poller_close(poller);
}

static int control(const struct poller *poller, int command, int fd, int32_t id, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLONESHOT, .data.u32 = (uint32_t)id };

	return epoll_ctl(poller->fd, command, fd, &event) < 0 ? -errno : 0;
}

int poller_add(struct poller *poller, int fd, int32_t id)
{
	return control(poller, EPOLL_CTL_ADD, fd, id, 0);
}

int poller_arm(struct poller *poller, int fd, int32_t id, uint32_t events)
{
	return control(poller, EPOLL_CTL_MOD, fd, id, events);
}

int poller_remove(struct poller *poller, int fd)
{
	return control(poller, EPOLL_CTL_DEL, fd, 0, 0);
}

/* If the write fails, the counter is full: the poller is poked already. */
void poller_poke(struct poller *poller)
{
	const uint64_t one = 1;

	if (write(poller->poke, &one, sizeof(one)) < 0)
		return;
}

int poller_wait(struct poller *poller, int32_t *ids, int capacity, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	uint64_t pokes;
	int i, found = 0, count;

	/* EINTR (a debugger, a stopped process) becomes "no events". */
	count = epoll_wait(poller->fd, events,
			   capacity < EVENTS_AT_ONCE ? capacity : EVENTS_AT_ONCE, timeout_ms);
	for (i = 0; i < count; i++) {
		if (events[i].data.u32 != 0)
			ids[found++] = (int32_t)events[i].data.u32;
		else if (read(poller->poke, &pokes, sizeof(pokes)) < 0)
			continue;
	}
	return found;
}
