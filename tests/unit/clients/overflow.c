/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that writes behind the end of its memory when it gets a message of more than 8 bytes. */
#include "kup.h"

static struct kup_device *device;

static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	char *small = kup_alloc(8);
	int error = kup_receive(channel, small, 100, &record, KUP_FOREVER);

	kup_free(small);
	return error;
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "overflow" };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "an overflow");
