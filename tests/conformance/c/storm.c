/* SPDX-License-Identifier: BSD-3-Clause */
/* Many threads attach, map, exchange records and close, all at random. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __FreeBSD__
#include <sys/types.h>
#include <sys/sysctl.h>
#include <unistd.h>
#endif

#include "cases.h"
#include "driver.h"
#include "peer.h"

#define THREADS 6

static struct {
	uint32_t owners[CHANNELS]; /* must never exceed one */
	uint64_t attached, busy, echoed;
	uint32_t doubles, broken_echoes, odd_errors;
	int last_error;
} seen;

static void add64(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void add32(uint32_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* ---- Lives ---- */

static void wait_a_little(void)
{
	int fd = echo_open();

	kup_user_wait(fd, POLLIN, 20);
	kup_user_close(fd);
}

/* One life of a handle, which may end anywhere. */
static void live(uint32_t *seed)
{
	struct peer peer;
	uint32_t channel = random_next(seed) % 3 == 0 ? ANY : random_next(seed) % CHANNELS;
	int error = peer_start(&peer, channel);
	uint32_t dice = random_next(seed);

	if (error == -EBUSY) {
		add64(&seen.busy);
		wait_a_little();
		return;
	}
	if (error != 0) {
		seen.last_error = error;
		add32(&seen.odd_errors);
		return;
	}
	if (__atomic_add_fetch(&seen.owners[peer.attach.channel], 1, __ATOMIC_SEQ_CST) != 1)
		add32(&seen.doubles);
	add64(&seen.attached);
	for (uint32_t i = 0; i < dice % 16; i++) {
		if (peer_echo(&peer, random_next(seed), random_next(seed) % 9000) != NULL)
			add32(&seen.broken_echoes);
		else
			add64(&seen.echoed);
	}
	if (dice & 0x100)
		peer_send(&peer, 1, NULL, 5000);
	__atomic_sub_fetch(&seen.owners[peer.attach.channel], 1, __ATOMIC_SEQ_CST);
	if (dice & 0x200)
		kup_user_close(peer.fd);
	peer_unmap(&peer);
	if (!(dice & 0x200))
		kup_user_close(peer.fd);
}

static volatile bool living;

static void *lives(void *number)
{
	uint32_t seed = 88675123 + (uint32_t)(uintptr_t)number;

	while (living)
		live(&seed);
	return NULL;
}

static void test_lives(uint32_t milliseconds)
{
	pthread_t threads[THREADS];
	int fd = echo_open();

	living = true;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, lives, (void *)i);
	sleep_ms(milliseconds);
	/* A slow machine needs more time. */
	EVENTUALLY(PATIENCE_MS, __atomic_load_n(&seen.attached, __ATOMIC_RELAXED) > THREADS);
	living = false;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check(seen.odd_errors == 0 && seen.attached > THREADS,
	      "ATTACH in a storm of threads fails with EBUSY and no other error", "%s, %u times",
	      error_name(seen.last_error), seen.odd_errors);
	check(seen.broken_echoes == 0, "send() in a storm of threads loses and damages no echo",
	      "%u are", seen.broken_echoes);
	check(seen.doubles == 0, "ATTACH in a storm of threads gives no channel to two owners",
	      "%u times", seen.doubles);
	check(all_free(fd), "close() in a storm of threads leaves all channels free", "%u are",
	      channels_free(fd));
	printf("# %llu attached, %llu busy, %llu echoes\n", (long long)seen.attached,
	       (long long)seen.busy, (long long)seen.echoed);
	kup_user_close(fd);
}

/* ---- Races ---- */

static int contended = -1;
static uint32_t winners, losers;
static pthread_barrier_t barrier;

static void *attach_thread(void *unused)
{
	int error;

	pthread_barrier_wait(&barrier);
	/* The channels of earlier rounds may drain for longer than ATTACH waits. */
	EVENTUALLY(PATIENCE_MS, (error = attach_to(contended, ANY, 0, NULL)) != -EBUSY);
	if (error == 0)
		add32(&winners);
	else if (error == -EISCONN)
		add32(&losers);
	return unused;
}

static void test_threads_on_one_handle(int rounds)
{
	uint32_t wrong = 0, lost = 0;
	int fd = echo_open();

	pthread_barrier_init(&barrier, NULL, 3);
	for (int round = 0; round < rounds; round++) {
		pthread_t threads[3];
		struct kup_info info;

		winners = losers = 0;
		contended = echo_open();
		for (int i = 0; i < 3; i++)
			pthread_create(&threads[i], NULL, attach_thread, NULL);
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		wrong += winners != 1 || losers != 2;
		kup_user_info(contended, &info);
		lost += info.attached == ANY;
		kup_user_close(contended);
	}
	check(wrong == 0 && lost == 0,
	      "ATTACH of one handle by three threads works in exactly one of them",
	      "wrong in %u of %d rounds", wrong + lost, rounds);
	check(all_free(fd), "ATTACH of one handle by three threads loses no channel", "%u are free",
	      channels_free(fd));
	kup_user_close(fd);
}

static void *race_for_channel(void *unused)
{
	uint32_t seed = (uint32_t)(uintptr_t)&seed | 1;

	for (int round = 0; round < 300; round++) {
		struct kup_attach attach;
		int fd = echo_open();

		if (attach_to(fd, random_next(&seed) % 2, KUP_ATTACH_NOWAIT, &attach) == 0) {
			if (__atomic_add_fetch(&seen.owners[attach.channel], 1, __ATOMIC_SEQ_CST) !=
			    1)
				add32(&seen.doubles);
			kup_user_kick(fd);
			__atomic_sub_fetch(&seen.owners[attach.channel], 1, __ATOMIC_SEQ_CST);
		}
		kup_user_close(fd);
	}
	return unused;
}

static void test_one_owner(void)
{
	pthread_t threads[4];

	seen.doubles = 0;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, race_for_channel, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	check(seen.doubles == 0,
	      "ATTACH in threads that race for a channel gives it to one owner at a time",
	      "%u times two", seen.doubles);
}

/* Calls of every kind on one handle while another thread closes it and opens another. */
static volatile bool hammering;
static int hammered;
static struct kup_info geometry;

static void hammer_map(int fd)
{
	uint64_t address = 0;

	if (kup_user_map(fd, geometry.page_size, geometry.to_user_bytes, geometry.to_kernel_bytes,
			 &address) != 0)
		return;
	*(volatile uint8_t *)(uintptr_t)address;
	kup_user_unmap(address, KUP_MAP_BYTES(geometry.page_size, geometry.to_user_bytes,
					      geometry.to_kernel_bytes));
	munmap((void *)(uintptr_t)address,
	       KUP_MAP_BYTES(geometry.page_size, geometry.to_user_bytes, geometry.to_kernel_bytes));
}

static void *hammer(void *number)
{
	uint32_t seed = 1 + (uint32_t)(uintptr_t)number * 7919;

	while (hammering) {
		int fd = __atomic_load_n(&hammered, __ATOMIC_RELAXED);
		struct kup_info info;
		struct kup_stats stats;

		switch (random_next(&seed) % 6) {
		case 0:
			attach_to(fd, ANY, 0, NULL);
			break;
		case 1:
			kup_user_info(fd, &info);
			break;
		case 2:
			kup_user_kick(fd);
			break;
		case 3:
			kup_user_wait(fd, POLLIN | POLLOUT, 0);
			break;
		case 4:
			stats_get(fd, 1, &stats);
			break;
		default:
			hammer_map(fd);
		}
	}
	return NULL;
}

static void test_calls_against_close(uint32_t milliseconds)
{
	pthread_t threads[3];
	uint64_t end = now_ms() + milliseconds;
	int fd = echo_open();

	kup_user_info(fd, &geometry);
	hammered = echo_open();
	hammering = true;
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, hammer, (void *)i);
	while (now_ms() < end) {
		int old = hammered;

		__atomic_store_n(&hammered, echo_open(), __ATOMIC_RELAXED);
		kup_user_close(old);
		sleep_us(300);
	}
	hammering = false;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	kup_user_close(hammered);
	check(all_free(fd), "close() during calls of all kinds loses no channel", "%u are free",
	      channels_free(fd));
	kup_user_close(fd);
}

/* ---- Leaks ---- */

static uint32_t descriptors(void)
{
	uint32_t count = 0;

	for (int fd = 0; fd < 1000; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

#ifdef __FreeBSD__

/* An estimate of the size of the buffer that all mappings need. */
static uint32_t mappings(void)
{
	int name[] = { CTL_KERN, KERN_PROC, KERN_PROC_VMMAP, getpid() };
	size_t bytes = 0;

	need(sysctl(name, 4, NULL, &bytes, NULL, 0) == 0, "the process's mappings");
	return (uint32_t)(bytes / 256);
}

#else

static uint32_t mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	uint32_t count = 0;
	int c;

	need(file != NULL, "/proc/self/maps");
	while ((c = getc(file)) != EOF)
		count += c == '\n';
	fclose(file);
	return count;
}

#endif

static void attach_often(uint32_t times)
{
	struct peer peer;

	for (uint32_t i = 0; i < times; i++) {
		peer_need(&peer, ANY);
		if (i % 8 == 0)
			peer_echo(&peer, i, 100);
		peer_stop(&peer);
	}
}

static void test_leaks(uint32_t times)
{
	uint32_t files, maps;
	int fd = echo_open();

	attach_often(20);
	all_free(fd);
	files = descriptors();
	maps = mappings();
	attach_often(times);
	check(all_free(fd) && EVENTUALLY(PATIENCE_MS, descriptors() <= files),
	      "ATTACH, many times, leaves no descriptor behind", "%u, then %u", files,
	      descriptors());
	check(EVENTUALLY(PATIENCE_MS, mappings() < maps + times / 10),
	      "ATTACH, many times, leaves no mapping behind", "%u, then %u", maps, mappings());
	kup_user_close(fd);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_lives(2500);
	test_threads_on_one_handle(100);
	test_one_owner();
	test_calls_against_close(2000);
	test_leaks(300);
	return finish();
}
