/* SPDX-License-Identifier: BSD-3-Clause */
/* A client with one mistake, which its parameter selects; without one, it is without mistakes. */
#include "kup.h"

KUP_PARAM_STRING(fault, "none", "the mistake; see the table, and unload");

KUP_PARAM_STRING(name, "mistakes", "the device");

static struct kup_device *device;
static struct kup_spinlock *spinlock;
static struct kup_monitor *monitor;
static struct kup_timer *timer;
static struct kup_thread *thread;
static struct kup_thread *reader;
static kup_u32 detaches, unloads; /* atomic */
static void *memory;

static int is(const char *what)
{
	return __builtin_strcmp(fault, what) == 0;
}

/* ---- Mistakes in serve: each answers a message by one byte, and returns ---- */

static void answer(struct kup_channel *channel)
{
	struct kup_reservation room;

	if (kup_try_reserve(channel, 1, &room))
		return;
	*(char *)room.data = 'x';
	kup_commit(channel, &room, 0, 1);
}

static void commit_twice(struct kup_channel *channel)
{
	struct kup_reservation room, copy;

	if (kup_reserve(channel, 8, KUP_FOREVER, &room))
		return;
	memcpy(room.data, "12345678", 8);
	copy = room;
	kup_commit(channel, &room, 0, 8);
	kup_commit(channel, &copy, 0, 8);
}

static void discard_committed(struct kup_channel *channel)
{
	struct kup_reservation room;

	if (kup_reserve(channel, 1, KUP_FOREVER, &room))
		return;
	*(char *)room.data = 'x';
	kup_commit(channel, &room, 0, 1);
	kup_discard(channel, &room);
}

static void never_commit(struct kup_channel *channel)
{
	struct kup_reservation room;

	if (!kup_reserve(channel, 37, KUP_FOREVER, &room))
		kup_pause(channel, KUP_FOREVER);
}

static void write_behind(struct kup_channel *channel)
{
	struct kup_reservation room;

	if (kup_reserve(channel, 5, KUP_FOREVER, &room))
		return;
	memset(room.data, 'x', 5 + 3);
	kup_commit(channel, &room, 0, 5);
}

static void write_late(struct kup_channel *channel)
{
	struct kup_reservation room;
	char *bytes;

	if (kup_reserve(channel, 5, KUP_FOREVER, &room))
		return;
	bytes = room.data;
	memset(bytes, 'x', 5);
	kup_commit(channel, &room, 0, 5);
	bytes[1] = 'y';
}

static void write_before(struct kup_channel *channel)
{
	struct kup_reservation room;

	if (kup_reserve(channel, 5, KUP_FOREVER, &room))
		return;
	((char *)room.data)[-2] = 'x';
	kup_commit(channel, &room, 0, 5);
}

static void peek_again(struct kup_channel *channel)
{
	struct kup_record record;

	if (!kup_peek(channel, &record, KUP_FOREVER) && !kup_try_peek(channel, &record))
		kup_release(channel, &record);
	answer(channel);
}

static void never_release(struct kup_channel *channel)
{
	struct kup_record record;

	(void)kup_peek(channel, &record, KUP_FOREVER);
	answer(channel);
}

/* No mistake: the user is gone, and serve returns. */
static void fail_to_answer(struct kup_channel *channel)
{
	struct kup_record record;

	if (kup_peek(channel, &record, KUP_FOREVER))
		return;
	while (!kup_send(channel, 0, "x", 1, KUP_FOREVER))
		;
}

static void read_one(void *argument)
{
	struct kup_channel *channel = argument;
	struct kup_record record;

	if (kup_peek(channel, &record, KUP_FOREVER))
		return;
	answer(channel);
	/* Pairs with the release in detach. */
	while (!__atomic_load_n(&detaches, __ATOMIC_ACQUIRE))
		kup_sleep_ms(1);
	kup_release(channel, &record);
}

/* No mistake: another thread has the message when serve returns, and releases it after that. */
static void read_elsewhere(struct kup_channel *channel)
{
	if (!kup_thread_start(read_one, channel, "reader", &reader))
		(void)kup_pause(channel, KUP_FOREVER);
}

static void release_twice(struct kup_channel *channel)
{
	struct kup_record record;

	if (!kup_peek(channel, &record, KUP_FOREVER)) {
		kup_release(channel, &record);
		kup_release(channel, &record);
	}
	answer(channel);
}

static void release_received(struct kup_channel *channel)
{
	struct kup_record record;
	char buffer[64];

	if (!kup_receive(channel, buffer, sizeof(buffer), &record, KUP_FOREVER))
		kup_release(channel, &record);
	answer(channel);
}

static void destroy(struct kup_channel *channel)
{
	kup_device_destroy(device);
	answer(channel);
}

/* It ignores that the user is gone, but not the end of the device. */
static void stay_late(struct kup_channel *channel)
{
	answer(channel);
	/* Pairs with the release in unload. */
	while (!__atomic_load_n(&unloads, __ATOMIC_ACQUIRE))
		kup_sleep_ms(10);
}

/* It ignores the end, until the mistake was found: unload waits for it. */
static void stay(struct kup_channel *channel)
{
	kup_u64 end = kup_now_ns() + (is("stay") ? 7ull : 1000ull) * 1000000000;

	answer(channel);
	while (kup_now_ns() < end)
		kup_sleep_ms(10);
}

static void sleep_in_spinlock(struct kup_channel *channel)
{
	kup_spinlock_lock(spinlock);
	kup_sleep_ms(1);
	kup_spinlock_unlock(spinlock);
	answer(channel);
}

static void allocate_in_spinlock(struct kup_channel *channel)
{
	void *bytes;

	kup_spinlock_lock(spinlock);
	bytes = kup_alloc(8);
	kup_spinlock_unlock(spinlock);
	kup_free(bytes);
	answer(channel);
}

static void sleep_in_monitor(struct kup_channel *channel)
{
	kup_monitor_lock(monitor);
	kup_pause(channel, 100 * KUP_MS);
	kup_monitor_unlock(monitor);
	answer(channel);
}

static void lock_twice(struct kup_channel *channel)
{
	kup_monitor_lock(monitor);
	kup_monitor_lock(monitor);
	kup_monitor_unlock(monitor);
	kup_monitor_unlock(monitor);
	answer(channel);
}

static void spin_twice(struct kup_channel *channel)
{
	kup_spinlock_lock(spinlock);
	kup_spinlock_lock(spinlock);
	kup_spinlock_unlock(spinlock);
	kup_spinlock_unlock(spinlock);
	answer(channel);
}

static void never_unlock(struct kup_channel *channel)
{
	kup_monitor_lock(monitor);
	answer(channel);
}

static void unlock_free(struct kup_channel *channel)
{
	kup_monitor_unlock(monitor);
	answer(channel);
}

static void wake_free(struct kup_channel *channel)
{
	kup_monitor_wake(monitor);
	answer(channel);
}

#define MANY 12

static void use_all(struct kup_channel *channel, struct kup_monitor *monitors[MANY])
{
	int i;

	for (i = 0; i < MANY; i++)
		kup_monitor_lock(monitors[i]);
	for (i = 0; i < MANY; i++) {
		kup_monitor_wake(monitors[i]);
		(void)kup_monitor_wait(monitors[i], KUP_MS);
	}
	for (i = 0; i < MANY; i++)
		kup_monitor_unlock(monitors[i]);
	answer(channel);
}

/* No mistake. */
static void lock_many(struct kup_channel *channel)
{
	struct kup_monitor *monitors[MANY];
	int i, count = 0;

	while (count < MANY && !kup_monitor_create(&monitors[count]))
		count++;
	if (count == MANY)
		use_all(channel, monitors);
	for (i = 0; i < count; i++)
		kup_monitor_destroy(monitors[i]);
}

static void free_twice(struct kup_channel *channel)
{
	void *bytes = kup_alloc(8);

	kup_free(bytes);
	kup_free(bytes);
	answer(channel);
}

static void join_twice(struct kup_channel *channel)
{
	kup_thread_join(thread);
	kup_thread_join(thread);
	thread = NULL;
	answer(channel);
}

/* The timer's callback answers. */
static void start_timer(struct kup_channel *channel)
{
	kup_timer_start(timer, 0, 0);
	(void)kup_pause(channel, KUP_FOREVER);
}

static const struct {
	const char *name;
	void (*run)(struct kup_channel *channel);
} faults[] = {
	{ "commit_twice", commit_twice },
	{ "discard_committed", discard_committed },
	{ "never_commit", never_commit },
	{ "write_behind", write_behind },
	{ "write_before", write_before },
	{ "write_late", write_late },
	{ "peek_again", peek_again },
	{ "never_release", never_release },
	{ "fail_to_answer", fail_to_answer },
	{ "read_elsewhere", read_elsewhere },
	{ "release_twice", release_twice },
	{ "release_received", release_received },
	{ "destroy", destroy },
	{ "stay", stay },
	{ "hang", stay },
	{ "stay_late", stay_late },
	{ "sleep_in_spinlock", sleep_in_spinlock },
	{ "allocate_in_spinlock", allocate_in_spinlock },
	{ "sleep_in_monitor", sleep_in_monitor },
	{ "lock_twice", lock_twice },
	{ "spin_twice", spin_twice },
	{ "never_unlock", never_unlock },
	{ "unlock_free", unlock_free },
	{ "wake_free", wake_free },
	{ "lock_many", lock_many },
	{ "free_twice", free_twice },
	{ "join_twice", join_twice },
	{ "sleep_in_timer", start_timer },
	{ "destroy_own_timer", start_timer },
};

static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	char buffer[8];
	unsigned int i;

	if (!is("peek_again") && !is("never_release") && !is("fail_to_answer") &&
	    !is("release_twice") && !is("release_received") && !is("read_elsewhere"))
		(void)kup_receive(channel, buffer, sizeof(buffer), &record, KUP_FOREVER);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (is(faults[i].name)) {
			faults[i].run(channel);
			return 0;
		}
	}
	answer(channel);
	return 0;
}

static void detach(struct kup_channel *channel)
{
	(void)channel;
	/* Pairs with the acquire in read_one. */
	__atomic_store_n(&detaches, 1, __ATOMIC_RELEASE);
	kup_thread_join(reader);
	reader = NULL;
}

static const struct kup_ops ops = { .serve = serve, .detach = detach };

/* ---- Mistakes elsewhere ---- */

static void expired(void *unused)
{
	struct kup_channel *channel = kup_walk(device, NULL);

	(void)unused;
	if (is("sleep_in_timer"))
		kup_breathe();
	if (is("destroy_own_timer"))
		kup_timer_destroy(timer);
	if (channel)
		kup_try_send(channel, 0, "x", 1);
	kup_walk_end(device, channel);
}

static void end_at_once(void *unused)
{
	(void)unused;
}

static int load(void)
{
	const struct kup_config config = { .name = name };
	int error = kup_spinlock_create(&spinlock);

	/* After leave_thread, the next load finds the same code in memory, with its variables. */
	detaches = 0;
	unloads = 0;
	memory = kup_alloc(123);
	error = error ? error : kup_monitor_create(&monitor);
	error = error ? error : kup_timer_create(expired, NULL, &timer);
	error = error ? error : kup_thread_start(end_at_once, NULL, "mistakes", &thread);
	return error ? error : kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	/* Pairs with the acquire in stay_late. */
	__atomic_store_n(&unloads, 1, __ATOMIC_RELEASE);
	kup_device_destroy(device);
	if (is("destroy_twice"))
		kup_device_destroy(device);
	if (!is("leave_timer"))
		kup_timer_destroy(timer);
	if (!is("leave_thread"))
		kup_thread_join(thread);
	if (!is("leave_monitor"))
		kup_monitor_destroy(monitor);
	if (!is("leave_spinlock"))
		kup_spinlock_destroy(spinlock);
	if (!is("leave_memory"))
		kup_free(memory);
}

KUP_MODULE(load, unload, "mistakes");
