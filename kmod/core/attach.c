/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* ATTACH: a handle gets a channel of its own. */
#include "core.h"

/* What ATTACH gives for a size that it is asked for, in bytes; 0: it is larger than the maximum. */
static kup_u32 ring_size(kup_u32 asked, kup_u32 standard)
{
	kup_u32 bytes = os_page_size();

	if (asked > standard)
		return 0;
	while (bytes < asked)
		bytes *= 2;
	return asked ? bytes : standard;
}

/* Fills in the sizes. */
static int attach_valid(const struct kup_handle *handle, struct kup_attach *attach)
{
	const struct kup_config *config = &handle->device->config;

	if (attach->abi_version != KUP_ABI_VERSION)
		return -EPROTONOSUPPORT;
	if (attach->flags & ~KUP_ATTACH_NOWAIT || attach->generation || attach->map_bytes ||
	    !kup_all_zero(attach->reserved, sizeof(attach->reserved)))
		return -EINVAL;
	/* First: the rest is meant for the other device. */
	if (attach->instance && attach->instance != handle->device->instance)
		return -ENODEV;
	if (attach->channel != KUP_CHANNEL_ANY && attach->channel >= config->channels)
		return -EINVAL;
	attach->to_user_bytes =
		ring_size(attach->to_user_bytes, config->to_user_pages * os_page_size());
	attach->to_kernel_bytes =
		ring_size(attach->to_kernel_bytes, config->to_kernel_pages * os_page_size());
	return attach->to_user_bytes && attach->to_kernel_bytes ? 0 : -EINVAL;
}

/* Under the lock: the slot, or NULL; *draining: one of those asked for has no user any more. */
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

/* One try, under the lock: puts the channel into a free slot. */
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
	kup_channel_get(channel); /* the kernel side's reference, put by finish */
	/* Pairs with kup_slot_is_free. */
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

/* Claims a slot; for one that is being drained it waits a moment. */
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

/* The slot was claimed, but the attachment comes to nothing. */
static void unclaim(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;

	os_mutex_lock(&device->lock);
	channel->user_gone = 1;
	channel->finished = 1;
	os_mutex_unlock(&device->lock);
	kup_channel_finish(channel);
}

/* Hands the started channel to the handle, unless another thread or the device's end was faster. */
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
		device->attaches++;
		/* Pairs with kup_handle_channel. */
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
