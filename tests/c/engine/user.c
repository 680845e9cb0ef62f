/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "user.h"

static void set_up_rings(struct user *user)
{
	kup_u32 page = user->info.page_size, to_user_bytes = user->attach.to_user_bytes;

	user->kernel = (void *)user->memory;
	user->page = (void *)(user->memory + KUP_USER_PAGE_AT(page));
	user->in = (struct kup_consumer){
		.data = user->memory + KUP_TO_USER_AT(page),
		.bytes = to_user_bytes,
		.controls = 1u << KUP_CONTROL_GAP | 1u << KUP_CONTROL_PASS | 1u << KUP_CONTROL_END,
		.tail_word = &user->page->to_user_tail.value,
		.event_word = &user->page->to_user_consumer_event.value,
		.head_word = &user->kernel->to_user_head.value,
		.peer_event = &user->kernel->to_user_producer_event.value,
	};
	user->out = (struct kup_producer){
		.data = user->memory + KUP_TO_KERNEL_AT(page, to_user_bytes),
		.bytes = user->attach.to_kernel_bytes,
		.head_word = &user->page->to_kernel_head.value,
		.event_word = &user->page->to_kernel_producer_event.value,
		.tail_word = &user->kernel->to_kernel_tail.value,
		.peer_event = &user->kernel->to_kernel_consumer_event.value,
	};
}

int user_open(const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "host:%s", name);
	return kup_user_open(path);
}

int user_map(struct user *user)
{
	const struct kup_attach *attach = &user->attach;
	uint64_t address = 0;
	int error = kup_user_map(user->file, user->info.page_size, attach->to_user_bytes,
				 attach->to_kernel_bytes, &address);

	if (error)
		return error;
	user->memory = (void *)(uintptr_t)address;
	set_up_rings(user);
	return 0;
}

int user_attach(struct user *user, const char *name, kup_u32 channel)
{
	int error;

	memset(user, 0, sizeof(*user));
	user->file = user_open(name);
	if (user->file < 0)
		return user->file;
	user->attach.abi_version = KUP_ABI_VERSION;
	user->attach.understood = KUP_FEATURES;
	user->attach.channel = channel;
	error = kup_user_info(user->file, &user->info);
	if (!error)
		error = kup_user_attach(user->file, &user->attach);
	if (!error)
		error = user_map(user);
	if (error)
		kup_user_close(user->file);
	return error;
}

void user_unmap(struct user *user)
{
	kup_user_unmap((uintptr_t)user->memory, user->attach.map_bytes);
	if (!ONE_MAPPING)
		munmap(user->memory, user->attach.map_bytes);
}

void user_close(struct user *user)
{
	user_unmap(user);
	kup_user_close(user->file);
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

/* Returns 0 or a negative errno. */
static int sleep_for(const struct user *user, kup_u32 events)
{
	int so = kup_user_wait(user->file, events, PATIENCE_MS);

	return so > 0 ? 0 : so < 0 ? so : -ETIMEDOUT;
}

void user_wake_kernel(struct user *user)
{
	if (!user->in.owes_wake)
		return;
	user->in.owes_wake = 0;
	kup_user_kick(user->file);
}

/* Before a sleep: the kernel may sleep for room that was not published yet. */
static void settle(struct user *user)
{
	kup_consumer_settle(&user->in);
	user_wake_kernel(user);
}

int user_reserve(struct user *user, kup_u32 length, kup_u32 *position)
{
	kup_u32 space = KUP_RECORD_SPACE(length);

	for (;;) {
		int error = over(user), result;

		if (error)
			return error;
		result = kup_producer_reserve(&user->out, length, position);
		if (result != KUP_RING_WAIT)
			return result == KUP_RING_OK ? 0 : -EPROTO;
		if (!user->split)
			settle(user);
		kup_producer_announce(&user->out, kup_producer_wants(&user->out, space));
		if (kup_producer_room(&user->out, space) == KUP_RING_WAIT)
			error = sleep_for(user, POLLOUT);
		if (error)
			return error;
	}
}

static kup_u32 *header_at(const struct user *user, kup_u32 position)
{
	return (kup_u32 *)(void *)(user->out.data + (position & (user->out.bytes - 1)));
}

kup_u32 user_put(struct user *user, kup_u32 flags, kup_u32 type, kup_u32 length)
{
	kup_u32 from = user->out.head, *header = header_at(user, from);

	user->out.head = from + KUP_RECORD_SPACE(length);
	user->out.end = user->out.head;
	kup_store(header_at(user, user->out.head), 0);
	kup_store(user->out.head_word, user->out.head);
	kup_store(header + 1, type);
	kup_store_release(header, (length | flags) ^ KUP_RECORD_READY);
	return from;
}

void user_finish(struct user *user, kup_u32 position)
{
	kup_u32 *header = header_at(user, position);

	kup_store_release(header, kup_load(header) | KUP_RECORD_READY);
}

int user_is_asked(struct user *user, kup_u32 from)
{
	kup_fence();
	return kup_load(user->out.peer_event) - from < user->out.head - from;
}

void user_commit(struct user *user, kup_u32 position, kup_u32 length, kup_u32 type)
{
	if (kup_producer_commit(&user->out, position, length, length, type, 0))
		kup_user_kick(user->file);
}

int user_send(struct user *user, kup_u32 type, const void *data, kup_u32 length)
{
	kup_u32 position;
	int error = user_reserve(user, length, &position);

	if (error)
		return error;
	memcpy(kup_producer_payload(&user->out, position), data, length);
	user_commit(user, position, length, type);
	return 0;
}

int user_receive(struct user *user, struct kup_record *record)
{
	for (;;) {
		int error = over(user);
		int result = kup_consumer_peek(&user->in, record);

		user_wake_kernel(user);
		if (result != KUP_RING_WAIT)
			return result == KUP_RING_OK ? 0 : -EPROTO;
		if (error)
			return error;
		settle(user);
		kup_consumer_announce(&user->in, user->in.cursor);
		if (!kup_consumer_ready(&user->in))
			error = sleep_for(user, POLLIN);
		if (error)
			return error;
	}
}

void user_release(struct user *user, const struct kup_record *record)
{
	kup_consumer_release(&user->in, record);
	user_wake_kernel(user);
}
