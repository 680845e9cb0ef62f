/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The predecessor's user API while many processes run at once, are killed in full play, and while
 * modules are loaded and unloaded. The devices are those of tests/seed/pingpong.c: two, with three
 * channels each.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __FreeBSD__
#include <sys/param.h>
#include <sys/linker.h>
#else
#include <sys/syscall.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "kup.h"
#include "poke.h"
#ifndef __FreeBSD__
#include "proc.h"
#endif

#define DEVICES 2
#define EACH 3
#define PLAYERS (DEVICES * EACH)
#define MODULE "pingpong"

#ifdef __FreeBSD__

static int load(void)
{
	return kldload(MODULE) == -1 ? -errno : 0;
}

static int unload(void)
{
	int id = kldfind(MODULE ".ko");

	return id == -1 || kldunload(id) == -1 ? -errno : 0;
}

#else

static int load(void)
{
	int file = open("/lib/modules/" MODULE ".ko", O_RDONLY | O_CLOEXEC);
	long result = file < 0 ? -1 : syscall(SYS_finit_module, file, "", 0);
	int error = result < 0 ? -errno : 0;

	close(file);
	return error;
}

static int unload(void)
{
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) < 0 ? -errno : 0;
}

/* How many users keep kup.ko loaded. */
static int kup_uses(void)
{
	return atoi(first_line("/sys/module/kup/refcnt"));
}

#endif

/* ---- Playing ---- */

struct message {
	unsigned int length;
	char text[4000];
};

struct seat {
	void *device, *channel;
};

static struct seat sit_down(int number)
{
	char name[] = "pingpong0";
	struct seat seat = { 0 };

	name[8] = (char)('0' + number / EACH);
	seat.device = kernproxy_open(name);
	if (seat.device != NULL)
		seat.channel = kernproxy_channel(seat.device, (size_t)(number % EACH), 1);
	return seat;
}

/* The channel ends with the process. */
static void stand_up(struct seat *seat)
{
	kernproxy_close(seat->device);
}

static bool starts(void *channel)
{
	const struct message *hello = channel ? kernproxy_receive(channel, 0) : NULL;

	return hello != NULL && memcmp(hello->text, "hello", 5) == 0;
}

static bool round_trip(void *channel, uint32_t *seed)
{
	struct message message = { .length = 1 + random_next(seed) % 3900 };
	const struct message *answer;
	char first = (char)('a' + random_next(seed) % 20);

	memset(message.text, first, message.length);
	if (kernproxy_send(channel, &message, sizeof(message.length) + message.length, 0))
		return false;
	answer = kernproxy_receive(channel, 0);
	return answer != NULL && answer->length == message.length && answer->text[0] == first + 1 &&
	       answer->text[message.length - 1] == first + 1;
}

static bool plays(int number, int rounds)
{
	uint32_t seed = 7u + (uint32_t)number;
	struct seat seat = sit_down(number);
	bool good = starts(seat.channel);

	while (good && rounds-- > 0)
		good = round_trip(seat.channel, &seed);
	stand_up(&seat);
	return good;
}

/* What the children report to their parent. */
static int steps[2];

static void report(void)
{
	need(write(steps[1], "", 1) == 1, "a child can report");
}

static void await_reports(int count)
{
	struct pollfd entry = { .fd = steps[0], .events = POLLIN };
	char byte;

	while (count-- > 0)
		need(poll(&entry, 1, PATIENCE_MS) == 1 && read(steps[0], &byte, 1) == 1,
		     "a child reports");
}

/* Ends when all children that might report have ended. */
static void forget_reports(void)
{
	need(close(steps[0]) == 0 && close(steps[1]) == 0 && pipe(steps) == 0, "a pipe");
}

/*
 * A child that plays on this channel until it is killed. It reports when it has the channel, and
 * exits with 1 if a call fails.
 */
static pid_t play_forever(int number)
{
	uint32_t seed = 99u + (uint32_t)number;
	pid_t child = fork();
	void *channel;

	if (child != 0)
		return child;
	alarm(patience(300));
	channel = sit_down(number).channel;
	if (!starts(channel))
		_exit(1);
	report();
	while (round_trip(channel, &seed))
		;
	_exit(1);
}

static int ended(pid_t child)
{
	int status;

	waitpid(child, &status, 0);
	return status;
}

/* ---- Cases ---- */

static void test_processes(void)
{
	pid_t children[PLAYERS];
	int good = 0;

	for (int i = 0; i < PLAYERS; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(!plays(i, 300));
	}
	for (int i = 0; i < PLAYERS; i++)
		good += ended(children[i]) == 0;
	check(good == PLAYERS,
	      "kernproxy_open() gives processes channels of their own to play on, all at once",
	      "%d of %d did", good, PLAYERS);
}

static void test_kills(int rounds)
{
	uint32_t seed = 4711;
	int wrong = 0, good = 0;

	for (int round = 0; round < rounds; round++) {
		pid_t children[PLAYERS];

		for (int i = 0; i < PLAYERS; i++)
			children[i] = play_forever(i);
		await_reports(PLAYERS);
		sleep_us(random_next(&seed) % 100000);
		for (int i = 0; i < PLAYERS; i++)
			kill(children[i], SIGKILL);
		for (int i = 0; i < PLAYERS; i++)
			wrong += ended(children[i]) != SIGKILL;
	}
	for (int i = 0; i < PLAYERS; i++)
		good += plays(i, 10);
	check(wrong == 0,
	      "kernproxy_receive() returns right messages until its process is killed in full play",
	      "%d ended otherwise", wrong);
	check(good == PLAYERS, "kernproxy_open() gives the next process a new game", "%d of %d do",
	      good, PLAYERS);
}

/* One process has the channel, the other waits for it. */
static void test_inheritance(void)
{
	pid_t holder = play_forever(1), heir;

	await_reports(1);
	heir = fork();
	if (heir == 0)
		_exit(!plays(1, 10));
	sleep_ms(100);
	check(waitpid(heir, NULL, WNOHANG) == 0,
	      "kernproxy_open() waits for a channel that is taken", "it wasn't");
	kill(holder, SIGKILL);
	check(ended(holder) == SIGKILL && ended(heir) == 0,
	      "kernproxy_open() gets the channel when its user is killed", "it doesn't");
}

static void test_killed_while_waiting(void)
{
	pid_t child = fork();

	if (child == 0) {
		void *channel = sit_down(2).channel;

		/* The kernel keeps its turn after this. */
		kernproxy_receive(channel, 0);
		kernproxy_send(channel, (void *)"\4\0\0\0bye", 8, 0);
		report();
		kernproxy_receive(channel, 0);
		_exit(0);
	}
	await_reports(1);
	sleep_ms(100);
	check(waitpid(child, NULL, WNOHANG) == 0,
	      "kernproxy_receive() waits while the kernel has the turn", "it doesn't");
	kill(child, SIGKILL);
	check(ended(child) == SIGKILL && plays(2, 5),
	      "kernproxy_open() works after a process was killed in kernproxy_receive()", "no");
}

/* A process in the middle of a game, whose next call waits for the kernel. */
static void test_unload_attached(void)
{
	pid_t child = fork();
	struct seat seat;
	uint64_t start;

	if (child == 0) {
		seat = sit_down(2);
		if (!starts(seat.channel))
			_exit(1);
		/* The kernel keeps its turn after this. */
		kernproxy_send(seat.channel, (void *)"\4\0\0\0bye", 8, 0);
		report();
		kernproxy_receive(seat.channel, 0);
		_exit(kernproxy_error(seat.channel) == EKU_SHUTDOWN ? 0 : 2);
	}
	seat = sit_down(0);
	need(starts(seat.channel), "a game begins");
	await_reports(1);
	sleep_ms(100);
	start = now_ms();
	worked(unload(), "delete_module() unloads a module while processes are attached");
	check(now_ms() - start < PATIENCE_MS,
	      "delete_module() does not wait for attached processes", "%llu ms",
	      (long long)(now_ms() - start));
	check(ended(child) == 0, "kernproxy_receive() fails with EKU_SHUTDOWN when the module goes",
	      "it doesn't");
	check(kernproxy_send(seat.channel, (void *)"\1\0\0\0x", 5, 0) == -1 &&
		      kernproxy_error(seat.channel) == EKU_SHUTDOWN,
	      "kernproxy_send() fails with EKU_SHUTDOWN when the module is gone", "errno %d",
	      kernproxy_error(seat.channel));
	stand_up(&seat);
	check(sit_down(0).device == NULL && kernproxy_errno == ENOENT,
	      "kernproxy_open() fails with ENOENT when the module is gone", "errno %d",
	      kernproxy_errno);
}

static void test_not_loaded_yet(void)
{
	pid_t child = fork();

	if (child == 0) {
		void *device;

		device = kernproxy_open("pingpong1");
		report();
		while (device == NULL && kernproxy_errno == ENOENT) {
			sleep_ms(5);
			device = kernproxy_open("pingpong1");
		}
		kernproxy_close(device);
		_exit(!plays(EACH, 10));
	}
	await_reports(1);
	worked(load(), "insmod loads a module that a program waits for");
	check(ended(child) == 0, "kernproxy_open() waits until the module is loaded", "it doesn't");
}

/* A child that attaches again and again, and writes any value to any place. */
static pid_t lie_forever(int number)
{
	uint32_t seed = 1234u + (uint32_t)number;
	pid_t child = fork();
	char path[] = "/dev/pingpong0";

	if (child != 0)
		return child;
	alarm(patience(300));
	path[sizeof(path) - 2] = (char)('0' + number / EACH);
	for (;;) {
		struct peer peer;

		if (peer_start_at(&peer, path, (uint32_t)(number % EACH)) != 0)
			continue;
		poke(&peer, &seed, random_next(&seed) % 2000);
		peer_stop(&peer);
	}
}

/* Runs beside a process that plays. Then all are killed. */
static void test_liars(int rounds)
{
	uint32_t seed = 31;
	int good = 0, wrong = 0;

	for (int round = 0; round < rounds; round++) {
		pid_t children[PLAYERS];

		for (int i = 1; i < PLAYERS; i++)
			children[i] = lie_forever(i);
		wrong += !plays(0, 300);
		sleep_us(random_next(&seed) % 100000);
		for (int i = 1; i < PLAYERS; i++)
			kill(children[i], SIGKILL);
		for (int i = 1; i < PLAYERS; i++)
			wrong += ended(children[i]) != SIGKILL;
	}
	for (int i = 0; i < PLAYERS; i++)
		good += plays(i, 10);
	check(wrong == 0,
	      "kernproxy_receive() works beside processes that write any value to any place",
	      "%d times", wrong);
	check(good == PLAYERS,
	      "kernproxy_open() gives the next process a new game after such processes",
	      "%d of %d do", good, PLAYERS);
}

/*
 * Threads in kupdev_wait_channel(), players whose process was just killed, and processes that just
 * start.
 */
static void test_come_and_go(int rounds)
{
	uint32_t seed = 5;
	int done = 0;

	for (; done < rounds; done++) {
		pid_t children[PLAYERS];

		for (int i = 0; i < PLAYERS; i++)
			children[i] = play_forever(i);
		await_reports(1);
		sleep_us(random_next(&seed) % 30000);
		for (int i = 0; i < PLAYERS; i++)
			kill(children[i], SIGKILL);
		/* Before they are all gone. */
		if (unload() != 0 || load() != 0)
			break;
		for (int i = 0; i < PLAYERS; i++)
			ended(children[i]);
		forget_reports();
	}
	check(done == rounds && plays(0, 5),
	      "delete_module() and insmod work under processes that are killed", "round %d: %s",
	      done, error_name(-errno));
}

#ifndef __FreeBSD__

/* "bye" is the message that a thread holds when it ends: no later call of the thread frees it. */
static void test_bye(void)
{
	struct message bye = { .length = 4, .text = "bye" };
	int before = kup_uses(), error;
	struct seat seat;
	bool good;

	need(load() == 0, "pingpong can be loaded");
	seat = sit_down(0);
	good = starts(seat.channel) &&
	       kernproxy_send(seat.channel, &bye, sizeof(bye.length) + bye.length, 0) == 0 &&
	       EVENTUALLY(PATIENCE_MS, thread_named("player:0") == 0);
	stand_up(&seat);
	error = unload();
	check(good && error == 0,
	      "delete_module() unloads a module whose thread has ended while it held a message",
	      "%d, %s", good, error_name(error));
	check(EVENTUALLY(PATIENCE_MS, kup_uses() == before),
	      "delete_module() leaves no reference to kup.ko behind", "%d uses, then %d", before,
	      kup_uses());
}

#endif

int main(void)
{
	begin_cases(240);
	need(pipe(steps) == 0, "a pipe");
	need(load() == 0, "pingpong can be loaded");
	test_processes();
	test_kills(5);
	test_liars(5);
	test_inheritance();
	test_killed_while_waiting();
	test_unload_attached();
	test_not_loaded_yet();
	test_come_and_go(8);
	worked(unload(), "pingpong can be unloaded");
#ifndef __FreeBSD__
	test_bye();
#endif
	return finish();
}
