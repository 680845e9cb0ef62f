/* SPDX-License-Identifier: BSD-3-Clause */
/* The module that docs/from-kup-1.md shows, word for word from here on. */

/* The include path has kmod, and kmod/os/linux or kmod/os/host. */
#include "kup.h" /* KUP_MODULE, threads */
#include "kupdev.h"

static struct kupdev_softc *sc;
static struct kup_thread *thread;

static void run(void *unused) /* was the kproc's function */
{
	char answer[KUPDEV_NOTHING + 8] = "hello, ";
	char *message;
	int id;

	(void)unused;
	while ((id = kupdev_wait_channel(sc)) >= 0) { /* negative: the device is unloaded */
		if (kupdev_send(sc, "who?", 5, id))
			continue;
		while ((message = kupdev_receive(sc, id))) { /* NULL: the process has left */
			memcpy(answer + 7, message, KUPDEV_NOTHING);
			if (kupdev_send(sc, answer, sizeof(answer), id))
				break;
		}
	}
}

static int load(void) /* was MOD_LOAD: kproc_create */
{
	int error;

	sc = kupdev_create("mydev", 1, 1);
	if (!sc)
		return -EINVAL;
	error = kup_thread_start(run, NULL, "my thread", &thread);
	if (error)
		kupdev_unload(sc);
	return error;
}

static void unload(void) /* was MOD_UNLOAD; a process that is attached gets EKU_SHUTDOWN */
{
	kupdev_unload(sc);
	kup_thread_join(thread);
}

KUP_MODULE(load, unload, "my module");
