/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "bare.h"

static struct kup_channel *attached;

static int attach(struct kup_channel *channel)
{
	kup_channel_get(channel);
	attached = channel;
	return 0;
}

static const struct kup_ops ops = { .attach = attach };

int bare_begin(struct bare *bare, const struct kup_config *config)
{
	memset(bare, 0, sizeof(*bare));
	bare->device = make_device(config, &ops);
	if (user_attach(&bare->user, config->name, 0)) {
		check(0, "a channel can be attached", "no");
		kup_device_destroy(bare->device);
		return -EIO;
	}
	bare->channel = attached;
	return 0;
}

void bare_end(struct bare *bare)
{
	user_close(&bare->user);
	kup_channel_put(bare->channel);
	kup_device_destroy(bare->device);
}

void bare_switch(struct bare *bare)
{
	kup_channel_put(bare->channel);
	bare->channel = attached;
	bare->slept = 0;
}

kup_u64 time_limit(void)
{
	return kup_until(PATIENCE_MS * KUP_MS);
}

int bare_sleeps(struct bare *bare, kup_u32 more)
{
	kup_u64 until = time_limit();

	bare->slept += more;
	while (kup_load64(&bare->channel->counters.sleeps) < bare->slept)
		if (os_now_ns() > until)
			return 0;
		else
			sleep_ms(1);
	return 1;
}

/* ---- One thread that calls something, once ---- */

static void *call_main(void *argument)
{
	struct call *call = argument;

	call->error = call->make(call);
	kup_store_release(&call->done, 1);
	return NULL;
}

void call_start(struct call *call, struct bare *bare, int (*make)(struct call *call))
{
	call->bare = bare;
	call->make = make;
	call->done = 0;
	pthread_create(&call->thread, NULL, call_main, call);
}

int call_is_done(struct call *call)
{
	kup_u64 until = time_limit();

	while (!kup_load_acquire(&call->done) && os_now_ns() < until)
		sleep_ms(1);
	return kup_load_acquire(&call->done) != 0;
}

/* Ends what a test has left asleep. */
int call_finish(struct call *call)
{
	if (!kup_load_acquire(&call->done)) {
		kup_channel_close(call->bare->channel);
		kup_wake(call->bare->channel);
	}
	pthread_join(call->thread, NULL);
	return call->error;
}
