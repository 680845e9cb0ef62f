/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a client module needs of Linux, under names that every system has. */
#ifndef KUP_SYSTEM_H
#define KUP_SYSTEM_H

#include <linux/errno.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/types.h>

/* Use it once in a client. load() returns 0 or a negative errno; unload() undoes it. */
#define KUP_MODULE(load, unload, description)                                                      \
	static int __init kup_module_load(void)                                                    \
	{                                                                                          \
		return load();                                                                     \
	}                                                                                          \
	static void __exit kup_module_unload(void)                                                 \
	{                                                                                          \
		unload();                                                                          \
	}                                                                                          \
	module_init(kup_module_load);                                                              \
	module_exit(kup_module_unload);                                                            \
	MODULE_DESCRIPTION(description);                                                           \
	MODULE_LICENSE("Dual BSD/GPL")

/* A number, or a string, that can be set when the module is loaded. */
#define KUP_PARAM_NUMBER(name, value, description)                                                 \
	static unsigned int name = value;                                                          \
	module_param(name, uint, 0444);                                                            \
	MODULE_PARM_DESC(name, description)
#define KUP_PARAM_STRING(name, value, description)                                                 \
	static char *name = value;                                                                 \
	module_param(name, charp, 0444);                                                           \
	MODULE_PARM_DESC(name, description)

#endif
