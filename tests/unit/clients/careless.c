/* SPDX-License-Identifier: BSD-3-Clause */
/* A client with a bug on purpose, which its parameter selects. */
#include "kup.h"

KUP_PARAM_STRING(fault, "", "refuse, leave (a device at its unloading), or nothing (no device)");

static struct kup_device *device;
static const struct kup_ops ops;

static int is(const char *what)
{
	return __builtin_strcmp(fault, what) == 0;
}

static int load(void)
{
	const struct kup_config config = { .name = "careless" };

	if (is("refuse"))
		return -ENODEV;
	if (is("nothing"))
		return 0;
	if (is("positive"))
		return 7;
	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	if (device && !is("leave"))
		kup_device_destroy(device);
}

KUP_MODULE(load, unload, "mistakes");
