/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that was built for another version of the host driver. */
#include "kup.h"

#undef KUP_HOST_VERSION
#define KUP_HOST_VERSION 99

static int load(void)
{
	return 0;
}

static void unload(void)
{
}

KUP_MODULE(load, unload, "another version");
