/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What Linux and FreeBSD have under different names, for an ordinary process. */
#ifndef KUP_PORTABLE_H
#define KUP_PORTABLE_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __FreeBSD__
#include <pthread_np.h>
#include <sys/thr.h>
#else
#include <sys/syscall.h>
#endif

/* "Reserve nothing for what may never be written". FreeBSD doesn't, unless it is set to (vm.overcommit). */
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* For people who look at the process. */
static inline void name_thread(pthread_t thread, const char *name)
{
#ifdef __FreeBSD__
	pthread_set_name_np(thread, name);
#else
	pthread_setname_np(thread, name);
#endif
}

/* The calling thread's number in the system, which may be a later one's, too. */
static inline unsigned int thread_number(void)
{
#ifdef __FreeBSD__
	return (unsigned int)pthread_getthreadid_np();
#else
	return (unsigned int)syscall(SYS_gettid);
#endif
}

/* Has a thread of this process that number? */
static inline int thread_exists(unsigned int number)
{
#ifdef __FreeBSD__
	return thr_kill2(getpid(), number, 0) == 0;
#else
	return syscall(SYS_tgkill, getpid(), number, 0) == 0;
#endif
}

/* What a sandbox has to allow for it. */
#ifdef __FreeBSD__
#define MEMORY_FILE_CALL "shm_open"
#else
#define MEMORY_FILE_CALL "memfd_create"
#endif

/* A file without a name, in memory: a descriptor, or a negative errno. */
static inline int open_memory_file(void)
{
#ifdef __FreeBSD__
	/* memfd_create is this, from 13 on. */
	int fd = shm_open(SHM_ANON, O_RDWR | O_CLOEXEC, 0600);
#else
	int fd = memfd_create("kup", MFD_CLOEXEC);
#endif

	return fd < 0 ? -errno : fd;
}

/* Gives it its size, and all its pages if the system has a way to. 0 or a positive errno. */
static inline int fill_memory_file(int fd, off_t bytes)
{
#ifdef __FreeBSD__
	/* posix_fallocate on such a file does no more (uipc_shm.c), and nothing at all before 13. */
	return ftruncate(fd, bytes) == 0 ? 0 : errno;
#else
	return posix_fallocate(fd, 0, bytes);
#endif
}

#endif
