/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases.h"

#define HOST "host:"
#define KERNEL_MODULE "kup_echo"
#define KERNEL_MODULE_FILE "/lib/modules/kup_echo.ko"

static const char *path;
static char **differences;

static bool is_host(void)
{
	return strncmp(path, HOST, strlen(HOST)) == 0;
}

/* All ids that the programs ask for: one that is misspelt would hold for no driver. */
static bool is_known(const char *id)
{
	static const char *const known[] = { "devices-are-files", "opening-loads",
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

int module_load(const char *parameters)
{
	return is_host() ? kup_user_host_load("echo", parameters) : load_into_kernel(parameters);
}

int module_unload(void)
{
	if (is_host())
		return kup_user_host_unload("echo");
	return syscall(SYS_delete_module, KERNEL_MODULE, O_NONBLOCK) == -1 ? -errno : 0;
}

static bool device_is_there(void)
{
	int fd = kup_user_open(path_of(ECHO_NAME));

	if (fd >= 0)
		kup_user_close(fd);
	return fd >= 0;
}

void reload(void)
{
	need(module_load("") == 0, "the echo client can be loaded again");
	need(EVENTUALLY(5000, device_is_there()), "and its device is there");
}

void need_unload(void)
{
	need(module_unload() == 0, "the echo client can be unloaded");
}
