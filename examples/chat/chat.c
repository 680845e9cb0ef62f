/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client module that broadcasts: what one user sends, all users get. A user that does not read
 * makes no other one wait. It gets a gap with the number of its losses.
 */
#include "kup.h"

KUP_PARAM_NUMBER(channels, 8, "number of users");

static struct kup_device *device;

/* Runs in a thread of its own for each user. */
static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	char line[512];
	int error;

	for (;;) {
		error = kup_receive(channel, line, sizeof(line), &record, KUP_FOREVER);
		if (error)
			return error;
		kup_broadcast(kup_channel_device(channel), record.type, line, record.length);
	}
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "chat", .channels = channels };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "KUP's chat: an example of a client module that broadcasts");
