/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What clients get of the system through os.h, unchanged. */
#include "core.h"

void *kup_alloc(unsigned long bytes)
{
	return os_alloc(bytes);
}

void kup_free(void *memory)
{
	os_free(memory);
}

kup_u32 kup_page_size(void)
{
	return os_page_size();
}

kup_u64 kup_now_ns(void)
{
	return os_now_ns();
}

void kup_breathe(void)
{
	os_breathe();
}
