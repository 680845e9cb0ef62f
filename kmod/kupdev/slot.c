/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#include "slot.h"

/* ---- Uses; under the lock ---- */

/* The calling thread's: one that is over comes first. NULL: it has none. */
static struct use *own_use(struct slot *slot)
{
	kup_u64 self = os_thread_self();
	kup_u32 i;

	for (i = 0; i < PAST_USES; i++)
		if (slot->past[i].thread == self)
			return &slot->past[i];
	return slot->now.thread == self ? &slot->now : NULL;
}

/* The caller puts the channel. */
static struct kup_channel *end_use(struct use *use)
{
	struct kup_channel *channel = use->channel;

	__builtin_memset(use, 0, sizeof(*use));
	return channel;
}

static void release_held(struct use *use)
{
	if (use->holds)
		kup_release(use->channel, &use->held);
	use->holds = 0;
}

static void put_channel(struct kup_channel *channel)
{
	if (channel)
		kup_channel_put(channel);
}

/* ---- Coming and going ---- */

/* Threads that ended without another call never hear: so the oldest channel has to go when there are many. */
static struct kup_channel *make_past(struct slot *slot)
{
	struct use *past = slot->past;
	struct kup_channel *forgotten;
	kup_u32 i;

	for (i = 0; i < PAST_USES - 1 && past[i].thread; i++)
		;
	__builtin_memmove(past + 1, past, i * sizeof(past[0]));
	past[0] = slot->now;
	__builtin_memset(&slot->now, 0, sizeof(slot->now));
	forgotten = past[PAST_CHANNELS].channel;
	past[PAST_CHANNELS].channel = NULL;
	past[PAST_CHANNELS].holds = 0;
	return forgotten;
}

struct kup_channel *slot_attach(struct slot *slot, struct kup_channel *channel)
{
	struct kup_channel *forgotten = slot->now.channel ? make_past(slot) : NULL;

	kup_channel_get(channel);
	slot->now.channel = channel;
	slot->attached = 1;
	slot->announced = 0;
	return forgotten;
}

struct kup_channel *slot_detach(struct slot *slot)
{
	slot->attached = 0;
	/* The kernel begins: where no thread was, nothing was sent. */
	return slot->now.thread ? NULL : end_use(&slot->now);
}

struct kup_channel *slot_renew(struct slot *slot)
{
	struct use *use = own_use(slot);

	return use && use != &slot->now ? end_use(use) : NULL;
}

void slot_empty(struct slot *slot)
{
	kup_u32 i;

	put_channel(slot->now.channel);
	for (i = 0; i < PAST_USES; i++)
		put_channel(slot->past[i].channel);
	if (slot->nothing)
		os_free(slot->nothing);
}

/* ---- Calls ---- */

struct kup_channel *slot_get(struct slot *slot)
{
	struct kup_channel *channel = NULL;
	struct use *use;

	os_mutex_lock(slot->lock);
	use = own_use(slot);
	if (!use && slot->attached) {
		use = &slot->now;
		use->thread = os_thread_self();
		use->holds = 0;
	}
	if (use && use->channel) {
		channel = use->channel;
		kup_channel_get(channel);
	} else if (use) {
		end_use(use);
	}
	os_mutex_unlock(slot->lock);
	return channel;
}

void slot_done(struct slot *slot, struct kup_channel *channel, int error)
{
	struct kup_channel *over = NULL;
	struct use *use;

	if (error && kup_ended(channel)) {
		os_mutex_lock(slot->lock);
		use = own_use(slot);
		if (use && use->channel == channel && (use != &slot->now || !slot->attached))
			over = end_use(use);
		os_mutex_unlock(slot->lock);
	}
	put_channel(over);
	kup_channel_put(channel);
}

/* ---- What kupdev_receive has returned ---- */

void *slot_nothing(struct slot *slot)
{
	/* Again, if the client has written there. */
	__builtin_memset(slot->nothing, 0, KUPDEV_NOTHING);
	return slot->nothing;
}

static void *data_of(struct slot *slot, const struct kup_record *record)
{
	return record->flags & KUP_RECORD_PASS ? slot_nothing(slot) : (void *)record->data;
}

void *slot_held(struct slot *slot, struct kup_channel *channel)
{
	void *data = NULL;
	struct use *use;

	os_mutex_lock(slot->lock);
	use = own_use(slot);
	if (use && use->channel == channel && use->holds && !kup_ended(channel) &&
	    kup_turn(channel) > 0)
		data = data_of(slot, &use->held);
	os_mutex_unlock(slot->lock);
	return data;
}

void *slot_hold(struct slot *slot, struct kup_channel *channel, const struct kup_record *record)
{
	struct use *use;
	void *data = NULL;

	os_mutex_lock(slot->lock);
	use = own_use(slot);
	/* Otherwise its channel was forgotten meanwhile, and the memory goes with this call. */
	if (use && use->channel == channel) {
		use->held = *record;
		use->holds = 1;
		data = data_of(slot, record);
	}
	os_mutex_unlock(slot->lock);
	return data;
}

void slot_unlock(struct slot *slot)
{
	struct use *use;

	os_mutex_lock(slot->lock);
	use = own_use(slot);
	if (use)
		release_held(use);
	os_mutex_unlock(slot->lock);
}
