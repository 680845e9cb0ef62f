/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Loading: the engine's registry is made before the first client could want it. */
#include "host.h"

__attribute__((constructor)) static void load(void)
{
	kup_registry_init();
}
