/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The four mmaps, what each of them refuses, which mappings outlive a close, and that many attaches
 * leave nothing behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "raw.h"

#define READ_WRITE (PROT_READ | PROT_WRITE)

static sigjmp_buf back;

static void on_fault(int signal)
{
	siglongjmp(back, signal);
}

/* Returns 0, or the signal. */
static int touch(volatile uint8_t *byte, bool write_it)
{
	int signal = sigsetjmp(back, 1);

	if (signal == 0) {
		uint8_t value = *byte;

		if (write_it)
			*byte = value;
	}
	return signal;
}

/* ---- What mmap refuses ---- */

static void no_map(const struct peer *peer, size_t length, int protection, int flags, off_t offset,
		   int wanted, const char *sentence)
{
	void *map = mmap(NULL, length, protection, flags, peer->fd, offset);

	refused(sys_map(map), wanted, sentence);
	if (map != MAP_FAILED)
		munmap(map, length);
}

static void test_refusals(struct peer *peer)
{
	const size_t page = peer->info.page_size;
	const size_t in = area_length(&peer->info, AREA_IN);
	const off_t in_at = area_offset(&peer->info, AREA_IN);
	struct peer fresh = { .fd = echo_open() };

	no_map(&fresh, page, PROT_READ, MAP_SHARED, 0, ENOTCONN,
	       "mmap() before ATTACH is refused with ENOTCONN");
	close(fresh.fd);
	no_map(peer, page, READ_WRITE, MAP_SHARED, 0, EACCES,
	       "mmap() refuses a writable kernel page with EACCES");
	no_map(peer, page, PROT_READ | PROT_EXEC, MAP_SHARED, 0, EACCES,
	       "mmap() refuses an executable kernel page with EACCES");
	no_map(peer, in, READ_WRITE | PROT_EXEC, MAP_SHARED, in_at, EACCES,
	       "mmap() refuses an executable ring with EACCES");
	no_map(peer, page, PROT_READ, MAP_PRIVATE, 0, EINVAL,
	       "mmap() refuses a private kernel page with EINVAL");
	no_map(peer, in, READ_WRITE, MAP_PRIVATE, in_at, EINVAL,
	       "mmap() refuses a private ring with EINVAL");
	no_map(peer, 2 * page, PROT_READ, MAP_SHARED, 0, EINVAL,
	       "mmap() refuses both pages at once with EINVAL");
	no_map(peer, in / 2, READ_WRITE, MAP_SHARED, in_at, EINVAL,
	       "mmap() refuses the first half of a ring with EINVAL");
	no_map(peer, in / 2, READ_WRITE, MAP_SHARED, in_at + (off_t)in / 2, EINVAL,
	       "mmap() refuses the other half of a ring with EINVAL");
	no_map(peer, in, READ_WRITE, MAP_SHARED, in_at + (off_t)page, EINVAL,
	       "mmap() refuses a shifted ring with EINVAL");
	no_map(peer, page, READ_WRITE, MAP_SHARED, (off_t)peer->attach.map_bytes, EINVAL,
	       "mmap() refuses an offset behind the last area with EINVAL");
	no_map(peer, page, PROT_READ, MAP_SHARED, (off_t)1 << 44, EINVAL,
	       "mmap() refuses an offset of 16 TiB with EINVAL");
	no_map(peer, page, PROT_READ, MAP_SHARED, -(off_t)page, EINVAL,
	       "mmap() refuses a negative offset with EINVAL");
}

static void test_protection(struct peer *peer)
{
	const size_t page = peer->info.page_size;
	uint8_t *kernel = (uint8_t *)peer->kernel;

	check(touch(kernel, true) != 0, "a write to the kernel page faults", "no");
	refused(sys(mprotect(kernel, page, READ_WRITE)), EACCES,
		"mprotect() does not make the kernel page writable");
	refused(sys(mprotect(kernel, page, PROT_READ | PROT_EXEC)), EACCES,
		"mprotect() does not make the kernel page executable");
	refused(sys(mprotect(peer->user, page, READ_WRITE | PROT_EXEC)), EACCES,
		"mprotect() does not make the user page executable");
	refused(sys(mprotect(peer->in, 2 * page, READ_WRITE | PROT_EXEC)), EACCES,
		"mprotect() does not make a ring executable");
	worked(sys(mprotect(peer->in + page, page, PROT_NONE)),
	       "mprotect() with PROT_NONE works on one page of a ring");
	check(touch(peer->in + page, false) != 0 && touch(peer->in, false) == 0,
	      "mprotect() with PROT_NONE changes that page and not its neighbour", "no");
	worked(sys(mprotect(peer->in + page, page, READ_WRITE)),
	       "mprotect() makes a page of a ring accessible again");
	check(touch(peer->in + page, true) == 0,
	      "mprotect() leaves a page writable that is accessible again", "no");
}

/* At an address of the caller's, over what is mapped there, as the native library does it. */
static void test_fixed(struct peer *peer)
{
	const size_t in = area_length(&peer->info, AREA_IN);
	uint8_t *place = mmap(NULL, in + 8192, READ_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
	void *map;

	memset(place, 0x11, in + 8192);
	map = mmap(place + 4096, in, READ_WRITE, MAP_SHARED | MAP_FIXED, peer->fd,
		   area_offset(&peer->info, AREA_IN));
	peer->in[6000] = 0x3c;
	check(map == place + 4096 && place[4096 + 6000] == 0x3c &&
		      place[4096 + in / 2 + 6000] == 0x3c && place[4095] == 0x11 &&
		      place[4096 + in] == 0x11,
	      "mmap() with MAP_FIXED maps a ring exactly there", "no");
	map = mmap(place + 4096, in, READ_WRITE, MAP_SHARED | MAP_FIXED | MAP_EXCL, peer->fd,
		   area_offset(&peer->info, AREA_IN));
	check(map == MAP_FAILED && touch(place + 4096, false) == 0 && place[4096 + 6000] == 0x3c,
	      "mmap() with MAP_EXCL replaces no mapping", "it doesn't");
	munmap(place, in + 8192);
}

#ifdef PROT_MAX
static void test_prot_max(struct peer *peer)
{
	const size_t page = peer->info.page_size;
	void *map = mmap(NULL, page, PROT_READ | PROT_MAX(PROT_READ), MAP_SHARED, peer->fd, 0);

	check(map != MAP_FAILED && mprotect(map, page, READ_WRITE) == -1,
	      "mmap() with PROT_MAX keeps the kernel page from becoming writable", "it doesn't");
	munmap(map, page);
}
#endif

static void test_doubled(struct peer *peer)
{
	const uint32_t in = peer->attach.to_user_bytes, out = peer->attach.to_kernel_bytes;
	uint32_t bad = 0;

	for (uint32_t at = 0; at < out; at += 512)
		*(uint32_t *)(peer->out + at) = at + 1;
	for (uint32_t at = 0; at < out; at += 512)
		bad += *(uint32_t *)(peer->out + out + at) != at + 1;
	for (uint32_t at = 0; at < in; at += 512)
		*(uint32_t *)(peer->in + in + at) = at + 2;
	for (uint32_t at = 0; at < in; at += 512)
		bad += *(uint32_t *)(peer->in + at) != at + 2;
	check(bad == 0, "mmap() maps both rings twice, page by page", "%u words differ", bad);
	munmap(peer->in + 8192, 4096);
	check(touch(peer->in + 8192, false) != 0 && touch(peer->in + in + 8192, true) == 0,
	      "munmap() of a page of one half leaves the other half", "no");
}

static int fork_and_touch(struct peer *peer)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit((touch((uint8_t *)peer->kernel, false) == 0) +
		      (touch((uint8_t *)peer->user, true) == 0) + (touch(peer->in, true) == 0) +
		      (touch(peer->out, true) == 0));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_fork(struct peer *peer)
{
	int found = fork_and_touch(peer);

	check(found == 0, "fork() does not pass the mappings on", "%d of them", found);
	minherit(peer->user, peer->info.page_size, INHERIT_SHARE);
	found = fork_and_touch(peer);
	check(found == 1, "fork() passes on the mappings that minherit() shares", "%d of them",
	      found);
}

static void test_locks(struct peer *peer)
{
	struct peer again = *peer;

	worked(sys(mlock(peer->in, area_length(&peer->info, AREA_IN))), "mlock() works on a ring");
	worked(sys(munlock(peer->in, area_length(&peer->info, AREA_IN))), "and munlock");
	worked(sys(mlockall(MCL_FUTURE)), "mlockall() works for later mappings");
	again.address = 0;
	need(peer_map(&again) == 0, "the areas can be mapped after mlockall()");
	munlockall();
	check(touch(again.in, true) == 0 && touch(peer->in, true) == 0,
	      "mlockall() leaves the areas usable", "no");
	peer_unmap(&again);
}

/* ---- Mappings that outlive a close ---- */

static uint32_t nonzero(const uint8_t *bytes, size_t length)
{
	uint32_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += bytes[i] != 0;
	return count;
}

static void test_stale_mapping(void)
{
	struct peer old, fresh;
	uint32_t dirt;

	peer_need(&old, 7);
	memset(old.in, 0xee, old.attach.to_user_bytes);
	memset(old.out, 0x5d, old.attach.to_kernel_bytes);
	memset((uint8_t *)old.user + 0x200, 0xcc, old.info.page_size - 0x200);
	kup_user_close(old.fd);
	need(EVENTUALLY(PATIENCE_MS, peer_start(&fresh, 7) == 0),
	     "the channel can be attached again");
	dirt = nonzero(fresh.in, fresh.attach.to_user_bytes) +
	       nonzero(fresh.out, fresh.attach.to_kernel_bytes) +
	       nonzero((uint8_t *)fresh.user, fresh.info.page_size);
	check(dirt == 0, "ATTACH gives the next owner zeroed pages", "%u bytes aren't", dirt);
	check(old.in[77] == 0xee && old.out[77] == 0x5d && old.kernel->magic == KUP_MAGIC,
	      "close() keeps the bytes of a mapping", "it doesn't");
	check(EVENTUALLY(PATIENCE_MS, peer_state(&old) == KUP_STATE_CLOSED),
	      "the kernel page of a mapping that outlives close() shows the end", "state %u",
	      peer_state(&old));
	memset(old.out, 0x99, 2 * (size_t)old.attach.to_kernel_bytes);
	memset(old.in, 0x98, 2 * (size_t)old.attach.to_user_bytes);
	check(nonzero(fresh.out, fresh.attach.to_kernel_bytes) == 0 &&
		      nonzero(fresh.in, fresh.attach.to_user_bytes) == 0,
	      "the next owner does not see what is written through an old mapping", "it does");
	check(peer_echo(&fresh, 9, 3000) == NULL,
	      "the kernel's side echoes the next owner's records", "no echo");
	peer_unmap(&old);
	peer_stop_wait(&fresh);
}

/* ---- Nothing is left behind ---- */

static int64_t number_of(const char *name)
{
	int64_t value = 0;
	size_t bytes = sizeof(value);

	need(sysctlbyname(name, &value, &bytes, NULL, 0) == 0, name);
	return bytes == 4 ? (int64_t)(uint32_t)value : value;
}

static void live(uint32_t i)
{
	struct peer peer;

	if (peer_start(&peer, ANY) != 0)
		return;
	if (i % 8 == 0)
		peer_echo(&peer, i, 100);
	if (i % 16 == 3)
		close(peer.fd);
	peer_unmap(&peer);
	if (i % 16 != 3)
		close(peer.fd);
}

static void attach_often(uint32_t times)
{
	for (uint32_t i = 0; i < times; i++)
		live(i);
}

static void die_often(uint32_t times)
{
	for (uint32_t i = 0; i < times; i++) {
		struct peer peer;
		pid_t child = fork();

		if (child == 0) {
			peer_start(&peer, ANY);
			peer_echo(&peer, i, 100);
			raise(SIGKILL);
		}
		waitpid(child, NULL, 0);
	}
}

/* Each attach wires some hundred pages and reserves as much swap, so a leak of these shows. */
static void test_leaks(uint32_t times)
{
	int64_t wired, swap, more_wired = 0, more_swap = 0;

	attach_often(200);
	die_often(20);
	sleep_ms(500);
	wired = number_of("vm.stats.vm.v_wire_count");
	swap = number_of("vm.swap_reserved");
	attach_often(times);
	die_often(times / 10);
	/*
	 * Both numbers are those of the whole system, and change by themselves. They have to come
	 * back.
	 */
	EVENTUALLY(PATIENCE_MS,
		   (more_wired = number_of("vm.stats.vm.v_wire_count") - wired) < times / 20);
	check(more_wired < times / 20, "ATTACH, many times, leaves no page wired",
	      "%lld by %u attaches", (long long)more_wired, times);
	EVENTUALLY(PATIENCE_MS, (more_swap = number_of("vm.swap_reserved") - swap) <= 0);
	check(more_swap <= 0, "ATTACH, many times, leaves no swap reserved",
	      "%lld bytes by %u attaches", (long long)more_swap, times);
	printf("# %lld pages wired more after %u attaches\n", (long long)more_wired, times);
}

/* All channels together may wire a quarter of the machine's memory. */
static void test_limit(void)
{
	static const char sentence[] =
		"ATTACH beyond a share of the machine's memory returns ENOMEM";
	int64_t memory = number_of("hw.physmem"), ring = 4096 * 4096ll;
	int64_t wired = number_of("vm.stats.vm.v_wire_count");
	int handles[64], count = 0, error = 0;
	char parameters[64];

	while (ring < KUP_MAX_RING && 32 * ring < memory / 4)
		ring *= 2;
	if (64 * ring < memory / 4) {
		skip(sentence, "the machine has too much memory");
		return;
	}
	need_unload();
	snprintf(parameters, sizeof(parameters), "channels=64 to_user_pages=%lld",
		 (long long)ring / 4096);
	need(module_load(parameters) == 0, "large channels");
	while (count < 64 && error == 0) {
		handles[count] = echo_open();
		error = attach_to(handles[count++], ANY, 0, NULL);
	}
	check(error == -ENOMEM && count > 1, sentence, "%s after %d channels of %lld bytes",
	      error_name(error), count, (long long)ring);
	while (count > 0)
		close(handles[--count]);
	need_unload();
	/*
	 * The last thread of a channel that is over frees the memory, also after the device went.
	 */
	check(EVENTUALLY(PATIENCE_MS, number_of("vm.stats.vm.v_wire_count") < wired + 1000),
	      "close() frees all memory up to that limit", "%lld pages don't",
	      (long long)(number_of("vm.stats.vm.v_wire_count") - wired));
	reload();
}

int main(int count, char **arguments)
{
	struct peer peer;

	begin(count, arguments, 300);
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	peer_need(&peer, ANY);
	test_refusals(&peer);
	test_protection(&peer);
#ifdef PROT_MAX
	test_prot_max(&peer);
#endif
	test_fixed(&peer);
	test_locks(&peer);
	test_doubled(&peer);
	test_fork(&peer);
	peer_stop_wait(&peer);
	test_stale_mapping();
	test_limit();
	test_leaks(2000);
	return finish();
}
