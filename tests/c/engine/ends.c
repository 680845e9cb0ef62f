/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one process may do to the others and to the client: a device that fails while processes open
 * it, sleeps and memory that outlast their user, handles that no thread waits on, and clients that
 * are unloaded and leave a device behind.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "kup_echo.h"
#include "user.h"

static const struct kup_config config = {
	.name = "ends", .channels = 2, .to_user_pages = 1, .to_kernel_pages = 1
};

/* ---- A device that fails while it is created ---- */

/* One attempt to make a device. Its callbacks must not run when the attempt has failed. */
struct attempt {
	kup_u32 over;
	kup_u32 attached;
};

static kup_u32 late_calls, stop;

static void note_call(struct kup_channel *channel, kup_u32 attached)
{
	struct attempt *attempt = kup_device_context(kup_channel_device(channel));

	__atomic_fetch_add(&attempt->attached, attached, __ATOMIC_SEQ_CST);
	if (kup_load_acquire(&attempt->over))
		__atomic_fetch_add(&late_calls, 1, __ATOMIC_SEQ_CST);
}

static int attach_noted(struct kup_channel *channel)
{
	note_call(channel, 1);
	return 0;
}

static int serve_noted(struct kup_channel *channel)
{
	kup_pause(channel, KUP_FOREVER);
	note_call(channel, 0);
	return 0;
}

static void detach_noted(struct kup_channel *channel)
{
	note_call(channel, 0);
}

static const struct kup_ops noted_ops = {
	.attach = attach_noted,
	.serve = serve_noted,
	.detach = detach_noted,
};

/* Attaches the device of that name. The handle is kept until its channel has ended. */
static void *attach_at_once(void *unused)
{
	struct kup_attach attach;
	int file;

	while (!kup_load(&stop)) {
		file = user_open("ends");
		if (file < 0) {
			sched_yield();
			continue;
		}
		attach = (struct kup_attach){ .abi_version = KUP_ABI_VERSION,
					      .channel = KUP_CHANNEL_ANY };
		if (kup_user_attach(file, &attach) == 0)
			kup_user_wait(file, KUP_POLL_IN, PATIENCE_MS);
		kup_user_close(file);
	}
	return unused;
}

/* An attempt does not count when another thread's allocation has failed in it. */
static kup_u32 fail_to_create(struct attempt *attempt, kup_u32 failing)
{
	struct kup_device *device = NULL;

	*attempt = (struct attempt){ 0 };
	host_fail_allocation(failing);
	if (!kup_device_create(&config, &noted_ops, attempt, &device)) {
		kup_device_destroy(device);
		return 0;
	}
	host_fail_allocation(0);
	kup_store_release(&attempt->over, 1);
	return kup_load(&attempt->attached);
}

#define ATTEMPTS 4000

static void test_create_fails(void)
{
	/* The attempts stay, since a late call would use them. */
	static struct attempt attempts[ATTEMPTS];
	kup_u32 i, hits = 0;
	pthread_t thread;

	kup_store(&stop, 0);
	kup_store(&late_calls, 0);
	pthread_create(&thread, NULL, attach_at_once, NULL);
	/* Counted: the device, its node, and what opening needs. */
	for (i = 0; i < ATTEMPTS && hits < 20; i++)
		hits += fail_to_create(&attempts[i], 3) > 0;
	kup_store(&stop, 1);
	pthread_join(thread, NULL);
	host_fail_allocation(0);
	check(hits >= 20 && !kup_load(&late_calls),
	      "kup_device_create() runs no client code after it has failed",
	      "%u calls came late, %u of %u devices were attached", late_calls, hits, i);
}

/* ---- An ATTACH that waits for its memory ---- */

static void *attach_and_return(void *result)
{
	struct user user;

	*(int *)result = user_attach(&user, "ends", KUP_CHANNEL_ANY);
	return NULL;
}

static void *destroy(void *device)
{
	kup_device_destroy(device);
	kup_store_release(&stop, 1);
	return NULL;
}

static int soon(const kup_u32 *word)
{
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;

	while (!kup_load_acquire(word) && os_now_ns() < end)
		sleep_ms(1);
	return kup_load_acquire(word) != 0;
}

static void test_slow_attach(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	pthread_t attacher, destroyer;
	int result = 1, ended;

	kup_store(&stop, 0);
	hold_memory(1);
	pthread_create(&attacher, NULL, attach_and_return, &result);
	ended = soon(memory_is_held());
	pthread_create(&destroyer, NULL, destroy, device);
	ended = ended && soon(&stop);
	hold_memory(0);
	pthread_join(attacher, NULL);
	pthread_join(destroyer, NULL);
	check(ended && result == -ENODEV,
	      "kup_device_destroy() does not wait for an ATTACH that waits for its memory",
	      "%d, then %s", ended, strerror(-result));
}

/* ---- Sleeps ---- */

static struct {
	kup_u32 began, over;
	kup_time time, took;
	int result;
} pause_of;

static int serve_pause(struct kup_channel *channel)
{
	kup_u64 start = os_now_ns();

	kup_store_release(&pause_of.began, 1);
	pause_of.result = kup_pause(channel, pause_of.time);
	pause_of.took = (kup_time)(os_now_ns() - start);
	kup_store_release(&pause_of.over, 1);
	return 0;
}

static const struct kup_ops pause_ops = { .serve = serve_pause };

static struct user begin_pause(kup_time time)
{
	struct user user;

	kup_store(&pause_of.began, 0);
	kup_store(&pause_of.over, 0);
	pause_of.time = time;
	if (user_attach(&user, "ends", KUP_CHANNEL_ANY) || !soon(&pause_of.began))
		check(0, "a channel that pauses can be attached", "no");
	return user;
}

/*
 * Data wakes the thread, but it does not sleep for data. Returns nonzero if the data has come
 * during the pause.
 */
static int pause_with_data(kup_time time)
{
	struct user user = begin_pause(time);
	int in_time;

	user_send(&user, 1, "x", 1);
	kup_user_kick(user.file);
	in_time = !kup_load_acquire(&pause_of.over);
	in_time = soon(&pause_of.over) && in_time;
	user_close(&user);
	return in_time;
}

static void test_pause(void)
{
	struct kup_device *device = make_device(&config, &pause_ops);
	kup_time time = 20 * KUP_MS;
	struct user user;
	int ended;

	/* On a busy machine, a short pause may be over before the data comes. */
	while (!pause_with_data(time) && time < PATIENCE_MS * KUP_MS / 4)
		time *= 2;
	check(pause_of.result == 0 && pause_of.took >= time, "kup_pause() sleeps for its time",
	      "%d, %lld of %lld ns", pause_of.result, (long long)pause_of.took, (long long)time);
	user = begin_pause(KUP_FOREVER);
	user_close(&user);
	ended = soon(&pause_of.over);
	check(ended && pause_of.result == -EPIPE, "kup_pause() ends when the user leaves", "%d",
	      pause_of.result);
	user = begin_pause(KUP_FOREVER);
	kup_device_destroy(device);
	ended = kup_load_acquire(&pause_of.over) != 0;
	check(ended && pause_of.result == -ESHUTDOWN,
	      "kup_pause() ends when its device is destroyed", "%d", pause_of.result);
	user_close(&user);
}

/* A ring full of pauses of a minute. No thread waits for them when their user has left. */
static void test_pauses_left(void)
{
	const struct echo_pause minute = { .milliseconds = 60000 };
	struct kup_info info = { 0 };
	struct user user;
	kup_u32 i, left = 0;
	int file, unloaded;

	kup_user_host_load("echo", "name=ends channels=1 to_kernel_pages=1");
	if (user_attach(&user, "ends", 0) == 0) {
		while (left < 200 && kup_producer_room(&user.out, 16) == KUP_RING_OK)
			left += user_send(&user, ECHO_PAUSE, &minute, sizeof(minute)) == 0;
		user_close(&user);
	}
	file = user_open("ends");
	for (i = 0; i < PATIENCE_MS && !info.channels_free; i++) {
		sleep_ms(1);
		kup_user_info(file, &info);
	}
	kup_user_close(file);
	check(left == 200 && info.channels_free == 1,
	      "kup_pause() ends for all pauses that a user leaves behind", "%u of them, %u free",
	      left, info.channels_free);
	if (!info.channels_free)
		return;
	if (user_attach(&user, "ends", 0)) {
		check(0, "the channel can be attached again", "no");
		return;
	}
	user_send(&user, ECHO_PAUSE, &minute, sizeof(minute));
	unloaded = kup_user_host_unload("echo");
	check(!unloaded && kup_load(&user.kernel->state) == KUP_STATE_CLOSED,
	      "kup_pause() ends for all pauses of a device that goes", "%d", unloaded);
	user_close(&user);
}

/* ---- Records that cost their user no time ---- */

static struct kup_channel *kept;

static int attach_kept(struct kup_channel *channel)
{
	kup_channel_get(channel);
	kept = channel;
	return 0;
}

static const struct kup_ops kept_ops = { .attach = attach_kept };

/* A look at a ring full of discarded records ends, and reports how far it came. */
static void test_skips(void)
{
	struct kup_device *device = make_device(&config, &kept_ops);
	struct kup_record record;
	struct user user;
	kup_u32 looks = 0, tail = 0, most = 0, seen;
	int error = -EAGAIN;

	if (user_attach(&user, "ends", 0)) {
		check(0, "a channel can be attached", "no");
		return;
	}
	while (kup_producer_room(&user.out, KUP_RECORD_HEADER) == KUP_RING_OK)
		user_put(&user, KUP_RECORD_DISCARD, 0, 0);
	while (error == -EAGAIN && tail != user.out.head && looks++ < 100) {
		error = kup_try_peek(kept, &record);
		seen = kup_load(&user.kernel->to_kernel_tail.value);
		most = seen - tail > most ? seen - tail : most;
		tail = seen;
	}
	check(error == -EAGAIN && tail == user.out.head && most <= 256 * KUP_RECORD_HEADER,
	      "kup_try_peek() skips a limited number of discarded records in one look",
	      "%s after %u looks at %u, %u bytes at once", strerror(-error), looks, tail, most);
	user_close(&user);
	kup_channel_put(kept);
	kup_device_destroy(device);
}

/* ---- Handles ---- */

#define IDLE 500
#define WAITING 3

struct waiter {
	struct host_poller poller;
	struct host_file *file;
	kup_u32 woken;
};

static void count_wake(struct host_poller *poller)
{
	__atomic_fetch_add(&((struct waiter *)poller)->woken, 1, __ATOMIC_SEQ_CST);
}

static kup_u32 woken_of(struct waiter *waiters, kup_u32 count)
{
	kup_u32 i, sum = 0;

	for (i = 0; i < count; i++)
		sum += kup_exchange(&waiters[i].woken, 0);
	return sum;
}

static void test_idle_handles(void)
{
	struct kup_device *device = make_device(&config, &kept_ops);
	static struct waiter waiters[IDLE];
	kup_u32 i, looked = 0, first, again, later;
	struct user user;

	memset(waiters, 0, sizeof(waiters));
	for (i = 0; i < IDLE; i++) {
		waiters[i].poller.wake = count_wake;
		if (host_open("ends", &waiters[i].file)) {
			check(0, "kup_user_open() opens a device many times", "handle %u can't be",
			      i);
			return;
		}
		host_poll_add(waiters[i].file, &waiters[i].poller);
	}
	for (i = 0; i < WAITING; i++)
		looked += host_poll(waiters[i].file, KUP_POLL_IN) == KUP_POLL_IN;
	for (i = 0; i < 2; i++) {
		if (user_attach(&user, "ends", KUP_CHANNEL_ANY)) {
			check(0, "a channel can be attached", "no");
			return;
		}
		user_close(&user);
		kup_channel_put(kept);
		if (i == 0)
			first = woken_of(waiters, IDLE);
	}
	again = woken_of(waiters, IDLE);
	host_poll(waiters[0].file, KUP_POLL_IN);
	kup_device_destroy(device);
	later = woken_of(waiters, IDLE);
	check(looked == WAITING && first == WAITING && again == 0 && later == 1,
	      "kup_user_wait() wakes a handle once for each look, and not one that has not looked",
	      "%u looked, %u, %u and %u were woken", looked, first, again, later);
	for (i = 0; i < IDLE; i++) {
		host_poll_remove(waiters[i].file, &waiters[i].poller);
		host_close(waiters[i].file);
	}
}

/* ---- Memory beyond the channels ---- */

static void test_account(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct kup_account *account = NULL;
	struct user user;
	kup_u32 i;
	int before, at_limit, after;

	before = kup_account_get(device, &account);
	for (i = 0; !before && i < KUP_KEPT_LEAST; i++)
		kup_account_keep(account);
	at_limit = user_attach(&user, "ends", 0);
	kup_account_release(account);
	after = user_attach(&user, "ends", 0);
	check(!before && at_limit == -ENOMEM && !after,
	      "ATTACH fails while its user keeps too many closed channels mapped", "%d, %d, %d",
	      before, at_limit, after);
	if (!after)
		user_close(&user);
	for (i = 1; i < KUP_KEPT_LEAST; i++)
		kup_account_release(account);
	kup_account_put(account);
	check(all_files_closed(device), "ATTACH and close leave no count behind", "no");
	kup_device_destroy(device);
}

/* ---- Reference counts ---- */

static void test_references(void)
{
	kup_u32 refs = 1, wrong = 0, i;

	kup_ref_get(&refs);
	wrong += kup_ref_put(&refs) || !kup_ref_put(&refs);
	/* Put once too often, the count must not come to 0 again. */
	for (i = 0; i < 3; i++)
		wrong += kup_ref_put(&refs) != 0;
	kup_ref_get(&refs);
	wrong += kup_ref_put(&refs) != 0;
	refs = 0x7ffffffe;
	for (i = 0; i < 3; i++)
		kup_ref_get(&refs);
	wrong += refs < 0x80000000u;
	for (i = 0; i < 5; i++)
		wrong += kup_ref_put(&refs) != 0;
	check(!wrong && refs >= 0x80000000u, "kup_ref_get() and kup_ref_put() saturate",
	      "%u wrong, %x", wrong, refs);
}

/* ---- A client that is unloaded and leaves its device ---- */

/* `within` is the module's memory: one address. */
static int is_within(const void *address, void *within)
{
	return address == within;
}

static kup_u32 end_those_with(void *within)
{
	return kup_devices_end(is_within, within);
}

/* The call of clients would give the engine a table of the host driver's. */
static int make_left(const struct kup_ops *ops)
{
	struct kup_device *device;

	return engine_device_create(&config, ops, NULL, &device);
}

static void test_left_behind(void)
{
	/* A table outside the module's memory still leads to the module's code. */
	const struct kup_ops copied = { .attach = attach_kept };
	kup_u32 other, by_table, by_code;
	int error = make_left(&echo_ops);

	other = end_those_with(&other);
	by_table = end_those_with((void *)&echo_ops);
	error = error ? error : make_left(&copied);
	by_code = end_those_with((void *)(size_t)attach_kept);
	check(!error && !other && by_table == 1 && by_code == 1 && user_open("ends") == -ENOENT,
	      "kup_devices_end() destroys the devices that a client has left behind",
	      "%d, %u, %u, %u", error, other, by_table, by_code);
}

void end_cases(void)
{
	test_references();
	test_create_fails();
	test_slow_attach();
	test_pause();
	test_pauses_left();
	test_skips();
	test_idle_handles();
	test_account();
	test_left_behind();
}
