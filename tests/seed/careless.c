/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A module as one must not write it: it goes without kupdev_unload, and leaves its device behind.
 * Loaded once more with the device that it had, it unloads that.
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
