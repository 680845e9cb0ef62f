/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What the Linux files share, and the few places where kernel series differ. */
#ifndef KUP_LINUX_H
#define KUP_LINUX_H

#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/version.h>

#include "core.h"

/* memory.c: maps one whole area, which kup_area_find finds. */
int linux_memory_map(struct os_memory *memory, struct vm_area_struct *vma);

/* node.c: the range of device numbers, and the class. */
int linux_nodes_init(void);
void linux_nodes_exit(void);

/* 6.3 made vm_flags read-only; only functions such as this one change it. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void linux_vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
				      unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#else
static inline void linux_vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
				      unsigned long clear)
{
	vm_flags_mod(vma, set, clear);
}
#endif

/* 6.2 made the device const in the devnode callback. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define LINUX_DEVNODE_CONST
#else
#define LINUX_DEVNODE_CONST const
#endif

/* 6.4 dropped the owner. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define linux_class_create(name) class_create(THIS_MODULE, name)
#else
#define linux_class_create(name) class_create(name)
#endif

/* 6.15 made this one function of two. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
static inline void linux_hrtimer_setup(struct hrtimer *timer,
				       enum hrtimer_restart (*function)(struct hrtimer *),
				       clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#else
#define linux_hrtimer_setup hrtimer_setup
#endif

#endif
