/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a client module needs of an ordinary process, under names that each system has. */
#ifndef KUP_SYSTEM_H
#define KUP_SYSTEM_H

#include <errno.h>
#include <stddef.h>

/* How a client is found: built in, or in a shared object, under the name kup_host_client. */
struct kup_host_client {
	int (*load)(void);
	void (*unload)(void);
	const char *description;
};

#ifndef KUP_HOST_CLIENT
#define KUP_HOST_CLIENT kup_host_client
#endif

#define KUP_MODULE(load, unload, description)                                                      \
	extern const struct kup_host_client KUP_HOST_CLIENT;                                       \
	__attribute__((visibility("default")))                                                     \
	const struct kup_host_client KUP_HOST_CLIENT = { load, unload, description }

/* Nobody loads a module here: these are constants. */
#define KUP_PARAM_NUMBER(name, value, description) static unsigned int name = value
#define KUP_PARAM_STRING(name, value, description) static const char *name = value

/* Zeroed memory; may sleep. */
void *kup_alloc(unsigned long bytes);
void kup_free(void *memory);
void kup_breathe(void);
void kup_sleep_ms(unsigned int milliseconds);

#endif
