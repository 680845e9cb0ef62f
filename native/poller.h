/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the waiter needs of the system: epoll on Linux (poller_epoll.c), kqueue on FreeBSD
 * (poller_kqueue.c). Each call returns 0 or a negative errno, where nothing else is stated. The
 * system does the locking.
 */
#ifndef KUP_POLLER_H
#define KUP_POLLER_H

#include <stdint.h>

struct poller {
	int fd;	  /* -1: closed */
	int poke; /* for epoll: an eventfd in its set, with id 0 */
};

#define POLLER_CLOSED                                                                              \
	{                                                                                          \
		.fd = -1, .poke = -1                                                               \
	}

/* If it fails, the poller stays closed. */
int poller_open(struct poller *poller);
void poller_close(struct poller *poller);

/* In a forked child: drops the parent's poller, which the child can't use. */
void poller_after_fork(struct poller *poller);

/* Adds fd with this id, which is not 0. It reports nothing until it is armed. */
int poller_add(struct poller *poller, int fd, int32_t id);

/*
 * Reports the id the next time that one of these poll(2) events, an error or a hangup holds. Then
 * it reports the id again only after it is armed again, except that two events at the same time may
 * be reported twice. -ENOENT: fd was not added.
 */
int poller_arm(struct poller *poller, int fd, int32_t id, uint32_t events);
int poller_remove(struct poller *poller, int fd);

/* Ends the current wait, or the next one. Any thread. */
void poller_poke(struct poller *poller);

/*
 * Sleeps for `timeout_ms`, or without a limit if that is -1. Returns how many ids it has stored;
 * after a poke or a signal it may be 0.
 */
int poller_wait(struct poller *poller, int32_t *ids, int capacity, int timeout_ms);

#endif
