/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The requests that the native library and the host driver make of the system may fail: the linker
 * replaces the real functions by these (--wrap, see the Makefile). Only requests of the thread that
 * asked for failures are counted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests.h"

static _Thread_local kup_u32 fail_at, made;

void fail_request(kup_u32 n)
{
	fail_at = n;
	made = 0;
}

kup_u32 requests(void)
{
	return made;
}

static int fails(void)
{
	if (++made != fail_at)
		return 0;
	errno = ENOMEM;
	return 1;
}

/*
 * One wrapper: its result, its parameters, how the real function is called, and what a failure
 * returns.
 */
#define WRAP(type, name, parameters, arguments, failed)                                            \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails() ? (failed) : __real_##name arguments;                               \
	}

WRAP(void *, calloc, (size_t count, size_t bytes), (count, bytes), NULL)
WRAP(void *, realloc, (void *memory, size_t bytes), (memory, bytes), NULL)
WRAP(char *, strdup, (const char *text), (text), NULL)
WRAP(void *, mmap, (void *at, size_t bytes, int protection, int flags, int fd, off_t from),
     (at, bytes, protection, flags, fd, from), MAP_FAILED)
WRAP(int, pipe2, (int *fds, int flags), (fds, flags), -1)
WRAP(int, ftruncate, (int fd, off_t bytes), (fd, bytes), -1)
WRAP(int, epoll_create1, (int flags), (flags), -1)
WRAP(int, epoll_ctl, (int fd, int command, int of, struct epoll_event *event),
     (fd, command, of, event), -1)
WRAP(int, eventfd, (unsigned int count, int flags), (count, flags), -1)
WRAP(int, pthread_atfork, (void (*before)(void), void (*parent)(void), void (*child)(void)),
     (before, parent, child), ENOMEM)
WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument),
     (thread, attributes, start, argument), EAGAIN)

/* ---- Memory that comes late ---- */

static kup_u32 hold, held;

void hold_memory(kup_u32 now)
{
	kup_store(&held, 0);
	kup_store(&hold, now);
}

const kup_u32 *memory_is_held(void)
{
	return &held;
}

int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags)
{
	while (kup_load(&hold)) {
		kup_store_release(&held, 1);
		sleep_ms(1);
	}
	return fails() ? -1 : __real_memfd_create(name, flags);
}
