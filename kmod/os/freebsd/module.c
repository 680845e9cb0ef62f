/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * kup.ko: loading and unloading. What client modules link to is the list of EXPORT_SYMBOLs in Linux's
 * module.c, which the makefiles read.
 *
 * Nothing may be left of us when we go: clients depend on us (MODULE_DEPEND), so they are gone first; open
 * files refuse the unload here; threads are waited for. Mappings need nothing of us.
 *
 * (If kup.ko came only because a client needs it, the kernel unloads it with the last client, and heeds no refusal: it
 * then stays, and can't be unloaded any more. Who loads it by itself can unload it; kern_linker.c.)
 */
#include "freebsd.h"

#include <sys/kernel.h>
#include <sys/module.h>

static int load(void)
{
	int error;

	kup_registry_init();
	kup_softcs_init();
	freebsd_nodes_init();
	error = freebsd_threads_init();
	if (error) {
		kup_softcs_destroy();
		kup_registry_destroy();
	}
	return error;
}

/*
 * Whoever closed the last file may still be on its last instructions here, after it counted itself out; the
 * kernel doesn't tell when it has left us. It gets the time.
 */
#define LEAVING_MS 100

/* EBUSY also for `kldunload -f`, which overrides MOD_QUIESCE and nothing else (kern_linker.c). */
static int unload(void)
{
	if (freebsd_nodes_in_use())
		return -EBUSY;
	pause_sbt("kupend", LEAVING_MS * SBT_1MS, 0, 0);
	freebsd_threads_exit();
	kup_softcs_destroy();
	kup_registry_destroy();
	return 0;
}

static int event(module_t module, int what, void *argument)
{
	(void)module;
	(void)argument;
	switch (what) {
	case MOD_LOAD:
		return freebsd_errno(load());
	case MOD_QUIESCE:
		return freebsd_nodes_in_use() ? EBUSY : 0;
	case MOD_UNLOAD:
		return freebsd_errno(unload());
	case MOD_SHUTDOWN:
		return 0;
	default:
		return EOPNOTSUPP;
	}
}

static moduledata_t data = { "kup", event, NULL };

/* First: before the clients, when all of them are loaded with the kernel. */
DECLARE_MODULE(kup, data, SI_SUB_DRIVERS, SI_ORDER_FIRST);
MODULE_VERSION(kup, 1);
/* The predecessor's name: modules that were written for it depend on that. */
MODULE_VERSION(kup_dev, 1);
