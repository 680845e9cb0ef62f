/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client module that samples: a timer of each channel measures at an interval, and sends what it
 * has measured with a stamp. Here that is the interval itself, which shows how exact timers are.
 */
#include "kup.h"
#include "sampler.h"

KUP_PARAM_NUMBER(channels, 4, "number of channels");
KUP_PARAM_NUMBER(interval_us, 1000, "microseconds between two samples");

static struct kup_device *device;

struct sampler {
	struct kup_channel *channel;
	struct kup_timer *timer;
	kup_u64 last_ns; /* the timer's callback alone uses it, and serve before that */
};

/* The timer's callback, which never waits. */
static void sample(void *argument)
{
	struct sampler *sampler = argument;
	kup_u64 now = kup_now_ns();
	struct sampler_sample sample = { .since_ns = now - sampler->last_ns };

	sampler->last_ns = now;
	kup_try_send(sampler->channel, SAMPLER_SAMPLE, &sample, sizeof(sample));
}

/* The user sends nothing, so this only waits until the user is gone. */
static int serve(struct kup_channel *channel)
{
	struct sampler *sampler = kup_channel_context(channel);

	sampler->last_ns = kup_now_ns();
	kup_timer_start(sampler->timer, interval_us * KUP_US, interval_us * KUP_US);
	return kup_pause(channel, KUP_FOREVER);
}

static int attach(struct kup_channel *channel)
{
	struct sampler *sampler = kup_alloc(sizeof(*sampler));
	int error;

	if (!sampler)
		return -ENOMEM;
	sampler->channel = channel;
	error = kup_timer_create(sample, sampler, &sampler->timer);
	if (error)
		kup_free(sampler);
	else
		kup_channel_set_context(channel, sampler);
	return error;
}

static void detach(struct kup_channel *channel)
{
	struct sampler *sampler = kup_channel_context(channel);

	kup_timer_destroy(sampler->timer); /* waits for its callback */
	kup_free(sampler);
}

static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };

static int load(void)
{
	/* A reader that may be away for long asks for a larger ring than the 16 pages. */
	const struct kup_config config = {
		.name = "sampler", .channels = channels, .max_to_user_pages = 1024, .stamps = 1
	};

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "KUP's sampler: an example of stamps and of a timer");
