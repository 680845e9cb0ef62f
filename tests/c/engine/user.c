/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user.h"

int failures;

void check(int good, const char *sentence, const char *why, ...)
{
	va_list arguments;

	if (good) {
		printf("ok %s\n", sentence);
	} else {
		failures++;
		printf("not ok %s: ", sentence);
		va_start(arguments, why);
		vprintf(why, arguments);
		va_end(arguments);
		printf("\n");
	}
	fflush(stdout);
}

struct kup_device *make_device(const struct kup_config *config, const struct kup_ops *ops)
{
	struct kup_device *device;
	int error = kup_device_create(config, ops, NULL, &device);

	if (error) {
		printf("not ok the device %s can be made: %s\n", config->name, strerror(-error));
		exit(1);
	}
	return device;
}

static void set_up_rings(struct user *user)
{
	kup_u32 page = user->info.page_size;

	user->kernel = (void *)user->memory;
	user->page = (void *)(user->memory + page);
	user->in = (struct kup_consumer){
		.data = user->memory + 2 * page,
		.bytes = user->info.to_user_bytes,
		.allowed = KUP_RECORD_DISCARD | KUP_RECORD_GAP,
		.tail_word = &user->page->to_user_tail.value,
		.event_word = &user->page->to_user_consumer_event.value,
		.head_word = &user->kernel->to_user_head.value,
		.peer_event = &user->kernel->to_user_producer_event.value,
	};
	user->out = (struct kup_producer){
		.data = user->memory + 2 * page + 2 * user->info.to_user_bytes,
		.bytes = user->info.to_kernel_bytes,
		.head_word = &user->page->to_kernel_head.value,
		.event_word = &user->page->to_kernel_producer_event.value,
		.tail_word = &user->kernel->to_kernel_tail.value,
		.peer_event = &user->kernel->to_kernel_consumer_event.value,
	};
}

int user_attach(struct user *user, const char *name, kup_u32 channel)
{
	int error;

	memset(user, 0, sizeof(*user));
	error = host_open(name, &user->file);
	if (error)
		return error;
	user->attach.abi_version = KUP_ABI_VERSION;
	user->attach.channel = channel;
	error = host_info(user->file, &user->info);
	if (!error)
		error = host_attach(user->file, &user->attach);
	if (!error)
		error = host_map(user->file, &user->memory);
	if (error) {
		host_close(user->file);
		return error;
	}
	set_up_rings(user);
	return 0;
}

void user_close(struct user *user)
{
	host_close(user->file);
	host_memory_unmap(user->memory, user->info.map_bytes);
}

static int over(const struct user *user)
{
	switch (kup_load_acquire(&user->kernel->state)) {
	case KUP_STATE_OPEN:
		return 0;
	case KUP_STATE_CLOSED:
		return -EPIPE;
	default:
		return -EPROTO;
	}
}

int user_send(struct user *user, kup_u32 type, const void *data, kup_u32 length)
{
	kup_u32 position, space = KUP_RECORD_SPACE(length);

	for (;;) {
		int error = over(user), result;

		if (error)
			return error;
		result = kup_producer_reserve(&user->out, length, &position);
		if (result == KUP_RING_OK)
			break;
		if (result != KUP_RING_WAIT)
			return -EPROTO;
		kup_producer_announce(&user->out, user->out.head + space - user->out.bytes);
		if (kup_producer_room(&user->out, space) == KUP_RING_WAIT &&
		    !host_wait(user->file, KUP_POLL_OUT, PATIENCE_MS))
			return -ETIMEDOUT;
	}
	memcpy(kup_producer_payload(&user->out, position), data, length);
	if (kup_producer_commit(&user->out, position, length, length, type, 0))
		host_kick(user->file);
	return 0;
}

/* What the release, or the skipping of a discarded record, leaves to do. */
static void wake_kernel(struct user *user)
{
	if (!user->in.owes_wake)
		return;
	user->in.owes_wake = 0;
	host_kick(user->file);
}

int user_receive(struct user *user, struct kup_record *record)
{
	for (;;) {
		int error = over(user);
		int result = kup_consumer_peek(&user->in, record);

		wake_kernel(user);
		if (result != KUP_RING_WAIT)
			return result == KUP_RING_OK ? 0 : -EPROTO;
		if (error)
			return error;
		kup_consumer_announce(&user->in);
		if (!kup_consumer_ready(&user->in) &&
		    !host_wait(user->file, KUP_POLL_IN, PATIENCE_MS))
			return -ETIMEDOUT;
	}
}

void user_release(struct user *user, const struct kup_record *record)
{
	kup_consumer_release(&user->in, record);
	wake_kernel(user);
}
