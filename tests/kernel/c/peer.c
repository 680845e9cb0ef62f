/* SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"

int echo_open(void)
{
	return open(ECHO_DEVICE, O_RDWR | O_CLOEXEC);
}

int attach_fd(int fd, uint32_t channel, uint32_t flags, struct kup_attach *out)
{
	struct kup_attach attach = {
		.abi_version = KUP_ABI_VERSION,
		.flags = flags,
		.channel = channel,
	};
	int result = ioctl(fd, KUP_IOC_ATTACH, &attach);

	if (out != NULL)
		*out = attach;
	return result;
}

off_t area_offset(const struct kup_info *info, enum area area)
{
	off_t offset = 0;

	for (int before = AREA_KERNEL; before < (int)area; before++)
		offset += (off_t)area_length(info, before);
	return offset;
}

size_t area_length(const struct kup_info *info, enum area area)
{
	switch (area) {
	case AREA_IN:
		return 2 * (size_t)info->to_user_bytes;
	case AREA_OUT:
		return 2 * (size_t)info->to_kernel_bytes;
	default:
		return info->page_size;
	}
}

void *area_map(int fd, const struct kup_info *info, enum area area)
{
	int protection = area == AREA_KERNEL ? PROT_READ : PROT_READ | PROT_WRITE;

	return mmap(NULL, area_length(info, area), protection, MAP_SHARED, fd,
		    area_offset(info, area));
}

int peer_map(struct peer *peer)
{
	void *areas[AREAS];

	for (int area = 0; area < AREAS; area++) {
		areas[area] = area_map(peer->fd, &peer->info, area);
		if (areas[area] != MAP_FAILED)
			continue;
		while (area-- > 0)
			munmap(areas[area], area_length(&peer->info, area));
		return errno;
	}
	peer->kernel = areas[AREA_KERNEL];
	peer->user = areas[AREA_USER];
	peer->in = areas[AREA_IN];
	peer->out = areas[AREA_OUT];
	return 0;
}

void peer_unmap(struct peer *peer)
{
	munmap((void *)peer->kernel, area_length(&peer->info, AREA_KERNEL));
	munmap(peer->user, area_length(&peer->info, AREA_USER));
	munmap(peer->in, area_length(&peer->info, AREA_IN));
	munmap(peer->out, area_length(&peer->info, AREA_OUT));
	peer->kernel = NULL;
}

int peer_start(struct peer *peer, uint32_t channel)
{
	int error;

	memset(peer, 0, sizeof(*peer));
	peer->fd = echo_open();
	if (peer->fd == -1)
		return errno;
	if (ioctl(peer->fd, KUP_IOC_INFO, &peer->info) == 0 &&
	    attach_fd(peer->fd, channel, 0, &peer->attach) == 0)
		error = peer_map(peer);
	else
		error = errno;
	if (error != 0)
		close(peer->fd);
	return error;
}

void peer_need(struct peer *peer, uint32_t channel)
{
	errno = peer_start(peer, channel);
	need(errno == 0, "a channel can be attached and mapped");
}

void peer_stop(struct peer *peer)
{
	peer_unmap(peer);
	close(peer->fd);
}

void peer_stop_wait(struct peer *peer)
{
	struct kup_stats stats = { 0 };
	int fd = echo_open();

	peer_stop(peer);
	EVENTUALLY(PATIENCE_MS, stats_get(fd, peer->attach.channel, &stats) != 0 ||
					stats.state == KUP_STATE_FREE);
	close(fd);
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
	return ioctl(peer->fd, KUP_IOC_KICK);
}

uint32_t peer_state(const struct peer *peer)
{
	return word_get(&peer->kernel->state);
}

int peer_poll(struct peer *peer, short events, int timeout_ms)
{
	struct pollfd entry = { .fd = peer->fd, .events = events };

	peer->polls++;
	while (poll(&entry, 1, timeout_ms) == -1 && errno == EINTR)
		peer->polls++;
	return entry.revents;
}

/* ---- Producing ---- */

bool peer_room(const struct peer *peer, uint32_t space)
{
	uint32_t tail = word_get(&peer->kernel->to_kernel_tail.value);

	return peer->head + space - tail <= peer->info.to_kernel_bytes;
}

static int wait_room(struct peer *peer, uint32_t space)
{
	for (;;) {
		for (unsigned int spin = 0; spin <= peer->spins; spin++)
			if (peer_room(peer, space))
				return 0;
		if (peer_state(peer) != KUP_STATE_OPEN)
			return EPIPE;
		peer->announced++;
		word_set(&peer->user->to_kernel_producer_event.value,
			 peer->head + space - peer->info.to_kernel_bytes);
		full_fence();
		if (peer_room(peer, space))
			return 0;
		if (peer_poll(peer, POLLOUT, PATIENCE_MS) == 0)
			return ETIMEDOUT;
		peer->idle_wakes += !peer_room(peer, space);
	}
}

uint32_t peer_write(struct peer *peer, uint32_t flags, uint32_t type, const void *data,
		    uint32_t length)
{
	uint32_t from = peer->head;
	uint8_t *place = peer->out + from % peer->info.to_kernel_bytes;
	struct kup_record_header *header = (struct kup_record_header *)place;

	if (data != NULL)
		memcpy(place + sizeof(*header), data, length);
	header->type = type;
	word_set(&header->length_flags, length | flags);
	peer->head = from + KUP_RECORD_SPACE(length);
	return from;
}

void peer_show(struct peer *peer, uint32_t from)
{
	word_set(&peer->user->to_kernel_head.value, peer->head);
	full_fence();
	if (word_get(&peer->kernel->to_kernel_consumer_event.value) == from)
		peer_kick(peer);
}

int peer_send(struct peer *peer, uint32_t type, const void *data, uint32_t length)
{
	int error = wait_room(peer, KUP_RECORD_SPACE(length));

	if (error != 0)
		return error;
	peer_show(peer, peer_write(peer, 0, type, data, length));
	return 0;
}

/* ---- Consuming ---- */

/* The record at the tail, whatever it is. */
static bool look_any(struct peer *peer, struct record *record)
{
	const uint8_t *place = peer->in + peer->tail % peer->info.to_user_bytes;
	const struct kup_record_header *header = (const struct kup_record_header *)place;
	uint32_t word;

	if (word_get(&peer->kernel->to_user_head.value) == peer->tail)
		return false;
	word = word_get(&header->length_flags);
	if (word & KUP_RECORD_BUSY)
		return false;
	record->type = header->type;
	record->length = word & KUP_RECORD_LENGTH;
	record->flags = word & ~KUP_RECORD_LENGTH;
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
			return EPIPE;
		if (peer_poll(peer, POLLIN, PATIENCE_MS) == 0)
			return ETIMEDOUT;
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

const char *peer_echo(struct peer *peer, uint32_t seed, uint32_t length)
{
	static __thread uint8_t bytes[1 << 20];
	struct record record;
	bool same;

	if (length > sizeof(bytes))
		return "it is too long for this test";
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(seed + i * 7);
	if (peer_send(peer, seed & 0xffff, bytes, length) != 0)
		return "it could not be sent";
	if (peer_receive(peer, &record) != 0)
		return "no record came back";
	same = record.type == (seed & 0xffff) && record.length == length &&
	       memcmp(record.data, bytes, length) == 0;
	peer_release(peer, &record);
	return same ? NULL : "another record came back";
}

/* ---- The device ---- */

int stats_get(int fd, uint32_t channel, struct kup_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->channel = channel;
	return ioctl(fd, KUP_IOC_STATS, stats);
}

uint32_t channels_free(int fd)
{
	struct kup_info info;

	if (ioctl(fd, KUP_IOC_INFO, &info) != 0)
		return 0;
	return info.channels_free;
}
