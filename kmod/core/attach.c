/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* ATTACH: gives a handle a channel. */
#include "core.h"

kup_u32 kup_ring_bytes(kup_u32 page, kup_u32 asked, kup_u32 standard, kup_u32 most)
{
	kup_u32 bytes = page;

	if (asked > most)
		return 0;
	while (bytes < asked)
		bytes *= 2;
	return asked ? bytes : standard;
}

/* Checks the request, and fills in the sizes. */
static int attach_valid(const struct kup_handle *handle, struct kup_attach *attach)
{
	const struct kup_config *config = &handle->device->config;
	kup_u32 page = os_page_size();

	if (attach->abi_version != KUP_ABI_VERSION)
		return -EPROTONOSUPPORT;
	if (attach->flags & ~KUP_ATTACH_NOWAIT || attach->generation || attach->map_bytes ||
	    !kup_all_zero(attach->reserved, sizeof(attach->reserved)))
		return -EINVAL;
	if (kup_device_required(handle->device) & ~attach->understood)
		return -EOPNOTSUPP;
	/* This comes first, because the other fields are meant for the other device. */
	if (attach->instance && attach->instance != handle->device->instance)
		return -ENODEV;
	if (attach->channel != KUP_CHANNEL_ANY && attach->channel >= config->channels)
		return -EINVAL;
	attach->to_user_bytes = kup_ring_bytes(page, attach->to_user_bytes,
					       config->to_user_pages * page,
					       config->max_to_user_pages * page);
	attach->to_kernel_bytes = kup_ring_bytes(page, attach->to_kernel_bytes,
						 config->to_kernel_pages * page,
						 config->max_to_kernel_pages * page);
	return attach->to_user_bytes && attach->to_kernel_bytes ? 0 : -EINVAL;
}

/*
 * Under the lock: returns a free slot that was asked for, or NULL. *draining: the user of one of
 * those that were asked for is gone.
 */
static struct kup_slot *find_slot(struct kup_device *device, kup_u32 wanted, int *draining)
{
	kup_u32 channels = device->config.channels;
	kup_u32 first = wanted == KUP_CHANNEL_ANY ? 0 : os_index(wanted, channels);
	kup_u32 last = wanted == KUP_CHANNEL_ANY ? channels - 1 : first;
	kup_u32 i;

	*draining = 0;
	for (i = first; i <= last; i++) {
		if (!device->slots[i].channel)
			return &device->slots[i];
		if (device->slots[i].channel->user_gone)
			*draining = 1;
	}
	return NULL;
}

/* Tries once, under the lock, to put the channel into a free slot. */
static int claim(struct kup_handle *handle, struct kup_channel *channel, kup_u32 wanted,
		 int *draining)
{
	struct kup_device *device = handle->device;
	struct kup_slot *slot;

	*draining = 0;
	if (device->dead)
		return -ENODEV;
	if (handle->channel)
		return -EISCONN;
	slot = find_slot(device, wanted, draining);
	if (!slot) {
		kup_store(&handle->wanted, wanted);
		return -EBUSY;
	}
	channel->number = (kup_u32)(slot - device->slots);
	channel->generation = ++slot->generation;
	kup_channel_get(channel); /* the reference of the kernel's side, which finish puts */
	/* Pairs with the acquire in kup_slot_is_free. */
	kup_store_pointer(&slot->channel, channel);
	return 0;
}

struct drain_wait {
	struct kup_device *device;
	kup_u32 wanted;
};

static int slot_free(void *argument)
{
	const struct drain_wait *wait = argument;

	return kup_slot_is_free(wait->device, wait->wanted);
}

/* Claims a slot; waits a moment for one that is being drained. */
static int claim_waiting(struct kup_handle *handle, struct kup_channel *channel, kup_u32 wanted,
			 int may_wait)
{
	struct kup_device *device = handle->device;
	struct drain_wait wait = { device, wanted };
	kup_u64 end = os_now_ns() + KUP_ATTACH_DRAIN_MS * 1000000ull;

	for (;;) {
		int error, draining;
		kup_u64 now;

		os_mutex_lock(&device->lock);
		error = claim(handle, channel, wanted, &draining);
		os_mutex_unlock(&device->lock);
		now = os_now_ns();
		if (error != -EBUSY || !draining || !may_wait || now >= end)
			return error;
		if (os_wait(&device->idle, slot_free, &wait, end - now) == -EINTR)
			return -EINTR;
	}
}

/* Gives back a claimed slot, because the attachment has failed. */
static void unclaim(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;

	os_mutex_lock(&device->lock);
	channel->user_gone = 1;
	channel->finished = 1;
	os_mutex_unlock(&device->lock);
	kup_channel_finish(channel);
}

/*
 * Hands the started channel over to the handle, unless another thread has attached one, or the
 * device is being destroyed.
 */
static int hand_over(struct kup_handle *handle, struct kup_channel *channel)
{
	struct kup_device *device = handle->device;
	int error = 0;

	os_mutex_lock(&device->lock);
	if (device->dead)
		error = -ENODEV;
	else if (handle->channel)
		error = -EISCONN;
	else {
		channel->live = 1;
		kup_live_add(channel);
		device->attaches++;
		/* Pairs with the acquire in kup_handle_channel. */
		kup_store_pointer(&handle->channel, channel);
		/* A thread that polls this handle still waits for a free channel. */
		os_poll_wake(&handle->pollq);
	}
	os_mutex_unlock(&device->lock);
	return error;
}

int kup_handle_attach(struct kup_handle *handle, struct kup_attach *attach, int may_wait)
{
	struct kup_channel *channel;
	int error = attach_valid(handle, attach);

	if (error)
		return error;
	if (attach->flags & KUP_ATTACH_NOWAIT)
		may_wait = 0;
	channel = kup_channel_create(handle);
	if (!channel)
		return -ENOMEM;
	channel->understood = attach->understood;
	error = claim_waiting(handle, channel, attach->channel, may_wait);
	if (error)
		goto put;
	error = kup_channel_fill(channel, attach->to_user_bytes, attach->to_kernel_bytes);
	if (!error)
		error = kup_channel_start(channel);
	if (error) {
		unclaim(channel);
		goto put;
	}
	error = hand_over(handle, channel);
	if (error) {
		kup_channel_close(channel);
		kup_channel_user_gone(channel);
		goto put;
	}
	attach->channel = channel->number;
	attach->generation = channel->generation;
	attach->instance = handle->device->instance;
	attach->map_bytes = KUP_MAP_BYTES(os_page_size(), channel->out.bytes, channel->in.bytes);
	return 0;
put:
	kup_channel_put(channel);
	return error;
}
