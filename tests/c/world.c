/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_NUMBER 5

struct world world;

/* ---- What the C API is built on ---- */

int32_t kup_user_open(const char *path)
{
	(void)path;
	return FILE_NUMBER;
}

int32_t kup_user_close(int32_t file)
{
	return file == FILE_NUMBER ? 0 : -EBADF;
}

int32_t kup_user_info(int32_t file, struct kup_info *info)
{
	*info = world.info;
	return file == FILE_NUMBER ? 0 : -EBADF;
}

int32_t kup_user_attach(int32_t file, struct kup_attach *attach)
{
	if (attach->channel == KUP_CHANNEL_ANY)
		attach->channel = 1;
	attach->to_user_bytes = world.info.to_user_bytes;
	attach->to_kernel_bytes = world.info.to_kernel_bytes;
	attach->map_bytes = world.map_bytes;
	return file == FILE_NUMBER ? 0 : -EBADF;
}

int32_t kup_user_kick(int32_t file)
{
	return file == FILE_NUMBER ? 0 : -EBADF;
}

int32_t kup_user_wait(int32_t file, uint32_t events, double timeout_ms)
{
	(void)timeout_ms;
	if (world.on_wait)
		world.on_wait();
	return file == FILE_NUMBER ? (int32_t)events : -EBADF;
}

int32_t kup_user_map(int32_t file, uint32_t page, uint32_t to_user, uint32_t to_kernel,
		     uint64_t *address)
{
	(void)page;
	(void)to_user;
	(void)to_kernel;
	*address = (uint64_t)(uintptr_t)(world.memory + PAGE);
	return file == FILE_NUMBER ? 0 : -EBADF;
}

int32_t kup_user_release_range(uint64_t address, uint64_t bytes)
{
	(void)address;
	(void)bytes;
	return 0;
}

/* ---- A device ---- */

static void place(uint8_t *at, size_t bytes, int file, off_t offset)
{
	if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, offset) != at)
		abort();
}

void make_world(uint32_t mode, uint32_t in, uint32_t out)
{
	int file = memfd_create("pages", 0);

	memset(&world, 0, sizeof(world));
	world.info = (struct kup_info){
		.abi_version = KUP_ABI_VERSION,
		.mode = mode,
		.channels = 4,
		.page_size = PAGE,
		.to_user_bytes = in,
		.to_kernel_bytes = out,
	};
	world.map_bytes = KUP_MAP_BYTES(PAGE, in, out);
	world.memory = mmap(NULL, world.map_bytes + 2 * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file < 0 || ftruncate(file, 2 * PAGE + in + out) != 0 || world.memory == MAP_FAILED)
		abort();
	world.kernel = (void *)(world.memory + PAGE);
	world.user = (void *)(world.memory + 2 * PAGE);
	world.in = world.memory + 3 * PAGE;
	world.out = world.in + 2 * in;
	place(world.memory + PAGE, 2 * PAGE + in, file, 0);
	place(world.in + in, in, file, 2 * PAGE);
	place(world.out, out, file, 2 * PAGE + in);
	place(world.out + out, out, file, 2 * PAGE + in);
	close(file);
	world.kernel->state = KUP_STATE_OPEN;
}

void end_world(void)
{
	munmap(world.memory, world.map_bytes + 2 * PAGE);
}

/* ---- The kernel's side ---- */

static kup_u32 *header_at(uint32_t position)
{
	return (kup_u32 *)(void *)(world.in + (position & (world.info.to_user_bytes - 1) & ~7u));
}

void send_record(uint32_t length_flags, uint32_t type)
{
	kup_u32 *head = &world.kernel->to_user_head.value, from = *head;
	uint32_t length = length_flags & KUP_RECORD_LENGTH;

	*head = from + KUP_RECORD_SPACE(length);
	*header_at(*head) = 0;
	header_at(from)[1] = type;
	*header_at(from) = length_flags ^ KUP_RECORD_READY;
}
