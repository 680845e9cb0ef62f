/* SPDX-License-Identifier: BSD-3-Clause */
/* A client with a bug on purpose: it is unloaded without deleting its device. */
#include "kup.h"

KUP_PARAM_NUMBER(refuse, 0, "1: its load fails, after it has made the device");

static int serve(struct kup_channel *channel)
{
	char buffer[64];
	struct kup_record record;
	int error;

	while (!(error = kup_receive(channel, buffer, sizeof(buffer), &record, KUP_FOREVER)))
		kup_send(channel, record.type, buffer, record.length, KUP_FOREVER);
	return error;
}

static struct kup_device *device;
static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "deserter", .channels = 2 };
	int error = kup_device_create(&config, &ops, NULL, &device);

	return !error && refuse ? -ENODEV : error;
}

static void unload(void)
{
}

KUP_MODULE(load, unload, "leaves its device behind");
