/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client whose thread makes the device, some time after the module was loaded, and serves it
 * once.
 */
#include "kup.h"
#include "kupdev.h"

static struct kupdev_softc *sc;
static struct kup_thread *thread;

static void serve(void *argument)
{
	int channel;

	(void)argument;
	kup_sleep_ms(50);
	sc = kupdev_create("busybody", 1, 1);
	channel = kupdev_wait_channel(sc);
	if (channel >= 0)
		kupdev_send(sc, "made by a thread", 16, channel);
}

static int load(void)
{
	return kup_thread_start(serve, NULL, "busybody", &thread);
}

static void unload(void)
{
	while (kupdev_unload(sc) == -EBUSY)
		kup_sleep_ms(1);
	kup_thread_join(thread);
}

KUP_MODULE(load, unload, "one that does all by its thread");
