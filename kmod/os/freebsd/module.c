/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * kup.ko: loading and unloading. The symbols that client modules link to are the EXPORT_SYMBOLs in
 * Linux's module.c, which the makefiles read.
 *
 * Nothing may need this module when it is unloaded. Clients depend on it (MODULE_DEPEND), so they
 * are unloaded first. While a file is open, the unload is refused below. Threads are waited for.
 * Mappings need nothing of this module.
 */
#include "freebsd.h"
#include "layers/layers.h"

#include <sys/kernel.h>
#include <sys/linker.h>
#include <sys/module.h>

/* This uses the compiler's own names: the header for them has moved between releases. */
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
 * The thread that closed the last file counts itself out first, and may still run the last
 * instructions of this module. The kernel does not report when the thread has left, so unloading
 * waits for this time.
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
 * If kup.ko was loaded only because a client needs it, the kernel unloads it with the last client,
 * and ignores a refusal. Then it could never be unloaded, since kldunload unloads only what was
 * loaded by name (kern_linker.c: linker_file_unload, kern_kldunload). So after a refusal, the file
 * counts as loaded by name. The kernel holds the lock of that count, and only compares the count
 * with zero.
 */
static int refuse(module_t module)
{
	linker_file_t file = module_file(module);

	if (file && file->userrefs == 0)
		file->userrefs = 1;
	return EBUSY;
}

/*
 * The kernel also unloads a module after its loading has failed (kern_module.c:
 * module_register_init).
 */
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
		/*
		 * kldunload -f overrides MOD_QUIESCE and nothing else (kern_linker.c), so this
		 * refuses too.
		 */
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

/* First, and so before the clients, when all of them are loaded with the kernel. */
DECLARE_MODULE(kup, data, SI_SUB_DRIVERS, SI_ORDER_FIRST);
MODULE_VERSION(kup, 1);
/* The predecessor's name, which modules that were written for it depend on. */
MODULE_VERSION(kup_dev, 1);
