/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that was built for a host driver of another version: no function of it may be called. */
#include <stdlib.h>

#include "kup.h"

static int load(void)
{
	abort();
}

extern const struct kup_host_client kup_host_client;
const struct kup_host_client kup_host_client = { .version = KUP_HOST_VERSION + 1,
						 .load = load,
						 .description = "of another version" };
