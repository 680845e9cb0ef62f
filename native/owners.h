/* SPDX-License-Identifier: BSD-3-Clause */
/* What the calls of kup_user.h report to owners.c, and what it asks of the waiter. */
#ifndef KUP_OWNERS_H
#define KUP_OWNERS_H

#include <stdint.h>

/* This file has a channel now. */
void owners_attached(int32_t fd);
/* If the file is owned: this is to be put away with it. */
void owners_mapped(int32_t fd, uint64_t address, uint64_t bytes);

/* waiter.c: as kup_user_waiter_remove, whatever id the file has; nothing if it has none. */
void waiter_forget(int32_t fd);

/* waiter.c: from now on a fork finds the tables whole: 0 or a negative errno. */
int watch_forks(void);
/* Around a fork, which the waiter watches for both: its lock comes later. */
void owners_before_fork(void);
void owners_after_fork(void);

#endif
