/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* A module with a bug on purpose: its configuration can't be used, so it does not load. */
#include "kup.h"

static struct kup_device *device;

static int load(void)
{
	const struct kup_config config = { .name = "planted_refuse", .channels = 0 };
	static const struct kup_ops ops = { .serve = NULL };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "a bug on purpose: it does not load");
