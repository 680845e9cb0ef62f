/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a client module needs of an ordinary process, under names that every system has. */
#ifndef KUP_SYSTEM_H
#define KUP_SYSTEM_H

#include <errno.h>
/* FreeBSD has the same under another name. */
#ifndef ENODATA
#define ENODATA ENOATTR
#endif
#include <stddef.h>
#include <string.h>

/* Counts the changes of this file and of kup.h that break a client that was built earlier. */
#define KUP_HOST_VERSION 1

/* A parameter. Either `number` or `string` is set. */
struct kup_host_parameter {
	const char *name;
	unsigned int *number;
	const char **string;
	unsigned int initial_number;
	const char *initial_string;
};

/* A client module: a built-in one, or the symbol kup_host_client of a shared object. */
struct kup_host_client {
	unsigned int version;
	int (*load)(void);
	void (*unload)(void);
	const char *description;
	struct kup_host_parameter *first, *end;
};

#ifndef KUP_HOST_CLIENT
#define KUP_HOST_CLIENT kup_host_client
#endif

/* The linker collects this object's parameters in a section, and these are the section's ends. */
extern struct kup_host_parameter __start_kup_parameters[]
	__attribute__((weak, visibility("hidden")));
extern struct kup_host_parameter __stop_kup_parameters[]
	__attribute__((weak, visibility("hidden")));

#define KUP_MODULE(load, unload, description)                                                      \
	extern const struct kup_host_client KUP_HOST_CLIENT;                                       \
	__attribute__((visibility("default"))) const struct kup_host_client KUP_HOST_CLIENT = {    \
		KUP_HOST_VERSION,      load, unload, description, __start_kup_parameters,          \
		__stop_kup_parameters,                                                             \
	}

/*
 * Without this attribute, lld with --gc-sections, which Rust uses, drops the section, since only
 * the two ends refer to it.
 */
#if defined(__has_attribute) && __has_attribute(retain)
#define KUP_HOST_RETAIN retain,
#else
#define KUP_HOST_RETAIN
#endif

#define KUP_HOST_PARAMETER(name, number, string, initial_number, initial_string)                   \
	static struct kup_host_parameter kup_parameter_##name                                      \
		__attribute__((used, KUP_HOST_RETAIN section("kup_parameters"), aligned(8))) = {   \
			#name, number, string, initial_number, initial_string                      \
		}

/* A number, or a string, that can be set when the module is loaded. */
#define KUP_PARAM_NUMBER(name, value, description)                                                 \
	static unsigned int name = value;                                                          \
	KUP_HOST_PARAMETER(name, &name, NULL, value, NULL)
#define KUP_PARAM_STRING(name, value, description)                                                 \
	static const char *name = value;                                                           \
	KUP_HOST_PARAMETER(name, NULL, &name, 0, value)

#endif
