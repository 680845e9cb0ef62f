/* SPDX-License-Identifier: BSD-3-Clause */
/* Modules that have FreeBSD's own threads: tests/freebsd/module/shifts.c. */
#include <errno.h>
#include <string.h>
#include <sys/param.h>
#include <sys/linker.h>
#include <unistd.h>

#include "cases.h"
#include "kup.h"

static bool is_served(void)
{
	void *device = kernproxy_open("shifts");
	void *channel = device != NULL ? kernproxy_channel(device, 0, 1) : NULL;
	const char *message = NULL;
	bool good =
		channel != NULL &&
		EVENTUALLY(PATIENCE_MS, (message = kernproxy_receive(channel, KP_NB)) != NULL) &&
		strcmp(message, "hello") == 0;

	kernproxy_close(device);
	return good;
}

int main(void)
{
	int file, rounds = 0;

	begin_cases(60);
	file = kldload("shifts");
	if (file == -1 && errno == ENOENT) {
		skip("kupdev in modules that have FreeBSD's own threads",
		     "shifts.ko does not exist");
		return finish();
	}
	need(file != -1, "a module that depends on kup_dev can be loaded");
	while (rounds < 8 && is_served())
		rounds++;
	check(rounds == 8, "kupdev serves each process by a kernel process of its own", "round %d",
	      rounds);
	check(EVENTUALLY(PATIENCE_MS, kldunload(file) == 0), "kldunload() unloads that module",
	      "%s", error_name(-errno));
	return finish();
}
