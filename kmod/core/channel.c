/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * One attachment, from ATTACH until neither side needs it any more.
 *
 *   create -> fill -> start ---- serve's thread ----> kernel closed --+
 *                       |                                             +--> finish, slot free
 *                       +------- the handle -------> user gone -------+
 *
 * finish runs once, in the later one of the two. While the device is being destroyed, it does not
 * wait for the user. The memory is freed with the last reference: the handle's, the kernel's
 * side's, or a client's own.
 */
#include "core.h"

struct kup_channel *kup_channel_create(struct kup_handle *handle)
{
	struct kup_device *device = handle->device;
	struct kup_channel *channel = os_alloc(sizeof(*channel));

	if (!channel)
		return NULL;
	channel->refs = 1;
	channel->device = device;
	kup_device_get(device);
	channel->handle = handle;
	kup_ref_get(&handle->refs);
	channel->spin_us = device->config.spin_us;
	channel->send_spin.now_us = channel->spin_us;
	channel->receive_spin.now_us = channel->spin_us;
	channel->urgent_tail = NO_POSITION;
	channel->woken_tail = NO_POSITION;
	os_process_get(&channel->process);
	os_spin_init(&channel->send_lock);
	os_waitq_init(&channel->waitq);
	return channel;
}

static void destroy(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;

	if (channel->memory)
		os_memory_put(channel->memory, channel->account);
	if (channel->account)
		kup_account_put(channel->account);
	os_process_put(&channel->process);
	os_waitq_destroy(&channel->waitq);
	os_spin_destroy(&channel->send_lock);
	kup_handle_put(channel->handle);
	os_free(channel);
	kup_device_put(device);
}

void kup_channel_get(struct kup_channel *channel)
{
	kup_ref_get(&channel->refs);
}

void kup_channel_put(struct kup_channel *channel)
{
	if (kup_ref_put(&channel->refs))
		destroy(channel);
}

static void fill_page(struct kup_channel *channel)
{
	const struct kup_config *config = &channel->device->config;
	struct kup_kernel_page *page = channel->page;

	page->magic = KUP_MAGIC;
	page->abi_version = KUP_ABI_VERSION;
	page->mode = config->mode;
	page->features = KUP_FEATURES_OPTIONAL;
	page->required = kup_device_required(channel->device);
	page->instance = channel->device->instance;
	page->page_size = os_page_size();
	page->channel = channel->number;
	page->generation = channel->generation;
	page->to_user_bytes = channel->out.bytes;
	page->to_kernel_bytes = channel->in.bytes;
	page->spin_us = channel->spin_us;
	page->state = KUP_STATE_OPEN;
}

static void set_up_rings(struct kup_channel *channel, kup_u8 *base)
{
	kup_u32 page_size = os_page_size();
	struct kup_kernel_page *kernel = (void *)base;
	struct kup_user_page *user = (void *)(base + KUP_USER_PAGE_AT(page_size));
	struct kup_producer *out = &channel->out;
	struct kup_consumer *in = &channel->in;

	out->data = base + KUP_TO_USER_AT(page_size);
	out->head_word = &kernel->to_user_head.value;
	out->event_word = &kernel->to_user_producer_event.value;
	out->tail_word = &user->to_user_tail.value;
	out->peer_event = &user->to_user_consumer_event.value;

	in->data = base + KUP_TO_KERNEL_AT(page_size, out->bytes);
	in->controls = KUP_CONTROLS_TO_KERNEL(channel->device->config.mode);
	in->tail_word = &kernel->to_kernel_tail.value;
	in->event_word = &kernel->to_kernel_consumer_event.value;
	in->head_word = &user->to_kernel_head.value;
	in->peer_event = &user->to_kernel_producer_event.value;
	channel->page = kernel;
}

int kup_channel_fill(struct kup_channel *channel, kup_u32 to_user_bytes, kup_u32 to_kernel_bytes)
{
	int error = kup_account_get(channel->device, &channel->account);

	if (error)
		return error;
	channel->out.bytes = to_user_bytes;
	channel->in.bytes = to_kernel_bytes;
	channel->stamp_bytes = channel->device->config.stamps ? sizeof(struct kup_stamp) : 0;
	error = os_memory_create(channel->out.bytes, channel->in.bytes, &channel->memory);
	if (error)
		return error;
	set_up_rings(channel, os_memory_address(channel->memory));
	fill_page(channel);
	return 0;
}

/* ---- The kernel's side ---- */

static void serve_main(void *argument)
{
	struct kup_channel *channel = argument;
	struct kup_device *device = channel->device;
	int finish;

	device->ops->serve(channel);
	kup_channel_close(channel);
	os_mutex_lock(&device->lock);
	channel->serving = 0;
	finish = kup_channel_take_finish(channel);
	os_mutex_unlock(&device->lock);
	if (finish)
		kup_channel_finish(channel);
	kup_channel_put(channel); /* the thread's own reference */
}

/* Client code is called from here on, so the device's end waits for this channel's. */
static int begin_client_code(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;
	int error = 0;

	os_mutex_lock(&device->lock);
	if (device->dead) {
		error = -ENODEV;
	} else {
		channel->started = 1;
		kup_store(&device->started, device->started + 1);
	}
	os_mutex_unlock(&device->lock);
	return error;
}

int kup_channel_start(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;
	const struct kup_ops *ops = device->ops;
	int error = begin_client_code(channel);

	if (!error && ops->attach)
		error = ops->attach(channel);
	if (error)
		return error;
	channel->accepted = 1;
	if (!ops->serve)
		return 0;
	channel->serving = 1;
	kup_channel_get(channel);
	error = os_thread_start(serve_main, channel, device->name, channel->number, 1);
	if (error) {
		channel->serving = 0;
		kup_channel_put(channel);
	}
	return error;
}

int kup_channel_take_finish(struct kup_channel *channel)
{
	if (channel->finished || channel->serving)
		return 0;
	if (!channel->user_gone && !channel->device->dead)
		return 0;
	channel->finished = 1;
	return 1;
}

void kup_counters_add(struct kup_counters *sum, const struct kup_counters *more)
{
	sum->to_user_records += kup_load64(&more->to_user_records);
	sum->to_user_payload += kup_load64(&more->to_user_payload);
	sum->dropped_no_space += kup_load64(&more->dropped_no_space);
	sum->dropped_too_long += kup_load64(&more->dropped_too_long);
	sum->to_kernel_records += kup_load64(&more->to_kernel_records);
	sum->to_kernel_payload += kup_load64(&more->to_kernel_payload);
	sum->wakeups += kup_load64(&more->wakeups);
	sum->sleeps += kup_load64(&more->sleeps);
	sum->kicks += kup_load64(&more->kicks);
	sum->ioctls += kup_load64(&more->ioctls);
	sum->polls += kup_load64(&more->polls);
}

/* ---- Ending ---- */

void kup_channel_close(struct kup_channel *channel)
{
	unsigned long state;

	if (kup_load(&channel->state) & (CHANNEL_CLOSED | CHANNEL_BROKEN))
		return;
	/* Under the lock, so nothing is reserved after the user has seen the end. */
	state = os_spin_lock(&channel->send_lock);
	kup_channel_flush_gap(channel);
	/* Pairs with the acquire in try_peek and in poll_attached. */
	kup_fetch_or(&channel->state, CHANNEL_CLOSED);
	kup_channel_publish_close(channel);
	os_spin_unlock(&channel->send_lock, state);
	kup_channel_wake_all(channel);
}

/* The client is done with the channel, so what it has not finished by now stays unfinished. */
static void end_unfinished(struct kup_channel *channel)
{
	kup_fetch_or(&channel->state, CHANNEL_ENDED);
	kup_channel_publish_state(channel);
	kup_channel_wake_all(channel);
}

void kup_channel_finish(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;
	struct kup_slot *slot = &device->slots[channel->number];

	/*
	 * If the user is gone, a client's own threads may still read the rest of what it sent, so
	 * the channel is not closed; but the user may still have the mapping, and sees the state.
	 * In the other case, the close ends every wait.
	 */
	if (channel->memory && kup_load(&channel->state) & CHANNEL_USER_GONE)
		kup_channel_publish_state(channel);
	else if (channel->memory)
		kup_channel_close(channel);
	kup_live_remove(channel);
	if (channel->accepted && device->ops->detach)
		device->ops->detach(channel);
	if (channel->memory && !(kup_load(&channel->state) & (CHANNEL_ENDED | CHANNEL_BROKEN)))
		end_unfinished(channel);
	os_mutex_lock(&device->lock);
	kup_counters_add(&slot->total, &channel->counters);
	/* Pairs with the acquire in kup_slot_is_free, which takes no lock. */
	kup_store_pointer(&slot->channel, NULL);
	if (channel->started)
		/* Pairs with the acquire in no_client_code. */
		kup_store_release(&device->started, device->started - 1);
	os_wake(&device->idle);
	os_mutex_unlock(&device->lock);
	kup_handles_wake(device);
	kup_channel_put(channel);
}

void kup_channel_user_gone(struct kup_channel *channel)
{
	struct kup_device *device = channel->device;
	int finish;

	/* Pairs with the acquire in try_peek: all that the user has sent is visible. */
	kup_fetch_or(&channel->state, CHANNEL_USER_GONE);
	os_wake(&channel->waitq);
	os_mutex_lock(&device->lock);
	channel->user_gone = 1;
	finish = kup_channel_take_finish(channel);
	os_mutex_unlock(&device->lock);
	if (finish)
		kup_channel_finish(channel);
}

/* ---- Questions of clients ---- */

kup_u32 kup_channel_number(const struct kup_channel *channel)
{
	return channel->number;
}

kup_u32 kup_channel_mode(const struct kup_channel *channel)
{
	return channel->device->config.mode;
}

struct kup_device *kup_channel_device(const struct kup_channel *channel)
{
	return channel->device;
}

void kup_channel_set_context(struct kup_channel *channel, void *context)
{
	channel->context = context;
}

void *kup_channel_context(const struct kup_channel *channel)
{
	return channel->context;
}
