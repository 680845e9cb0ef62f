/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * One channel number of a kupdev device, and the threads that use it. The API knows numbers only, which say nothing
 * about whose channel it is: a process leaves, the next one attaches, and a thread that has played with the
 * first one may not have noticed. So each use of a number is remembered until its thread has heard of the end
 * (or has ended itself); until then, that thread's calls go to the channel that was.
 */
#ifndef KUP_SLOT_H
#define KUP_SLOT_H

#include "core.h"
#include "kupdev.h"
#include "layers/turn.h"

/* Of threads that hold no message so many uses that are over are remembered; they may never call again. */
#define PAST_USES 8

/* A channel, its thread, and what kupdev_receive has returned to that. */
struct use {
	struct use *next; /* an older one */
	struct kup_channel *channel;
	struct kup_turn turn;
	kup_u64 thread;	      /* 0: none yet */
	unsigned long device; /* once that is unloaded: its id */
	struct kup_record held;
	int holds;	/* a message; or zeros */
	kup_u8 zeros[]; /* the place of a turn without data: as much as the longest message */
};

struct slot {
	struct os_mutex *lock; /* the device's, for all that follows */
	int attached;	       /* the process of `now` is there */
	int announced;	       /* kupdev_wait_channel has returned it */
	struct use *now;       /* or NULL */
	struct use *past;      /* the newest first; at most one for each thread */
};

/* For a channel that a process attaches, with a reference to it; NULL: no memory. Without the lock. */
struct use *use_create(struct kup_channel *channel, kup_u32 zeros);
/* All that one of the following has returned. Without the lock. */
void uses_free(struct use *uses);

/* Under the lock, when a process attaches, or has left; they return uses to free, or NULL. */
struct use *slot_attach(struct slot *slot, struct use *use);
struct use *slot_detach(struct slot *slot);
/* The same, when this thread is told of the process: it hears of its end, and needs no news of others'. */
struct use *slot_tell(struct slot *slot);
/* At the end: frees all uses but those of threads that hold a message, and returns these. Without
 * the lock. */
struct use *slot_empty(struct slot *slot);

/* The channel that the calling thread has to use now, as a reference for slot_done; or NULL. */
struct kup_channel *slot_get(struct slot *slot, struct kup_turn **turn);
/* `error`: the call has failed. If that was because of the channel's end, its thread has heard of it. */
void slot_done(struct slot *slot, struct kup_channel *channel, int error);

/* What the calling thread holds in this channel, if it is the kernel's turn; or NULL. */
void *slot_held(struct slot *slot, struct kup_channel *channel);
/*
 * Notes it (NULL: a turn without a record), and returns where its bytes are. NULL: another thread has the channel
 * now.
 */
void *slot_hold(struct slot *slot, struct kup_channel *channel, const struct kup_record *record);
/* Gives back what the calling thread holds, if anything. */
void slot_unlock(struct slot *slot);

#endif
