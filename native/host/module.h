/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Client modules of the host driver: shared objects, and the ones that are built into the library.
 */
#ifndef KUP_HOST_MODULE_H
#define KUP_HOST_MODULE_H

struct host_file;

/* See kup_user_host_load and kup_user_open. host_error returns why a call failed. */
int host_load(const char *module, const char *parameters);
int host_unload(const char *module);

struct host_client;
/*
 * Calls a client's unload. Nonzero: it has not returned, because a serve doesn't; then it still
 * runs, and the module must stay in memory. `record` may be NULL. May sleep.
 */
int host_call_unload(void (*unload)(void), struct host_client *record);

/* See kup_user_host_mistakes. */
int host_module_mistakes(const char *name, char *text, unsigned int bytes);
int host_open_client(const char *name, struct host_file **file);

#endif
