/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* A module with a bug on purpose: two of its devices have one name, so it does not load. */
#include "kup.h"

static struct kup_device *first;
static struct kup_device *second;

static int serve(struct kup_channel *channel)
{
	(void)channel;
	return 0;
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "planted_refuse", .channels = 1 };
	int error = kup_device_create(&config, &ops, NULL, &first);

	if (error)
		return error;
	error = kup_device_create(&config, &ops, NULL, &second);
	if (error)
		kup_device_destroy(first);
	return error;
}

static void unload(void)
{
	kup_device_destroy(second);
	kup_device_destroy(first);
}

KUP_MODULE(load, unload, "a bug on purpose: it does not load");
