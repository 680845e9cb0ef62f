/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which driver a program talks to, and loading its echo client. A program is called as
 *
 *   program PATH [DIFFERENCE ...]
 *
 * where PATH is the echo device's ("/dev/kup/echo", "host:echo"), and the rest are those of
 * tests/conformance/differences.ts that hold for its driver.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdbool.h>

#include "kup_user.h"

/* The name that the echo client gives its device unless it is told otherwise. */
#define ECHO_NAME "kup/echo"

/* Reads the arguments, and loads the echo client if it isn't. See begin_cases for seconds. */
void begin(int count, char **arguments, unsigned int seconds);

/* Does this driver differ by nature in this way? An id that is not in the list ends the program. */
bool differs(const char *id);

/* The path of the device with this name, in memory that the next call uses again. */
const char *path_of(const char *name);

/* The path that the program was given. */
const char *echo_path(void);

/* insmod and rmmod of the echo client: 0 or a negative errno. */
int module_load(const char *parameters);
int module_unload(void);

/* module_load without parameters, and the device that comes of it; or the end of the program. */
void reload(void);

/* Loads the echo client again, with pauses that outlast their user and the device, until the next
 * need_unload and reload. */
void reload_stubborn(void);

/* module_unload, or the end of the program. */
void need_unload(void);

#endif
