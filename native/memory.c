/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address ranges. A script may keep a view of a channel's memory without a limit, so its addresses
 * are never unmapped: a closed channel leaves a range of zeros.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/files.h"
#include "owners.h"
#include "portable.h"

/* FreeBSD's name for it. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE (MAP_FIXED | MAP_EXCL)
#endif

/* MAP_NORESERVE: zeros that no thread touches take address space and nothing else. */
#define ZEROS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/* The host driver's own mapping is used then; see kmod/os/host/memory.c. */
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

/* A part of a range, in bytes from its start. */
struct part {
	size_t offset, bytes;
};

/*
 * Maps the four areas at the contract's offsets. After an error, *failed is the area that can't be
 * mapped.
 */
static int map_kernel_areas(int fd, char *base, size_t page, size_t to_user, size_t to_kernel,
			    struct part *failed)
{
	const struct {
		struct part part;
		int protection;
	} areas[] = {
		{ { 0, page }, PROT_READ },
		{ { KUP_USER_PAGE_AT(page), page }, PROT_READ | PROT_WRITE },
		{ { KUP_TO_USER_AT(page), 2 * to_user }, PROT_READ | PROT_WRITE },
		{ { KUP_TO_KERNEL_AT(page, to_user), 2 * to_kernel }, PROT_READ | PROT_WRITE },
	};
	size_t i;

	for (i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		const struct part *part = &areas[i].part;
		void *got = mmap(base + part->offset, part->bytes, areas[i].protection,
				 MAP_SHARED | MAP_FIXED, fd, (off_t)part->offset);

		if (got == MAP_FAILED) {
			*failed = *part;
			return -errno;
		}
	}
	return 0;
}

/* Maps one page elsewhere, which fails for most files that can't be mapped. */
static int try_page(int fd, size_t page)
{
	void *got = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);

	return got == MAP_FAILED || munmap(got, page) ? -errno : 0;
}

static int map_areas(int fd, char *base, size_t page, uint32_t to_user, uint32_t to_kernel,
		     struct part *failed)
{
	uint64_t address = (uintptr_t)base;

	return is_host_file(fd) ? host_number_map(fd, (uint32_t)page, to_user, to_kernel, &address)
				: map_kernel_areas(fd, base, page, to_user, to_kernel, failed);
}

/*
 * Gives back what was mapped before the area `failed`, and what lies behind it. Before Linux asks
 * the driver to map an area, it unmaps what was at the address. If the driver then refuses, the
 * area is empty, and another thread's mapping may be there by now. So that area is not unmapped. On
 * a system that restores the old mapping, this costs the area's addresses.
 */
static void give_back(char *base, size_t bytes, const struct part *failed, int fresh)
{
	const struct part parts[] = { { 0, failed->offset },
				      { failed->offset + failed->bytes,
					bytes - failed->offset - failed->bytes } };
	size_t i;

	for (i = 0; i < 2; i++) {
		if (parts[i].bytes == 0)
			continue;
		if (fresh)
			munmap(base + parts[i].offset, parts[i].bytes);
		else
			put_zeros(base + parts[i].offset, parts[i].bytes);
	}
	/*
	 * Views of a range that was used before stay valid: they show zeros, if the area is still
	 * empty.
	 */
	if (!fresh && failed->bytes > 0)
		mmap(base + failed->offset, failed->bytes, PROT_READ | PROT_WRITE,
		     ZEROS | MAP_FIXED_NOREPLACE, -1, 0);
}

static int32_t map(int32_t fd, uint32_t page_size, uint32_t to_user_bytes, uint32_t to_kernel_bytes,
		   uint64_t *address)
{
	size_t bytes = KUP_MAP_BYTES(page_size, to_user_bytes, to_kernel_bytes);
	void *base = (void *)(uintptr_t)*address;
	struct part failed = { 0, 0 };
	int fresh = base == NULL;
	int error = 0;

	if (ONE_MAPPING && is_host_file(fd))
		return host_number_map(fd, page_size, to_user_bytes, to_kernel_bytes, address);
	/*
	 * Linux refuses this anyway. FreeBSD's mmap would round the offsets, and map something
	 * else.
	 */
	if (page_size % (uint32_t)sysconf(_SC_PAGESIZE) != 0)
		return -EINVAL;
	if (!is_host_file(fd))
		error = try_page(fd, page_size);
	if (error)
		return error;
	if (fresh) {
		base = mmap(NULL, bytes, PROT_NONE, ZEROS, -1, 0);
		if (base == MAP_FAILED)
			return -errno;
	}
	error = map_areas(fd, base, page_size, to_user_bytes, to_kernel_bytes, &failed);
	if (error)
		give_back(base, bytes, &failed, fresh);
	else
		*address = (uintptr_t)base;
	return error;
}

int32_t kup_user_map(int32_t fd, uint32_t page_size, uint32_t to_user_bytes,
		     uint32_t to_kernel_bytes, uint64_t *address)
{
	int32_t error = map(fd, page_size, to_user_bytes, to_kernel_bytes, address);

	if (!error)
		owners_mapped(fd, *address,
			      KUP_MAP_BYTES(page_size, to_user_bytes, to_kernel_bytes));
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
