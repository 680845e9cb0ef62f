/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which driver a program uses, and how to load its echo client. A program is called as
 *
 *   program PATH [DIFFERENCE ...]
 *
 * PATH is the path of the echo device ("/dev/kup/echo", "host:echo"). The rest are the ids of
 * tests/conformance/differences.ts that hold for the program's driver.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdbool.h>

#include "kup_user.h"

/* The name of the echo client's device unless a parameter sets another. */
#define ECHO_NAME "kup/echo"

/* Reads the arguments, and loads the echo client if it is not loaded. begin_cases has `seconds`. */
void begin(int count, char **arguments, unsigned int seconds);

/* Whether this driver differs in this way. An id that is not in the list ends the program. */
bool differs(const char *id);

/* The path of the device with this name. The memory is used again by the next call. */
const char *path_of(const char *name);

/* The path from the program's arguments. */
const char *echo_path(void);

/* insmod and rmmod of the echo client. Return 0 or a negative errno. */
int module_load(const char *parameters);
int module_unload(void);

/* Calls module_load without parameters and waits for the device, or ends the program. */
void reload(void);

/*
 * Loads the echo client again, with pauses that continue when their user and the device are gone,
 * until the next need_unload and reload.
 */
void reload_stubborn(void);

/* Calls module_unload, or ends the program. */
void need_unload(void);

#endif
