/* SPDX-License-Identifier: BSD-3-Clause */
#include "raw.h"

#include <sys/mman.h>

off_t area_offset(const struct kup_info *info, enum area area)
{
	off_t offset = 0;

	for (int before = AREA_KERNEL; before < (int)area; before++)
		offset += (off_t)area_length(info, before);
	return offset;
}

size_t area_length(const struct kup_info *info, enum area area)
{
	switch (area) {
	case AREA_IN:
		return 2 * (size_t)info->to_user_bytes;
	case AREA_OUT:
		return 2 * (size_t)info->to_kernel_bytes;
	default:
		return info->page_size;
	}
}

void *area_map(int fd, const struct kup_info *info, enum area area)
{
	int protection = area == AREA_KERNEL ? PROT_READ : PROT_READ | PROT_WRITE;

	return mmap(NULL, area_length(info, area), protection, MAP_SHARED, fd,
		    area_offset(info, area));
}
