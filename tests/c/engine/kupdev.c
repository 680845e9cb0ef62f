/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The predecessor's two APIs against each other in one process: calls in which the other side ends
 * in any way, and devices that are unloaded while threads still use them.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "kup_1/kup.h"
#include "kupdev.h"
#include "user.h"

#define DEVICE "host:oldtimer"
#define CHANNELS 2

struct seat {
	void *device, *channel;
};

static struct seat sit_down(size_t number)
{
	struct seat seat = { .device = kernproxy_open(DEVICE) };

	seat.channel = kernproxy_channel(seat.device, number, 1);
	return seat;
}

/* The channel ends with the process. */
static void stand_up(struct seat *seat)
{
	kernproxy_close(seat->device);
}

static int unload(struct kupdev_softc *sc)
{
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;
	int error;

	while ((error = kupdev_unload(sc)) == -EBUSY && os_now_ns() < end)
		sleep_ms(1);
	return error;
}

/* ---- Wrong arguments ---- */

static void test_arguments(void)
{
	struct kupdev_softc *sc = kupdev_create("oldtimer", 1, CHANNELS);
	struct kupdev_softc *gone;
	int wrong = 0;

	wrong += kupdev_create("oldtimer", 1, 1) != NULL;
	wrong += kupdev_create("other", 0, 1) != NULL;
	wrong += kupdev_create("other", 1, 0) != NULL;
	wrong += kupdev_create("other", (size_t)1 << 40, 1) != NULL;
	wrong += kupdev_create("other", 1, KUP_MAX_CHANNELS + 1) != NULL;
	wrong += kupdev_create("..", 1, 1) != NULL;
	wrong += kupdev_send(sc, "x", 1, -1) != -EINVAL;
	wrong += kupdev_send(sc, "x", 1, CHANNELS) != -EINVAL;
	wrong += kupdev_send(sc, "x", os_page_size() + 1, 0) != -EMSGSIZE;
	wrong += kupdev_send(sc, "x", 1, 0) != -EPIPE;
	wrong += kupdev_receive(sc, 0) != NULL || kupdev_receive(sc, -1) != NULL ||
		 kupdev_receive(sc, CHANNELS) != NULL;
	kupdev_pass(sc, 0);
	kupdev_pass(sc, CHANNELS);
	kupdev_unlock_channel(sc, 0);
	kupdev_unlock_channel(sc, -1);
	kupdev_notify(sc);
	check(!wrong, "kupdev_create() and other calls refuse wrong arguments", "%d don't", wrong);
	gone = sc;
	wrong = kupdev_unload(sc) != 0;
	wrong += kupdev_unload(gone) != -ESHUTDOWN;
	wrong += kupdev_wait_channel(gone) != -ESHUTDOWN;
	wrong += kupdev_send(gone, "x", 1, 0) != -ESHUTDOWN || kupdev_receive(gone, 0) != NULL;
	kupdev_pass(gone, 0);
	kupdev_unlock_channel(gone, 0);
	kupdev_notify(gone);
	wrong += kupdev_wait_channel(NULL) != -ESHUTDOWN;
	wrong += kupdev_unload(NULL) != 0;
	check(!wrong, "kupdev_send() and other calls fail on a device that was unloaded",
	      "%d aren't", wrong);
}

static void test_no_memory(void)
{
	struct kupdev_softc *sc;
	kup_u32 n, failed = 0;

	for (n = 1; n < 100; n++) {
		host_fail_allocation(n);
		sc = kupdev_create("oldtimer", 1, CHANNELS);
		host_fail_allocation(0);
		if (sc)
			break;
		failed++;
	}
	check(sc && failed >= 2 && kupdev_unload(sc) == 0,
	      "kupdev_create() fails without memory, and then works", "%u times", failed);
}

/* ---- The other side ends during a call ---- */

struct kernel_thread {
	pthread_t thread;
	struct kupdev_softc *sc;
	void *received;
	int result;
};

static void *wait_and_receive(void *argument)
{
	struct kernel_thread *self = argument;
	int channel = kupdev_wait_channel(self->sc);

	self->result = channel;
	if (channel < 0)
		return NULL;
	kupdev_pass(self->sc, channel);
	self->received = kupdev_receive(self->sc, channel);
	self->result = kupdev_send(self->sc, "x", 1, channel);
	return NULL;
}

static void test_user_leaves(void)
{
	struct kernel_thread kernel = { .sc = kupdev_create("oldtimer", 1, CHANNELS),
					.received = &kernel };
	struct seat seat;

	pthread_create(&kernel.thread, NULL, wait_and_receive, &kernel);
	seat = sit_down(0);
	kernproxy_receive(seat.channel, 0);
	sleep_ms(20);
	stand_up(&seat);
	pthread_join(kernel.thread, NULL);
	check(!kernel.received && kernel.result == -EPIPE && unload(kernel.sc) == 0,
	      "kupdev_receive() fails when the thread's process leaves", "%p, %d", kernel.received,
	      kernel.result);
}

/* ---- Unloading while processes are attached ---- */

/* A process in a call on channel 0. */
static void *sit_and_receive(void *error)
{
	struct seat seat = sit_down(0);

	/* The kernel passes once, and then sends nothing more. */
	kernproxy_receive(seat.channel, 0);
	kernproxy_send(seat.channel, "message", 8, 0);
	*(int *)error = kernproxy_receive(seat.channel, 0) ? 0 : kernproxy_error(seat.channel);
	stand_up(&seat);
	return NULL;
}

struct holder {
	pthread_t thread;
	struct kupdev_softc *sc;
	kup_u32 holds, goes_on;
	char message[8];
	int result;
};

/* Reads its message after the device is gone. */
static void *hold_message(void *argument)
{
	struct holder *self = argument;
	int channel = kupdev_wait_channel(self->sc);
	const char *message;

	kupdev_pass(self->sc, channel);
	message = kupdev_receive(self->sc, channel);
	/* As an old module may do it: the thread sleeps between two calls when its device goes. */
	kup_store_release(&self->holds, 1);
	while (!kup_load_acquire(&self->goes_on))
		sched_yield();
	memcpy(self->message, message, sizeof(self->message));
	self->result = kupdev_send(self->sc, "x", 1, channel);
	return NULL;
}

static void test_unload_attached(void)
{
	struct kupdev_softc *sc = kupdev_create("oldtimer", 1, CHANNELS);
	struct kernel_thread waits = { .sc = sc };
	struct holder holds = { .sc = sc };
	pthread_t process;
	struct seat seat;
	int unloaded, error_seen = 0;

	pthread_create(&holds.thread, NULL, hold_message, &holds);
	pthread_create(&process, NULL, sit_and_receive, &error_seen);
	while (!kup_load_acquire(&holds.holds))
		sched_yield();
	/* Another process and its thread, which waits for a message. */
	pthread_create(&waits.thread, NULL, wait_and_receive, &waits);
	seat = sit_down(1);
	kernproxy_receive(seat.channel, 0);
	unloaded = kupdev_unload(sc);
	pthread_join(process, NULL);
	pthread_join(waits.thread, NULL);
	check(unloaded == 0 && error_seen == EKU_SHUTDOWN,
	      "kupdev_unload() returns while processes are attached, which get EKU_SHUTDOWN",
	      "%d, %d", unloaded, error_seen);
	check(!waits.received && waits.result == -ESHUTDOWN,
	      "kupdev_receive() fails when the device is unloaded", "%d", waits.result);
	check(!kernproxy_receive(seat.channel, 0) && kernproxy_error(seat.channel) == EKU_SHUTDOWN,
	      "kernproxy_receive() fails with EKU_SHUTDOWN when the device was unloaded", "%d",
	      kernproxy_error(seat.channel));
	stand_up(&seat);
	kup_store_release(&holds.goes_on, 1);
	pthread_join(holds.thread, NULL);
	check(memcmp(holds.message, "message", 8) == 0 && holds.result == -ESHUTDOWN,
	      "kupdev_receive() keeps its message valid after the unload, until the next call",
	      "%.8s, %d", holds.message, holds.result);
}

static void test_unload_under_wait(void)
{
	struct kernel_thread kernels[3];
	struct kupdev_softc *sc = kupdev_create("oldtimer", 1, CHANNELS);
	int i, error, wrong = 0;

	for (i = 0; i < 3; i++) {
		kernels[i] = (struct kernel_thread){ .sc = sc };
		pthread_create(&kernels[i].thread, NULL, wait_and_receive, &kernels[i]);
	}
	sleep_ms(10);
	error = kupdev_unload(sc);
	for (i = 0; i < 3; i++) {
		pthread_join(kernels[i].thread, NULL);
		wrong += kernels[i].result != -ESHUTDOWN;
	}
	check(!error && !wrong, "kupdev_wait_channel() returns when the device goes",
	      "%d, %d wrong", error, wrong);
}

/* ---- Turns without data ---- */

static void test_nothing(void)
{
	struct kupdev_softc *sc = kupdev_create("oldtimer", 2, CHANNELS);
	const size_t most = 2 * os_page_size();
	struct seat seat = sit_down(1);
	char *first, *again, *received;
	int number = kupdev_wait_channel(sc), good;

	/*
	 * The kernel has the first turn, so nothing was sent. It may write where a message would
	 * be.
	 */
	first = kupdev_receive(sc, number);
	memset(first, 'x', most);
	again = kupdev_receive(sc, number);
	good = again && again[0] == 0 && again[KUPDEV_NOTHING - 1] == 0;
	good &= kupdev_send(sc, memset(again, 'y', most), most, number) == 0;
	/* The process asks for one page, and receives what the device has. */
	received = kernproxy_receive(seat.channel, 0);
	good &= received && received[0] == 'y' && received[most - 1] == 'y';
	check(good, "kupdev_receive() returns room for a message in a turn without data",
	      "channel %d", number);
	stand_up(&seat);
	unload(sc);
}

/* ---- A channel that its kernel's side closes ---- */

static int say_one_thing(struct kup_channel *channel)
{
	return kup_send(channel, 0, "farewell", 9, KUP_FOREVER);
}

static void test_closed(void)
{
	const struct kup_config config = { .name = "oldtimer", .mode = KUP_MODE_TURN };
	const struct kup_ops ops = { .serve = say_one_thing };
	struct kup_device *device = NULL;
	struct seat seat;
	void *said;

	kup_device_create(&config, &ops, NULL, &device);
	seat = sit_down(0);
	said = kernproxy_receive(seat.channel, 0);
	/* The user has the turn, so it could ask for the message again. */
	while (kernproxy_receive(seat.channel, KP_NB))
		sleep_ms(1);
	check(said && memcmp(said, "farewell", 9) == 0 &&
		      kernproxy_error(seat.channel) == EKU_SHUTDOWN &&
		      kernproxy_error(seat.device) == EKU_SHUTDOWN &&
		      kernproxy_send(seat.channel, "x", 1, 0) == -1,
	      "kernproxy_receive() fails in a process that has the turn when the kernel's side "
	      "closes",
	      "%d", kernproxy_error(seat.channel));
	stand_up(&seat);
	kup_device_destroy(device);
}

/* ---- All at once ---- */

#define WORKERS 3
#define GUESTS 3

static kup_u32 stop;
static struct kupdev_softc *shared; /* atomic: changed while threads use it */

static _Thread_local kup_u32 sum_read;

static void serve(struct kupdev_softc *sc, int channel)
{
	const char *message;
	kup_u32 round = 0;

	kupdev_pass(sc, channel);
	/* Some threads stop early, and wait for the next process. */
	while ((message = kupdev_receive(sc, channel)) && round < 20) {
		/* Also while its device goes: a byte that does not exist any more is a crash. */
		sum_read += (kup_u8)message[0];
		if (round++ % 3 == 0)
			kupdev_unlock_channel(sc, channel);
		if (round % 4 == 0)
			kupdev_pass(sc, channel);
		else if (kupdev_send(sc, "answer", 7, channel))
			break;
	}
}

static void *work(void *argument)
{
	int channel;

	(void)argument;
	while (!kup_load(&stop)) {
		/* Pointers to devices that are gone are a part of the test. */
		struct kupdev_softc *sc = __atomic_load_n(&shared, __ATOMIC_ACQUIRE);

		while ((channel = kupdev_wait_channel(sc)) >= 0)
			serve(sc, channel);
		sched_yield();
	}
	return NULL;
}

static void *visit(void *argument)
{
	kup_u32 *games = argument, state = dice_seed(900 + *games), rounds;

	*games = 0;
	while (!kup_load(&stop)) {
		struct seat seat = sit_down(dice(&state) % CHANNELS);
		void *channel = seat.channel;

		if (!channel) {
			stand_up(&seat);
			sched_yield();
			continue;
		}
		/* A device that is about to go starts no games; then the wait for one ends. */
		for (rounds = dice(&state) % 30; rounds > 0; rounds--) {
			kup_u32 tries = 0;

			while (kernproxy_send(channel, "hello", 6, KP_NB) && ++tries < 20000 &&
			       !kup_load(&stop))
				sched_yield();
			if (kernproxy_error(channel))
				break;
			kernproxy_receive(channel, KP_NB);
		}
		++*games;
		storm_step();
		stand_up(&seat);
	}
	return NULL;
}

/* While processes are attached, and threads read their messages. */
static int renew(void)
{
	int error = kupdev_unload(shared);

	__atomic_store_n(&shared, kupdev_create("oldtimer", 1, CHANNELS), __ATOMIC_RELEASE);
	return !error && shared != NULL;
}

static void test_storm(void)
{
	pthread_t workers[WORKERS], guests[GUESTS];
	kup_u32 games[GUESTS], i, devices = 1, all = 0;

	kup_store(&stop, 0);
	shared = kupdev_create("oldtimer", 1, CHANNELS);
	storm_begin();
	for (i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, work, NULL);
	for (i = 0; i < GUESTS; i++) {
		games[i] = i;
		pthread_create(&guests[i], NULL, visit, &games[i]);
	}
	while (storm_goes_on(6) || devices < 2) {
		storm_pause(30);
		devices += renew() != 0;
	}
	kup_store(&stop, 1);
	for (i = 0; i < GUESTS; i++)
		pthread_join(guests[i], NULL);
	unload(shared);
	for (i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	for (i = 0; i < GUESTS; i++)
		all += games[i];
	check(all > 0 && devices > 1,
	      "kupdev_unload() and kernproxy_open() work while old programs play and old modules "
	      "come and go",
	      "%u games on %u devices", all, devices);
	fprintf(stderr, "# %u games on %u old devices\n", all, devices);
}

void kupdev_cases(void)
{
	test_arguments();
	test_no_memory();
	test_user_leaves();
	test_unload_attached();
	test_nothing();
	test_closed();
	test_unload_under_wait();
	test_storm();
}
