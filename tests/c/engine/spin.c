/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long both sides spin before they sleep, and how often they read the clock while they spin.
 * The linker replaces real functions by those of this file (--wrap, see the Makefile), so that a
 * thread's time can be its number of looks. Then nothing here depends on how busy the machine is.
 */
#include <time.h>

#include "bare.h"

#define LOOK_NS 50

static _Thread_local struct {
	int on;
	kup_u32 looks;
	kup_u32 readings; /* not of the coarse clock, which takes a few nanoseconds */
	kup_u32 ticks;	  /* the coarse clock */
	kup_u32 ticks_per_reading;
} virtual_clock;

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	kup_u64 ns = 1000000000ull + (kup_u64)virtual_clock.looks * LOOK_NS;

	if (clock == CLOCK_MONOTONIC)
		virtual_clock.readings++;
	else if (virtual_clock.on)
		ns = (kup_u64)(virtual_clock.ticks += virtual_clock.ticks_per_reading) * 4000000;
	if (!virtual_clock.on)
		return __real_clock_gettime(clock, time);
	time->tv_sec = (time_t)(ns / 1000000000u);
	time->tv_nsec = (long)(ns % 1000000000u);
	return 0;
}

/* The user that sends a record when this thread makes a certain look, counted down; or NULL. */
static _Thread_local struct user *sender;
static _Thread_local kup_u32 looks_left;

int __real_kup_consumer_ready(const struct kup_consumer *consumer);
int __wrap_kup_consumer_ready(const struct kup_consumer *consumer);
int __wrap_kup_consumer_ready(const struct kup_consumer *consumer)
{
	virtual_clock.looks++;
	if (sender && --looks_left == 0) {
		user_put(sender, 0, 7, 8);
		sender = NULL;
	}
	return __real_kup_consumer_ready(consumer);
}

/* How often this thread has paused between two looks. */
static _Thread_local kup_u32 pauses_made;

int __real_os_relax(int yield);
int __wrap_os_relax(int yield);
int __wrap_os_relax(int yield)
{
	pauses_made += !yield;
	return __real_os_relax(yield);
}

static void start_clock(void)
{
	virtual_clock.on = 1;
	virtual_clock.looks = 0;
	virtual_clock.readings = 0;
}

/* What a wait did until it slept. */
struct spell {
	kup_u32 looks;
	kup_u32 readings;
};

static struct spell stop_clock(void)
{
	virtual_clock.on = 0;
	return (struct spell){ virtual_clock.looks, virtual_clock.readings };
}

/* At most a batch of looks more than the budget, and a few that belong to the sleep. */
static int is_in_time(struct spell spell, kup_u32 budget_us)
{
	kup_u32 looks_ns = spell.looks * LOOK_NS;

	return looks_ns >= budget_us * 1000 && looks_ns <= budget_us * 1000 + 40 * LOOK_NS;
}

/* A few belong to the start, and a few to the sleep. */
static int reads_seldom(struct spell spell)
{
	return spell.readings <= spell.looks / 32 + 8;
}

/* ---- The kernel's side ---- */

static struct spell kernel_spell;
static kup_u32 kernel_done; /* atomic */

static int serve_spinning(struct kup_channel *channel)
{
	struct kup_record record;
	int error;

	start_clock();
	error = kup_peek(channel, &record, KUP_FOREVER);
	kernel_spell = stop_clock();
	if (!error)
		kup_release(channel, &record);
	__atomic_store_n(&kernel_done, 1, __ATOMIC_RELEASE);
	return error;
}

static int wait_for_sleep(const struct user *user)
{
	return EVENTUALLY(__atomic_load_n(&user->kernel->sleeps, __ATOMIC_RELAXED) != 0)
		       ? 0
		       : -ETIMEDOUT;
}

static void test_kernel(kup_u32 budget_us)
{
	const struct kup_ops ops = { .serve = serve_spinning };
	const struct kup_config config = { .name = "spinning", .spin_us = budget_us };
	struct kup_device *device = make_device(&config, &ops);
	struct user user;
	int error = user_attach(&user, "spinning", 0);

	kernel_done = 0;
	if (!error) {
		error = wait_for_sleep(&user);
		if (!error)
			error = user_send(&user, 1, "x", 1);
		if (!error && !EVENTUALLY(__atomic_load_n(&kernel_done, __ATOMIC_ACQUIRE)))
			error = -ETIMEDOUT;
		user_close(&user);
	}
	kup_device_destroy(device);
	check(!error && is_in_time(kernel_spell, budget_us) && reads_seldom(kernel_spell),
	      "kup_peek() spins for its budget before it sleeps, and reads the clock seldom",
	      "%d: %u us: %u looks, %u readings", error, budget_us, kernel_spell.looks,
	      kernel_spell.readings);
}

/* The record comes while the call looks for it. */
static void test_first_looks(void)
{
	const struct kup_config config = { .name = "looks" };
	struct kup_record record = { 0 };
	struct bare bare;
	kup_u32 readings;
	int error;

	if (bare_begin(&bare, &config))
		return;
	sender = &bare.user;
	looks_left = 4;
	virtual_clock.readings = 0;
	error = kup_peek(bare.channel, &record, PATIENCE_MS * KUP_MS);
	readings = virtual_clock.readings;
	check(!error && record.type == 7 && readings == 0,
	      "kup_peek() with a timeout reads no clock if its first looks find a record",
	      "%d, %u readings", error, readings);
	kup_release(bare.channel, &record);
	bare_end(&bare);
}

/* ---- What happens between two looks ---- */

/* What a pause takes. */
static const kup_u32 pause_ns = 20;

/*
 * One wait, whose record is there after `looks`; or, if the peer has the same processor, when the
 * wait yields. A wait with pauses finds `records`. Returns the number of looks that find nothing.
 */
static kup_u32 pace_wait(struct kup_pace *pace, kup_u32 looks, int is_shared, kup_u32 records,
			 kup_u32 *pauses)
{
	static kup_u32 cursor;
	struct kup_steps steps = kup_pace_begin(pace, cursor);
	kup_u32 i, found_after = steps.first_pauses > looks ? 0 : looks;

	*pauses += steps.first_pauses;
	if (steps.measures)
		kup_pace_measured(pace, &steps, (kup_u64)steps.first_pauses * pause_ns);
	for (i = 0; is_shared || i < found_after; i++)
		if (kup_pace_step(&steps) && is_shared) {
			i++;
			break;
		}
	kup_pace_found(pace, &steps, cursor, 16);
	cursor += 16 * (steps.first_pauses > 0 ? records : 1);
	return i;
}

/* The looks that find nothing, and the pauses, of 320 waits, after 40 that are not counted. */
static void pace_waits(struct kup_pace *pace, kup_u32 looks, int is_shared, kup_u32 records,
		       kup_u32 *all_looks, kup_u32 *pauses)
{
	kup_u32 i, ignored = 0;

	*all_looks = *pauses = 0;
	for (i = 0; i < 40; i++)
		pace_wait(pace, looks, is_shared, records, &ignored);
	for (i = 0; i < 320; i++)
		*all_looks += pace_wait(pace, looks, is_shared, records, pauses);
}

static void test_pace(void)
{
	struct kup_pace pace = { 0 };
	kup_u32 looks, pauses;

	pace_waits(&pace, 20, 1, 1, &looks, &pauses);
	check(looks >= 320 && looks < 320 * 4 && pauses == 0,
	      "kup_pace_begin() makes a wait yield at once if the peer has the same processor",
	      "%u looks, %u pauses", looks, pauses);
	pace_waits(&pace, 20, 0, 1, &looks, &pauses);
	check(looks == 320 * 20 && pauses == 0,
	      "kup_pace_begin() makes a wait stop yielding when the peer has a processor of its "
	      "own",
	      "%u looks, %u pauses", looks, pauses);
	pace_waits(&pace, 2, 0, 9, &looks, &pauses);
	check(pauses >= 300 * 2400 / 20 && pauses <= 320 * 2400 / 20,
	      "kup_pace_begin() makes a wait begin with 2.4 us of pauses if each record comes "
	      "within "
	      "the first looks",
	      "%u pauses", pauses);
	pace_waits(&pace, 20, 0, 1, &looks, &pauses);
	check(looks == 320 * 20 && pauses == 0,
	      "kup_pace_begin() makes a wait begin without a pause again in round trips",
	      "%u looks, %u pauses", looks, pauses);
	pace_waits(&pace, 2, 0, 1, &looks, &pauses);
	check(pauses <= 3 * KUP_MOST_STREAM_PAUSES,
	      "kup_pace_begin() seldom pauses if a pause brings one record, as in round trips",
	      "%u pauses", pauses);
	pace_waits(&pace, 2, 0, 9, &looks, &pauses);
	for (looks = 0; looks < 30; looks++)
		pace_waits(&pace, 2, 0, 9, &pauses, &pauses);
	pace_waits(&pace, 2, 0, 9, &looks, &pauses);
	check(pauses >= 300 * 2400 / 20,
	      "kup_pace_begin() pauses again once a pause brings several records", "%u pauses",
	      pauses);
}

/* Receives `count` records that are there, and returns how many pauses that took. */
static kup_u32 pauses_of(struct kup_channel *channel, kup_u32 count)
{
	kup_u32 before = pauses_made;
	struct kup_record record;

	for (; count > 0; count--)
		if (!kup_peek(channel, &record, KUP_FOREVER))
			kup_release(channel, &record);
	return pauses_made - before;
}

/* As in a stream whose producer has got ahead. */
static void test_backlog(void)
{
	const struct kup_config config = { .name = "backlog" };
	kup_u32 i, first, others;
	struct bare bare;

	if (bare_begin(&bare, &config))
		return;
	bare.channel->receive_spin.pace = (struct kup_pace){ .quick = KUP_SURE_QUICK, .waits = 1 };
	user_put(&bare.user, 0, 7, 8);
	pauses_of(bare.channel, 1);
	for (i = 0; i < 10; i++)
		user_put(&bare.user, 0, 7, 8);
	first = pauses_of(bare.channel, 1);
	others = pauses_of(bare.channel, 8);
	check(first >= KUP_LEAST_STREAM_PAUSES && others == 0,
	      "kup_peek() in a stream pauses when it has caught up, and not before each record",
	      "%u pauses, and then %u", first, others);
	bare_end(&bare);
}

/* ---- The user's side ---- */

static int serve_silence(struct kup_channel *channel)
{
	struct kup_record record;
	int error = kup_peek(channel, &record, KUP_FOREVER);

	if (!error)
		kup_release(channel, &record);
	return error ? error : kup_send(channel, 2, "y", 1, KUP_FOREVER);
}

static int open_channel(struct kup_user_channel **channel, double budget_us)
{
	int error = kup_user_channel_open("host:silent", KUP_CHANNEL_ANY, -1, channel);

	if (!error)
		kup_user_channel_set_spin(*channel, budget_us);
	return error;
}

static _Thread_local struct spell user_spell;

/* A wait sleeps here for the first time. In real time its time-out is over. */
int32_t __real_kup_user_wait(int32_t fd, uint32_t events, double timeout_ms);
int32_t __wrap_kup_user_wait(int32_t fd, uint32_t events, double timeout_ms);
int32_t __wrap_kup_user_wait(int32_t fd, uint32_t events, double timeout_ms)
{
	if (!virtual_clock.on)
		return __real_kup_user_wait(fd, events, timeout_ms);
	user_spell = stop_clock();
	return 0;
}

static void test_user(double budget_us)
{
	struct kup_user_channel *channel;
	struct kup_user_message message;
	int error = open_channel(&channel, budget_us);
	struct spell spell;

	if (!error) {
		start_clock();
		error = kup_user_receive(channel, &message, 1000);
		kup_user_channel_close(channel);
	}
	spell = user_spell;
	check(error == -ETIMEDOUT && is_in_time(spell, (kup_u32)budget_us) && reads_seldom(spell),
	      "kup_user_receive() spins for its budget before it sleeps, and reads the clock "
	      "seldom",
	      "%d: %g us: %u looks, %u readings", error, budget_us, spell.looks, spell.readings);
}

/* The looks of the last of some waits, each of which has its whole budget. */
static kup_u32 looks_of(struct kup_user_channel *channel, kup_u32 waits)
{
	struct kup_user_message message;

	for (; waits > 0; waits--) {
		kup_user_channel_set_spin(channel, 100);
		start_clock();
		kup_user_receive(channel, &message, 1000);
	}
	return user_spell.looks;
}

static void test_crowd(void)
{
	struct kup_user_channel *channel;
	kup_u32 free, crowded, probes = 0, i;

	if (open_channel(&channel, 100)) {
		check(0, "a channel can be opened", "no");
		return;
	}
	free = looks_of(channel, 10);
	virtual_clock.ticks_per_reading = 1;
	crowded = looks_of(channel, 4);
	for (i = 0; i < 1000; i++)
		probes += looks_of(channel, 1) > crowded;
	virtual_clock.ticks_per_reading = 0;
	check(crowded < 2 * KUP_LOOKS_PER_YIELD && free > 10 * crowded,
	      "kup_user_receive() sleeps instead of yielding when yields take slices",
	      "%u looks, %u with free processors", crowded, free);
	check(probes >= 3 && probes <= 20, "kup_user_receive() yields now and then nevertheless",
	      "%u times in 1000", probes);
	looks_of(channel, 300);
	check(looks_of(channel, 1) == free,
	      "kup_user_receive() yields again when yields take no slices any more", "%u of %u",
	      user_spell.looks, free);
	kup_user_channel_close(channel);
}

static void test_ready(void)
{
	struct kup_user_channel *channel;
	struct kup_user_message message;
	kup_u32 readings = 0;
	int error = open_channel(&channel, 1000);

	if (error) {
		check(0, "a channel can be opened", "%d", error);
		return;
	}
	virtual_clock.readings = 0;
	error = kup_user_send(channel, 1, "x", 1, 1000);
	readings = virtual_clock.readings;
	if (!error && !EVENTUALLY(kup_user_prepare_wait(channel, POLLIN, 0) != 0))
		error = -ETIMEDOUT;
	virtual_clock.readings = 0;
	if (!error)
		error = kup_user_receive(channel, &message, 1000);
	readings += virtual_clock.readings;
	kup_user_channel_close(channel);
	check(!error && readings == 0,
	      "kup_peek() and kup_user_receive() that need not wait read no clock",
	      "%d, %u readings", error, readings);
}

void spin_cases(void)
{
	static const kup_u32 budgets_us[] = { 1, 2, 5, 100, 2000 };
	const struct kup_ops ops = { .serve = serve_silence };
	const struct kup_config config = { .name = "silent" };
	struct kup_device *device = make_device(&config, &ops);
	kup_u32 i;

	for (i = 0; i < sizeof(budgets_us) / sizeof(budgets_us[0]); i++) {
		test_kernel(budgets_us[i]);
		test_user(budgets_us[i]);
	}
	test_crowd();
	test_ready();
	test_first_looks();
	test_backlog();
	test_pace();
	kup_device_destroy(device);
}
