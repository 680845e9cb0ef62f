/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the waiter needs of the system: epoll on Linux (poller_epoll.c), kqueue on FreeBSD (poller_kqueue.c).
 * Results are 0 or a negative errno, where nothing else is told. The system does the locking.
 */
#ifndef KUP_POLLER_H
#define KUP_POLLER_H

#include <stdint.h>

struct poller {
	int fd;	  /* -1: closed */
	int poke; /* epoll's: an eventfd in it, under id 0 */
};

#define POLLER_CLOSED                                                                              \
	{                                                                                          \
		.fd = -1, .poke = -1                                                               \
	}

/* On failure it is closed as before. */
int poller_open(struct poller *poller);
void poller_close(struct poller *poller);

/* In a forked child, which has no use for its parent's. */
void poller_after_fork(struct poller *poller);

/* Makes fd known under this id, not 0; nothing is told of it until it is armed. */
int poller_add(struct poller *poller, int fd, int32_t id);

/*
 * The id is told the next time that one of these poll(2) events, an error or a hangup is so; and once more only if it
 * is armed again, unless two of them become so at the same time. -ENOENT: it isn't known.
 */
int poller_arm(struct poller *poller, int fd, int32_t id, uint32_t events);
int poller_remove(struct poller *poller, int fd);

/* Ends a wait, or the next one. Any thread. */
void poller_poke(struct poller *poller);

/* Sleeps for so long, or (-1) without a limit; returns how many ids it has told, 0 also after a poke or a signal. */
int poller_wait(struct poller *poller, int32_t *ids, int capacity, int timeout_ms);

#endif
