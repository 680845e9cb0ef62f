/* SPDX-License-Identifier: BSD-3-Clause */
/* A client with every fault that the author of a first client may make. */
#include "kup.h"

KUP_PARAM_STRING(name, "so/sloppy", "the device's name");
KUP_PARAM_NUMBER(strange, 0, "load returns this positive number");
KUP_PARAM_NUMBER(forget, 0, "unload leaves the device behind");
KUP_PARAM_NUMBER(give_up, 0, "load fails, and leaves the device behind");
KUP_PARAM_NUMBER(nothing, 0, "load makes no device");

static struct kup_device *device;

static int serve(struct kup_channel *channel)
{
	struct kup_record record;

	while (!kup_peek(channel, &record, KUP_FOREVER))
		kup_release(channel, &record);
	return 0;
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = name };
	int error;

	if (nothing || strange)
		return (int)strange;
	error = kup_device_create(&config, &ops, NULL, &device);
	return !error && give_up ? -EIO : error;
}

static void unload(void)
{
	if (!forget)
		kup_device_destroy(device);
	device = NULL;
}

KUP_MODULE(load, unload, "a sloppy client");
