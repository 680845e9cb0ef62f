/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many processes attach, map, exchange records and close, and are killed at random. All that they
 * had must be free afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"
#ifdef __linux__
#include "proc.h"
#endif

#define PROCESSES 6

/* What all processes share. */
static struct shared {
	uint64_t attached, busy, echoed, killed;
	uint32_t broken_echoes, odd_errors;
	int last_error;
} * shared;

static void *share(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void add64(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void odd(int error)
{
	shared->last_error = error;
	__atomic_fetch_add(&shared->odd_errors, 1, __ATOMIC_RELAXED);
}

/* ---- Processes ---- */

/* One life of a handle, which may end anywhere. */
static void live(uint32_t *seed)
{
	struct peer peer;
	uint32_t channel = random_next(seed) % 3 == 0 ? ANY : random_next(seed) % CHANNELS;
	int error = peer_start(&peer, channel);
	uint32_t dice = random_next(seed);

	if (error == -EBUSY) {
		int fd = echo_open();

		add64(&shared->busy);
		kup_user_wait(fd, POLLIN, 20);
		close(fd);
		return;
	}
	if (error != 0) {
		odd(error);
		return;
	}
	add64(&shared->attached);
	for (uint32_t i = 0; i < dice % 16; i++) {
		const char *why = peer_echo(&peer, random_next(seed), random_next(seed) % 9000);

		if (why != NULL)
			__atomic_fetch_add(&shared->broken_echoes, 1, __ATOMIC_RELAXED);
		else
			add64(&shared->echoed);
	}
	if (dice & 0x100)
		peer_send(&peer, 1, NULL, 5000);
	if (dice & 0x200)
		close(peer.fd);
	peer_unmap(&peer);
	if (!(dice & 0x200))
		close(peer.fd);
}

static pid_t start_process(uint32_t seed)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	alarm(patience(300));
	signal(SIGALRM, SIG_DFL);
	for (;;)
		live(&seed);
}

static bool had_all(void)
{
	return __atomic_load_n(&shared->attached, __ATOMIC_RELAXED) > PROCESSES &&
	       __atomic_load_n(&shared->echoed, __ATOMIC_RELAXED) > 0;
}

static void test_processes(uint32_t milliseconds)
{
	pid_t children[PROCESSES];
	uint32_t seed = 88675123, longest_us = 30000;
	uint64_t end = now_ms() + milliseconds;
	int fd = echo_open();

	for (int i = 0; i < PROCESSES; i++)
		children[i] = start_process(random_next(&seed));
	while (now_ms() < end || (!had_all() && now_ms() < end + PATIENCE_MS)) {
		int victim = (int)(random_next(&seed) % PROCESSES);

		/* The processes of a slow machine need more time. */
		if (now_ms() >= end && longest_us < 10000000)
			longest_us *= 2;
		sleep_us(random_next(&seed) % longest_us);
		kill(children[victim], SIGKILL);
		waitpid(children[victim], NULL, 0);
		add64(&shared->killed);
		children[victim] = start_process(random_next(&seed));
	}
	for (int i = 0; i < PROCESSES; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	check(shared->odd_errors == 0 && shared->attached > PROCESSES && shared->killed > 0,
	      "ATTACH in a storm of processes fails with EBUSY and no other error", "%s, %u times",
	      error_name(shared->last_error), shared->odd_errors);
	check(shared->broken_echoes == 0 && shared->echoed > 0,
	      "send() in a storm of processes loses and damages no echo", "%u are",
	      shared->broken_echoes);
	check(EVENTUALLY(PATIENCE_MS, channels_free(fd) == CHANNELS),
	      "kill -9 in a storm of processes leaves all channels free", "%u are",
	      channels_free(fd));
	printf("# %llu attached, %llu busy, %llu echoes, %llu killed\n",
	       (long long)shared->attached, (long long)shared->busy, (long long)shared->echoed,
	       (long long)shared->killed);
	close(fd);
}

/* ---- Handles in flight ---- */

static int send_handle(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return (int)sendmsg(socket, &message, 0);
}

static void test_handles_in_flight(void)
{
	struct kup_stats stats;
	int sockets[2];
	int fd = echo_open();
	int held = echo_open();

	need(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "a socket pair");
	need(attach_to(held, 3, 0, NULL) == 0, "ATTACH of channel 3");
	need(send_handle(sockets[0], held) == 1, "a handle can be sent");
	close(held);
	stats_get(fd, 3, &stats);
	check(stats.state == KUP_STATE_OPEN, "sendmsg() of a handle keeps its channel attached",
	      "%u", stats.state);
	close(sockets[0]);
	close(sockets[1]);
	check(EVENTUALLY(PATIENCE_MS,
			 stats_get(fd, 3, &stats) == 0 && stats.state == KUP_STATE_FREE),
	      "close() of the socket frees the channel of a handle that was not received", "%u",
	      stats.state);
	close(fd);
}

/* ---- Leaks and limits, as Linux counts them; tests/freebsd/c/memory.c has FreeBSD's ---- */

#ifdef __linux__

static void attach_often(uint32_t times)
{
	struct peer peer;

	for (uint32_t i = 0; i < times; i++) {
		peer_need(&peer, ANY);
		need(i % 8 != 0 || peer_echo(&peer, i, 100) == NULL, "a channel echoes");
		peer_stop(&peer);
	}
}

/* Each ATTACH takes dozens of pages. A leak of these shows; the few pages of the system do not. */
static void test_leaks(uint32_t times)
{
	int64_t pages = 0, addresses = 0;

	attach_often(200);
	for (int round = 0; round < 3; round++) {
		int64_t pages_before = pages_in_use();
		int64_t addresses_before = sum_of("/proc/meminfo", "VmallocUsed:");

		attach_often(times);
		/* The last pages are freed a little later. */
		if (EVENTUALLY(PATIENCE_MS,
			       (pages = pages_in_use() - pages_before) < times / 2 &&
				       (addresses = sum_of("/proc/meminfo", "VmallocUsed:") -
						    addresses_before) < times))
			break;
	}
	check(pages < times / 2, "ATTACH, many times, leaks no memory", "%lld pages by %u attaches",
	      (long long)pages, times);
	check(addresses < times, "ATTACH, many times, leaks no addresses of the kernel",
	      "%lld KiB by %u attaches", (long long)addresses, times);
	printf("# %lld pages more after %u attaches\n", (long long)pages, times);
}

/* ---- The process in STATS ---- */

/* A child attaches, sends its handle here, and ends when it may. */
static void attach_and_send(int socket)
{
	int fd = echo_open();
	char byte;

	if (attach_to(fd, 3, 0, NULL) == 0 && send_handle(socket, fd) == 1)
		(void)!read(socket, &byte, 1);
	_exit(0);
}

static void test_process_of_channel(void)
{
	struct kup_stats stats;
	int sockets[2];
	int fd = echo_open();
	pid_t child;

	need(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "a socket pair");
	child = fork();
	if (child == 0) {
		close(sockets[0]);
		attach_and_send(sockets[1]);
	}
	check(EVENTUALLY(PATIENCE_MS,
			 stats_get(fd, 3, &stats) == 0 && stats.process == (uint32_t)child),
	      "STATS has the number of another process that has attached", "%u, not %d",
	      stats.process, child);
	/* The handle stays open: it is on its way to this process, and is never received. */
	need(poll(&(struct pollfd){ sockets[0], POLLIN, 0 }, 1, PATIENCE_MS) == 1, "a handle");
	need(write(sockets[0], "x", 1) == 1, "the child may end");
	waitpid(child, NULL, 0);
	stats_get(fd, 3, &stats);
	check(stats.state == KUP_STATE_OPEN && stats.process == 0,
	      "STATS has no process when the one that has attached is gone", "state %u, process %u",
	      stats.state, stats.process);
	close(sockets[0]);
	close(sockets[1]);
	check(EVENTUALLY(PATIENCE_MS,
			 stats_get(fd, 3, &stats) == 0 && stats.state == KUP_STATE_FREE),
	      "close() of both sockets frees the channel", "%u", stats.state);
	close(fd);
}

/* ---- Limits ---- */

/* What the child's ATTACHes end with: an errno, or 0 if all of them worked. */
static int attach_all(void)
{
	int error = 0;

	for (int i = 0; i < CHANNELS && error == 0; i++)
		error = attach_to(echo_open(), ANY, 0, NULL);
	return -error;
}

static void test_memory_limit(void)
{
	static const char sentence[] =
		"ATTACH beyond a cgroup's limit returns ENOMEM, and kills no process";
	char limit[32];
	struct kup_info info;
	int fd = echo_open();
	int status = 0;
	pid_t child;

	kup_user_info(fd, &info);
	close(fd);
	/* Room for some channels but not for all; a mapping has each ring twice. */
	snprintf(limit, sizeof(limit), "%llu",
		 (long long)KUP_MAP_BYTES(info.page_size, info.to_user_bytes,
					  info.to_kernel_bytes) *
			 2);
	if (!cgroup_make("memory.max", limit)) {
		skip(sentence, "no cgroup can be made");
		return;
	}
	child = fork();
	if (child == 0)
		_exit(cgroup_enter() ? attach_all() : 255);
	waitpid(child, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == ENOMEM, sentence, "status %x", status);
	cgroup_remove();
}

#endif

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	shared = share(sizeof(*shared));
	test_processes(4000);
	test_handles_in_flight();
#ifdef __linux__
	test_process_of_channel();
	test_memory_limit();
	test_leaks(500);
#endif
	return finish();
}
