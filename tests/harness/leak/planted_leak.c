/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* A module with a bug on purpose: it forgets memory, which only the debug kernel finds. */
#include "kup.h"

static int load(void)
{
	char *forgotten = kup_alloc(100);

	if (!forgotten)
		return -ENOMEM;
	forgotten[0] = 1;
	return 0;
}

static void unload(void)
{
}

KUP_MODULE(load, unload, "a bug on purpose: a leak");
