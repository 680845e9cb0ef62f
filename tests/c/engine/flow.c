/* SPDX-License-Identifier: BSD-3-Clause */
/* Traffic: several senders at once, time-outs, losses, lies, with delays at every lock. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "kup_echo.h"
#include "user.h"

/* ---- Echo ---- */

struct echoing {
	pthread_t thread;
	kup_u32 count;
	int error;
	kup_u32 wrong;
};

static void *echo_user(void *argument)
{
	struct echoing *run = argument;
	struct kup_record record;
	kup_u8 bytes[300];
	struct user user;
	kup_u32 i;

	run->error = user_attach(&user, "kup/echo", KUP_CHANNEL_ANY);
	if (run->error)
		return NULL;
	for (i = 0; i < run->count && !run->error; i++) {
		kup_u32 length = i * 7 % sizeof(bytes);

		memset(bytes, (int)i, length);
		run->error = user_send(&user, i, bytes, length);
		if (!run->error)
			run->error = user_receive(&user, &record);
		if (run->error)
			break;
		run->wrong += record.type != i || record.length != length ||
			      memcmp(record.data, bytes, length) != 0;
		user_release(&user, &record);
	}
	user_close(&user);
	return NULL;
}

static void test_echo(void)
{
	struct echoing runs[4] = { 0 };
	kup_u32 i, wrong = 0;
	int error = 0;

	for (i = 0; i < 4; i++) {
		runs[i].count = 1000;
		pthread_create(&runs[i].thread, NULL, echo_user, &runs[i]);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(runs[i].thread, NULL);
		wrong += runs[i].wrong;
		error = error ? error : runs[i].error;
	}
	check(!error && !wrong,
	      "kup_user_send() in four threads gets its echoes on channels of their own",
	      "%s, %u records were wrong", strerror(-error), wrong);
}

/* ---- Several senders on one channel ---- */

#define SENDERS 3
#define PER_SENDER 400

struct sender {
	struct kup_channel *channel;
	pthread_t thread;
	kup_u32 number;
};

/* Small, medium, and nearly the whole ring: each needs another amount of room. */
static const kup_u32 sender_length[SENDERS] = { 16, 900, 3900 };

static void *send_many(void *argument)
{
	const struct sender *sender = argument;
	kup_u8 bytes[4096];
	kup_u32 i;

	memset(bytes, (int)sender->number, sizeof(bytes));
	for (i = 0; i < PER_SENDER; i++) {
		__builtin_memcpy(bytes, &i, sizeof(i));
		if (kup_send(sender->channel, sender->number, bytes, sender_length[sender->number],
			     KUP_FOREVER))
			break;
	}
	return NULL;
}

static int serve_senders(struct kup_channel *channel)
{
	struct sender senders[SENDERS];
	kup_u32 i;

	for (i = 0; i < SENDERS; i++) {
		senders[i].channel = channel;
		senders[i].number = i;
		pthread_create(&senders[i].thread, NULL, send_many, &senders[i]);
	}
	for (i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	return 0;
}

static void test_senders(void)
{
	const struct kup_ops ops = { .serve = serve_senders };
	const struct kup_config config = { .name = "senders",
					   .to_user_pages = 1,
					   .spin_us = KUP_NO_SPIN };
	struct kup_device *device = make_device(&config, &ops);
	kup_u32 next[SENDERS] = { 0 }, number, wrong = 0;
	struct kup_record record;
	struct user user;
	int error = user_attach(&user, "senders", 0);

	while (!error && !(error = user_receive(&user, &record))) {
		__builtin_memcpy(&number, record.data, sizeof(number));
		if (record.type >= SENDERS || record.length != sender_length[record.type] ||
		    number != next[record.type]++)
			wrong++;
		user_release(&user, &record);
	}
	check(error == -EPIPE && !wrong && next[0] == PER_SENDER && next[1] == PER_SENDER &&
		      next[2] == PER_SENDER,
	      "kup_send() in three threads that wait for different room sends each thread's "
	      "messages in order",
	      "%s, %u wrong, %u %u %u of %u", strerror(-error), wrong, next[0], next[1], next[2],
	      PER_SENDER);
	user_close(&user);
	kup_device_destroy(device);
}

/* ---- Timeouts ---- */

static int timeout_result;

static int serve_timeout(struct kup_channel *channel)
{
	struct kup_record record;

	/* The user fills the ring during the sleep. */
	while (!kup_ended(channel) && kup_try_peek(channel, &record) == -EAGAIN)
		kup_sleep_ms(1);
	kup_release(channel, &record);
	timeout_result = kup_peek(channel, &record, KUP_MS);
	return 0;
}

/* To skip all of them takes many times as long as the time-out; each look finds more to skip. */
static void test_timeout_flood(void)
{
	const struct kup_ops ops = { .serve = serve_timeout };
	const struct kup_config config = { .name = "flood", .to_kernel_pages = 8192 };
	struct kup_device *device = make_device(&config, &ops);
	kup_u32 first;
	struct user user;
	int error = user_attach(&user, "flood", 0);

	timeout_result = 0;
	pause_delays();
	/* Behind a record that is not finished yet. */
	first = user_put(&user, UNFINISHED, 0, 0);
	while (!error && kup_producer_room(&user.out, KUP_RECORD_HEADER) == KUP_RING_OK)
		user_put(&user, KUP_RECORD_DISCARD, 0, 0);
	user_finish(&user, first);
	while (!error && kup_load_acquire(&user.kernel->state) == KUP_STATE_OPEN)
		sched_yield();
	resume_delays();
	check(timeout_result == -ETIMEDOUT &&
		      kup_load(&user.kernel->to_kernel_tail.value) != user.out.head,
	      "kup_receive() ends after its time-out under a flood of discarded records", "%s",
	      strerror(-timeout_result));
	user_close(&user);
	kup_device_destroy(device);
}

/* ---- Losses ---- */

static void test_losses(void)
{
	const struct echo_produce produce = { .count = 5000,
					      .length = 100,
					      .context = ECHO_INTERRUPT };
	kup_u64 received = 0, lost = 0, end = os_now_ns() + PATIENCE_MS * 1000000ull;
	struct kup_record record;
	struct echo_produced done = { 0 };
	struct user user;
	int error = user_attach(&user, "kup/echo", KUP_CHANNEL_ANY);

	if (!error)
		error = user_send(&user, ECHO_PRODUCE, &produce, sizeof(produce));
	/* Until the ring is full and something was lost. */
	while (!error && !kup_load64(&user.kernel->dropped_no_space) && os_now_ns() < end)
		sleep_ms(1);
	while (!error && !(error = user_receive(&user, &record))) {
		struct kup_gap gap;

		if (record.control == KUP_CONTROL_GAP) {
			__builtin_memcpy(&gap, record.data, sizeof(gap));
			lost += gap.records;
		} else if (record.type == ECHO_PRODUCE) {
			__builtin_memcpy(&done, record.data, sizeof(done));
			break;
		} else {
			received++;
		}
		user_release(&user, &record);
	}
	check(!error && lost > 0 && received == done.sent && lost == done.lost &&
		      received + lost == produce.count,
	      "kup_try_send() reports by GAP records all that it has lost",
	      "%s: %llu received, %llu lost, the report has %llu and %llu", strerror(-error),
	      (unsigned long long)received, (unsigned long long)lost, (unsigned long long)done.sent,
	      (unsigned long long)done.lost);
	user_close(&user);
}

/* ---- Lies ---- */

static void *scribble(void *argument)
{
	struct user *user = argument;
	kup_u64 end = os_now_ns() + 300000000;
	kup_u32 state = 12345;

	/* Words of the user page, and headers of the ring, at random and at full speed. */
	while (os_now_ns() < end) {
		kup_u32 *words = (void *)user->page;

		state = state * 1664525 + 1013904223;
		kup_store(&words[(state >> 8) % 4 * (KUP_LINE / 4)], state >> 3 & ~7u);
		kup_store((kup_u32 *)(void *)user->out.data + (state >> 10) % (user->out.bytes / 4),
			  state);
	}
	return NULL;
}

static void test_scribble(void)
{
	struct kup_stats stats = { 0 };
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;
	struct user user;
	pthread_t thread;
	kup_u32 i, word;
	int error = 0;

	for (i = 0; i < 5 && !error; i++) {
		error = user_attach(&user, "kup/echo", 0);
		if (error)
			break;
		pthread_create(&thread, NULL, scribble, &user);
		while (kup_load(&user.kernel->state) == KUP_STATE_OPEN && i % 2)
			kup_user_kick(user.file);
		pthread_join(thread, NULL);
		/*
		 * From then on no record can be read, and a thread that sleeps has to check head.
		 */
		for (word = 0; word < user.out.bytes / 4; word++)
			kup_store((kup_u32 *)(void *)user.out.data + word, 0);
		kup_store(&user.page->to_kernel_head.value, 3);
		while (kup_load(&user.kernel->state) == KUP_STATE_OPEN && os_now_ns() < end)
			kup_user_kick(user.file);
		error = kup_user_stats(user.file, &stats);
		if (stats.state != KUP_STATE_BROKEN)
			error = -EINVAL;
		user_close(&user);
	}
	check(!error,
	      "the kernel's side breaks the channel of a user that overwrites it, and serves the "
	      "next owner",
	      "%s, state %u", strerror(-error), stats.state);
}

void flow_cases(void)
{
	test_echo();
	test_senders();
	test_timeout_flood();
	test_losses();
	test_scribble();
}
