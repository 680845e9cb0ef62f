/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing a channel for programs in C, and what it is. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"

#define DEFAULT_SPIN_NS 100000

static void set_up_rings(struct kup_user_channel *channel)
{
	uint32_t page = channel->info.page_size;
	uint8_t *base = (uint8_t *)(uintptr_t)channel->memory;
	struct kup_kernel_page *kernel = (void *)base;
	struct kup_user_page *user = (void *)(base + page);

	channel->kernel = kernel;
	if (channel->info.required & KUP_FEATURE_STAMPS)
		channel->stamp_bytes = sizeof(struct kup_stamp);
	channel->in = (struct kup_consumer){
		.data = base + KUP_TO_USER_AT(page),
		.bytes = channel->attach.to_user_bytes,
		.controls = KUP_CONTROLS_TO_USER(channel->info.mode),
		.skips_unknown = 1,
		.tail_word = &user->to_user_tail.value,
		.event_word = &user->to_user_consumer_event.value,
		.head_word = &kernel->to_user_head.value,
		.peer_event = &kernel->to_user_producer_event.value,
	};
	channel->out = (struct kup_producer){
		.data = base + KUP_TO_KERNEL_AT(page, channel->attach.to_user_bytes),
		.bytes = channel->attach.to_kernel_bytes,
		.head_word = &user->to_kernel_head.value,
		.event_word = &user->to_kernel_producer_event.value,
		.tail_word = &kernel->to_kernel_tail.value,
		.peer_event = &kernel->to_kernel_consumer_event.value,
	};
}

/* Calls ATTACH repeatedly while others have the channel. */
static int32_t attach(struct kup_user_channel *channel, const struct kup_user_open_options *options)
{
	uint64_t deadline = deadline_in(options->timeout_ms);

	/* ATTACH has 32 bits for a size. */
	if (options->to_user_bytes > UINT32_MAX || options->to_kernel_bytes > UINT32_MAX)
		return -EINVAL;

	for (;;) {
		int32_t error;
		uint64_t now;

		memset(&channel->attach, 0, sizeof(channel->attach));
		channel->attach.abi_version = KUP_ABI_VERSION;
		channel->attach.understood = KUP_FEATURES;
		channel->attach.channel = options->number;
		channel->attach.to_user_bytes = (uint32_t)options->to_user_bytes;
		channel->attach.to_kernel_bytes = (uint32_t)options->to_kernel_bytes;
		error = kup_user_attach(channel->file, &channel->attach);
		now = now_ns();
		if (error != -EBUSY || now >= deadline)
			return error;
		error = kup_user_wait(channel->file, POLLIN,
				      deadline == FOREVER_NS ? -1 : (double)(deadline - now) / 1e6);
		if (error < 0)
			return error;
	}
}

static int32_t map(struct kup_user_channel *channel)
{
	const struct kup_attach *attach = &channel->attach;
	int32_t error = kup_user_map(channel->file, channel->info.page_size, attach->to_user_bytes,
				     attach->to_kernel_bytes, &channel->memory);

	if (!error)
		set_up_rings(channel);
	return error;
}

int32_t kup_user_channel_open(const char *path, uint32_t number, double timeout_ms,
			      struct kup_user_channel **opened)
{
	const struct kup_user_open_options options = {
		.number = number,
		.timeout_ms = timeout_ms,
	};

	return kup_user_channel_open_with(path, &options, opened);
}

int32_t kup_user_channel_open_with(const char *path, const struct kup_user_open_options *options,
				   struct kup_user_channel **opened)
{
	struct kup_user_channel *channel = calloc(1, sizeof(*channel));
	int32_t error;

	if (!channel)
		return -ENOMEM;
	channel->held.position = NOTHING_HELD;
	channel->file = kup_user_open(path);
	error = channel->file;
	if (error < 0)
		goto free;
	error = kup_user_info(channel->file, &channel->info);
	if (!error && channel->info.abi_version != KUP_ABI_VERSION)
		error = -EPROTONOSUPPORT;
	if (!error)
		error = attach(channel, options);
	if (!error)
		error = map(channel);
	if (error)
		goto close;
	kup_user_channel_set_spin(channel, DEFAULT_SPIN_NS / 1e3);
	*opened = channel;
	return 0;
close:
	kup_user_close(channel->file);
free:
	free(channel);
	return error;
}

void kup_user_channel_close(struct kup_user_channel *channel)
{
	if (!channel)
		return;
	kup_user_release_range(channel->memory, channel->attach.map_bytes);
	kup_user_close(channel->file);
	free(channel);
}

void kup_user_channel_set_spin(struct kup_user_channel *channel, double microseconds)
{
	/* 1e12 us is longer than any wait spins, and far from overflow. */
	const double limit = 1e12;

	if (!(microseconds > 0))
		microseconds = 0;
	channel->spin_ns = (uint64_t)((microseconds < limit ? microseconds : limit) * 1e3);
	channel->send_spin.budget_ns = channel->spin_ns;
	channel->receive_spin.budget_ns = channel->spin_ns;
}

void kup_user_channel_split(struct kup_user_channel *channel)
{
	channel->split = 1;
}

int32_t kup_user_channel_file(const struct kup_user_channel *channel)
{
	return channel->file;
}

uint32_t kup_user_channel_number(const struct kup_user_channel *channel)
{
	return channel->attach.channel;
}

uint32_t kup_user_channel_mode(const struct kup_user_channel *channel)
{
	return channel->info.mode;
}

uint32_t kup_user_to_user_bytes(const struct kup_user_channel *channel)
{
	return channel->in.bytes;
}

uint32_t kup_user_to_kernel_bytes(const struct kup_user_channel *channel)
{
	return channel->out.bytes;
}

uint32_t kup_user_max_message(const struct kup_user_channel *channel)
{
	return KUP_MAX_PAYLOAD(channel->out.bytes);
}
