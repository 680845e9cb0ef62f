/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#include "slot.h"

/* ---- Uses ---- */

struct use *use_create(struct kup_channel *channel, kup_u32 zeros)
{
	struct use *use = os_alloc(sizeof(*use) + zeros);

	if (!use)
		return NULL;
	kup_channel_get(channel);
	use->channel = channel;
	kup_turn_begin(&use->turn, channel);
	return use;
}

void uses_free(struct use *uses)
{
	while (uses) {
		struct use *next = uses->next;

		kup_channel_put(uses->channel);
		os_free(uses);
		uses = next;
	}
}

/* ---- Under the lock ---- */

/* Where the calling thread's use is linked: one that is over comes first. NULL: it has none. */
static struct use **own_link(struct slot *slot)
{
	kup_u64 self = os_thread_self();
	struct use **link;

	for (link = &slot->past; *link; link = &(*link)->next)
		if ((*link)->thread == self)
			return link;
	return slot->now && slot->now->thread == self ? &slot->now : NULL;
}

static struct use *own_use(struct slot *slot)
{
	struct use **link = own_link(slot);

	return link ? *link : NULL;
}

/* To be freed by the caller. */
static struct use *take(struct use **link)
{
	struct use *use = *link;

	*link = use->next;
	use->next = NULL;
	return use;
}

/* ---- Coming and going ---- */

/*
 * Those of threads that have ended without another call; and when there are many, the oldest. But what a thread holds
 * stays, or it would read memory that is gone.
 */
static struct use *forget(struct slot *slot)
{
	struct use **link = &slot->past, *forgotten = NULL;
	kup_u32 kept = 0;

	while (*link) {
		struct use *use;

		if (!os_thread_ended((*link)->thread) && (++kept <= PAST_USES || (*link)->holds)) {
			link = &(*link)->next;
			continue;
		}
		use = take(link);
		use->next = forgotten;
		forgotten = use;
	}
	return forgotten;
}

struct use *slot_attach(struct slot *slot, struct use *use)
{
	if (slot->now) {
		slot->now->next = slot->past;
		slot->past = slot->now;
	}
	slot->now = use;
	slot->attached = 1;
	slot->announced = 0;
	return forget(slot);
}

struct use *slot_detach(struct slot *slot)
{
	slot->attached = 0;
	/* The kernel begins: where no thread was, nothing was sent; or its thread has heard. */
	return slot->now->thread ? NULL : take(&slot->now);
}

struct use *slot_tell(struct slot *slot)
{
	struct use **link = own_link(slot);
	struct use *over = link && link != &slot->now ? take(link) : NULL;

	if (!slot->now->thread)
		slot->now->thread = os_thread_self();
	return over;
}

struct use *slot_empty(struct slot *slot)
{
	struct use *lists[] = { slot->now, slot->past }, *held = NULL;
	kup_u32 i;

	for (i = 0; i < 2; i++) {
		while (lists[i]) {
			struct use *use = take(&lists[i]);

			if (use->holds) {
				use->next = held;
				held = use;
			} else {
				uses_free(use);
			}
		}
	}
	return held;
}

/* ---- Calls ---- */

struct kup_channel *slot_get(struct slot *slot, struct kup_turn **turn)
{
	struct kup_channel *channel = NULL;
	struct use *use;

	os_mutex_lock(slot->lock);
	use = own_use(slot);
	if (!use && slot->attached) {
		use = slot->now;
		use->thread = os_thread_self();
		use->holds = 0;
	}
	if (use) {
		channel = use->channel;
		*turn = &use->turn;
		kup_channel_get(channel);
	}
	os_mutex_unlock(slot->lock);
	return channel;
}

/* Under the lock: this thread has heard of the channel's end. */
static struct use *heard(struct slot *slot, struct kup_channel *channel)
{
	struct use **link = own_link(slot);

	if (!link || (*link)->channel != channel)
		return NULL;
	if (link != &slot->now || !slot->attached)
		return take(link);
	/* It was faster than the process, which leaves this moment; or the process is there, but broken. */
	slot->now->thread = 0;
	slot->now->holds = 0;
	return NULL;
}

static int is_end(int error)
{
	return error == -EPIPE || error == -ESHUTDOWN || error == -EPROTO;
}

void slot_done(struct slot *slot, struct kup_channel *channel, int error)
{
	struct use *over = NULL;

	if (is_end(error)) {
		os_mutex_lock(slot->lock);
		over = heard(slot, channel);
		os_mutex_unlock(slot->lock);
	}
	uses_free(over);
	kup_channel_put(channel);
}

/* ---- What kupdev_receive has returned ---- */

static void *data_of(struct use *use)
{
	if (use->held.data && !(use->held.control))
		return (void *)use->held.data;
	/* Again, if the client has written there. */
	__builtin_memset(use->zeros, 0, KUPDEV_NOTHING);
	return use->zeros;
}

void *slot_held(struct slot *slot, struct kup_channel *channel)
{
	void *data = NULL;
	struct use *use;

	os_mutex_lock(slot->lock);
	use = own_use(slot);
	if (use && use->channel == channel && use->holds && use->held.data && !kup_ended(channel) &&
	    kup_turn_is_mine(&use->turn))
		data = data_of(use);
	os_mutex_unlock(slot->lock);
	return data;
}

void *slot_hold(struct slot *slot, struct kup_channel *channel, const struct kup_record *record)
{
	static const struct kup_record none;
	struct use *use;
	void *data = NULL;

	os_mutex_lock(slot->lock);
	use = own_use(slot);
	/* Otherwise another thread has taken it over meanwhile, and the memory may go with this call. */
	if (use && use->channel == channel) {
		use->held = record ? *record : none;
		use->holds = 1;
		data = data_of(use);
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
		use->holds = 0;
	os_mutex_unlock(slot->lock);
}
