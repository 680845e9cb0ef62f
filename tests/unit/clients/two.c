/* SPDX-License-Identifier: BSD-3-Clause */
/* A client with two devices. */
#include "kup.h"

static struct kup_device *devices[2];
static const struct kup_ops ops;

static int load(void)
{
	const struct kup_config first = { .name = "two/first" };
	const struct kup_config second = { .name = "two/second", .channels = 3 };
	int error = kup_device_create(&first, &ops, NULL, &devices[0]);

	if (error)
		return error;
	error = kup_device_create(&second, &ops, NULL, &devices[1]);
	if (error)
		kup_device_destroy(devices[0]);
	return error;
}

static void unload(void)
{
	kup_device_destroy(devices[1]);
	kup_device_destroy(devices[0]);
}

KUP_MODULE(load, unload, "two devices");
