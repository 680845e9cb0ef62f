/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What a client module needs of FreeBSD, under names that every system has.
 *
 * The module's makefile defines its name once: CFLAGS+= -DKUP_MODULE_NAME=${KMOD}. A parameter is
 * the variable hw.NAME.PARAMETER: set it in loader.conf, or by kenv before kldload; sysctl shows
 * it.
 */
#ifndef KUP_SYSTEM_H
#define KUP_SYSTEM_H

#include <sys/param.h>
#include <sys/errno.h>
/* FreeBSD has the same under another name. */
#ifndef ENODATA
#define ENODATA ENOATTR
#endif
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/sysctl.h>

/* In two steps, so that a name that is a macro is replaced before it is pasted or made a string. */
#define KUP_STRING_(name) #name
#define KUP_STRING(name) KUP_STRING_(name)
#define KUP_PASTE_(first, second) first##second
#define KUP_PASTE(first, second) KUP_PASTE_(first, second)

#define KUP_DECLARE_(name, data)                                                                   \
	DECLARE_MODULE(name, data, SI_SUB_DRIVERS, SI_ORDER_MIDDLE);                               \
	MODULE_VERSION(name, 1);                                                                   \
	MODULE_DEPEND(name, kup, 1, 1, 1)
#define KUP_DECLARE(name, data) KUP_DECLARE_(name, data)
#define KUP_NODE_(name, description)                                                               \
	SYSCTL_NODE(_hw, OID_AUTO, name, CTLFLAG_RD | CTLFLAG_MPSAFE, NULL, description)
#define KUP_NODE(name, description) KUP_NODE_(name, description)

/*
 * Use it once in a client. load() returns 0 or a negative errno; unload() undoes it. The kernel
 * also unloads a module after its loading has failed (kern_module.c: module_register_init); then
 * there is nothing to undo.
 */
#define KUP_MODULE(load, unload, description)                                                      \
	static int kup_module_event(module_t module, int what, void *argument)                     \
	{                                                                                          \
		static int loaded;                                                                 \
		int error;                                                                         \
                                                                                                   \
		(void)module;                                                                      \
		(void)argument;                                                                    \
		switch (what) {                                                                    \
		case MOD_LOAD:                                                                     \
			error = load();                                                            \
			loaded = !error;                                                           \
			return -error;                                                             \
		case MOD_UNLOAD:                                                                   \
			if (loaded)                                                                \
				unload();                                                          \
			loaded = 0;                                                                \
			return 0;                                                                  \
		case MOD_QUIESCE:                                                                  \
		case MOD_SHUTDOWN:                                                                 \
			return 0;                                                                  \
		default:                                                                           \
			return EOPNOTSUPP;                                                         \
		}                                                                                  \
	}                                                                                          \
	static moduledata_t kup_module_data = { KUP_STRING(KUP_MODULE_NAME), kup_module_event,     \
						NULL };                                            \
	KUP_DECLARE(KUP_MODULE_NAME, kup_module_data);                                             \
	KUP_NODE(KUP_MODULE_NAME, description)

#define KUP_PARENT KUP_PASTE(_hw_, KUP_MODULE_NAME)
#define KUP_PARENT_DECLARE_(parent) SYSCTL_DECL(parent)
#define KUP_PARENT_DECLARE(parent) KUP_PARENT_DECLARE_(parent)
#define KUP_PARAM_UINT_(parent, name, description)                                                 \
	SYSCTL_UINT(parent, OID_AUTO, name, CTLFLAG_RDTUN, &name, 0, description)
#define KUP_PARAM_UINT(parent, name, description) KUP_PARAM_UINT_(parent, name, description)
#define KUP_PARAM_CHARS_(parent, name, description)                                                \
	SYSCTL_STRING(parent, OID_AUTO, name, CTLFLAG_RDTUN, name, sizeof(name), description)
#define KUP_PARAM_CHARS(parent, name, description) KUP_PARAM_CHARS_(parent, name, description)

/* The kernel copies a string into the variable, so the variable needs room for one. */
#define KUP_PARAM_STRING_MAX 128

/* A number, or a string, that can be set when the module is loaded. */
#define KUP_PARAM_NUMBER(name, value, description)                                                 \
	static unsigned int name = value;                                                          \
	KUP_PARENT_DECLARE(KUP_PARENT);                                                            \
	KUP_PARAM_UINT(KUP_PARENT, name, description)
#define KUP_PARAM_STRING(name, value, description)                                                 \
	static char name[KUP_PARAM_STRING_MAX] = value;                                            \
	KUP_PARENT_DECLARE(KUP_PARENT);                                                            \
	KUP_PARAM_CHARS(KUP_PARENT, name, description)

#endif
