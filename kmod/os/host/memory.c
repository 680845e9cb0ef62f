/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A channel's pages: a memfd that is mapped once as the kernel sees it, and once as the user does.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host.h"
#include "portable.h"

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

/* An allocator may give a few bytes more than it was asked for. */
void os_free(void *memory)
{
	if (memory && malloc_usable_size(memory) > KUP_SMALL + 64)
		host_may_sleep("os_free");
	free(memory);
}

kup_u8 *os_memory_address(const struct os_memory *memory)
{
	return memory->address;
}

static kup_u64 map_bytes(const struct os_memory *memory)
{
	return KUP_MAP_BYTES(os_page_size(), memory->to_user_bytes, memory->to_kernel_bytes);
}

/*
 * Maps all pages of a piece at once: later, each one would need a fault, which takes longer than
 * many messages. A large piece is mapped by faults, as in os/linux/memory.c.
 */
#ifdef MAP_POPULATE
#define MOST_AT_ONCE 0x200000u
#define AT_ONCE(bytes) ((bytes) <= MOST_AT_ONCE ? MAP_POPULATE : 0)
#else
#define AT_ONCE(bytes) 0
#endif

/*
 * Maps the contract's layout over a range of addresses. The file contains each ring once, behind
 * the two pages.
 */
static int map_layout(const struct os_memory *memory, int kernel_page_protection, kup_u8 *base)
{
	kup_u64 page = os_page_size(), user = memory->to_user_bytes,
		kernel = memory->to_kernel_bytes;
	const int both = PROT_READ | PROT_WRITE;
	const struct {
		kup_u64 at, bytes, from;
		int protection;
	} pieces[] = {
		{ 0, page, 0, kernel_page_protection },
		{ page, page, page, both },
		{ 2 * page, user, 2 * page, both },
		{ 2 * page + user, user, 2 * page, both },
		{ 2 * page + 2 * user, kernel, 2 * page + user, both },
		{ 2 * page + 2 * user + kernel, kernel, 2 * page + user, both },
	};
	kup_u32 i;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		if (mmap(base + pieces[i].at, pieces[i].bytes, pieces[i].protection,
			 MAP_SHARED | MAP_FIXED | AT_ONCE(pieces[i].bytes), memory->fd,
			 (off_t)pieces[i].from) == MAP_FAILED)
			return -errno;
	return 0;
}

/* The same, in a new range. */
static int map_somewhere(const struct os_memory *memory, int kernel_page_protection,
			 kup_u8 **mapped)
{
	kup_u8 *base = mmap(NULL, map_bytes(memory), PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int error;

	if (base == MAP_FAILED)
		return -errno;
	error = map_layout(memory, kernel_page_protection, base);
	if (error) {
		munmap(base, map_bytes(memory));
		return error;
	}
	*mapped = base;
	return 0;
}

/*
 * The error for a file that can't be made. A sandbox may forbid such files, which is not a lack of
 * memory.
 */
static int no_file(int error)
{
	const char *name = host_errno_name(-error);

	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		return error;
	return host_fail(error,
			 "The system refuses files in memory, which a channel of the host driver "
			 "needs (" MEMORY_FILE_CALL " failed with %s); allow that call.",
			 name ? name : "an unknown error");
}

/*
 * Allocates all pages of the file now, as a kernel does: a later lack of memory could not be
 * reported. The limit for file sizes is read first, since exceeding it causes a signal.
 */
static int make_file(kup_u64 bytes, int *made)
{
	struct rlimit limit;
	int error, fd;

	if (host_allocation_fails() ||
	    (getrlimit(RLIMIT_FSIZE, &limit) == 0 && (kup_u64)limit.rlim_cur < bytes))
		return -ENOMEM;
	fd = open_memory_file();
	if (fd < 0)
		return no_file(fd);
	do
		error = fill_memory_file(fd, (off_t)bytes);
	while (error == EINTR);
	if (error) {
		close(fd);
		return -ENOMEM;
	}
	*made = fd;
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
	error = make_file(map_bytes(memory) - to_user_bytes - to_kernel_bytes, &memory->fd);
	if (error)
		goto free;
	error = host_allocation_fails()
			? -ENOMEM
			: map_somewhere(memory, PROT_READ | PROT_WRITE, &memory->address);
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

/* The user's mapping stays after this, and the pages with it until the last mapping goes. */
void os_memory_put(struct os_memory *memory, struct kup_account *account)
{
	(void)account;
	host_may_sleep("os_memory_put");
	if (!kup_ref_put(&memory->refs))
		return;
	if (memory->checks)
		host_channel_end(memory->checks);
	munmap(memory->address, map_bytes(memory));
	close(memory->fd);
	os_free(memory);
}

/*
 * ThreadSanitizer identifies memory by its address, so it does not see that two mappings are the
 * same memory. With it, both sides use the kernel's mapping, which the open file keeps.
 */
#ifdef __SANITIZE_THREAD__
#define ONE_MAPPING 1
#else
#define ONE_MAPPING 0
#endif

int host_memory_map(struct os_memory *memory, kup_u32 to_user_bytes, kup_u32 to_kernel_bytes,
		    kup_u8 **address)
{
	if (to_user_bytes != memory->to_user_bytes || to_kernel_bytes != memory->to_kernel_bytes)
		return -EINVAL;
	if (host_allocation_fails())
		return -ENOMEM;
	if (ONE_MAPPING) {
		*address = memory->address;
		return 0;
	}
	return *address ? map_layout(memory, PROT_READ, *address)
			: map_somewhere(memory, PROT_READ, address);
}
