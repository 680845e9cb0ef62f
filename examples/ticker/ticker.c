/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client module: each channel ticks at an interval that its user sets. The same file makes a
 * module of the host driver (`make`) and of a kernel (`make module`).
 */
#include "kup.h"
#include "ticker.h"

KUP_PARAM_NUMBER(channels, 4, "number of channels");

static struct kup_device *device;

/*
 * Sends one tick, and never waits. A user that doesn't read loses ticks, and gets a gap with their
 * number.
 */
static void send_tick(struct kup_channel *channel, struct ticker_tick *next)
{
	kup_try_send(channel, TICKER_TICK, next, sizeof(*next));
	next->number++;
}

/*
 * Copies a message before it uses it, because the user may change the message in the ring at any
 * time.
 */
static void obey(const struct kup_record *record, struct ticker_start *start)
{
	if (record->type == TICKER_START && record->length == sizeof(*start))
		memcpy(start, record->data, sizeof(*start));
}

/*
 * Runs in a thread of its own for each attached channel, until the user leaves or the device is
 * destroyed.
 */
static int serve(struct kup_channel *channel)
{
	struct ticker_start start = { 0 };
	struct ticker_tick next = { 0 };
	struct kup_record record;
	int error;

	for (;;) {
		error = kup_peek(channel, &record,
				 start.interval_us ? start.interval_us : KUP_FOREVER);
		if (error == -ETIMEDOUT) {
			send_tick(channel, &next);
			continue;
		}
		if (error)
			return error;
		obey(&record, &start);
		kup_release(channel, &record);
	}
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "ticker", .channels = channels };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "KUP's ticker: an example of a client module");
