/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of an old module that are late, while processes come and go on one channel number: what they hold, what
 * they hear, and whom their calls reach.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "include/kup.h"
#include "kupdev.h"
#include "user.h"

/* Of the one channel that is open. */
static void *device;

static void *open_channel(const char *name)
{
	device = kernproxy_open(name);
	return device ? kernproxy_channel(device, 0, 1) : NULL;
}

/* Its channel goes with it. */
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

/* ---- Threads that do one thing, when they are told to ---- */

struct worker {
	pthread_t thread;
	struct kupdev_softc *sc;
	kup_u32 step, done; /* as many steps as were asked for, and carried out */
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
			os_relax();
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
		os_relax();
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

/* It was told of a process that has left before its first call; the next one is told to somebody else. */
static void test_told_late(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	struct worker first, second;
	const char *message;
	void *channel;
	int told, late, next;

	employ(&first, sc, wait_then_send);
	employ(&second, sc, wait_then_send);
	channel = open_channel("host:late");
	told = do_step(&first);
	leave();
	channel = open_channel("host:late");
	late = do_step(&first);
	told |= do_step(&second);
	/* If that was sent, it is not the kernel's turn any more. */
	next = late ? do_step(&second) : -EDEADLK;
	message = next ? NULL : kernproxy_receive(channel, 0);
	check(told == 0 && late == -EPIPE && message && strcmp(message, "mine") == 0,
	      "a thread's first call goes to the process that it was told of, not to the next one",
	      "%d, %d, %d", told, late, next);
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

/* A pass says nothing of an end, so it must not be the call after which a thread is free for others. */
static void test_passed_late(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	struct worker first;
	int told, received;

	employ(&first, sc, wait_pass_receive);
	open_channel("host:late");
	told = do_step(&first);
	leave();
	open_channel("host:late");
	do_step(&first);
	received = do_step(&first);
	check(told == 0 && !received,
	      "a thread whose pass came after the end receives nothing of the next process",
	      "%d, %d", told, received);
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

/*
 * A thread hears of the end by a call that fails a moment before the channel is free; the next process is another
 * matter. Others wait for channels and tell it.
 */
static void test_heard_once(void)
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
		/* Into its sleep; or not even that far. */
		if (round % 2)
			sleep_ms(1);
		leave();
		wrong += finish_step(&worker) != -EPIPE;
		channel = open_channel("host:late");
		wrong += kupdev_wait_channel(sc) != 0;
		worker.act = send_only;
		wrong += do_step(&worker) != 0;
		leave();
		dismiss(&worker);
	}
	check(!wrong, "a thread hears of its process's end once", "not in round %u", round);
	unload(sc);
}

#define HOLDERS 12

/* Each process has a thread of its own, which looks at its message after all the others have gone. */
static void test_held(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	struct worker workers[HOLDERS];
	kup_u32 i, wrong = 0;
	char name[16] = "";

	for (i = 0; i < HOLDERS; i++) {
		void *channel = open_channel("host:late");

		employ(&workers[i], sc, receive_only);
		wrong += kupdev_wait_channel(sc) != 0;
		begin_step(&workers[i]);
		kernproxy_receive(channel, 0);
		snprintf(name, sizeof(name), "process %u", i);
		kernproxy_send(channel, name, sizeof(name), 0);
		wrong += finish_step(&workers[i]) != 0;
		leave();
	}
	for (i = 0; i < HOLDERS && !wrong; i++) {
		snprintf(name, sizeof(name), "process %u", i);
		wrong += strcmp(workers[i].message, name) != 0;
	}
	check(!wrong, "a message stays while its thread holds it, however many processes come",
	      "%u wrong", wrong);
	for (i = 0; i < HOLDERS; i++)
		dismiss(&workers[i]);
	unload(sc);
}

/* ---- Threads that end without another call ---- */

static kup_u32 channels_in_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	kup_u32 pieces = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		pieces += strstr(line, "memfd:kup") != NULL;
	if (maps)
		fclose(maps);
	/* The kernel's two pages, and both rings twice; neighbours are shown as one. */
	return pieces / 3;
}

static void test_ended(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 1);
	kup_u32 i, wrong = 0, before = channels_in_memory(), after;
	struct worker worker;

	for (i = 0; i < 60; i++) {
		void *channel = open_channel("host:late");

		employ(&worker, sc, receive_only);
		wrong += kupdev_wait_channel(sc) != 0;
		begin_step(&worker);
		kernproxy_receive(channel, 0);
		kernproxy_send(channel, "bye", 4, 0);
		wrong += finish_step(&worker) != 0;
		dismiss(&worker);
		leave();
	}
	after = channels_in_memory();
	check(!wrong && after - before < 30, "what threads held that have ended is given back",
	      "%u wrong, %u channels", wrong, after - before);
	unload(sc);
}

/* ---- Devices ---- */

static kup_u32 stop;

static void *notify(void *argument)
{
	while (!kup_load_acquire(&stop))
		kupdev_notify(argument);
	return NULL;
}

/* Its address would be the next one's. */
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
	      "a device that is unloaded under its users is never taken for another", "%u were",
	      wrong);
}

/* One comes again and again; the other waits. */
static void test_fair(void)
{
	struct kupdev_softc *sc = kupdev_create("late", 1, 2);
	void *both = kernproxy_open("host:late");
	void *other = kernproxy_channel(both, 1, 1), *channel = kernproxy_channel(both, 0, 1);
	int first, second;

	first = kupdev_wait_channel(sc);
	if (first == 0) {
		kernproxy_close(channel);
		channel = kernproxy_channel(both, 0, 1);
	}
	second = kupdev_wait_channel(sc);
	check(first == 1 || second == 1,
	      "a process that comes again and again keeps nobody waiting", "%d, %d", first, second);
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
	      "a process can't attach without memory, and then it can", "%s, %u times",
	      strerror(-error), failed);
	if (!error)
		user_close(&user);
	check(unload(sc) == 0, "after which the device can be unloaded", "no");
}

/* ---- Messages of no length ---- */

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
		/* A client may well do that. */
		if (message)
			message[10] = 1;
	}
	check(!wrong, "a turn without data begins with zeros, in room for the longest message",
	      "no");
	wrong = kupdev_send(sc, NULL, 0, 0) != 0 || !kernproxy_receive(channel, 0);
	check(!wrong, "a message of no bytes needs none", "no");
	leave();
	unload(sc);
}

void kupdev_late_cases(void)
{
	test_nothing();
	test_fair();
	test_gone();
	test_attach_without_memory();
	test_ended();
	test_told_late();
	test_passed_late();
	test_heard_once();
	test_held();
}
