/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls without a library. The conformance suite's programs use the native library instead.
 */
#ifndef RAW_H
#define RAW_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

#include "peer.h"

/* The result of a system call: what it returned, or a negative errno. */
static inline long sys(long result)
{
	return result == -1 ? -errno : result;
}

/* The result of an mmap: 0, or a negative errno. */
static inline long sys_map(const void *result)
{
	return result == (const void *)-1 ? -errno : 0;
}

/* The areas, in the contract's order. */
enum area {
	AREA_KERNEL,
	AREA_USER,
	AREA_IN,
	AREA_OUT,
	AREAS
};

off_t area_offset(const struct kup_info *info, enum area area);
size_t area_length(const struct kup_info *info, enum area area);

/* An mmap of one area, or MAP_FAILED. */
void *area_map(int fd, const struct kup_info *info, enum area area);

#endif
