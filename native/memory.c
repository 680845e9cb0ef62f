/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address ranges. A script may hold a view of a channel's memory for as long as it likes, so addresses are
 * never taken away from under it: what a channel leaves behind is a range of zeros.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host_files.h"
#include "owners.h"
#include "portable.h"

/* MAP_NORESERVE: zeros that nobody touches cost address space and nothing else. */
#define ZEROS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/* The host driver's mapping is its own then, see kmod/os/host/memory.c. */
#ifdef __SANITIZE_THREAD__
#define ONE_MAPPING 1
#else
#define ONE_MAPPING 0
#endif

static int put_zeros(void *address, size_t bytes)
{
	void *got = mmap(address, bytes, PROT_READ | PROT_WRITE, ZEROS | MAP_FIXED, -1, 0);

	return got == MAP_FAILED ? -errno : 0;
}

/* The four areas, each where the contract puts it. */
static int map_kernel_areas(int fd, char *base, size_t page, size_t to_user, size_t to_kernel)
{
	const struct {
		size_t offset, bytes;
		int protection;
	} areas[] = {
		{ 0, page, PROT_READ },
		{ page, page, PROT_READ | PROT_WRITE },
		{ 2 * page, 2 * to_user, PROT_READ | PROT_WRITE },
		{ 2 * page + 2 * to_user, 2 * to_kernel, PROT_READ | PROT_WRITE },
	};
	size_t i;

	for (i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		void *got = mmap(base + areas[i].offset, areas[i].bytes, areas[i].protection,
				 MAP_SHARED | MAP_FIXED, fd, (off_t)areas[i].offset);

		if (got == MAP_FAILED)
			return -errno;
	}
	return 0;
}

static int map_areas(int fd, char *base, size_t page, uint32_t to_user, uint32_t to_kernel)
{
	uint64_t address = (uintptr_t)base;

	return is_host_file(fd) ? host_number_map(fd, (uint32_t)page, to_user, to_kernel, &address)
				: map_kernel_areas(fd, base, page, to_user, to_kernel);
}

static int32_t map(int32_t fd, uint32_t page_size, uint32_t to_user_bytes, uint32_t to_kernel_bytes,
		   uint64_t *address)
{
	size_t bytes = 2 * ((size_t)page_size + to_user_bytes + to_kernel_bytes);
	void *base = (void *)(uintptr_t)*address;
	int fresh = base == NULL;
	int error;

	if (ONE_MAPPING && is_host_file(fd))
		return host_number_map(fd, page_size, to_user_bytes, to_kernel_bytes, address);
	/* Linux refuses it anyway; FreeBSD's mmap would round offsets, and map something else. */
	if (page_size % (uint32_t)sysconf(_SC_PAGESIZE) != 0)
		return -EINVAL;
	if (fresh) {
		base = mmap(NULL, bytes, PROT_NONE, ZEROS, -1, 0);
		if (base == MAP_FAILED)
			return -errno;
	}
	error = map_areas(fd, base, page_size, to_user_bytes, to_kernel_bytes);
	if (!error) {
		*address = (uintptr_t)base;
		return 0;
	}
	if (fresh)
		munmap(base, bytes);
	else
		put_zeros(base, bytes);
	return error;
}

int32_t kup_user_map(int32_t fd, uint32_t page_size, uint32_t to_user_bytes,
		     uint32_t to_kernel_bytes, uint64_t *address)
{
	int32_t error = map(fd, page_size, to_user_bytes, to_kernel_bytes, address);

	if (!error)
		owners_mapped(fd, *address,
			      2 * ((uint64_t)page_size + to_user_bytes + to_kernel_bytes));
	return error;
}

int32_t kup_user_release_range(uint64_t address, uint64_t bytes)
{
	if (ONE_MAPPING)
		return 0;
	return munmap((void *)(uintptr_t)address, bytes) ? -errno : 0;
}

int32_t kup_user_unmap(uint64_t address, uint64_t bytes)
{
	return ONE_MAPPING ? 0 : put_zeros((void *)(uintptr_t)address, bytes);
}
