/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A device's live channels: walks over them, and sending to all of them, in any context.
 *
 * A channel is in the list from the end of its ATTACH until its finish. A walk pins the channel
 * that it is at, which it finds under the lock, and uses without it. finish first marks its channel
 * as leaving, so that no walk pins it again; then it waits for the pins that are left, and takes it
 * out of the list. So a pinned channel is always in the list, its successor is known, and detach
 * has not been called for it.
 */
#include "core.h"

void kup_live_add(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;
	unsigned long state = os_spin_lock(&device->live_lock);

	channel->live_next = device->live;
	channel->live_link = &device->live;
	if (channel->live_next)
		channel->live_next->live_link = &channel->live_next;
	device->live = channel;
	os_spin_unlock(&device->live_lock, state);
}

static int is_unpinned(void *argument)
{
	const struct kup_channel *channel = argument;

	/* Pairs with the release in unpin: the walks are done with the channel. */
	return kup_load_acquire(&channel->pins) == 0;
}

void kup_live_remove(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;
	unsigned long state = os_spin_lock(&device->live_lock);
	int is_live = channel->live_link != NULL;

	channel->leaving = 1;
	os_spin_unlock(&device->live_lock, state);
	if (!is_live)
		return;
	os_wait_always(&device->idle, is_unpinned, channel);
	state = os_spin_lock(&device->live_lock);
	*channel->live_link = channel->live_next;
	if (channel->live_next)
		channel->live_next->live_link = channel->live_link;
	channel->live_link = NULL;
	os_spin_unlock(&device->live_lock, state);
}

/* Under live_lock: returns the first channel from this one on that can be pinned, pinned; or NULL.
 */
static struct kup_channel *pin(struct kup_channel *channel)
{
	while (channel && channel->leaving)
		channel = channel->live_next;
	if (channel)
		kup_store(&channel->pins, channel->pins + 1);
	return channel;
}

/* Under live_lock: nonzero if finish waits for this. Then the channel may be freed at once. */
static int unpin(struct kup_channel *channel)
{
	int is_awaited = channel->leaving && channel->pins == 1;

	/* Pairs with the acquire in is_unpinned. */
	kup_store_release(&channel->pins, channel->pins - 1);
	return is_awaited;
}

struct kup_channel *kup_walk(struct kup_device *device, struct kup_channel *previous)
{
	unsigned long state = os_spin_lock(&device->live_lock);
	struct kup_channel *next = pin(previous ? previous->live_next : device->live);
	int is_awaited = previous && unpin(previous);

	os_spin_unlock(&device->live_lock, state);
	/* At the device, because the channel may be gone. */
	if (is_awaited)
		os_wake(&device->idle);
	return next;
}

void kup_walk_end(struct kup_device *device, struct kup_channel *previous)
{
	unsigned long state;
	int is_awaited;

	if (!previous)
		return;
	state = os_spin_lock(&device->live_lock);
	is_awaited = unpin(previous);
	os_spin_unlock(&device->live_lock, state);
	if (is_awaited)
		os_wake(&device->idle);
}

int kup_broadcast(struct kup_device *device, kup_u32 type, const void *data, kup_u32 length)
{
	struct kup_channel *channel = NULL;
	int sent = 0;

	/* A layer's records have a form, and an order, that only the layer knows. */
	if (device->config.mode != KUP_MODE_STREAM)
		return -EINVAL;
	while ((channel = kup_walk(device, channel)) != NULL)
		sent += !kup_try_send(channel, type, data, length);
	return sent;
}
