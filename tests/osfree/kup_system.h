/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a client module needs of a system, for the system that has nothing. */
#ifndef KUP_SYSTEM_H
#define KUP_SYSTEM_H

#include "os_types.h"

#define KUP_MODULE(load, unload, description)                                                      \
	int kup_module_load(void)                                                                  \
	{                                                                                          \
		return load();                                                                     \
	}                                                                                          \
	void kup_module_unload(void)                                                               \
	{                                                                                          \
		unload();                                                                          \
	}                                                                                          \
	_Static_assert(1, description)
#define KUP_PARAM_NUMBER(name, value, description) static unsigned int name = value
#define KUP_PARAM_STRING(name, value, description) static const char *name = value

#endif
