/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What Linux and FreeBSD have under different names, for an ordinary process. */
#ifndef KUP_PORTABLE_H
#define KUP_PORTABLE_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef __FreeBSD__
#include <malloc_np.h>
#include <pthread_np.h>
#include <sys/thr.h>
#else
#include <malloc.h>
#include <sys/syscall.h>
#endif

/*
 * "Reserve nothing for pages that may never be written". FreeBSD doesn't reserve, unless
 * vm.overcommit is set.
 */
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* A clock that moves with the system's tick, so reading it takes only a few nanoseconds. */
#ifdef CLOCK_MONOTONIC_COARSE
#define COARSE_CLOCK CLOCK_MONOTONIC_COARSE
#else
#define COARSE_CLOCK CLOCK_MONOTONIC_FAST
#endif

/*
 * Lets another thread have the processor, if one waits for it. Returns whether the coarse clock has
 * moved meanwhile: then that thread had the processor for a slice, or most of one.
 */
static inline int yield_processor(void)
{
	struct timespec before, after;

	clock_gettime(COARSE_CLOCK, &before);
	sched_yield();
	clock_gettime(COARSE_CLOCK, &after);
	return before.tv_nsec != after.tv_nsec || before.tv_sec != after.tv_sec;
}

/* The name is for people who look at the process. */
static inline void name_thread(pthread_t thread, const char *name)
{
#ifdef __FreeBSD__
	pthread_set_name_np(thread, name);
#else
	pthread_setname_np(thread, name);
#endif
}

/* The calling thread's number in the system. A later thread may get the same number. */
static inline unsigned int thread_number(void)
{
#ifdef __FreeBSD__
	return (unsigned int)pthread_getthreadid_np();
#else
	return (unsigned int)syscall(SYS_gettid);
#endif
}

/* The processor that the caller runs on. FreeBSD before 13.1 has no call for it: 0. */
static inline int processor_number(void)
{
#ifdef __FreeBSD__
	return 0;
#else
	return sched_getcpu();
#endif
}

/* Whether a thread of this process has that number. */
static inline int thread_exists(unsigned int number)
{
#ifdef __FreeBSD__
	return thr_kill2(getpid(), number, 0) == 0;
#else
	return syscall(SYS_tgkill, getpid(), number, 0) == 0;
#endif
}

/* The call that a sandbox has to allow for the next function. */
#ifdef __FreeBSD__
#define MEMORY_FILE_CALL "shm_open"
#else
#define MEMORY_FILE_CALL "memfd_create"
#endif

/* Makes a file without a name, in memory. Returns a descriptor, or a negative errno. */
static inline int open_memory_file(void)
{
#ifdef __FreeBSD__
	/* From 13 on, memfd_create does the same. */
	int fd = shm_open(SHM_ANON, O_RDWR | O_CLOEXEC, 0600);
#else
	int fd = memfd_create("kup", MFD_CLOEXEC);
#endif

	return fd < 0 ? -errno : fd;
}

/*
 * Sets the file's size, and allocates all its pages if the system can do that. Returns 0 or a
 * positive errno.
 */
static inline int fill_memory_file(int fd, off_t bytes)
{
#ifdef __FreeBSD__
	/*
	 * posix_fallocate does no more for such a file (uipc_shm.c), and nothing at all before 13.
	 */
	return ftruncate(fd, bytes) == 0 ? 0 : errno;
#else
	return posix_fallocate(fd, 0, bytes);
#endif
}

#endif
