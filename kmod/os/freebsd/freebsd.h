/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What the FreeBSD files offer each other. errno values are negative inside, as in the engine;
 * freebsd_errno turns them where the kernel calls us.
 *
 * Only interfaces that 12.1 and the newest headers (15) both have are used, so that no
 * __FreeBSD_version is asked anywhere. What is said in these files about the kernel was read in its
 * sources, the file's name stands next to it: in 12.1's, and in newer ones as far as they could be had.
 */
#ifndef KUP_FREEBSD_H
#define KUP_FREEBSD_H

#include <sys/malloc.h>

#include "core.h"

MALLOC_DECLARE(M_KUP);

/*
 * The kernel's errno for a result of ours. A client may refuse an ATTACH with any number, and those
 * outside of errno.h must not get out: negative ones mean "restart the system call" and the like.
 */
static inline int freebsd_errno(int result)
{
	if (result == 0)
		return 0;
	return result < 0 && result >= -ELAST ? -result : EINVAL;
}

/* memory.c: maps one area, whole, for kup_area_find's answer, as mmap asked for it. */
struct freebsd_mapping {
	struct vm_map *map;
	kup_u64 offset;
	kup_u64 bytes;
	int protection; /* VM_PROT_* */
	int allowed;	/* what a capability, or PROT_MAX, leaves of it for later */
	int flags;	/* MAP_* */
};
int freebsd_memory_map(struct os_memory *memory, const struct freebsd_mapping *mapping,
		       unsigned long *address);

/* sync.c: the process that the engine's threads belong to. exit waits until all have left. */
int freebsd_threads_init(void);
void freebsd_threads_exit(void);

/* node.c. In use: a device exists, or a file of one is still open. */
void freebsd_nodes_init(void);
int freebsd_nodes_in_use(void);

#endif
