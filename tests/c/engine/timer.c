/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients need of a system: timers and spinlocks. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "user.h"

/* What a timer's callback finds and does; the words are atomic. */
struct ticks {
	struct kup_timer *timer;
	kup_u32 count;
	kup_u32 inside;	    /* callbacks that run now */
	kup_u32 overlapped; /* callbacks that ran at once */
	kup_u32 stop_at;    /* the callback stops its timer at this count; 0: never */
	kup_u32 again;	    /* the callback starts its timer so often */
	kup_u32 hold;	    /* the callback waits until this is 0 */
	kup_u64 last_ns;
};

static void tick(void *argument)
{
	struct ticks *ticks = argument;
	kup_u32 count;

	if (__atomic_add_fetch(&ticks->inside, 1, __ATOMIC_SEQ_CST) != 1)
		kup_store(&ticks->overlapped, 1);
	kup_store64(&ticks->last_ns, kup_now_ns());
	count = __atomic_add_fetch(&ticks->count, 1, __ATOMIC_SEQ_CST);
	if (count == ticks->stop_at)
		kup_timer_stop(ticks->timer);
	if (count <= ticks->again)
		kup_timer_start(ticks->timer, KUP_MS, 0);
	while (kup_load(&ticks->hold))
		sched_yield();
	__atomic_sub_fetch(&ticks->inside, 1, __ATOMIC_SEQ_CST);
}

static void begin(struct ticks *ticks)
{
	if (kup_timer_create(tick, ticks, &ticks->timer))
		check(0, "kup_timer_create() makes a timer", "no memory");
}

static int reaches(struct ticks *ticks, kup_u32 count)
{
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;

	while (kup_load(&ticks->count) < count && os_now_ns() < end)
		sleep_ms(1);
	return kup_load(&ticks->count) >= count;
}

static void test_once(void)
{
	struct ticks ticks = { 0 }, never = { 0 };
	kup_u64 start = kup_now_ns();
	int came;

	begin(&ticks);
	begin(&never);
	kup_timer_start(never.timer, KUP_FOREVER, KUP_MS);
	kup_timer_start(ticks.timer, 20 * KUP_MS, 0);
	came = reaches(&ticks, 1);
	check(came && kup_load64(&ticks.last_ns) >= start + 20 * KUP_MS,
	      "kup_timer_start() calls back, and not before the time has passed", "%d", came);
	/* Another timer's callbacks pass meanwhile. */
	kup_timer_start(never.timer, KUP_FOREVER, 0);
	kup_timer_destroy(never.timer);
	kup_timer_destroy(ticks.timer);
	check(ticks.count == 1 && !never.count,
	      "kup_timer_start() without an interval calls back once, and KUP_FOREVER never",
	      "%u, %u", ticks.count, never.count);
	kup_timer_destroy(NULL);
}

static void test_interval(void)
{
	struct ticks ticks = { .stop_at = 20 }, other = { 0 };
	kup_u64 start = kup_now_ns();

	begin(&ticks);
	begin(&other);
	kup_timer_start(ticks.timer, 0, KUP_MS);
	check(reaches(&ticks, 20) && kup_load64(&ticks.last_ns) >= start + 19 * KUP_MS,
	      "kup_timer_start() with an interval calls back again, never too early", "%u",
	      kup_load(&ticks.count));
	kup_timer_start(other.timer, 0, KUP_MS);
	reaches(&other, 5);
	check(kup_load(&ticks.count) == 20, "kup_timer_stop() in the callback ends the callbacks",
	      "%u", kup_load(&ticks.count));
	kup_timer_start(ticks.timer, 0, 1);
	check(reaches(&ticks, 40), "kup_timer_start() starts a timer that was stopped", "%u",
	      kup_load(&ticks.count));
	kup_timer_destroy(ticks.timer);
	kup_timer_destroy(other.timer);
	check(!ticks.overlapped, "callbacks of one timer do not overlap", "they do");
}

static void test_again(void)
{
	struct ticks ticks = { .again = 9 };

	begin(&ticks);
	kup_timer_start(ticks.timer, KUP_MS, 0);
	check(reaches(&ticks, 10), "kup_timer_start() in the callback starts the timer again", "%u",
	      kup_load(&ticks.count));
	kup_timer_destroy(ticks.timer);
	check(ticks.count == 10, "kup_timer_start() in the callback replaces the earlier times",
	      "%u", kup_load(&ticks.count));
}

static void *let_go(void *argument)
{
	struct ticks *ticks = argument;

	sleep_ms(20);
	kup_store(&ticks->hold, 0);
	return NULL;
}

static void test_destroy_waits(void)
{
	struct ticks ticks = { .hold = 1 };
	pthread_t thread;
	int began;

	begin(&ticks);
	kup_timer_start(ticks.timer, 0, KUP_MS);
	began = reaches(&ticks, 1);
	pthread_create(&thread, NULL, let_go, &ticks);
	kup_timer_destroy(ticks.timer);
	check(began && !kup_load(&ticks.inside),
	      "kup_timer_destroy() waits for a callback that has begun", "%u inside", ticks.inside);
	pthread_join(thread, NULL);
}

/* ---- Without memory ---- */

/* These make one thing, and give it back. */

static int make_timer(void)
{
	struct kup_timer *timer;
	int error = kup_timer_create(tick, NULL, &timer);

	if (!error)
		kup_timer_destroy(timer);
	return error;
}

static void end_at_once(void *unused)
{
	(void)unused;
}

static int make_thread(void)
{
	struct kup_thread *thread;
	int error = kup_thread_start(end_at_once, NULL, "test", &thread);

	if (!error)
		kup_thread_join(thread);
	return error;
}

static int make_spinlock(void)
{
	struct kup_spinlock *spinlock;
	int error = kup_spinlock_create(&spinlock);

	if (!error)
		kup_spinlock_destroy(spinlock);
	return error;
}

static int make_monitor(void)
{
	struct kup_monitor *monitor;
	int error = kup_monitor_create(&monitor);

	if (!error)
		kup_monitor_destroy(monitor);
	return error;
}

static int make_memory(void)
{
	void *memory = kup_alloc(1);

	kup_free(memory);
	return memory ? 0 : -ENOMEM;
}

static void test_no_memory(int (*make)(void), const char *call, kup_u32 allocations)
{
	kup_u32 n = 0, failed = 0;
	int error;

	do {
		host_fail_allocation(++n);
		error = make();
		host_fail_allocation(0);
		failed += error == -ENOMEM;
	} while (error && n < 20);
	check(!error && failed == n - 1 && failed >= allocations, call, "%u of %u", failed, n - 1);
}

/* ---- Starts, stops and ends, from several threads at once ---- */

static struct ticks stormy;

static void *start_and_stop(void *seed)
{
	kup_u32 state = dice_seed(*(kup_u32 *)seed);

	while (storm_goes_on(100)) {
		switch (dice(&state) % 4) {
		case 0:
			kup_timer_stop(stormy.timer);
			break;
		case 1:
			kup_timer_start(stormy.timer, 0, 0);
			break;
		default:
			kup_timer_start(stormy.timer, dice(&state) % 300000, dice(&state) % 300000);
		}
		storm_step();
		if (dice(&state) % 8 == 0)
			sleep_ms(1);
	}
	return NULL;
}

static void test_storm(void)
{
	kup_u32 seeds[] = { 1, 2, 3 }, i;
	pthread_t threads[3];

	stormy = (struct ticks){ 0 };
	begin(&stormy);
	storm_begin();
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, start_and_stop, &seeds[i]);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	kup_timer_start(stormy.timer, 0, KUP_MS);
	reaches(&stormy, kup_load(&stormy.count) + 1);
	kup_timer_destroy(stormy.timer);
	check(stormy.count && !stormy.overlapped && !stormy.inside,
	      "kup_timer_start() and kup_timer_stop() from several threads do not overlap "
	      "callbacks",
	      "%u callbacks", stormy.count);
}

/* ---- A timer for each channel ---- */

struct sender {
	struct kup_channel *channel;
	struct kup_timer *timer;
	struct kup_spinlock *lock;
	kup_u32 next; /* under the lock */
};

static void send_next(void *argument)
{
	struct sender *sender = argument;

	kup_spinlock_lock(sender->lock);
	kup_try_send(sender->channel, sender->next++, NULL, 0);
	kup_spinlock_unlock(sender->lock);
}

static int attach_timer(struct kup_channel *channel)
{
	struct sender *sender = kup_alloc(sizeof(*sender));

	if (!sender)
		return -ENOMEM;
	sender->channel = channel;
	if (kup_spinlock_create(&sender->lock) ||
	    kup_timer_create(send_next, sender, &sender->timer))
		return -ENOMEM;
	kup_channel_set_context(channel, sender);
	kup_timer_start(sender->timer, 0, KUP_MS);
	return 0;
}

/* Sends as the timer does; the lock orders the two. */
static int serve_beside(struct kup_channel *channel)
{
	while (!kup_pause(channel, KUP_MS))
		send_next(kup_channel_context(channel));
	return 0;
}

static void detach_timer(struct kup_channel *channel)
{
	struct sender *sender = kup_channel_context(channel);

	kup_timer_destroy(sender->timer);
	kup_spinlock_destroy(sender->lock);
	kup_free(sender);
}

static const struct kup_ops timer_ops = { attach_timer, serve_beside, detach_timer };
static const struct kup_config config = {
	.name = "timers", .channels = 4, .to_user_pages = 1, .to_kernel_pages = 1
};

static int receive_in_order(struct user *user, kup_u32 count)
{
	struct kup_record record;
	kup_u32 i;

	for (i = 0; i < count; i++) {
		if (user_receive(user, &record) || record.control || record.type != i)
			return 0;
		user_release(user, &record);
	}
	return 1;
}

static void test_channels(void)
{
	struct kup_device *device = make_device(&config, &timer_ops);
	struct user user, left;
	kup_u32 i, good = 0;

	for (i = 0; i < 10; i++) {
		if (user_attach(&user, "timers", KUP_CHANNEL_ANY))
			break;
		good += receive_in_order(&user, 8);
		user_close(&user);
	}
	if (user_attach(&left, "timers", KUP_CHANNEL_ANY))
		good = 0;
	/* With a timer that runs. */
	kup_device_destroy(device);
	user_close(&left);
	check(good == 10, "a timer's callback sends beside serve, until detach destroys the timer",
	      "%u of 10", good);
}

void timer_cases(void)
{
	test_once();
	test_interval();
	test_again();
	test_destroy_waits();
	test_no_memory(make_timer, "kup_timer_create() without memory returns -ENOMEM", 3);
	test_no_memory(make_thread, "kup_thread_start() without memory returns -ENOMEM", 3);
	test_no_memory(make_spinlock, "kup_spinlock_create() without memory returns -ENOMEM", 1);
	test_no_memory(make_monitor, "kup_monitor_create() without memory returns -ENOMEM", 1);
	test_no_memory(make_memory, "kup_alloc() without memory returns NULL", 1);
	test_storm();
	test_channels();
}
