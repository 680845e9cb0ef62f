/* SPDX-License-Identifier: BSD-3-Clause */
/* The native library's own calls: numbers that are closed, time-outs, and what ends a wait. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

static void test_versions(void)
{
	check(kup_user_abi_version() == KUP_ABI_VERSION,
	      "kup_user_abi_version() returns the ABI version", "%d", kup_user_abi_version());
	check(kup_user_interface() == KUP_USER_INTERFACE,
	      "kup_user_interface() returns the interface's version", "%d", kup_user_interface());
}

static void test_open(void)
{
	int first = echo_open(), second = echo_open();

	refused(kup_user_open(path_of("kup/none")), ENOENT,
		"kup_user_open() of a device that does not exist returns ENOENT");
	refused(kup_user_open(path_of("kup")), differs("devices-are-files") ? EISDIR : ENOENT,
		"kup_user_open() of a part of a device's name fails");
	refused(kup_user_open(path_of("kup/echo/x")),
		differs("devices-are-files") ? ENOTDIR : ENOENT,
		"kup_user_open() of a path below a device fails");
	check(first >= 0 && second >= 0 && first != second,
	      "kup_user_open() opens a device many times, each with a number of its own", "%d, %d",
	      first, second);
	worked(kup_user_close(first), "kup_user_close() closes a handle");
	check(channels_free(second) == CHANNELS, "kup_user_close() leaves the other handles alone",
	      "no");
	kup_user_close(second);
}

/* Makes every call with a number that stands for no file. */
static void closed_number(int fd, int pipe, const char *sentence)
{
	struct kup_info info;
	struct kup_stats stats;
	uint64_t address = 0;
	const int results[] = {
		kup_user_info(fd, &info),
		stats_get(fd, 0, &stats),
		attach_to(fd, ANY, 0, NULL),
		kup_user_kick(fd),
		kup_user_wait(fd, POLLIN, PATIENCE_MS),
		kup_user_map(fd, 4096, 4096, 4096, &address),
		kup_user_waiter_add(fd, pipe),
		kup_user_close(fd),
	};
	int wrong = -1;

	for (int i = 0; i < (int)(sizeof(results) / sizeof(results[0])); i++)
		if (results[i] != -EBADF)
			wrong = i;
	check(wrong < 0 && address == 0, sentence, "call %d says %s", wrong,
	      error_name(wrong < 0 ? 0 : results[wrong]));
}

static void test_closed_numbers(void)
{
	int32_t pipe[2] = { -1, -1 };
	int fd, attached;

	/* Runs before the others: the lowest free number is used next. */
	need(kup_user_pipe(pipe) == 0, "a pipe");
	fd = echo_open();
	/* The waiter opens files of its own when it starts. */
	kup_user_waiter_remove(fd, kup_user_waiter_add(fd, pipe[1]));
	attached = echo_open();
	need(attach_to(attached, ANY, 0, NULL) == 0, "ATTACH");
	kup_user_close(fd);
	kup_user_close(attached);
	closed_number(fd, pipe[1], "every call refuses a number that was closed with EBADF");
	closed_number(
		attached, pipe[1],
		"every call refuses the number of a closed handle that had a channel with EBADF");
	closed_number(-1, pipe[1], "every call refuses -1 with EBADF");
	closed_number(0x3fffffff, pipe[1],
		      "every call refuses a number that never existed with EBADF");
	closed_number(0x7fffffff, pipe[1], "every call refuses the highest number with EBADF");
	kup_user_close(pipe[0]);
	kup_user_close(pipe[1]);
}

/* ---- Waiting ---- */

static void test_timeouts(void)
{
	struct peer peer;
	uint64_t start;

	peer_need(&peer, ANY);
	start = now_ms();
	check(peer_poll(&peer, POLLIN, 0) == 0 && now_ms() - start < PATIENCE_MS,
	      "kup_user_wait() with a time-out of 0 returns at once", "%llu ms",
	      (long long)(now_ms() - start));
	start = now_ms();
	check(peer_poll(&peer, POLLIN, 60.5) == 0 && now_ms() - start >= 60 &&
		      now_ms() - start < PATIENCE_MS,
	      "kup_user_wait() ends after its time-out", "%llu ms", (long long)(now_ms() - start));
	start = now_ms();
	for (int i = 0; i < 40; i++)
		peer_poll(&peer, POLLIN, 0.5);
	check(now_ms() - start >= 20, "kup_user_wait() counts fractions of a millisecond",
	      "%llu ms", (long long)(now_ms() - start));
	check(peer_poll(&peer, POLLIN | POLLOUT, PATIENCE_MS) == POLLOUT,
	      "kup_user_wait() for several events returns those that are there", "no");
	check(peer_poll(&peer, POLLIN | POLLOUT, -1) == POLLOUT,
	      "kup_user_wait() without a limit returns at once if an event is there", "no");
	peer_stop_wait(&peer);
}

static struct peer waited;
static double wait_ms;
static uint32_t wait_events;
static int wait_result;
static uint64_t wait_took;
static uint32_t wait_begun;

static void *in_wait(void *unused)
{
	uint64_t start = now_ms();

	__atomic_store_n(&wait_begun, 1, __ATOMIC_SEQ_CST);
	wait_result = kup_user_wait(waited.fd, wait_events, wait_ms);
	wait_took = now_ms() - start;
	return unused;
}

/* Starts the wait, lets it sleep, does something, and collects its result. */
static void wait_while(uint32_t events, double timeout_ms, void (*something)(void), int wanted,
		       const char *sentence)
{
	pthread_t thread;

	wait_events = events;
	wait_ms = timeout_ms;
	wait_begun = 0;
	pthread_create(&thread, NULL, in_wait, NULL);
	EVENTUALLY(PATIENCE_MS, __atomic_load_n(&wait_begun, __ATOMIC_SEQ_CST));
	sleep_ms(100);
	something();
	pthread_join(thread, NULL);
	check(wait_result == wanted && wait_took >= 50, sentence, "it returned %x after %llu ms",
	      wait_result, (long long)wait_took);
}

static void send_one(void)
{
	peer_send(&waited, 1, "x", 1);
}

static void close_from_kernel(void)
{
	peer_send(&waited, ECHO_CLOSE, NULL, 0);
}

static void write_a_lie(void)
{
	word_set(&waited.user->to_kernel_head.value, 4);
	peer_kick(&waited);
}

static void take_one(void)
{
	struct record record;

	if (peer_receive(&waited, &record) == 0)
		peer_release(&waited, &record);
}

static void test_what_wakes(void)
{
	peer_need(&waited, ANY);
	wait_while(POLLIN, -1, send_one, POLLIN,
		   "kup_user_wait() without a limit ends with a record");
	take_one();
	wait_while(POLLIN, INFINITY, send_one, POLLIN,
		   "kup_user_wait() with an infinite time-out ends with a record");
	take_one();
	wait_while(POLLIN, NAN, send_one, POLLIN,
		   "kup_user_wait() with a time-out of NaN ends with a record");
	take_one();
	wait_while(POLLIN, 1e15, send_one, POLLIN,
		   "kup_user_wait() with a time-out of thousands of years ends with a record");
	take_one();
	wait_while(POLLIN, -1, close_from_kernel, POLLIN | POLLHUP,
		   "kup_user_wait() for a record ends when the kernel's side closes");
	peer_stop_wait(&waited);
	peer_need(&waited, ANY);
	wait_while(0, -1, close_from_kernel, POLLHUP,
		   "kup_user_wait() for no event ends when the kernel's side closes");
	peer_stop_wait(&waited);
	peer_need(&waited, ANY);
	wait_while(POLLIN, -1, write_a_lie, POLLIN | POLLHUP | POLLERR,
		   "kup_user_wait() ends when the channel breaks");
	peer_stop_wait(&waited);
	peer_need(&waited, ANY);
	wait_while(POLLIN, -1, need_unload, POLLIN | POLLHUP,
		   "kup_user_wait() for a record ends when the device goes");
	peer_stop(&waited);
	reload();
	waited.fd = echo_open();
	wait_while(0, -1, need_unload, POLLHUP,
		   "kup_user_wait() on a handle without a channel ends when the device goes");
	kup_user_close(waited.fd);
	reload();
}

static uint32_t state_while_waiting;
static uint64_t polls_before, closed_at;

static void close_it(void)
{
	struct kup_stats stats;
	int fd = echo_open();

	/* The wait has its file. */
	EVENTUALLY(PATIENCE_MS,
		   stats_get(fd, waited.attach.channel, &stats) == 0 && stats.polls > polls_before);
	kup_user_close(waited.fd);
	stats_get(fd, waited.attach.channel, &stats);
	closed_at = now_ms();
	state_while_waiting = stats.state;
	kup_user_close(fd);
}

/* As in every system call, a wait that is under way keeps its file. */
static bool test_close_under_wait(uint32_t timeout_ms)
{
	struct kup_stats stats;
	uint64_t began;
	int fd = echo_open();

	peer_need(&waited, ANY);
	stats_get(fd, waited.attach.channel, &stats);
	polls_before = stats.polls;
	began = now_ms();
	wait_while(POLLIN, timeout_ms, close_it, -EBADF,
		   "kup_user_wait() is not woken by a close in another thread, and then returns "
		   "EBADF");
	check((state_while_waiting == KUP_STATE_OPEN) != differs("polls-hold-no-file"),
	      "kup_user_wait() keeps the channel attached, if the system's poll keeps its file",
	      "state %u", state_while_waiting);
	check(EVENTUALLY(PATIENCE_MS, stats_get(fd, waited.attach.channel, &stats) == 0 &&
					      stats.state == KUP_STATE_FREE),
	      "kup_user_wait() frees the channel when it returns", "state %u", stats.state);
	refused(kup_user_wait(waited.fd, POLLIN, PATIENCE_MS), EBADF,
		"kup_user_wait() on the closed number returns EBADF");
	peer_unmap(&waited);
	kup_user_close(fd);
	return closed_at - began < timeout_ms;
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_versions();
	test_open();
	test_closed_numbers();
	test_timeouts();
	test_what_wakes();
	test_in_pause(300, test_close_under_wait);
	return finish();
}
