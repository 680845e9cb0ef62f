/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* One open file: INFO, ATTACH, KICK, STATS, poll, and what of the memory it may map. */
#include "core.h"

static struct kup_channel *channel_of(const struct kup_handle *handle)
{
	/* Pairs with the release in hand_over: a channel that is seen is complete. */
	return __atomic_load_n(&handle->channel, __ATOMIC_ACQUIRE);
}

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

/*
 * ---- Who waits for a free channel ----
 *
 * A handle is in the device's list from its look in poll until it is woken. Each look enters it
 * again, so handles that no process waits with cost the others nothing.
 */

/* Under waiting_lock. */
static void waiting_link(struct kup_handle **list, struct kup_handle *handle)
{
	handle->next = *list;
	handle->link = list;
	if (handle->next)
		handle->next->link = &handle->next;
	*list = handle;
}

/* Under waiting_lock. */
static void waiting_unlink(struct kup_handle *handle)
{
	*handle->link = handle->next;
	if (handle->next)
		handle->next->link = handle->link;
	handle->link = NULL;
}

static void waiting_add(struct kup_handle *handle)
{
	struct kup_device *device = handle->device;
	unsigned long state = os_spin_lock(&device->waiting_lock);

	if (!handle->link)
		waiting_link(&device->waiting, handle);
	os_spin_unlock(&device->waiting_lock, state);
}

static void waiting_remove(struct kup_handle *handle)
{
	struct kup_device *device = handle->device;
	unsigned long state = os_spin_lock(&device->waiting_lock);

	if (handle->link)
		waiting_unlink(handle);
	os_spin_unlock(&device->waiting_lock, state);
}

/* The first one of the list, taken out, with a reference; or NULL. */
static struct kup_handle *waiting_take(struct kup_device *device, struct kup_handle **list)
{
	unsigned long state = os_spin_lock(&device->waiting_lock);
	struct kup_handle *handle = *list;

	if (handle) {
		waiting_unlink(handle);
		kup_ref_get(&handle->refs);
	}
	os_spin_unlock(&device->waiting_lock, state);
	return handle;
}

/*
 * Those that wait now, and not those that look and wait again meanwhile: with enough handles that
 * would never end. The caller has changed what they look at, without waiting_lock; it pairs with
 * poll_unattached, which enters the list and then looks.
 */
void kup_handles_wake(struct kup_device *device)
{
	unsigned long state = os_spin_lock(&device->waiting_lock);
	struct kup_handle *list = device->waiting, *handle;

	device->waiting = NULL;
	if (list)
		list->link = &list;
	os_spin_unlock(&device->waiting_lock, state);
	while ((handle = waiting_take(device, &list)) != NULL) {
		os_poll_wake(&handle->pollq);
		kup_handle_put(handle);
		os_breathe();
	}
}

void kup_handle_put(struct kup_handle *handle)
{
	if (!kup_ref_put(&handle->refs))
		return;
	os_pollq_destroy(&handle->pollq);
	os_free(handle);
}

void kup_handle_close(struct kup_handle *handle)
{
	struct kup_device *device = handle->device;
	struct kup_channel *channel = handle->channel;

	waiting_remove(handle);
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
	struct kup_channel *channel = channel_of(handle);
	int error = 0;

	__builtin_memset(info, 0, sizeof(*info));
	info->abi_version = KUP_ABI_VERSION;
	info->attached = channel ? channel->number : KUP_CHANNEL_ANY;
	info->features = KUP_FEATURES;
	info->mode = config->mode;
	info->page_size = os_page_size();
	info->channels = config->channels;
	info->to_user_bytes = config->to_user_pages * info->page_size;
	info->to_kernel_bytes = config->to_kernel_pages * info->page_size;
	info->max_to_user_bytes = info->to_user_bytes;
	info->max_to_kernel_bytes = info->to_kernel_bytes;
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

static int all_zero(const kup_u8 *bytes, unsigned long count)
{
	while (count > 0)
		if (bytes[--count])
			return 0;
	return 1;
}

static kup_u32 public_state(const struct kup_channel *channel)
{
	kup_u32 state = kup_load(&channel->state);

	if (channel->user_gone || state & CHANNEL_USER_GONE)
		return KUP_STATE_DRAINING;
	if (state & CHANNEL_BROKEN)
		return KUP_STATE_BROKEN;
	return state & CHANNEL_CLOSED ? KUP_STATE_CLOSED : KUP_STATE_OPEN;
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

int kup_handle_stats(struct kup_handle *handle, struct kup_stats *stats)
{
	struct kup_device *device = handle->device;
	kup_u32 number = stats->channel;
	struct kup_counters sum;
	struct kup_slot *slot;
	int error = 0;

	if (number >= device->config.channels ||
	    !all_zero(stats->reserved, sizeof(stats->reserved)))
		return -EINVAL;
	__builtin_memset(stats, 0, sizeof(*stats));
	stats->channel = number;
	os_mutex_lock(&device->lock);
	slot = &device->slots[os_index(number, device->config.channels)];
	sum = slot->total;
	stats->generation = slot->generation;
	if (slot->channel) {
		kup_counters_add(&sum, &slot->channel->counters);
		stats->state = public_state(slot->channel);
		stats->error = kup_load(&slot->channel->error);
	}
	if (device->dead)
		error = -ENODEV;
	os_mutex_unlock(&device->lock);
	counters_to_stats(&sum, stats);
	return error;
}

void kup_handle_count_ioctl(struct kup_handle *handle)
{
	struct kup_channel *channel = channel_of(handle);

	if (channel)
		kup_add64(&channel->counters.ioctls, 1);
}

/* ---- ATTACH ---- */

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
	    !all_zero(attach->reserved, sizeof(attach->reserved)))
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
	__atomic_store_n(&slot->channel, channel, __ATOMIC_RELEASE);
	return 0;
}

struct drain_wait {
	struct kup_device *device;
	kup_u32 wanted;
};

/* Looks without the lock: it only decides whether another try is worth it, and what poll says. */
static int slot_free(void *argument)
{
	const struct drain_wait *wait = argument;
	struct kup_device *device = wait->device;
	kup_u32 i, channels = device->config.channels;

	if (wait->wanted != KUP_CHANNEL_ANY) {
		i = os_index(wait->wanted, channels);
		return !__atomic_load_n(&device->slots[i].channel, __ATOMIC_ACQUIRE);
	}
	for (i = 0; i < channels; i++)
		if (!__atomic_load_n(&device->slots[i].channel, __ATOMIC_ACQUIRE))
			return 1;
	return 0;
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
		/* Pairs with channel_of. */
		__atomic_store_n(&handle->channel, channel, __ATOMIC_RELEASE);
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

/* ---- KICK, poll, mmap ---- */

int kup_handle_kick(struct kup_handle *handle)
{
	struct kup_channel *channel = channel_of(handle);

	if (!channel)
		return is_dead(handle->device) ? -ENODEV : -ENOTCONN;
	kup_add64(&channel->counters.kicks, 1);
	if (kup_ended(channel))
		return -EPIPE;
	kup_channel_put_gap(channel);
	/* Also a look at head, for a user that lies and then sends nothing. */
	kup_channel_settle(channel);
	os_wake(&channel->waitq);
	return 0;
}

/* Without the lock: what is looked at here is changed first, and then the handle is woken. */
static kup_u32 poll_unattached(struct kup_handle *handle)
{
	struct drain_wait wait = { handle->device, kup_load(&handle->wanted) };

	/* Pairs with kup_handles_wake. */
	waiting_add(handle);
	/* Pairs with kup_device_destroy. */
	if (__atomic_load_n(&handle->device->dead, __ATOMIC_ACQUIRE))
		return KUP_POLL_HANGUP;
	return slot_free(&wait) ? KUP_POLL_IN : 0;
}

/* *arm: which of `events` isn't so, and will not be told by the rings' own events either. */
static kup_u32 poll_attached(struct kup_channel *channel, kup_u32 events, kup_u32 *arm)
{
	kup_u32 state = kup_load_acquire(&channel->state);
	kup_u32 so = 0;
	int announced;

	*arm = 0;
	if (state & CHANNEL_BROKEN)
		return KUP_POLL_IN | KUP_POLL_OUT | KUP_POLL_HANGUP | KUP_POLL_ERROR;
	if (state & CHANNEL_CLOSED)
		return KUP_POLL_IN | KUP_POLL_OUT | KUP_POLL_HANGUP;
	if (kup_channel_readable(channel, &announced))
		so |= KUP_POLL_IN;
	else if (events & KUP_POLL_IN && !announced)
		*arm |= POLL_DATA;
	if (kup_channel_writable(channel, &announced))
		so |= KUP_POLL_OUT;
	else if (events & KUP_POLL_OUT && !announced)
		*arm |= POLL_ROOM;
	return so;
}

kup_u32 kup_handle_poll(struct kup_handle *handle, kup_u32 events)
{
	struct kup_channel *channel = channel_of(handle);
	kup_u32 so, arm, ignored;

	if (!channel)
		return poll_unattached(handle);
	kup_add64(&channel->counters.polls, 1);
	so = poll_attached(channel, events, &arm);
	if ((so & events & (KUP_POLL_IN | KUP_POLL_OUT)) == (events & (KUP_POLL_IN | KUP_POLL_OUT)))
		return so;
	/*
	 * Arm or rely on what the user has announced; fence; look again. Pairs with B and D of the
	 * rings, and with kup_channel_wake_user, whose caller published and fenced.
	 */
	if (arm)
		kup_fetch_or(&channel->poll_armed, arm);
	kup_fence();
	return poll_attached(channel, events, &ignored);
}

int kup_handle_memory(struct kup_handle *handle, struct os_memory **memory)
{
	struct kup_channel *channel = channel_of(handle);

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
