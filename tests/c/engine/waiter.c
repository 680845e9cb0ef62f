/* SPDX-License-Identifier: BSD-3-Clause */
/* The waiter with files of the host driver: wake-ups by pipe, for several isolates. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user.h"

static const struct kup_config config = {
	.name = "waiter", .channels = 8, .to_user_pages = 1, .to_kernel_pages = 1
};

/* An attached channel that the waiter has. */
struct watched {
	struct user user;
	int id;
};

static int watch_open(struct watched *watched, int pipe)
{
	int error = user_attach(&watched->user, "waiter", KUP_CHANNEL_ANY);

	if (error)
		return error;
	watched->id = kup_user_waiter_add(watched->user.file, pipe);
	if (watched->id > 0)
		return 0;
	user_close(&watched->user);
	return watched->id;
}

static int watch_close(struct watched *watched)
{
	int error = kup_user_waiter_remove(watched->user.file, watched->id);

	user_close(&watched->user);
	return error;
}

static int arm(struct watched *watched, kup_u32 events)
{
	return kup_user_waiter_arm(watched->user.file, watched->id, events);
}

/* The next id on the pipe, or 0 if none comes in time. */
static int next_event(int fd, int timeout_ms)
{
	struct pollfd poll_one = { .fd = fd, .events = POLLIN };
	int id = 0;

	if (poll(&poll_one, 1, timeout_ms) <= 0 || read(fd, &id, sizeof(id)) != sizeof(id))
		return 0;
	return id;
}

/* Whether this id comes in time, among others. */
static int comes(int fd, int id, kup_u32 timeout_ms)
{
	kup_u64 end = os_now_ns() + timeout_ms * 1000000ull;

	do
		if (next_event(fd, 1) == id)
			return 1;
	while (os_now_ns() < end);
	return 0;
}

#define SOON_MS PATIENCE_MS
#define NEVER_MS 30

static void test_one_shot(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct kup_record record;
	struct watched watched;
	kup_u32 i;
	int pipe[2], early, first, unarmed, at_once, removed, again, after, late;
	int error = kup_user_pipe(pipe);

	error = error ? error : watch_open(&watched, pipe[1]);
	while (next_event(pipe[0], NEVER_MS))
		;
	arm(&watched, POLLIN);
	early = next_event(pipe[0], NEVER_MS);
	user_send(&watched.user, 1, "x", 1);
	first = next_event(pipe[0], SOON_MS) == watched.id;
	/*
	 * The driver wakes the file, because its ring announces a sleep; but no thread has armed
	 * the file.
	 */
	if (!user_receive(&watched.user, &record))
		user_release(&watched.user, &record);
	kup_consumer_announce(&watched.user.in, watched.user.in.cursor);
	user_send(&watched.user, 1, "x", 1);
	for (i = 0; i < SOON_MS && !kup_consumer_ready(&watched.user.in); i++)
		sleep_ms(1);
	unarmed = next_event(pipe[0], NEVER_MS);
	arm(&watched, POLLIN);
	at_once = next_event(pipe[0], 0) == watched.id;
	arm(&watched, POLLIN);
	next_event(pipe[0], 0);
	removed = kup_user_waiter_remove(watched.user.file, watched.id);
	again = kup_user_waiter_remove(watched.user.file, watched.id);
	after = arm(&watched, POLLIN);
	late = next_event(pipe[0], NEVER_MS);
	check(!error && !early && first && !unarmed && at_once && !removed && again == -ENOENT &&
		      after == -ENOENT && !late,
	      "kup_user_waiter_arm() gives one event each time, at once if the condition holds "
	      "already",
	      "%d, early %d, first %d, unarmed %d, at once %d, %d %d %d, late %d", error, early,
	      first, unarmed, at_once, removed, again, after, late);
	user_close(&watched.user);
	close(pipe[0]);
	close(pipe[1]);
	check(all_files_closed(device),
	      "kup_user_waiter_remove() makes the waiter release the file", "it doesn't");
	kup_device_destroy(device);
}

static void fill(int pipe)
{
	const int zero = 0;

	while (write(pipe, &zero, sizeof(zero)) > 0)
		;
}

static void test_full_pipe(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct watched kept, forgotten;
	int pipe[2], owed, never;
	int error = kup_user_pipe(pipe);

	error = error ? error : watch_open(&kept, pipe[1]);
	error = error ? error : watch_open(&forgotten, pipe[1]);
	fill(pipe[1]);
	arm(&kept, POLLOUT); /* a condition that holds already */
	arm(&forgotten, POLLOUT);
	watch_close(&forgotten);
	/* The waiter tries to write to the full pipe again and again, without a limit. */
	sleep_ms(NEVER_MS);
	owed = comes(pipe[0], kept.id, SOON_MS);
	never = comes(pipe[0], forgotten.id, NEVER_MS);
	watch_close(&kept);
	close(pipe[0]);
	close(pipe[1]);
	check(!error && owed && !never && all_files_closed(device),
	      "kup_user_waiter_arm() delivers an event later if its pipe was full",
	      "%d, owed %d, of the forgotten one %d", error, owed, never);
	kup_device_destroy(device);
}

static void test_gone_reader(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct watched watched;
	int pipe[2], error = kup_user_pipe(pipe), result;

	error = error ? error : watch_open(&watched, pipe[1]);
	arm(&watched, POLLIN);
	close(pipe[0]);
	/* A thread of the driver writes the event: SIGPIPE must not end the process. */
	result = user_send(&watched.user, 1, "x", 1);
	sleep_ms(NEVER_MS);
	check(!error && !result && !watch_close(&watched) && all_files_closed(device),
	      "kup_user_waiter_arm() works for others when an isolate's pipe has no reader",
	      "%d %d", error, result);
	close(pipe[1]);
	kup_device_destroy(device);
}

/* ---- Several isolates, whose device comes and goes ---- */

#define PER_ISOLATE 2
static kup_u32 over;

struct isolate {
	pthread_t thread;
	kup_u32 number;
	kup_u32 random;
	int pipe[2];
	struct watched watched[PER_ISOLATE];
	int open[PER_ISOLATE];
	kup_u32 messages, devices;
	const char *wrong;
};

static int owner_of(const struct isolate *isolate, int id)
{
	int i;

	for (i = 0; i < PER_ISOLATE; i++)
		if (isolate->open[i] && isolate->watched[i].id == id)
			return i;
	return -1;
}

static void leave(struct isolate *isolate, int i)
{
	struct watched *watched = &isolate->watched[i];
	int next;

	if (watch_close(watched))
		isolate->wrong = "remove failed";
	isolate->open[i] = 0;
	/* Events from before the removal; after it none may come. */
	while ((next = next_event(isolate->pipe[0], 0)))
		if (next != watched->id && owner_of(isolate, next) < 0)
			isolate->wrong = "an event of a file that was removed";
}

/*
 * Sleeps for one of the channels as TypeScript does: announces, looks, arms, and waits for the
 * pipe.
 */
static void await_message(struct isolate *isolate, int i)
{
	struct watched *watched = &isolate->watched[i];
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;
	struct kup_record record;
	int result;

	for (;;) {
		result = kup_consumer_peek(&watched->user.in, &record);
		if (result != KUP_RING_WAIT)
			break;
		if (kup_load_acquire(&watched->user.kernel->state) != KUP_STATE_OPEN)
			break;
		kup_consumer_announce(&watched->user.in, watched->user.in.cursor);
		if (kup_consumer_ready(&watched->user.in))
			continue;
		if (arm(watched, POLLIN))
			isolate->wrong = "arm failed";
		if (!next_event(isolate->pipe[0], PATIENCE_MS) && os_now_ns() >= end) {
			isolate->wrong = "a wake-up was lost";
			break;
		}
	}
	if (result == KUP_RING_OK) {
		isolate->messages++;
		storm_step();
		user_release(&watched->user, &record);
	}
}

static void *isolate_main(void *argument)
{
	struct isolate *isolate = argument;
	int i;

	isolate->random = dice_seed(300 + isolate->number);
	while (!kup_load(&over) && !isolate->wrong) {
		i = (int)(dice(&isolate->random) % PER_ISOLATE);
		if (!isolate->open[i]) {
			isolate->open[i] = watch_open(&isolate->watched[i], isolate->pipe[1]) == 0;
			isolate->devices += (kup_u32)isolate->open[i];
			continue;
		}
		if (user_send(&isolate->watched[i].user, 1, "hello", 5) == 0 &&
		    dice(&isolate->random) % 4)
			await_message(isolate, i);
		if (dice(&isolate->random) % 8 == 0 ||
		    kup_load(&isolate->watched[i].user.kernel->state) != KUP_STATE_OPEN)
			leave(isolate, i);
	}
	for (i = 0; i < PER_ISOLATE; i++)
		if (isolate->open[i])
			leave(isolate, i);
	return NULL;
}

#define ISOLATES 3

static void test_isolates(void)
{
	struct isolate isolates[ISOLATES] = { 0 };
	struct kup_device *device;
	const char *wrong = NULL;
	kup_u32 i, messages = 0, attached = 0;

	storm_begin();
	kup_store(&over, 0);
	for (i = 0; i < ISOLATES; i++) {
		isolates[i].number = i;
		kup_user_pipe(isolates[i].pipe);
		pthread_create(&isolates[i].thread, NULL, isolate_main, &isolates[i]);
	}
	while (storm_goes_on(100)) {
		device = make_device(&config, &echo_ops);
		storm_pause(50);
		kup_device_destroy(device);
	}
	kup_store(&over, 1);
	for (i = 0; i < ISOLATES; i++) {
		pthread_join(isolates[i].thread, NULL);
		close(isolates[i].pipe[0]);
		close(isolates[i].pipe[1]);
		wrong = wrong ? wrong : isolates[i].wrong;
		messages += isolates[i].messages;
		attached += isolates[i].devices;
	}
	check(!wrong && messages > 50 && attached > 3,
	      "kup_user_waiter_arm() in several isolates loses no event, and mixes none up",
	      "%s, %u messages on %u channels", wrong ? wrong : "too few", messages, attached);
	fprintf(stderr, "# %u messages on %u channels\n", messages, attached);
}

/* ---- One message at a time ---- */

/*
 * The answer comes while this thread goes to sleep. Nothing is announced in the ring, so the
 * wake-up is the poll's own, and no second message hides a lost one.
 */
static void test_arm_against_wake(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct kup_record record;
	struct watched watched;
	kup_u32 rounds = 0;
	int pipe[2], lost = 0, error = kup_user_pipe(pipe);

	error = error ? error : watch_open(&watched, pipe[1]);
	storm_begin();
	while (!error && !lost && storm_goes_on(50)) {
		error = user_send(&watched.user, 1, "x", 1);
		while (!lost && kup_consumer_peek(&watched.user.in, &record) == KUP_RING_WAIT) {
			if (rounds % 2) {
				lost = !kup_user_wait(watched.user.file, POLLIN, SOON_MS);
			} else {
				arm(&watched, POLLIN);
				lost = next_event(pipe[0], SOON_MS) != watched.id;
			}
		}
		if (!lost)
			user_release(&watched.user, &record);
		rounds++;
		storm_step();
	}
	watch_close(&watched);
	close(pipe[0]);
	close(pipe[1]);
	check(!error && !lost && rounds >= 50 && all_files_closed(device),
	      "kup_user_waiter_arm() reports an answer that comes while its receiver falls asleep",
	      "%d, lost %d, %u rounds", error, lost, rounds);
	fprintf(stderr, "# %u answers\n", rounds);
	kup_device_destroy(device);
}

void waiter_cases(void)
{
	test_one_shot();
	test_full_pipe();
	test_gone_reader();
	test_arm_against_wake();
	test_isolates();
}
