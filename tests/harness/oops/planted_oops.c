/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* A module with a bug on purpose: a device whose messages are written to no memory. */
#include "kup.h"

static struct kup_device *device;

static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	int error;

	while (!(error = kup_peek(channel, &record, KUP_FOREVER))) {
		*(volatile kup_u32 *)(unsigned long)record.length = record.type;
		kup_release(channel, &record);
	}
	return error;
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "planted_oops", .channels = 1 };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "a bug on purpose: an oops");
