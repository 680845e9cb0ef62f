/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that is a piece of memory. It stands in for device.c and memory.c below the C API, so
 * that a test can be the kernel's side, honest or not.
 */
#ifndef WORLD_H
#define WORLD_H

#include "kup_user.h"

#define PAGE 4096u

extern struct world {
	struct kup_info info;
	uint64_t map_bytes;
	uint8_t *memory; /* the areas, with an inaccessible page before and behind */
	struct kup_kernel_page *kernel;
	struct kup_user_page *user;
	uint8_t *in, *out;     /* the rings to the user, and to the kernel */
	void (*on_wait)(void); /* called where a program would sleep; or NULL */
} world;

/* One channel, whose rings have these sizes, which are powers of two. */
void make_world(uint32_t mode, uint32_t to_user_bytes, uint32_t to_kernel_bytes);
void end_world(void);

/*
 * The kernel's side sends a record with an unset payload, whether there is room or not. With
 * UNFINISHED among the flags the record is not finished.
 */
#define UNFINISHED KUP_RECORD_READY
void send_record(uint32_t length_flags, uint32_t type);

#endif
