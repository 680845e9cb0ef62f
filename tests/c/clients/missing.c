/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that needs a symbol that does not exist. */
#include "kup.h"

int function_that_is_nowhere(void);

static int load(void)
{
	return function_that_is_nowhere();
}

static void unload(void)
{
}

KUP_MODULE(load, unload, "a client that can't be linked");
