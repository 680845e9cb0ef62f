/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* A module with a bug on purpose: it is never loaded to the end. */
#include <linux/delay.h>
#include "kup.h"

static int load(void)
{
	for (;;)
		msleep(1000);
	return 0;
}

static void unload(void)
{
}

KUP_MODULE(load, unload, "a bug on purpose: loading hangs");
