/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel whose kernel's side has no serve: threads of the test drive it, and its user does
 * everything by hand.
 */
#ifndef BARE_H
#define BARE_H

#include <pthread.h>

#include "user.h"

struct bare {
	struct kup_device *device;
	struct kup_channel *channel;
	struct user user;
	kup_u32 slept; /* sleeps that bare_sleeps has seen */
};

/* 0, or a failed check. */
int bare_begin(struct bare *bare, const struct kup_config *config);
void bare_end(struct bare *bare);
/* The channel that was attached last becomes the one that is driven. */
void bare_switch(struct bare *bare);

/* Nonzero, soon: so many threads more have announced that they sleep, and looked once more. */
int bare_sleeps(struct bare *bare, kup_u32 more);

/* When a test's patience is over; for kup_wait. */
kup_u64 time_limit(void);

/* One thread that calls something of the kernel's side, once. */
struct call {
	struct bare *bare;
	int (*make)(struct call *call);
	kup_u32 what, length;
	pthread_t thread;
	kup_u32 done; /* atomic */
	int error;
};
void call_start(struct call *call, struct bare *bare, int (*make)(struct call *call));
/* Soon. */
int call_is_done(struct call *call);
/* If it still sleeps, the channel is closed. What the call returned. */
int call_finish(struct call *call);

#endif
