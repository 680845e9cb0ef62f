/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * One channel number of a kupdev device, and the threads that use it. The API knows numbers only, which say nothing
 * about whose channel it is: a process leaves, the next one attaches, and a thread that has played with the
 * first one may not have noticed. So each use of a number is remembered until its thread has heard of the end;
 * until then, that thread's calls go to the channel that was.
 */
#ifndef KUP_SLOT_H
#define KUP_SLOT_H

#include "core.h"
#include "kupdev.h"

/* So many uses that are over are remembered, of threads that may have ended; the channels of so many, too. */
#define PAST_USES 8
#define PAST_CHANNELS 4

/* A channel, its thread, and what kupdev_receive has returned to that. */
struct use {
	struct kup_channel *channel; /* a reference, or NULL */
	kup_u64 thread;		     /* 0: none yet */
	struct kup_record held;
	int holds;
};

struct slot {
	struct os_mutex *lock; /* the device's, for all that follows */
	int attached;	       /* the process of `now` is there */
	int announced;	       /* kupdev_wait_channel has returned it */
	struct use now;
	struct use past[PAST_USES]; /* the newest first */
	void *nothing;		    /* a place of the device's size, from the first attachment on */
};

/* Under the lock, for a channel that a process attaches; the caller puts the one that it gets, if any. */
struct kup_channel *slot_attach(struct slot *slot, struct kup_channel *channel);
/* The same, when the process has left. */
struct kup_channel *slot_detach(struct slot *slot);
/* The same, when this thread has been told of a new process: it needs no other news of the old one. */
struct kup_channel *slot_renew(struct slot *slot);
/* At the end: puts and frees everything. Without the lock. */
void slot_empty(struct slot *slot);

/* The channel that the calling thread has to use now, as a reference for slot_done; or NULL. */
struct kup_channel *slot_get(struct slot *slot);
/* `error`: the call has failed. If that was because of the channel's end, its thread has heard of it. */
void slot_done(struct slot *slot, struct kup_channel *channel, int error);

/* What the calling thread holds in this channel, if it is the kernel's turn; or NULL. */
void *slot_held(struct slot *slot, struct kup_channel *channel);
/* Notes it, and returns where its bytes are. */
void *slot_hold(struct slot *slot, struct kup_channel *channel, const struct kup_record *record);
/* Gives back what the calling thread holds, if anything. */
void slot_unlock(struct slot *slot);

/* What a turn without data carries. */
void *slot_nothing(struct slot *slot);

#endif
