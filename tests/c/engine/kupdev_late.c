/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Old modules and their channel numbers: which process a call reaches, and when
 * kupdev_wait_channel() returns the next one, while processes come and go and threads are late.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "kup_1/kup.h"
#include "kupdev.h"
#include "user.h"

/* For the one channel that is open. */
static void *device;

static void *open_channel(const char *name)
{
	device = kernproxy_open(name);
	return device ? kernproxy_channel(device, 0, 1) : NULL;
}

/* The channel goes with the process. */
static void leave(void)
{
	kernproxy_close(device);
	device = NULL;
}

static int unload(struct kupdev_softc *sc)
{
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;
	int error;

	while ((error = kupdev_unload(sc)) == -EBUSY && os_now_ns() < end)
		sleep_ms(1);
	return error;
}

/* ---- Threads that do one step on request ---- */

struct worker {
	pthread_t thread;
	struct kupdev_softc *sc;
	kup_u32 step, done; /* the steps that were requested, and those that are done */
	int (*act)(struct worker *worker, kup_u32 step);
	int results[8];
	const char *message;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	kup_u32 step;

	for (step = 0;; step++) {
		while (kup_load_acquire(&worker->step) <= step)
			sched_yield();
		if (kup_load(&worker->step) == ~0u)
			return NULL;
		worker->results[step] = worker->act(worker, step);
		kup_store_release(&worker->done, step + 1);
	}
}

static void employ(struct worker *worker, struct kupdev_softc *sc,
		   int (*act)(struct worker *worker, kup_u32 step))
{
	memset(worker, 0, sizeof(*worker));
	worker->sc = sc;
	worker->act = act;
	pthread_create(&worker->thread, NULL, work, worker);
}

static void begin_step(struct worker *worker)
{
	kup_store_release(&worker->step, worker->step + 1);
}

static int finish_step(struct worker *worker)
{
	while (kup_load_acquire(&worker->done) < worker->step)
		sched_yield();
	return worker->results[worker->step - 1];
}

static int do_step(struct worker *worker)
{
	begin_step(worker);
	return finish_step(worker);
}

static void dismiss(struct worker *worker)
{
	kup_store_release(&worker->step, ~0u);
	pthread_join(worker->thread, NULL);
}

/* ---- Cases ---- */

static int wait_then_send(struct worker *worker, kup_u32 step)
{
	return step == 0 ? kupdev_wait_channel(worker->sc) : kupdev_send(worker->sc, "mine", 5, 0);
}

/*
 * The process has left before the first call of the thread that serves it, and another one has
 * come.
 */
static void test_sent_late(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	struct worker first, second;
	const char *message;
	void *channel;
	int sent, late, next;

	employ(&first, sc, wait_then_send);
	employ(&second, sc, wait_then_send);
	channel = open_channel("host:late");
	sent = do_step(&first);
	leave();
	channel = open_channel("host:late");
	late = do_step(&first);
	sent |= do_step(&second);
	/* If the message was sent, the kernel no longer has the turn. */
	next = late ? do_step(&second) : -EDEADLK;
	message = next ? NULL : kernproxy_receive(channel, 0);
	check(sent == 0 && late == -EPIPE && message && strcmp(message, "mine") == 0,
	      "kupdev_send() reaches the process that kupdev_wait_channel() has returned, not the "
	      "next one",
	      "%d, %d, %d", sent, late, next);
	leave();
	dismiss(&first);
	dismiss(&second);
	unload(sc);
}

static int wait_pass_receive(struct worker *worker, kup_u32 step)
{
	if (step == 0)
		return kupdev_wait_channel(worker->sc);
	if (step == 1)
		kupdev_pass(worker->sc, 0);
	return step == 1 ? 0 : kupdev_receive(worker->sc, 0) != NULL;
}

/* A pass returns no error, so the next process must not come after that call. */
static void test_passed_late(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	struct worker first;
	int sent, received;

	employ(&first, sc, wait_pass_receive);
	open_channel("host:late");
	sent = do_step(&first);
	leave();
	open_channel("host:late");
	do_step(&first);
	received = do_step(&first);
	check(sent == 0 && !received,
	      "kupdev_receive() fails after a pass to a process that has left", "%d, %d", sent,
	      received);
	leave();
	dismiss(&first);
	unload(sc);
}

static int send_only(struct worker *worker, kup_u32 step)
{
	(void)step;
	return kupdev_send(worker->sc, "mine", 5, 0);
}

static int receive_only(struct worker *worker, kup_u32 step)
{
	if (step == 0)
		kupdev_pass(worker->sc, 0);
	worker->message = kupdev_receive(worker->sc, 0);
	return worker->message ? 0 : -EPIPE;
}

/* A thread in kupdev_receive() is woken just before the channel is free for the next process. */
static void test_fails_once(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	kup_u32 round, rounds = run.delays ? 100 : 1000, wrong = 0;
	struct worker worker;
	void *channel;

	for (round = 0; round < rounds && !wrong; round++) {
		employ(&worker, sc, receive_only);
		channel = open_channel("host:late");
		wrong += kupdev_wait_channel(sc) != 0;
		begin_step(&worker);
		kernproxy_receive(channel, 0);
		/* Lets the thread fall asleep, or not even that. */
		if (round % 2)
			sleep_ms(1);
		leave();
		wrong += finish_step(&worker) != -EPIPE;
		channel = open_channel("host:late");
		wrong += kupdev_wait_channel(sc) != 0;
		worker.act = send_only;
		wrong += do_step(&worker) != 0;
		leave();
		wrong += do_step(&worker) != -EPIPE;
		dismiss(&worker);
	}
	check(!wrong,
	      "kupdev_receive() fails once when its process has left, and then serves the next one",
	      "not in round %u", round);
	unload(sc);
}

/* ---- Places: now and next ---- */

static struct worker crew;

/* A process attaches channel `number`, and stays if `stays`. */
static void *visit(size_t number, int stays)
{
	void *visitor = kernproxy_open("host:late");

	kernproxy_channel(visitor, number, 1);
	if (stays)
		return visitor;
	kernproxy_close(visitor);
	return NULL;
}

/* Numbers are searched in turn, so channel 0 comes after channel 1, unless it is held back. */
static void test_next_waits(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 2);
	void *second, *other;
	int numbers[5];

	second = visit(0, 1);
	numbers[0] = kupdev_wait_channel(sc);
	kernproxy_close(second);
	second = visit(0, 1);
	other = visit(1, 1);
	numbers[1] = kupdev_wait_channel(sc);
	kernproxy_close(other);
	numbers[2] = kupdev_send(sc, "x", 1, 1);
	other = visit(1, 1);
	numbers[3] = kupdev_wait_channel(sc);
	check(numbers[0] == 0 && numbers[1] == 1 && numbers[2] == -EPIPE && numbers[3] == 1,
	      "kupdev_wait_channel() does not return a number again before a call on it has failed",
	      "%d, %d, %d, %d", numbers[0], numbers[1], numbers[2], numbers[3]);
	numbers[0] = kupdev_send(sc, "x", 1, 0);
	numbers[1] = kupdev_send(sc, "x", 1, 0);
	numbers[2] = kupdev_wait_channel(sc);
	numbers[3] = kupdev_send(sc, "x", 1, 0);
	check(numbers[0] == -EPIPE && numbers[1] == -EPIPE && numbers[2] == 0 && numbers[3] == 0,
	      "kupdev_wait_channel() returns a number again after all calls on it have failed",
	      "%d, %d, %d, %d", numbers[0], numbers[1], numbers[2], numbers[3]);
	kernproxy_close(second);
	kernproxy_close(other);
	unload(sc);
}

static int wait_only(struct worker *worker, kup_u32 step)
{
	(void)step;
	return kupdev_wait_channel(worker->sc);
}

/* The call that fails wakes a thread that waits. */
static void test_next_wakes(void)
{
	kup_u32 round, rounds = run.delays ? 30 : 300, wrong = 0;
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);

	for (round = 0; round < rounds && !wrong; round++) {
		void *visitor = visit(0, 1);

		wrong += kupdev_wait_channel(sc) != 0;
		employ(&crew, sc, wait_only);
		begin_step(&crew);
		kernproxy_close(visitor);
		visitor = visit(0, 1);
		if (round % 2)
			sleep_ms(1);
		wrong += kupdev_send(sc, "x", 1, 0) != -EPIPE;
		wrong += finish_step(&crew) != 0;
		kernproxy_close(visitor);
		wrong += kupdev_send(sc, "x", 1, 0) != -EPIPE;
		dismiss(&crew);
	}
	check(!wrong,
	      "kupdev_wait_channel() wakes when a call fails whose number is attached again",
	      "not in round %u", round);
	unload(sc);
}

static void test_next_leaves(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 2);
	void *visitor;
	int sent, first, second;

	visit(0, 0);
	visitor = visit(0, 1);
	sent = kupdev_send(sc, "x", 1, 0);
	kernproxy_close(visitor);
	visit(0, 0);
	visitor = visit(1, 1);
	first = kupdev_wait_channel(sc);
	check(sent == -EPIPE && first == 1,
	      "kupdev_wait_channel() drops a process that left before it was returned", "%d, %d",
	      sent, first);
	kernproxy_close(visitor);
	visit(1, 0);
	visitor = visit(0, 1);
	first = kupdev_wait_channel(sc);
	second = kupdev_send(sc, "x", 1, 1);
	check(first == 0 && second == -EPIPE && kupdev_send(sc, "x", 1, 0) == 0,
	      "kupdev_wait_channel() drops such a process also behind another one that has left",
	      "%d, %d", first, second);
	kernproxy_close(visitor);
	unload(sc);
}

/* The process sends two messages, and is gone before the module looks. */
static void test_rest_is_read(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	void *channel = open_channel("host:late"), *visitor;
	const char *message;
	char first[8] = "";
	int good;

	kupdev_wait_channel(sc);
	kupdev_pass(sc, 0);
	kernproxy_receive(channel, 0);
	kernproxy_send(channel, "farewell", 8, 0);
	leave();
	visitor = visit(0, 1);
	message = kupdev_receive(sc, 0);
	good = message && kernproxy_error(visitor) == 0;
	/* Also while another process comes and goes. */
	kernproxy_close(visitor);
	visitor = visit(0, 1);
	if (message)
		memcpy(first, message, sizeof(first));
	check(good && memcmp(first, "farewell", 8) == 0,
	      "kupdev_receive() returns what a process has sent when the next one is there", "%.8s",
	      first);
	check(!kupdev_receive(sc, 0) && kupdev_wait_channel(sc) == 0 &&
		      kupdev_send(sc, "hello", 6, 0) == 0,
	      "kupdev_receive() then fails, once", "no");
	kernproxy_close(visitor);
	unload(sc);
}

/* ---- Memory ---- */

static kup_u32 channels_in_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	kup_u32 pieces = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		pieces += strstr(line, "memfd:kup") != NULL;
	if (maps)
		fclose(maps);
	/* The kernel's two pages, and both rings twice. Neighbours are shown as one. */
	return pieces / 3;
}

/* Nothing is sent to the processes, which come and go after one whose thread has ended. */
static void test_memory(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	kup_u32 i, before = channels_in_memory(), after;
	void *channel = open_channel("host:late");
	int number = kupdev_wait_channel(sc);
	char *message;

	kupdev_pass(sc, number);
	kernproxy_receive(channel, 0);
	kernproxy_send(channel, "bye", 4, 0);
	message = kupdev_receive(sc, number);
	leave();
	for (i = 0; i < 60; i++)
		visit(0, 0);
	after = channels_in_memory();
	check(message && memcmp(message, "bye", 4) == 0 && after - before < 10,
	      "kupdev_receive() keeps its message valid while other processes come and go, and "
	      "frees theirs",
	      "%u channels", after - before);
	unload(sc);
	after = channels_in_memory();
	check(message && memcmp(message, "bye", 4) == 0 && after - before < 10,
	      "kupdev_receive() keeps its message valid after kupdev_unload()", "%u channels",
	      after - before);
	check(kupdev_send(sc, "x", 1, number) == -ESHUTDOWN && channels_in_memory() == before,
	      "kupdev_send() that fails frees the message", "%u channels",
	      channels_in_memory() - before);
}

/* ---- Devices ---- */

static kup_u32 stop;

static void *notify(void *argument)
{
	while (!kup_load_acquire(&stop))
		kupdev_notify(argument);
	return NULL;
}

/* The next device would get its address. */
static void test_gone(void)
{
	struct kupdev_softc *gone[20];
	kup_u32 i, wrong = 0;
	pthread_t thread;

	for (i = 0; i < 20; i++) {
		gone[i] = kupdev_create("late", 1, 1);
		kup_store(&stop, 0);
		pthread_create(&thread, NULL, notify, gone[i]);
		sleep_ms(1);
		wrong += kupdev_unload(gone[i]) != 0;
		kup_store_release(&stop, 1);
		pthread_join(thread, NULL);
	}
	gone[0] = kupdev_create("late", 1, 1);
	for (i = 1; i < 20; i++)
		wrong += kupdev_unload(gone[i]) != -ESHUTDOWN;
	check(!wrong && kupdev_unload(gone[0]) == 0,
	      "kupdev_send() and other calls never take a device for another that was unloaded",
	      "%u were", wrong);
}

/* One process comes again and again; the other one waits. */
static void test_fair(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 2);
	void *both = kernproxy_open("host:late");
	void *other = kernproxy_channel(both, 1, 1), *channel = kernproxy_channel(both, 0, 1);
	int first, second;

	first = kupdev_wait_channel(sc);
	kernproxy_close(channel);
	channel = kernproxy_channel(both, 0, 1);
	/* The last process of the thread has left. */
	kupdev_send(sc, "x", 1, 0);
	second = kupdev_wait_channel(sc);
	check(first == 0 && second == 1,
	      "kupdev_wait_channel() returns a process that waits beside one that comes again and "
	      "again",
	      "%d, %d", first, second);
	kernproxy_close(channel);
	kernproxy_close(other);
	kernproxy_close(both);
	unload(sc);
}

static void test_attach_without_memory(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	kup_u32 n, failed = 0;
	struct user user;
	int error = -1;

	for (n = 1; n < 100 && error; n++) {
		host_fail_allocation(n);
		error = user_attach(&user, "late", 0);
		host_fail_allocation(0);
		failed += error == -ENOMEM;
	}
	check(!error && failed >= 4 && kupdev_wait_channel(sc) == 0,
	      "ATTACH of a kupdev fails without memory, and then works", "%s, %u times",
	      strerror(-error), failed);
	if (!error)
		user_close(&user);
	check(unload(sc) == 0, "kupdev_unload() works after ATTACHes that failed", "no");
}

/* ---- Messages of length 0 ---- */

static kup_u32 sum_of(const kup_u8 *bytes, kup_u32 count)
{
	kup_u32 sum = 0;

	while (count-- > 0)
		sum += *bytes++;
	return sum;
}

static void test_nothing(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 3, 1);
	void *channel = open_channel("host:late");
	kup_u32 i, wrong = 0;
	kup_u8 *message;

	wrong += kupdev_wait_channel(sc) != 0;
	for (i = 0; i < 3 && !wrong; i++) {
		message = kupdev_receive(sc, 0);
		wrong += !message || sum_of(message, i ? KUPDEV_NOTHING : 3 * os_page_size()) != 0;
		/* A client may write there. */
		if (message)
			message[10] = 1;
	}
	check(!wrong,
	      "kupdev_receive() returns zeros in room for the longest message in a turn without "
	      "data",
	      "no");
	wrong = kupdev_send(sc, NULL, 0, 0) != 0 || !kernproxy_receive(channel, 0);
	check(!wrong, "kupdev_receive() returns a message of no bytes", "no");
	leave();
	unload(sc);
}

void kupdev_late_cases(void)
{
	test_nothing();
	test_fair();
	test_gone();
	test_attach_without_memory();
	test_memory();
	test_sent_late();
	test_passed_late();
	test_fails_once();
	test_next_waits();
	test_next_wakes();
	test_next_leaves();
	test_rest_is_read();
}
