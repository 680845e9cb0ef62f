/* SPDX-License-Identifier: BSD-3-Clause */
/* What the calls of kup_user.h report to owners.c, and what owners.c needs of the waiter. */
#ifndef KUP_OWNERS_H
#define KUP_OWNERS_H

#include <stdint.h>

/* This file now has a channel. */
void owners_attached(int32_t fd);
/* Records a mapping, so that it is given back together with its file, if the file is owned. */
void owners_mapped(int32_t fd, uint64_t address, uint64_t bytes);

/*
 * waiter.c: as kup_user_waiter_remove, but without the file's id. Does nothing if the waiter does
 * not know the file.
 */
void waiter_forget(int32_t fd);

/* waiter.c: from now on, a child finds the tables complete after a fork. 0 or a negative errno. */
int watch_forks(void);
/*
 * Called around a fork by the waiter, which watches forks for both files. The waiter's lock is
 * taken after this one.
 */
void owners_before_fork(void);
void owners_after_fork(void);

#endif
