/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client that makes letters upper case, with parameters of both kinds. Each channel is served
 * alone.
 */
#include "kup.h"

KUP_PARAM_STRING(name, "upper", "the device");
KUP_PARAM_NUMBER(channels, 2, "number of channels");
KUP_PARAM_NUMBER(add, 0, "added to each message's type");

static struct kup_device *device;

static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	char text[100];
	int error;

	for (;;) {
		error = kup_receive(channel, text, sizeof(text), &record, KUP_FOREVER);
		if (error)
			return error;
		for (kup_u32 i = 0; i < record.length; i++)
			if (text[i] >= 'a' && text[i] <= 'z')
				text[i] = (char)(text[i] - 'a' + 'A');
		error = kup_send(channel, record.type + add, text, record.length, KUP_FOREVER);
		if (error)
			return error;
	}
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = name, .channels = channels };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "large letters");
