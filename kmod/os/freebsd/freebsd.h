/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What the FreeBSD files share. Results are negative errno values inside, as in the engine;
 * freebsd_errno converts them where the kernel calls us.
 *
 * These files use only interfaces that both 12.1 and the newest headers (15) have, so they never
 * look at __FreeBSD_version. Statements about the kernel come from its sources, of 12.1 and of
 * newer versions where these could be read; the name of the source file stands beside each.
 */
#ifndef KUP_FREEBSD_H
#define KUP_FREEBSD_H

#include <sys/malloc.h>

#include "core.h"

MALLOC_DECLARE(M_KUP);

/*
 * Converts a result to the kernel's errno. A client may refuse an ATTACH with any number. Numbers
 * outside of errno.h must not reach the kernel: negative ones mean "restart the system call" and
 * the like.
 */
static inline int freebsd_errno(int result)
{
	if (result == 0)
		return 0;
	return result < 0 && result >= -ELAST ? -result : EINVAL;
}

/* memory.c: maps one whole area, which kup_area_find finds, as mmap asked for it. */
struct freebsd_mapping {
	struct vm_map *map;
	kup_u64 offset;
	kup_u64 bytes;
	int protection; /* VM_PROT_* */
	int allowed;	/* the protections that a capability, or PROT_MAX, allows later */
	int flags;	/* MAP_* */
};
int freebsd_memory_map(struct os_memory *memory, const struct freebsd_mapping *mapping,
		       unsigned long *address);

/*
 * sync.c: the process that the engine's threads belong to. exit waits until all of them have left.
 */
int freebsd_threads_init(void);
void freebsd_threads_exit(void);

/* node.c. In use means: a device exists, or a file of a device is still open. */
void freebsd_nodes_init(void);
int freebsd_nodes_in_use(void);

#endif
