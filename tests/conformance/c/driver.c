/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __FreeBSD__
#include <kenv.h>
#include <sys/param.h>
#include <sys/linker.h>
#else
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "cases.h"

#define HOST "host:"
#define KERNEL_MODULE "kup_echo"
#define KERNEL_MODULE_FILE "/lib/modules/kup_echo.ko" /* FreeBSD: a folder of kern.module_path */

static const char *path;
static char **differences;

static bool is_host(void)
{
	return strncmp(path, HOST, strlen(HOST)) == 0;
}

/* The ids that the programs ask for. An id that is misspelt would hold for no driver. */
static bool is_known(const char *id)
{
	static const char *const known[] = { "devices-are-files",
					     "opening-loads",
					     "parameters-are-variables",
					     "polls-hold-no-file",
					     "polls-look-once",
					     "shared-by-processes",
					     "unknown-parameters-are-refused",
					     "waiter-may-be-early" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i], id) == 0)
			return true;
	return false;
}

bool differs(const char *id)
{
	need(is_known(id), id);
	for (char **one = differences; *one != NULL; one++)
		if (strcmp(*one, id) == 0)
			return true;
	return false;
}

void begin(int count, char **arguments, unsigned int seconds)
{
	int fd;

	if (count < 2) {
		fprintf(stderr, "usage: %s PATH [DIFFERENCE ...]\n", arguments[0]);
		exit(2);
	}
	begin_cases(seconds);
	path = arguments[1];
	differences = arguments + 2;
	fd = kup_user_open(path);
	need(fd >= 0, "the echo device can be opened");
	kup_user_close(fd);
}

const char *echo_path(void)
{
	return path;
}

const char *path_of(const char *name)
{
	static __thread char buffer[256];

	snprintf(buffer, sizeof(buffer), "%s%s", is_host() ? HOST : "/dev/", name);
	return buffer;
}

#ifdef __FreeBSD__

/* Sets a variable that the module reads its parameters from, or deletes it if `value` is NULL. */
static void set_tunable(const char *parameter, const char *value)
{
	char name[128];

	snprintf(name, sizeof(name), "hw." KERNEL_MODULE ".%s", parameter);
	if (value != NULL)
		kenv(KENV_SET, name, (char *)(uintptr_t)value, (int)strlen(value) + 1);
	else
		kenv(KENV_UNSET, name, NULL, 0);
}

/* Sets the variable of each "name=value", loads the module, and deletes the variables again. */
static void set_tunables(const char *parameters, bool present)
{
	char words[512], *word, *rest = NULL;

	snprintf(words, sizeof(words), "%s", parameters);
	for (word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		char *value = strchr(word, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		set_tunable(word, present ? value : NULL);
	}
}

static int load_into_kernel(const char *parameters)
{
	int error = 0;

	set_tunables(parameters, true);
	if (kldload(KERNEL_MODULE) == -1)
		error = -errno;
	set_tunables(parameters, false);
	return error;
}

static int unload_from_kernel(void)
{
	int id = kldfind(KERNEL_MODULE ".ko");

	return id == -1 || kldunload(id) == -1 ? -errno : 0;
}

#else

static int unload_from_kernel(void)
{
	return syscall(SYS_delete_module, KERNEL_MODULE, O_NONBLOCK) == -1 ? -errno : 0;
}

static int load_into_kernel(const char *parameters)
{
	int file = open(KERNEL_MODULE_FILE, O_RDONLY | O_CLOEXEC);
	int error = 0;

	if (file == -1)
		return -errno;
	if (syscall(SYS_finit_module, file, parameters, 0) == -1)
		error = -errno;
	close(file);
	return error;
}

#endif

int module_load(const char *parameters)
{
	return is_host() ? kup_user_host_load("echo", parameters) : load_into_kernel(parameters);
}

int module_unload(void)
{
	return is_host() ? kup_user_host_unload("echo") : unload_from_kernel();
}

static bool device_is_there(void)
{
	int fd = kup_user_open(path_of(ECHO_NAME));

	if (fd >= 0)
		kup_user_close(fd);
	return fd >= 0;
}

static void load_again(const char *parameters)
{
	need(module_load(parameters) == 0, "the echo client can be loaded again");
	need(EVENTUALLY(PATIENCE_MS, device_is_there()), "and its device is there");
}

void reload(void)
{
	load_again("");
}

void reload_stubborn(void)
{
	need_unload();
	load_again("stubborn=1");
}

void need_unload(void)
{
	need(module_unload() == 0, "the echo client can be unloaded");
}
