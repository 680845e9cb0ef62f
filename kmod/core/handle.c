/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* One open file: INFO, STATS, KICK, and the memory that it may map. */
#include "core.h"

static int is_dead(struct kup_device *device)
{
	int dead;

	os_mutex_lock(&device->lock);
	dead = device->dead;
	os_mutex_unlock(&device->lock);
	return dead;
}

int kup_handle_open(struct kup_device *device, struct kup_handle **opened)
{
	struct kup_handle *handle;

	if (is_dead(device))
		return -ENXIO;
	handle = os_alloc(sizeof(*handle));
	if (!handle)
		return -ENOMEM;
	handle->refs = 1;
	handle->device = device;
	handle->wanted = KUP_CHANNEL_ANY;
	os_pollq_init(&handle->pollq);
	kup_device_get(device);
	*opened = handle;
	return 0;
}

void kup_handle_close(struct kup_handle *handle)
{
	struct kup_device *device = handle->device;
	struct kup_channel *channel = handle->channel;

	kup_handle_stop_waiting(handle);
	if (channel) {
		kup_channel_user_gone(channel);
		kup_channel_put(channel);
	}
	kup_handle_put(handle);
	kup_device_put(device);
}

/* ---- INFO and STATS ---- */

static kup_u32 count_free(const struct kup_device *device)
{
	kup_u32 i, count = 0;

	for (i = 0; i < device->config.channels; i++)
		count += !device->slots[i].channel;
	return count;
}

int kup_handle_info(struct kup_handle *handle, struct kup_info *info)
{
	struct kup_device *device = handle->device;
	const struct kup_config *config = &device->config;
	struct kup_channel *channel = kup_handle_channel(handle);
	int error = 0;

	__builtin_memset(info, 0, sizeof(*info));
	info->abi_version = KUP_ABI_VERSION;
	info->attached = channel ? channel->number : KUP_CHANNEL_ANY;
	info->features = KUP_FEATURES_OPTIONAL;
	info->required = kup_device_required(device);
	info->clock = config->stamps ? KUP_CLOCK_MONOTONIC : KUP_CLOCK_NONE;
	info->mode = config->mode;
	info->page_size = os_page_size();
	info->channels = config->channels;
	info->to_user_bytes = config->to_user_pages * info->page_size;
	info->to_kernel_bytes = config->to_kernel_pages * info->page_size;
	info->max_to_user_bytes = config->max_to_user_pages * info->page_size;
	info->max_to_kernel_bytes = config->max_to_kernel_pages * info->page_size;
	if (channel) {
		info->attached_to_user_bytes = channel->out.bytes;
		info->attached_to_kernel_bytes = channel->in.bytes;
	}
	info->spin_us = config->spin_us;
	info->instance = device->instance;
	__builtin_memcpy(info->name, device->name, sizeof(info->name));
	os_mutex_lock(&device->lock);
	if (device->dead)
		error = -ENODEV;
	info->channels_free = count_free(device);
	info->attaches = device->attaches;
	os_mutex_unlock(&device->lock);
	return error;
}

int kup_all_zero(const kup_u8 *bytes, unsigned long count)
{
	while (count > 0)
		if (bytes[--count])
			return 0;
	return 1;
}

static void counters_to_stats(const struct kup_counters *counters, struct kup_stats *stats)
{
	stats->to_user_records = counters->to_user_records;
	stats->to_user_payload = counters->to_user_payload;
	stats->dropped_no_space = counters->dropped_no_space;
	stats->dropped_too_long = counters->dropped_too_long;
	stats->to_kernel_records = counters->to_kernel_records;
	stats->to_kernel_payload = counters->to_kernel_payload;
	stats->wakeups = counters->wakeups;
	stats->sleeps = counters->sleeps;
	stats->kicks = counters->kicks;
	stats->ioctls = counters->ioctls;
	stats->polls = counters->polls;
}

/* Only for people to look at: the user can write anything into its word. */
static kup_u32 used(kup_u32 tail, kup_u32 head, kup_u32 bytes)
{
	return head - tail < bytes ? head - tail : bytes;
}

/* Under device->lock: what STATS reports about the current user. */
static void user_to_stats(struct kup_channel *channel, struct kup_stats *stats)
{
	unsigned long state;

	stats->state = kup_channel_state(channel);
	stats->error = kup_load(&channel->error);
	/* Before that, its rings may not be set up. */
	if (!channel->live)
		return;
	stats->to_user_bytes = channel->out.bytes;
	stats->to_kernel_bytes = channel->in.bytes;
	state = os_spin_lock(&channel->send_lock);
	stats->to_user_used =
		used(kup_load(channel->out.tail_word), channel->out.head, channel->out.bytes);
	os_spin_unlock(&channel->send_lock, state);
	stats->to_kernel_used = used(kup_load(&channel->in.tail), kup_load(channel->in.head_word),
				     channel->in.bytes);
	stats->process = os_process_number(&channel->process);
}

int kup_handle_stats(struct kup_handle *handle, struct kup_stats *stats)
{
	struct kup_device *device = handle->device;
	kup_u32 number = stats->channel;
	struct kup_counters sum;
	struct kup_slot *slot;
	int error = 0;

	if (number >= device->config.channels ||
	    !kup_all_zero(stats->reserved, sizeof(stats->reserved)))
		return -EINVAL;
	__builtin_memset(stats, 0, sizeof(*stats));
	stats->channel = number;
	os_mutex_lock(&device->lock);
	slot = &device->slots[os_index(number, device->config.channels)];
	sum = slot->total;
	stats->generation = slot->generation;
	if (slot->channel) {
		kup_counters_add(&sum, &slot->channel->counters);
		user_to_stats(slot->channel, stats);
	}
	if (device->dead)
		error = -ENODEV;
	os_mutex_unlock(&device->lock);
	counters_to_stats(&sum, stats);
	return error;
}

void kup_handle_count_ioctl(struct kup_handle *handle)
{
	struct kup_channel *channel = kup_handle_channel(handle);

	if (channel)
		kup_add64(&channel->counters.ioctls, 1);
}

/* ---- KICK, mmap ---- */

int kup_handle_kick(struct kup_handle *handle)
{
	struct kup_channel *channel = kup_handle_channel(handle);

	if (!channel)
		return is_dead(handle->device) ? -ENODEV : -ENOTCONN;
	kup_add64(&channel->counters.kicks, 1);
	if (kup_ended(channel))
		return -EPIPE;
	kup_channel_put_gap(channel);
	/* This also checks head, for a user that lies and then sends nothing. */
	kup_channel_settle(channel);
	os_wake(&channel->waitq);
	return 0;
}

int kup_handle_memory(struct kup_handle *handle, struct os_memory **memory)
{
	struct kup_channel *channel = kup_handle_channel(handle);

	if (is_dead(handle->device))
		return -ENODEV;
	if (!channel)
		return -ENOTCONN;
	*memory = channel->memory;
	return 0;
}

int kup_area_find(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes, kup_u64 offset, kup_u64 bytes,
		  struct kup_area *area)
{
	kup_u64 page_size = os_page_size();
	const struct kup_area areas[] = {
		{ 0, page_size, 0 },
		{ KUP_USER_PAGE_AT(page_size), page_size, 1 },
		{ KUP_TO_USER_AT(page_size), 2 * (kup_u64)to_user_bytes, 1 },
		{ KUP_TO_KERNEL_AT(page_size, to_user_bytes), 2 * (kup_u64)to_kernel_bytes, 1 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		if (areas[i].offset == offset && areas[i].bytes == bytes) {
			*area = areas[i];
			return 0;
		}
	}
	return -EINVAL;
}
