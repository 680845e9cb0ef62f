/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* A channel's pages: a memfd, mapped once as the kernel sees it and once as the user does. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host.h"

struct os_memory {
	kup_u32 refs;
	kup_u32 to_user_bytes;
	kup_u32 to_kernel_bytes;
	int fd;
	kup_u8 *address;
};

kup_u32 os_page_size(void)
{
	static kup_u32 size;

	if (!kup_load(&size))
		kup_store(&size, (kup_u32)sysconf(_SC_PAGESIZE));
	return kup_load(&size);
}

void *os_alloc(unsigned long bytes)
{
	host_may_sleep("os_alloc");
	return host_allocation_fails() ? NULL : calloc(1, bytes);
}

void os_free(void *memory)
{
	free(memory);
}

kup_u8 *os_memory_address(const struct os_memory *memory)
{
	return memory->address;
}

static kup_u64 map_bytes(const struct os_memory *memory)
{
	return 2 * ((kup_u64)os_page_size() + memory->to_user_bytes + memory->to_kernel_bytes);
}

/* `bytes` of the file, from `from` on, at an address that is ours already. */
static int map_piece(const struct os_memory *memory, kup_u8 *at, kup_u64 bytes, kup_u64 from,
		     int protection)
{
	void *mapped = mmap(at, bytes, protection, MAP_SHARED | MAP_FIXED, memory->fd, (off_t)from);

	return mapped == MAP_FAILED ? -errno : 0;
}

/* The contract's layout; the file holds each ring once, behind the two pages. */
static int map_layout(const struct os_memory *memory, int kernel_page_protection, kup_u8 **mapped)
{
	kup_u64 page = os_page_size(), user = memory->to_user_bytes,
		kernel = memory->to_kernel_bytes;
	kup_u8 *base = mmap(NULL, map_bytes(memory), PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	const int both = PROT_READ | PROT_WRITE;
	int error;

	if (base == MAP_FAILED)
		return -errno;
	error = map_piece(memory, base, page, 0, kernel_page_protection);
	if (!error)
		error = map_piece(memory, base + page, page, page, both);
	if (!error)
		error = map_piece(memory, base + 2 * page, user, 2 * page, both);
	if (!error)
		error = map_piece(memory, base + 2 * page + user, user, 2 * page, both);
	if (!error)
		error = map_piece(memory, base + 2 * page + 2 * user, kernel, 2 * page + user,
				  both);
	if (!error)
		error = map_piece(memory, base + 2 * page + 2 * user + kernel, kernel,
				  2 * page + user, both);
	if (error) {
		munmap(base, map_bytes(memory));
		return error;
	}
	*mapped = base;
	return 0;
}

int os_memory_create(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes, struct os_memory **created)
{
	struct os_memory *memory = os_alloc(sizeof(*memory));
	int error;

	if (!memory)
		return -ENOMEM;
	memory->refs = 1;
	memory->to_user_bytes = to_user_bytes;
	memory->to_kernel_bytes = to_kernel_bytes;
	memory->fd = host_allocation_fails() ? -1 : memfd_create("kup", MFD_CLOEXEC);
	if (memory->fd < 0) {
		error = -ENOMEM;
		goto free;
	}
	if (ftruncate(memory->fd,
		      (off_t)(2ull * os_page_size() + to_user_bytes + to_kernel_bytes))) {
		error = -ENOMEM;
		goto close;
	}
	error = host_allocation_fails()
			? -ENOMEM
			: map_layout(memory, PROT_READ | PROT_WRITE, &memory->address);
	if (error)
		goto close;
	*created = memory;
	return 0;
close:
	close(memory->fd);
free:
	os_free(memory);
	return error;
}

/* The user's mapping is its own and outlives this: pages go with the last mapping. */
void os_memory_put(struct os_memory *memory)
{
	host_may_sleep("os_memory_put");
	if (!kup_ref_put(&memory->refs))
		return;
	munmap(memory->address, map_bytes(memory));
	close(memory->fd);
	os_free(memory);
}

/*
 * ThreadSanitizer knows memory by its address, and can't see that two mappings are one: under it
 * both sides use the kernel's, which the open file keeps.
 */
#ifdef __SANITIZE_THREAD__
int host_memory_map(struct os_memory *memory, kup_u8 **address)
{
	*address = memory->address;
	return 0;
}

void host_memory_unmap(kup_u8 *address, kup_u64 bytes)
{
	(void)address;
	(void)bytes;
}
#else
int host_memory_map(struct os_memory *memory, kup_u8 **address)
{
	return map_layout(memory, PROT_READ, address);
}

void host_memory_unmap(kup_u8 *address, kup_u64 bytes)
{
	munmap(address, bytes);
}
#endif
