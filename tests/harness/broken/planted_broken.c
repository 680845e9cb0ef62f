/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* A module with a bug on purpose: it does not compile. */
#include "kup.h"

static int load(void)
{
	return missing_function();
}

static void unload(void)
{
}

KUP_MODULE(load, unload, "a bug on purpose: it does not compile");
