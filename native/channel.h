/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of the C channel. */
#ifndef KUP_CHANNEL_H
#define KUP_CHANNEL_H

#include <errno.h>
#include <stdint.h>
#include <time.h>

#include "kup_user.h"
#include "ring.h"
#include "spin.h"

/* FreeBSD has the same under another name. */
#ifndef ENODATA
#define ENODATA ENOATTR
#endif

#define FOREVER_NS UINT64_MAX
#define NOTHING_HELD UINT32_MAX /* not a position, since those are multiples of 8 */

struct spin {
	uint64_t budget_ns; /* how long the next wait spins */
	uint32_t look_ns;   /* how long a look took last time; 0: not known */
	struct kup_pace pace;
	struct kup_crowd crowd;
};

struct kup_user_channel {
	int32_t file;
	uint64_t memory; /* address */
	struct kup_info info;
	struct kup_attach attach;
	const struct kup_kernel_page *kernel;
	struct kup_producer out;
	struct kup_consumer in;
	/* what receive has returned; position is NOTHING_HELD if there is none */
	struct kup_record held;
	uint32_t stamp_bytes;  /* what each payload to the user begins with: 0, or a kup_stamp */
	int in_ended;	       /* the kernel's END was received */
	int out_ended;	       /* this side has sent its own */
	int broken;	       /* this side has found a lie in the memory */
	int split;	       /* see kup_user_channel_split */
	uint64_t spin_ns;      /* how long to spin before sleeping, at most */
	struct spin send_spin; /* one for each direction */
	struct spin receive_spin;
};

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The time at which a timeout is over. 0: at once; FOREVER_NS: never. */
static inline uint64_t deadline_in(double timeout_ms)
{
	/*
	 * 1e12 ms is longer than any machine runs, and far from overflow. NaN means no limit, too.
	 */
	if (!(timeout_ms >= 0 && timeout_ms <= 1e12))
		return FOREVER_NS;
	return timeout_ms == 0 ? 0 : now_ns() + (uint64_t)(timeout_ms * 1e6);
}

#endif
