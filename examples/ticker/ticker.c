/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client module: each channel ticks at an interval that its user sets. A timer sends the ticks,
 * from a context that may not sleep. The same file makes a module of the host driver (`make`) and
 * of a kernel (`make module`).
 */
#include "kup.h"
#include "ticker.h"

KUP_PARAM_NUMBER(channels, 4, "number of channels");

static struct kup_device *device;

/* What this client keeps for each channel: attach makes it, and detach frees it. */
struct ticker {
	struct kup_channel *channel;
	struct kup_timer *timer;
	struct kup_spinlock *lock;
	struct ticker_tick next; /* under the lock */
};

/*
 * The timer's callback, which never waits. A user that doesn't read loses ticks, and gets a gap
 * with their number.
 */
static void send_tick(void *argument)
{
	struct ticker *ticker = argument;

	kup_spinlock_lock(ticker->lock);
	ticker->next.time_ns = kup_now_ns();
	kup_try_send(ticker->channel, TICKER_TICK, &ticker->next, sizeof(ticker->next));
	ticker->next.number++;
	kup_spinlock_unlock(ticker->lock);
}

/* ---- Messages from the user ---- */

/* The next tick gets the number 0 again. */
static void restart(struct ticker *ticker)
{
	kup_spinlock_lock(ticker->lock);
	ticker->next.number = 0;
	kup_spinlock_unlock(ticker->lock);
}

/*
 * Copies a message before it uses it, because the user may change the message in the ring at any
 * time.
 */
static void obey(struct ticker *ticker, const struct kup_record *record)
{
	struct ticker_start start;

	if (record->type != TICKER_START || record->length != sizeof(start))
		return;
	memcpy(&start, record->data, sizeof(start));
	restart(ticker);
	if (start.interval_us)
		kup_timer_start(ticker->timer, start.interval_us * KUP_US,
				start.interval_us * KUP_US);
	else
		kup_timer_stop(ticker->timer);
}

/*
 * Runs in a thread of its own for each attached channel, until the user leaves or the device is
 * destroyed.
 */
static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	int error;

	while (!(error = kup_peek(channel, &record, KUP_FOREVER))) {
		obey(kup_channel_context(channel), &record);
		kup_release(channel, &record);
	}
	return error;
}

/* ---- Channels come and go ---- */

/* Also undoes an attach that has failed half-way: what it did not make is NULL. */
static void free_ticker(struct ticker *ticker)
{
	kup_timer_destroy(ticker->timer); /* waits for its callback */
	kup_spinlock_destroy(ticker->lock);
	kup_free(ticker);
}

static int attach(struct kup_channel *channel)
{
	struct ticker *ticker = kup_alloc(sizeof(*ticker));
	int error;

	if (!ticker)
		return -ENOMEM;
	ticker->channel = channel;
	error = kup_spinlock_create(&ticker->lock);
	if (!error)
		error = kup_timer_create(send_tick, ticker, &ticker->timer);
	if (error) {
		free_ticker(ticker);
		return error;
	}
	kup_channel_set_context(channel, ticker);
	return 0;
}

/* Comes after serve has returned. From here on, no callback uses the channel. */
static void detach(struct kup_channel *channel)
{
	free_ticker(kup_channel_context(channel));
}

static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };

static int load(void)
{
	const struct kup_config config = { .name = "ticker", .channels = channels };

	return kup_device_create(&config, &ops, NULL, &device);
}

/* Detaches all channels, and so destroys all timers. */
static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "KUP's ticker: an example of a client module");
