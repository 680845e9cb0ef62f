/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that calls a function that does not exist. */
#include "kup.h"

int kup_does_not_exist(void);

static int load(void)
{
	return kup_does_not_exist();
}

static void unload(void)
{
}

KUP_MODULE(load, unload, "a call into nothing");
