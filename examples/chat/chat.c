/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client module that broadcasts: a line of type 0 goes to all users. A line of type 1 + N is
 * private, and goes only to the user of channel N. A user that does not read makes no other one
 * wait. It gets a gap with the number of its losses.
 */
#include "kup.h"

KUP_PARAM_NUMBER(channels, 8, "number of users");

static struct kup_device *device;

/* Does nothing if there is no such user, and never waits for room. */
static void send_private(kup_u32 number, kup_u32 type, const void *line, kup_u32 length)
{
	struct kup_channel *channel;

	for (channel = kup_walk(device, NULL); channel; channel = kup_walk(device, channel)) {
		if (kup_channel_number(channel) != number)
			continue;
		kup_try_send(channel, type, line, length);
		kup_walk_end(device, channel);
		return;
	}
}

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
		if (record.type == 0)
			kup_broadcast(device, record.type, line, record.length);
		else
			send_private(record.type - 1, record.type, line, record.length);
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
