/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * kup.ko: loading and unloading. What client modules link to is the list of EXPORT_SYMBOLs in Linux's
 * module.c, which the makefiles read.
 *
 * Nothing may be left of us when we go: clients depend on us (MODULE_DEPEND), so they are gone first; open
 * files refuse the unload here; threads are waited for. Mappings need nothing of us.
 */
#include "freebsd.h"
#include "layers/layers.h"

#include <sys/kernel.h>
#include <sys/linker.h>
#include <sys/module.h>

/* The compiler's own names: the header for them has moved between releases. */
void kup_log(const char *format, ...)
{
	__builtin_va_list arguments;
	char line[256];

	__builtin_va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	__builtin_va_end(arguments);
	printf("kup: %s\n", line);
}

static int load(void)
{
	int error;

	kup_registry_init();
	freebsd_nodes_init();
	error = kup_layers_init();
	if (error)
		goto registry;
	error = freebsd_threads_init();
	if (error)
		goto layers;
	return 0;
layers:
	kup_layers_exit();
registry:
	kup_registry_destroy();
	return error;
}

/*
 * Whoever closed the last file may still be on its last instructions here, after it counted itself out; the
 * kernel doesn't tell when it has left us. It gets the time.
 */
#define LEAVING_MS 100

static void unload(void)
{
	pause_sbt("kupend", LEAVING_MS * SBT_1MS, 0, 0);
	freebsd_threads_exit();
	kup_layers_exit();
	kup_registry_destroy();
}

/*
 * If kup.ko came only because a client needs it, the kernel unloads it with the last client, and heeds no refusal; and
 * what nobody has loaded by name, nobody can unload by name (kern_linker.c: linker_file_unload,
 * kern_kldunload). So from a refusal on it counts as loaded by name. The kernel holds the lock of that count,
 * in which it matters only whether it is zero.
 */
static int refuse(module_t module)
{
	linker_file_t file = module_file(module);

	if (file && file->userrefs == 0)
		file->userrefs = 1;
	return EBUSY;
}

/* The kernel unloads a module also after its loading has failed (kern_module.c: module_register_init). */
static int event(module_t module, int what, void *argument)
{
	static int loaded;
	int error;

	(void)argument;
	switch (what) {
	case MOD_LOAD:
		error = load();
		loaded = !error;
		return freebsd_errno(error);
	case MOD_QUIESCE:
		return freebsd_nodes_in_use() ? refuse(module) : 0;
	case MOD_UNLOAD:
		if (!loaded)
			return 0;
		/* Also for kldunload -f, which overrides MOD_QUIESCE and nothing else (kern_linker.c). */
		if (freebsd_nodes_in_use())
			return refuse(module);
		unload();
		loaded = 0;
		return 0;
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
