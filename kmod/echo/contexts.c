/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Makes every call that kup.h allows in any context, in one context. A test compares the names here
 * with the table in kup.h.
 */
#include "context.h"
#include "echo.h"

struct calls {
	struct kup_channel *channel;
	const struct kup_record *command; /* not released yet */
	struct kup_spinlock *spinlock;
	struct kup_timer *timer; /* never expires */
	int ends;		 /* the last call ends the channel */
	int locked;		 /* the caller holds the spinlock */
	struct echo_contexts_done done;
};

static void never(void *argument)
{
	(void)argument;
}

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition) && !calls->done.wrong)                                            \
			calls->done.wrong = __LINE__;                                              \
	} while (0)

static void ask(struct calls *calls)
{
	struct kup_channel *channel = calls->channel;
	struct kup_device *device = kup_channel_device(channel);
	void *context = kup_channel_context(channel);

	EXPECT(kup_channel_number(channel) < KUP_MAX_CHANNELS);
	EXPECT(kup_channel_mode(channel) == KUP_MODE_STREAM);
	kup_channel_set_context(channel, context);
	EXPECT(kup_channel_context(channel) == context);
	EXPECT(kup_device_context(device) == NULL);
	EXPECT(kup_max_payload(channel) > 0 && kup_max_received(channel) > 0);
	EXPECT(kup_ended(channel) == 0);
	EXPECT(kup_page_size() >= 4096);
	EXPECT(kup_until(3600000 * KUP_MS) > kup_now_ns());
	EXPECT(kup_thread_self() != 0);
}

static void send(struct calls *calls)
{
	static const struct kup_message two[] = { { "a", 1, ECHO_CONTEXTS },
						  { "b", 1, ECHO_CONTEXTS } };
	struct kup_channel *channel = calls->channel;
	struct kup_reservation reservation;

	EXPECT(kup_ready(channel, KUP_WAIT_OUT, 1) >= 0);
	EXPECT(!kup_try_send(channel, ECHO_CONTEXTS, "a", 1));
	EXPECT(!kup_send(channel, ECHO_CONTEXTS, "a", 1, 0));
	EXPECT(kup_try_send_batch(channel, two, 2) == 2);
	EXPECT(kup_send_batch(channel, two, 2, 0) == 2);
	EXPECT(!kup_try_reserve(channel, 8, &reservation));
	kup_commit(channel, &reservation, ECHO_CONTEXTS, 1);
	EXPECT(!kup_reserve(channel, 8, 0, &reservation));
	kup_discard(channel, &reservation);
	EXPECT(kup_broadcast(kup_channel_device(channel), ECHO_CONTEXTS, "c", 1) > 0);
}

/* Counts a record, or there was none. */
static void received(struct calls *calls, int error, const struct kup_record *record)
{
	EXPECT(!error || error == -EAGAIN);
	if (!error && record)
		kup_release(calls->channel, record);
	calls->done.received += !error;
}

static void receive(struct calls *calls)
{
	struct kup_channel *channel = calls->channel;
	struct kup_record record;
	kup_u8 buffer[16];

	kup_release(channel, calls->command);
	received(calls, kup_try_peek(channel, &record), &record);
	received(calls, kup_peek(channel, &record, 0), &record);
	received(calls, kup_try_receive(channel, buffer, sizeof(buffer), &record), NULL);
	received(calls, kup_receive(channel, buffer, sizeof(buffer), &record, 0), NULL);
}

static void walk(struct calls *calls)
{
	struct kup_device *device = kup_channel_device(calls->channel);
	struct kup_channel *channel;
	int found = 0;

	for (channel = kup_walk(device, NULL); channel; channel = kup_walk(device, channel))
		found += channel == calls->channel;
	EXPECT(found == 1);
	kup_walk_end(device, kup_walk(device, NULL));
}

static void use_system(struct calls *calls)
{
	if (!calls->locked) {
		kup_spinlock_lock(calls->spinlock);
		kup_spinlock_unlock(calls->spinlock);
	}
	kup_timer_start(calls->timer, KUP_FOREVER, KUP_MS);
	kup_timer_stop(calls->timer);
}

static void make_calls(void *argument)
{
	struct calls *calls = argument;
	kup_u32 wakes = kup_wakes(calls->channel);
	int waited;

	ask(calls);
	send(calls);
	receive(calls);
	walk(calls);
	use_system(calls);
	kup_wake(calls->channel);
	EXPECT(kup_wakes(calls->channel) != wakes);
	waited = kup_wait(calls->channel, KUP_WAIT_IN, 0, kup_wakes(calls->channel), 0);
	EXPECT(waited == 0 || waited == -EAGAIN);
	/* For the thread to put. */
	kup_channel_get(calls->channel);
	if (calls->ends) {
		EXPECT(!kup_end(calls->channel, 0));
		kup_channel_break(calls->channel, KUP_ERROR_LENGTH);
	}
}

/* ---- The contexts ---- */

struct timed {
	void (*work)(void *argument);
	void *argument;
	kup_u32 is_done; /* atomic */
};

static void run_timed(void *argument)
{
	struct timed *timed = argument;

	timed->work(timed->argument);
	/* Pairs with the acquire in echo_in_timer. */
	__atomic_store_n(&timed->is_done, 1, __ATOMIC_RELEASE);
}

int echo_in_timer(void (*work)(void *), void *argument)
{
	struct timed timed = { .work = work, .argument = argument };
	struct kup_timer *timer;
	int error = kup_timer_create(run_timed, &timed, &timer);
	kup_u64 soon;

	if (error)
		return error;
	kup_timer_start(timer, 0, 0);
	/* It usually runs so soon that a sleep would take longer. */
	soon = kup_until(KUP_MS);
	/* Pairs with the release in run_timed. */
	while (!__atomic_load_n(&timed.is_done, __ATOMIC_ACQUIRE)) {
		if (kup_now_ns() < soon)
			kup_breathe();
		else
			kup_sleep_ms(1);
	}
	kup_timer_destroy(timer);
	return 0;
}

static int locked(struct calls *calls)
{
	calls->locked = 1;
	kup_spinlock_lock(calls->spinlock);
	make_calls(calls);
	kup_spinlock_unlock(calls->spinlock);
	return 0;
}

static int make_in(struct calls *calls, kup_u32 context)
{
	switch (context) {
	case ECHO_INTERRUPT:
		return echo_in_interrupt(make_calls, calls);
	case ECHO_DEFERRED:
		return echo_in_deferred(make_calls, calls);
	case ECHO_TIMER:
		return echo_in_timer(make_calls, calls);
	case ECHO_LOCKED:
		return locked(calls);
	default:
		make_calls(calls);
		return 0;
	}
}

int echo_make_calls(struct kup_channel *channel, const struct kup_record *command)
{
	struct calls calls = { .channel = channel, .command = command };
	struct echo_contexts asked;
	int error;

	__builtin_memcpy(&asked, command->data, sizeof(asked));
	calls.ends = asked.ends != 0;
	error = kup_spinlock_create(&calls.spinlock);
	if (!error)
		error = kup_timer_create(never, NULL, &calls.timer);
	if (!error)
		error = make_in(&calls, asked.context);
	if (!error) {
		kup_channel_put(channel);
		error = kup_send(channel, ECHO_CONTEXTS, &calls.done, sizeof(calls.done),
				 KUP_FOREVER);
	}
	kup_timer_destroy(calls.timer);
	kup_spinlock_destroy(calls.spinlock);
	return error;
}
