/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The threads that this library starts, with stacks of a suitable size. glibc takes the static
 * thread-local data of all objects from the stack of each thread, and profilers, allocators and GPU
 * runtimes have much of it. If the stack is smaller than that data, pthread_create fails with
 * EINVAL; if it is barely larger, the thread has nothing to run on. So the size of that data is
 * added to what a thread needs. This costs address space only.
 */
#include <link.h>
#include <signal.h>

#include "host.h"

/* musl's default would be too small for a client's serve function. */
#define LEAST_BYTES (256 * 1024)
#define UNIT_BYTES (64 * 1024) /* a multiple of every page size */
#define MOST_BYTES ((size_t)1 << 30)

static size_t thread_local_bytes;

static int add_object(struct dl_phdr_info *object, size_t size, void *sum)
{
	unsigned int i;

	(void)size;
	for (i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_TLS)
			*(size_t *)sum +=
				object->dlpi_phdr[i].p_memsz + object->dlpi_phdr[i].p_align;
	return 0;
}

/*
 * Runs when the library is loaded. Objects that are loaded later get their data from the heap, or
 * from a reserve that was made at the start. dl_iterate_phdr takes the loader's lock. No thread may
 * wait for that lock while it holds a lock of this library: a module's constructor runs under the
 * loader's lock, and may call into this library.
 */
__attribute__((constructor)) static void measure(void)
{
	dl_iterate_phdr(add_object, &thread_local_bytes);
}

static int create(pthread_t *id, size_t bytes, void *(*main)(void *), void *argument)
{
	pthread_attr_t attributes;
	int error = pthread_attr_init(&attributes);

	if (error)
		return error;
	if (bytes == HOST_DEFAULT_STACK)
		pthread_attr_getstacksize(&attributes, &bytes);
	if (bytes < LEAST_BYTES)
		bytes = LEAST_BYTES;
	bytes += thread_local_bytes;
	/*
	 * The loop adds the loader's reserve, which belongs to no object. Its size can be tuned,
	 * and no call returns it.
	 */
	do {
		bytes = (bytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
		error = pthread_attr_setstacksize(&attributes, bytes);
		if (!error)
			error = pthread_create(id, &attributes, main, argument);
		bytes *= 2;
	} while (error == EINVAL && bytes <= MOST_BYTES);
	pthread_attr_destroy(&attributes);
	return error;
}

int host_create_thread(pthread_t *id, size_t stack_bytes, const sigset_t *blocked,
		       void *(*main)(void *), void *argument)
{
	sigset_t before;
	int error;

	if (!blocked)
		return create(id, stack_bytes, main, argument);
	/* A thread begins with the signal mask of the thread that creates it. */
	pthread_sigmask(SIG_SETMASK, blocked, &before);
	error = create(id, stack_bytes, main, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}
