/* SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cases.h"
#include "driver.h"

int echo_open(void)
{
	return kup_user_open(path_of(ECHO_NAME));
}

int attach_to(int fd, uint32_t channel, uint32_t flags, struct kup_attach *out)
{
	struct kup_attach attach = {
		.abi_version = KUP_ABI_VERSION,
		.understood = KUP_FEATURES,
		.flags = flags,
		.channel = channel,
	};
	int result = kup_user_attach(fd, &attach);

	if (out != NULL)
		*out = attach;
	return result;
}

int peer_map(struct peer *peer)
{
	const uint32_t page = peer->info.page_size, to_user = peer->attach.to_user_bytes;
	uint8_t *base;
	int error;

	peer->address = 0;
	error = kup_user_map(peer->fd, page, to_user, peer->attach.to_kernel_bytes, &peer->address);
	if (error != 0)
		return error;
	base = (uint8_t *)(uintptr_t)peer->address;
	peer->kernel = (const void *)base;
	peer->user = (void *)(base + KUP_USER_PAGE_AT(page));
	peer->in = base + KUP_TO_USER_AT(page);
	peer->out = base + KUP_TO_KERNEL_AT(page, to_user);
	return 0;
}

/* The range of zeros that stays is the caller's to unmap. */
void peer_unmap(struct peer *peer)
{
	kup_user_unmap(peer->address, peer->attach.map_bytes);
	munmap((void *)(uintptr_t)peer->address, peer->attach.map_bytes);
	peer->kernel = NULL;
}

/* ATTACH and the mapping, for a handle that is open. */
static int attach_peer(struct peer *peer, struct kup_attach attach)
{
	int error = kup_user_info(peer->fd, &peer->info);

	attach.abi_version = KUP_ABI_VERSION;
	attach.understood = KUP_FEATURES;
	if (error == 0)
		error = kup_user_attach(peer->fd, &attach);
	peer->attach = attach;
	if (error == 0)
		error = peer_map(peer);
	if (error != 0)
		kup_user_close(peer->fd);
	return error;
}

static int start_with(struct peer *peer, const char *path, struct kup_attach attach)
{
	memset(peer, 0, sizeof(*peer));
	peer->fd = kup_user_open(path);
	return peer->fd < 0 ? peer->fd : attach_peer(peer, attach);
}

int peer_start_at(struct peer *peer, const char *path, uint32_t channel)
{
	return start_with(peer, path, (struct kup_attach){ .channel = channel });
}

int peer_start(struct peer *peer, uint32_t channel)
{
	return peer_start_at(peer, path_of(ECHO_NAME), channel);
}

/* The last owner's channel may drain for longer than ATTACH waits. */
static void need_with(struct peer *peer, struct kup_attach attach)
{
	int error;

	EVENTUALLY(PATIENCE_MS, (error = start_with(peer, path_of(ECHO_NAME), attach)) != -EBUSY);
	if (error != 0)
		check(false, "a channel can be attached and mapped", "%s", error_name(error));
	need(error == 0, "a channel can be attached and mapped");
}

void peer_need(struct peer *peer, uint32_t channel)
{
	need_with(peer, (struct kup_attach){ .channel = channel });
}

void peer_need_sized(struct peer *peer, uint32_t to_user_bytes, uint32_t to_kernel_bytes)
{
	const struct kup_attach attach = {
		.channel = ANY,
		.to_user_bytes = to_user_bytes,
		.to_kernel_bytes = to_kernel_bytes,
	};

	need_with(peer, attach);
}

void peer_stop(struct peer *peer)
{
	peer_unmap(peer);
	kup_user_close(peer->fd);
}

void peer_stop_wait(struct peer *peer)
{
	struct kup_stats stats = { 0 };
	int fd = echo_open();

	peer_stop(peer);
	EVENTUALLY(PATIENCE_MS, stats_get(fd, peer->attach.channel, &stats) != 0 ||
					stats.state == KUP_STATE_FREE);
	kup_user_close(fd);
}

uint32_t word_get(const kup_u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

void word_set(kup_u32 *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void full_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int peer_kick(struct peer *peer)
{
	peer->kicks++;
	return kup_user_kick(peer->fd);
}

uint32_t peer_state(const struct peer *peer)
{
	return word_get(&peer->kernel->state);
}

int peer_poll(struct peer *peer, uint32_t events, double timeout_ms)
{
	peer->polls++;
	return kup_user_wait(peer->fd, events, timeout_ms);
}

/* ---- Producing ---- */

bool peer_room(const struct peer *peer, uint32_t space)
{
	uint32_t tail = word_get(&peer->kernel->to_kernel_tail.value);

	return peer->head + space + KUP_RECORD_HEADER - tail <= peer->attach.to_kernel_bytes;
}

static int wait_room(struct peer *peer, uint32_t space)
{
	for (;;) {
		for (unsigned int spin = 0; spin <= peer->spins; spin++)
			if (peer_room(peer, space))
				return 0;
		if (peer_state(peer) != KUP_STATE_OPEN)
			return -EPIPE;
		peer->announced++;
		word_set(&peer->user->to_kernel_producer_event.value,
			 peer->head + space + KUP_RECORD_HEADER - peer->attach.to_kernel_bytes);
		full_fence();
		if (peer_room(peer, space))
			return 0;
		if (peer_poll(peer, POLLOUT, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
		peer->idle_wakes += !peer_room(peer, space);
	}
}

kup_u32 *peer_header(const struct peer *peer, uint32_t position)
{
	return (kup_u32 *)(void *)(peer->out + position % peer->attach.to_kernel_bytes);
}

void peer_set_head(struct peer *peer, uint32_t head)
{
	word_set(&peer->user->to_kernel_head.value, head);
}

void peer_wake(struct peer *peer, uint32_t from)
{
	full_fence();
	if (word_get(&peer->kernel->to_kernel_consumer_event.value) - from < peer->head - from)
		peer_kick(peer);
}

uint32_t peer_write(struct peer *peer, uint32_t flags, uint32_t type, const void *data,
		    uint32_t length)
{
	uint32_t from = peer->head;
	kup_u32 *header = peer_header(peer, from);

	peer->head = from + KUP_RECORD_SPACE(length);
	word_set(peer_header(peer, peer->head), 0);
	peer_set_head(peer, peer->head);
	if (data != NULL)
		memcpy(header + 2, data, length);
	header[1] = type;
	/* READY, unless the flags remove it. */
	word_set(header, (length | flags) ^ KUP_RECORD_READY);
	return from;
}

void peer_finish(struct peer *peer, uint32_t from)
{
	kup_u32 *header = peer_header(peer, from);

	word_set(header, *header | KUP_RECORD_READY);
	peer_wake(peer, from);
}

int peer_send(struct peer *peer, uint32_t type, const void *data, uint32_t length)
{
	int error = wait_room(peer, KUP_RECORD_SPACE(length));

	if (error != 0)
		return error;
	peer_wake(peer, peer_write(peer, 0, type, data, length));
	return 0;
}

/* ---- Consuming ---- */

bool record_is(const struct record *record, uint32_t kind)
{
	return record->flags == KUP_RECORD_CONTROL && record->type == kind;
}

/* The record at the tail, of any kind. */
static bool look_any(struct peer *peer, struct record *record)
{
	const uint8_t *place = peer->in + peer->tail % peer->attach.to_user_bytes;
	const struct kup_record_header *header = (const struct kup_record_header *)place;
	uint32_t word = word_get(&header->length_flags);

	if (!(word & KUP_RECORD_READY))
		return false;
	record->type = header->type;
	record->length = word & KUP_RECORD_LENGTH;
	record->flags = word & ~(KUP_RECORD_LENGTH | KUP_RECORD_READY);
	record->data = place + sizeof(*header);
	record->space = KUP_RECORD_SPACE(record->length);
	return true;
}

bool peer_look(struct peer *peer, struct record *record)
{
	while (look_any(peer, record)) {
		if (!(record->flags & KUP_RECORD_DISCARD))
			return true;
		peer_release(peer, record);
	}
	return false;
}

bool peer_soon(struct peer *peer, struct record *record)
{
	return EVENTUALLY(PATIENCE_MS, peer_look(peer, record));
}

int peer_receive(struct peer *peer, struct record *record)
{
	for (;;) {
		uint32_t state;

		for (unsigned int spin = 0; spin <= peer->spins; spin++)
			if (peer_look(peer, record))
				return 0;
		state = peer_state(peer);
		peer->announced++;
		word_set(&peer->user->to_user_consumer_event.value, peer->tail);
		full_fence();
		if (peer_look(peer, record))
			return 0;
		if (state != KUP_STATE_OPEN)
			return -EPIPE;
		if (peer_poll(peer, POLLIN, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
		peer->idle_wakes += peer_state(peer) == KUP_STATE_OPEN && !peer_look(peer, record);
	}
}

void peer_release(struct peer *peer, const struct record *record)
{
	uint32_t event;
	uint32_t before = peer->tail;

	peer->tail = before + record->space;
	word_set(&peer->user->to_user_tail.value, peer->tail);
	full_fence();
	event = word_get(&peer->kernel->to_user_producer_event.value);
	if (event - before - 1 < record->space)
		peer_kick(peer);
}

static const char *echo_bytes(struct peer *peer, uint32_t type, const uint8_t *bytes,
			      uint32_t length)
{
	struct record record;
	bool same;

	if (peer_send(peer, type, bytes, length) != 0)
		return "it could not be sent";
	if (peer_receive(peer, &record) != 0)
		return "no record came back";
	same = record.type == type && record.length == length &&
	       memcmp(record.data, bytes, length) == 0;
	peer_release(peer, &record);
	return same ? NULL : "another record came back";
}

const char *peer_echo(struct peer *peer, uint32_t seed, uint32_t length)
{
	uint8_t *bytes = malloc(length + 1);
	const char *why;

	if (bytes == NULL)
		return "there is no memory for it";
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(seed + i * 7);
	why = echo_bytes(peer, seed & 0xffff, bytes, length);
	free(bytes);
	return why;
}

/* ---- The device ---- */

int stats_get(int fd, uint32_t channel, struct kup_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->channel = channel;
	return kup_user_stats(fd, stats);
}

uint32_t channels_free(int fd)
{
	struct kup_info info;

	if (kup_user_info(fd, &info) != 0)
		return 0;
	return info.channels_free;
}

bool all_free(int fd)
{
	struct kup_info info;

	return EVENTUALLY(PATIENCE_MS,
			  kup_user_info(fd, &info) == 0 && info.channels_free == info.channels);
}
