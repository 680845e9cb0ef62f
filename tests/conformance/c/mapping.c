/* SPDX-License-Identifier: BSD-3-Clause */
/* A channel's memory in a process: what can be written, whose bytes it shows, what is refused. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

static sigjmp_buf on_fault;

static void fault(int signal)
{
	siglongjmp(on_fault, signal);
}

/* Returns the signal that writing one byte ends in, or 0 for none. */
static int write_to(volatile uint8_t *byte)
{
	struct sigaction action = { .sa_handler = fault };
	int signal;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	signal = sigsetjmp(on_fault, 1);
	if (signal == 0)
		*byte = *byte;
	return signal;
}

static uint32_t nonzero(const uint8_t *bytes, size_t length)
{
	uint32_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += bytes[i] != 0;
	return count;
}

static void test_protection(struct peer *peer)
{
	uint8_t *kernel = (uint8_t *)peer->kernel;

	check(write_to(kernel) == SIGSEGV && write_to(kernel + 0x80) == SIGSEGV &&
		      write_to(kernel + peer->info.page_size - 1) == SIGSEGV,
	      "a write to the kernel page ends in SIGSEGV", "no");
	check(write_to((uint8_t *)peer->user) == 0 && write_to(peer->in) == 0 &&
		      write_to(peer->out) == 0 &&
		      write_to(peer->out + 2 * (size_t)peer->attach.to_kernel_bytes - 1) == 0,
	      "kup_user_map() makes the user page and the rings writable", "no");
	check(peer->kernel->magic == KUP_MAGIC, "the kernel page is unchanged after the writes",
	      "%llx", (long long)peer->kernel->magic);
}

/* How many page faults reading one byte of each page causes in this thread. */
static long faults_of(const volatile uint8_t *bytes, size_t length, size_t page)
{
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	for (size_t i = 0; i < length; i += page)
		(void)bytes[i];
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_minflt - before.ru_minflt;
}

static void test_no_faults(struct peer *peer)
{
	const size_t page = peer->info.page_size;
	const size_t in = 2 * (size_t)peer->attach.to_user_bytes;
	const size_t out = 2 * (size_t)peer->attach.to_kernel_bytes;
	const char *sentence =
		"kup_user_map() maps all pages, so that the first messages cause no page faults";
	const long faults = faults_of(peer->in, in, page) + faults_of(peer->out, out, page);

#ifdef MAP_POPULATE
	/* The system may have its reasons for a few. */
	check(faults * 32 < (long)((in + out) / page), sentence, "%ld faults on %zu pages", faults,
	      (in + out) / page);
#else
	(void)faults;
	skip(sentence, "this system maps each page by a fault");
#endif
}

static void test_rings_are_doubled(struct peer *peer)
{
	const uint32_t in = peer->attach.to_user_bytes;
	const uint32_t out = peer->attach.to_kernel_bytes;
	uint32_t bad = 0;

	for (uint32_t at = 0; at < out; at += 512)
		*(uint32_t *)(peer->out + at) = at + 1;
	for (uint32_t at = 0; at < out; at += 512)
		bad += *(uint32_t *)(peer->out + out + at) != at + 1;
	for (uint32_t at = 0; at < in; at += 512)
		*(uint32_t *)(peer->in + in + at) = at + 2;
	for (uint32_t at = 0; at < in; at += 512)
		bad += *(uint32_t *)(peer->in + at) != at + 2;
	check(bad == 0, "kup_user_map() maps both rings twice, page by page", "%u words differ",
	      bad);
	memset(peer->in, 0, in);
	memset(peer->out, 0, out);
}

static void test_mapped_twice(struct peer *peer)
{
	struct peer again = *peer;

	worked(peer_map(&again), "kup_user_map() maps the areas a second time");
	peer->user->to_user_consumer_event.value = 0x778;
	peer->in[100] = 0x5a;
	check(again.user->to_user_consumer_event.value == 0x778 && again.in[100] == 0x5a &&
		      again.kernel->magic == KUP_MAGIC,
	      "kup_user_map() maps the same pages a second time", "no");
	peer_unmap(&again);
	check(peer_echo(peer, 1, 5000) == NULL,
	      "kup_user_unmap() of the second mapping leaves the first one usable", "no echo");
}

/* ---- Refusals ---- */

static void no_map(int fd, uint32_t page, uint32_t to_user, uint32_t to_kernel, int wanted,
		   const char *sentence)
{
	uint64_t address = 0;
	int result = kup_user_map(fd, page, to_user, to_kernel, &address);

	refused(result, wanted, sentence);
	if (address != 0)
		check(false, sentence, "it mapped something");
}

static void test_refusals(struct peer *peer)
{
	const uint32_t page = peer->info.page_size;
	const uint32_t in = peer->attach.to_user_bytes, out = peer->attach.to_kernel_bytes;
	int fd = echo_open();

	no_map(fd, page, in, out, ENOTCONN,
	       "kup_user_map() before ATTACH is refused with ENOTCONN");
	kup_user_close(fd);
	no_map(peer->fd, page, in / 2, out, EINVAL,
	       "kup_user_map() refuses a ring to the user that is too small with EINVAL");
	no_map(peer->fd, page, 2 * in, out, EINVAL,
	       "kup_user_map() refuses a ring to the user that is too large with EINVAL");
	no_map(peer->fd, page, in, out / 2, EINVAL,
	       "kup_user_map() refuses a ring to the kernel that is too small with EINVAL");
	no_map(peer->fd, page, in, 2 * out, EINVAL,
	       "kup_user_map() refuses a ring to the kernel that is too large with EINVAL");
	no_map(peer->fd, page, out, in, EINVAL,
	       "kup_user_map() refuses the two sizes exchanged with EINVAL");
	no_map(peer->fd, 2 * page, in, out, EINVAL,
	       "kup_user_map() refuses a larger page size with EINVAL");
	no_map(peer->fd, page / 2, in, out, EINVAL,
	       "kup_user_map() refuses a smaller page size with EINVAL");
	no_map(peer->fd, 0, in, out, EINVAL, "kup_user_map() refuses a page size of 0 with EINVAL");
	no_map(peer->fd, page, 0, out, EINVAL,
	       "kup_user_map() refuses no ring to the user with EINVAL");
	no_map(peer->fd, page, in, 0, EINVAL,
	       "kup_user_map() refuses no ring to the kernel with EINVAL");
	no_map(peer->fd, page, in + 8, out, EINVAL,
	       "kup_user_map() refuses a size that is no power of two with EINVAL");
	check(peer_echo(peer, 2, 3000) == NULL,
	      "kup_user_map() leaves the channel as it was when it refuses", "no echo");
}

static void test_refusal_in_place(struct peer *peer)
{
	struct peer again = *peer;
	uint64_t address;
	uint8_t *bytes;

	need(peer_map(&again) == 0, "the areas can be mapped once more");
	address = again.address;
	bytes = (uint8_t *)(uintptr_t)address;
	kup_user_unmap(address, peer->attach.map_bytes);
	bytes[0] = 1;
	bytes[peer->attach.map_bytes - 1] = 2;
	refused(kup_user_map(peer->fd, peer->info.page_size, peer->attach.to_user_bytes / 2,
			     peer->attach.to_kernel_bytes +
				     (peer->attach.to_user_bytes - peer->attach.to_user_bytes / 2),
			     &address),
		EINVAL, "kup_user_map() refuses wrong sizes for a range in use with EINVAL");
	check(address == again.address && write_to(bytes) == 0 &&
		      write_to(bytes + peer->attach.map_bytes - 1) == 0,
	      "kup_user_map() leaves the range unchanged when it refuses", "no");
	munmap(bytes, peer->attach.map_bytes);
}

/* ---- Leaving ---- */

static volatile bool poking;
static volatile uint8_t *poked;

static void *poke(void *bytes)
{
	for (uint32_t seed = 1; poking;) {
		uint32_t at = random_next(&seed) % (uint32_t)(uintptr_t)bytes;

		poked[at] = poked[at];
	}
	return NULL;
}

static void test_unmap(void)
{
	struct peer peer, again;
	uint64_t address;
	uint8_t *bytes;

	peer_need(&peer, ANY);
	bytes = (uint8_t *)(uintptr_t)peer.address;
	memset(peer.in, 0xee, peer.attach.to_user_bytes);
	memset(peer.out, 0x5d, peer.attach.to_kernel_bytes);
	worked(kup_user_unmap(peer.address, peer.attach.map_bytes),
	       "kup_user_unmap() removes a mapping");
	check(nonzero(bytes, peer.attach.map_bytes) == 0,
	      "kup_user_unmap() leaves zeros in the range", "%u bytes are something else",
	      nonzero(bytes, peer.attach.map_bytes));
	memset(bytes, 0x77, peer.attach.map_bytes);
	check(bytes[0] == 0x77 && bytes[peer.attach.map_bytes - 1] == 0x77,
	      "kup_user_unmap() leaves the range writable, also where the kernel page was", "no");
	again = peer;
	need(peer_map(&again) == 0, "the areas can be mapped once more");
	check(again.kernel->magic == KUP_MAGIC && again.in[9] == 0xee && again.out[9] == 0x5d &&
		      again.user->to_kernel_head.value == 0,
	      "the channel does not see what is written to a range after kup_user_unmap()", "no");
	peer_unmap(&again);
	address = peer.address;
	worked(kup_user_map(peer.fd, peer.info.page_size, peer.attach.to_user_bytes,
			    peer.attach.to_kernel_bytes, &address),
	       "kup_user_map() maps the channel into a range that was unmapped");
	check(address == peer.address && peer.kernel->magic == KUP_MAGIC && peer.in[9] == 0xee &&
		      write_to(bytes) == SIGSEGV,
	      "kup_user_map() into such a range shows the channel's bytes as before", "no");
	memset(peer.in, 0, peer.attach.to_user_bytes);
	memset(peer.out, 0, peer.attach.to_kernel_bytes);
	check(peer_echo(&peer, 3, 4000) == NULL,
	      "the kernel's side echoes on a channel that was mapped again", "no echo");
	peer_stop_wait(&peer);
}

/* One step, so at no moment is the range empty. */
static void test_unmap_under_access(void)
{
	struct peer peer;
	pthread_t thread;
	uint64_t address;
	int errors = 0;

	peer_need(&peer, ANY);
	poked = (uint8_t *)peer.user;
	poking = true;
	pthread_create(&thread, NULL, poke,
		       (void *)(uintptr_t)(peer.attach.map_bytes - peer.info.page_size));
	for (int round = 0; round < 100; round++) {
		address = peer.address;
		errors += kup_user_unmap(peer.address, peer.attach.map_bytes) != 0;
		errors += kup_user_map(peer.fd, peer.info.page_size, peer.attach.to_user_bytes,
				       peer.attach.to_kernel_bytes, &address) != 0;
	}
	poking = false;
	pthread_join(thread, NULL);
	check(errors == 0,
	      "kup_user_unmap() and kup_user_map() never make an access to the range fault",
	      "%d errors", errors);
	peer_stop_wait(&peer);
}

/* ---- A file that changes during a call ---- */

/* A number that leads to a file that can be mapped, then to one that can't be, and so on. */
static int changing, mappable, unmappable;
static uint32_t maps_refused;

static void *change(void *unused)
{
	while (poking) {
		dup2(unmappable, changing);
		dup2(mappable, changing);
	}
	return unused;
}

static void *map_changing(void *number)
{
	const struct peer *peer = number;
	uint64_t address;

	while (poking) {
		address = 0;
		if (kup_user_map(changing, peer->info.page_size, peer->attach.to_user_bytes,
				 peer->attach.to_kernel_bytes, &address) == 0)
			munmap((void *)(uintptr_t)address, peer->attach.map_bytes);
		else
			__atomic_fetch_add(&maps_refused, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Other memory, which must keep its bytes while other threads map and fail again and again. */
static uint32_t count_taken_pages(uint32_t failures)
{
	uint32_t taken = 0;

	while (__atomic_load_n(&maps_refused, __ATOMIC_RELAXED) < failures) {
		uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (int look = 0; look < 20 && page != MAP_FAILED; look++)
			if (write_to(page) != 0) {
				taken++;
				break;
			}
		munmap(page, 4096);
	}
	return taken;
}

static void test_change_under_map(void)
{
	struct peer peer;
	pthread_t changer, mapper;
	uint32_t taken;

	/* Only a descriptor can be replaced. */
	if (!differs("devices-are-files"))
		return;
	peer_need(&peer, ANY);
	mappable = peer.fd;
	unmappable = echo_open();
	changing = echo_open();
	poking = true;
	pthread_create(&changer, NULL, change, NULL);
	pthread_create(&mapper, NULL, map_changing, &peer);
	maps_refused = 0;
	taken = count_taken_pages(2000);
	poking = false;
	pthread_join(changer, NULL);
	pthread_join(mapper, NULL);
	check(taken == 0, "kup_user_map() that fails half-way takes no memory from other threads",
	      "it takes %u pages", taken);
	kup_user_close(changing);
	kup_user_close(unmappable);
	peer_stop_wait(&peer);
}

/* Former owners and new owners. */
static void test_stale_mapping(void)
{
	struct peer old, fresh;
	uint32_t dirt;

	peer_need(&old, 7);
	check(nonzero(old.in, old.attach.to_user_bytes) +
			      nonzero(old.out, old.attach.to_kernel_bytes) +
			      nonzero((uint8_t *)old.user, old.info.page_size) ==
		      0,
	      "ATTACH gives a channel whose user page and rings are zeros", "no");
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
	check(fresh.attach.generation == old.attach.generation + 1,
	      "ATTACH gives the next owner the next generation", "%u after %u",
	      fresh.attach.generation, old.attach.generation);
	check(old.in[77] == 0xee && old.out[77] == 0x5d && old.kernel->magic == KUP_MAGIC,
	      "kup_user_close() keeps the bytes of a mapping", "no");
	check(peer_state(&old) == KUP_STATE_CLOSED,
	      "the kernel page of a mapping that outlives close() has the state CLOSED", "state %u",
	      peer_state(&old));
	memset(old.out, 0x99, 2 * (size_t)old.attach.to_kernel_bytes);
	memset(old.in, 0x98, 2 * (size_t)old.attach.to_user_bytes);
	memset(old.user, 0x97, old.info.page_size);
	check(nonzero(fresh.out, fresh.attach.to_kernel_bytes) == 0 &&
		      nonzero(fresh.in, fresh.attach.to_user_bytes) == 0,
	      "the next owner does not see what is written through an old mapping", "no");
	check(peer_echo(&fresh, 9, 3000) == NULL,
	      "the kernel's side echoes the next owner's records", "no echo");
	check(old.in[8] == 0x98, "an old mapping does not see the next owner's records", "no");
	peer_unmap(&old);
	peer_stop_wait(&fresh);
}

/* Also the bytes of a record that the user did not finish are gone. */
static void test_unread_bytes(void)
{
	static uint8_t secret[4000];
	struct peer peer;
	struct record record;

	memset(secret, 0x5e, sizeof(secret));
	peer_need(&peer, 2);
	for (int i = 0; i < 10; i++)
		peer_send(&peer, 1, secret, sizeof(secret));
	EVENTUALLY(PATIENCE_MS, peer.kernel->to_user_records == 10);
	peer_stop_wait(&peer);
	peer_need(&peer, 2);
	check(!peer_look(&peer, &record) && nonzero(peer.in, peer.attach.to_user_bytes) == 0 &&
		      nonzero(peer.out, peer.attach.to_kernel_bytes) == 0,
	      "ATTACH gives the next owner no records that the last one did not read", "no");
	peer_stop_wait(&peer);
}

int main(int count, char **arguments)
{
	struct peer peer;

	begin(count, arguments, 120);
	peer_need(&peer, ANY);
	test_no_faults(&peer);
	test_protection(&peer);
	test_rings_are_doubled(&peer);
	test_mapped_twice(&peer);
	test_refusals(&peer);
	test_refusal_in_place(&peer);
	peer_stop_wait(&peer);
	test_unmap();
	test_unmap_under_access();
	test_change_under_map();
	test_stale_mapping();
	test_unread_bytes();
	return finish();
}
