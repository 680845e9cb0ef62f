/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * my_device: each channel answers numbers with their sum. The same file makes a module of the host
 * driver (`make`) and of a kernel (`make test-vm`).
 */
#include "kup.h"
#include "my_device.h"

KUP_PARAM_NUMBER(channels, 4, "number of channels");

static struct kup_device *device;

/* What is kept for each channel: attach makes it, and detach frees it. */
struct my_device {
	unsigned int count;
};

/* Only what is in the copy is used, because the user may change the message at any time. */
static int answer(struct kup_channel *channel, const struct kup_record *record)
{
	struct my_device *mine = kup_channel_context(channel);
	struct my_device_add add;
	struct my_device_sum sum = { 0 };

	if (record->type != MY_DEVICE_ADD || record->length != sizeof(add))
		return 0;
	memcpy(&add, record->data, sizeof(add));
	sum.sum = (unsigned long long)add.a + add.b;
	sum.count = ++mine->count;
	return kup_send(channel, MY_DEVICE_SUM, &sum, sizeof(sum), KUP_FOREVER);
}

/* Runs in a thread of its own for each channel, until its user leaves or the device goes. */
static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	int error;

	while (!(error = kup_peek(channel, &record, KUP_FOREVER))) {
		error = answer(channel, &record);
		kup_release(channel, &record);
		if (error)
			break;
	}
	return error;
}

static int attach(struct kup_channel *channel)
{
	struct my_device *mine = kup_alloc(sizeof(*mine));

	if (!mine)
		return -ENOMEM;
	kup_channel_set_context(channel, mine);
	return 0;
}

static void detach(struct kup_channel *channel)
{
	kup_free(kup_channel_context(channel));
}

static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };

static int load(void)
{
	const struct kup_config config = { .name = "my_device", .channels = channels };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "my_device: a client of KUP");
