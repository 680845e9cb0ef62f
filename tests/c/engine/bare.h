/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel whose kernel's side has no serve: threads of the test drive it, and the test is its
 * user, word by word.
 */
#ifndef BARE_H
#define BARE_H

#include <pthread.h>

#include "user.h"

struct bare {
	struct kup_device *device;
	struct kup_channel *channel;
	struct user user;
	kup_u32 slept; /* the sleeps that bare_sleeps has seen */
};

/* 0, or a failed check. */
int bare_begin(struct bare *bare, const struct kup_config *config);
void bare_end(struct bare *bare);
/* Drives the channel that was attached last. */
void bare_switch(struct bare *bare);

/* Nonzero, soon: this many more threads have announced a sleep, and looked once more. */
int bare_sleeps(struct bare *bare, kup_u32 more);

/* The time at which a test gives up, for kup_wait. */
kup_u64 time_limit(void);

/* A thread that makes one call of the kernel's side. */
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
/* Closes the channel if the call still sleeps. Returns the call's result. */
int call_finish(struct call *call);

#endif
