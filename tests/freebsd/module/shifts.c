/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A module as it was written for KUP's predecessor, with the predecessor's name for the module it
 * depends on, and with FreeBSD's own threads. /dev/shifts has one channel. A new kernel process
 * serves each process that attaches it: it sends one message, and ends some time after its process
 * has left, which it does not notice.
 */
#include <sys/param.h>
#include <sys/kernel.h>
#include <sys/kthread.h>
#include <sys/module.h>
#include <sys/systm.h>

#include "kupdev.h"

#define SHIFT_MS 300
#define PAUSE_MS 100

static struct kupdev_softc *sc;
static u_int running; /* atomic: this module's kernel processes */

static void leave(void)
{
	atomic_subtract_int(&running, 1);
	kproc_exit(0);
}

static int hire(void (*main)(void *))
{
	int error;

	atomic_add_int(&running, 1);
	error = kproc_create(main, NULL, NULL, 0, 0, "shifts");
	if (error)
		atomic_subtract_int(&running, 1);
	return error;
}

static void rest(int milliseconds)
{
	pause_sbt("shifts", milliseconds * SBT_1MS, 0, 0);
}

static void worker(void *argument)
{
	char hello[] = "hello";

	(void)argument;
	kupdev_send(sc, hello, sizeof(hello), 0);
	rest(SHIFT_MS);
	leave();
}

static void foreman(void *argument)
{
	(void)argument;
	while (kupdev_wait_channel(sc) >= 0)
		hire(worker);
	leave();
}

static int load(void)
{
	sc = kupdev_create("shifts", 1, 1);
	return sc ? hire(foreman) : EIO;
}

static int unload(void)
{
	int error = kupdev_unload(sc);

	if (error)
		return -error;
	while (atomic_load_int(&running) > 0)
		rest(1);
	/* For the last instructions of the last one. */
	rest(PAUSE_MS);
	return 0;
}

static int event(module_t module, int what, void *argument)
{
	(void)module;
	(void)argument;
	switch (what) {
	case MOD_LOAD:
		return load();
	case MOD_UNLOAD:
		return unload();
	default:
		return 0;
	}
}

static moduledata_t data = { "shifts", event, NULL };

DECLARE_MODULE(shifts, data, SI_SUB_DRIVERS, SI_ORDER_MIDDLE);
MODULE_VERSION(shifts, 1);
MODULE_DEPEND(shifts, kup_dev, 1, 1, 1);
