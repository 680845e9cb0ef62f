/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client with a bug on purpose: it is unloaded without kupdev_unload(), and leaves its device
 * behind. Loaded again with the handle of that device, it unloads the device.
 */
#include "kup.h"
#include "kupdev.h"

KUP_PARAM_NUMBER(device, 0, "the device, after loading; before: one that was left behind");

static struct kupdev_softc *sc;
static int careful;

static void unload(void)
{
	if (careful)
		kupdev_unload(sc);
}

static int load(void)
{
	careful = device != 0;
	sc = device ? (struct kupdev_softc *)(unsigned long)device
		    : kupdev_create("careless", 1, 1);
	device = (unsigned int)(unsigned long)sc;
	return sc ? 0 : -EINVAL;
}

KUP_MODULE(load, unload, "leaves its device behind");
