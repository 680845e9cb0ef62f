/* SPDX-License-Identifier: BSD-3-Clause */
#include <poll.h>
#include <string.h>

#include "cases.h"
#include "poke.h"

/* The user's words: a head that moves by a little too much, or by far too much. */
static uint32_t odd_word(uint32_t *seed, uint32_t word)
{
	switch (random_next(seed) % 8) {
	case 0:
		return random_next(seed);
	case 1:
		return word + random_next(seed) % 8192;
	case 2:
		return word - 8 * (random_next(seed) % 16);
	case 3:
		return (word & ~7u) | random_next(seed) % 8;
	case 4:
		return word + 0x80000000u;
	default:
		/* Sometimes the right value. */
		return word + 8;
	}
}

/* Kinds of control records, and commands of the echo client that keep it busy for a moment only. */
static uint32_t odd_type(uint32_t *seed)
{
	switch (random_next(seed) % 4) {
	case 0:
		return ECHO_SAMPLE;
	case 1:
		return ECHO_REPORT;
	case 2:
		return random_next(seed) % 2 ? KUP_CONTROL_PASS : random_next(seed) % 5;
	default:
		return random_next(seed) % ECHO_COMMANDS;
	}
}

static uint32_t odd_header(uint32_t *seed)
{
	static const uint32_t flags[] = {
		KUP_RECORD_READY,
		KUP_RECORD_READY,
		KUP_RECORD_READY | KUP_RECORD_CONTROL,
		KUP_RECORD_READY | KUP_RECORD_DISCARD,
		KUP_RECORD_READY | 0x10000000u,
		0,
		~0u,
	};
	uint32_t length = random_next(seed) % 4 ? random_next(seed) % 64 : random_next(seed);

	return flags[random_next(seed) % 7] | (length & KUP_RECORD_LENGTH);
}

static void put_header(struct peer *peer, uint32_t position, uint32_t header, uint32_t type)
{
	peer_header(peer, position & ~7u)[1] = type;
	word_set(peer_header(peer, position & ~7u), header);
}

/*
 * Near head more often than elsewhere: there it replaces the sentinel, or a record that head
 * covers.
 */
static void poke_header(struct peer *peer, uint32_t *seed)
{
	uint32_t place = word_get(&peer->user->to_kernel_head.value);

	if (random_next(seed) % 8 == 0)
		place = random_next(seed);
	else if (random_next(seed) % 2)
		place += random_next(seed) % 128 * 8;
	put_header(peer, place, odd_header(seed), odd_type(seed));
}

/* A valid record, or one behind head, or one that is never finished. */
static void poke_record(struct peer *peer, uint32_t *seed)
{
	uint32_t from = word_get(&peer->user->to_kernel_head.value) & ~7u;
	uint32_t length = random_next(seed) % 64, to = from + KUP_RECORD_SPACE(length);

	if (random_next(seed) % 4)
		put_header(peer, to, 0, 0);
	if (random_next(seed) % 4)
		peer_set_head(peer, to);
	if (random_next(seed) % 4)
		put_header(peer, from, length | KUP_RECORD_READY, odd_type(seed));
}

/* Around the kernel's own position, and up to a ring away from it. */
static void poke_head(struct peer *peer, uint32_t *seed)
{
	const uint32_t ring = peer->attach.to_kernel_bytes;
	const uint32_t around[] = { -8u, 0, 8, ring - 8, ring, ring + 8 };

	peer_set_head(peer, word_get(&peer->kernel->to_kernel_tail.value) +
				    around[random_next(seed) % 6]);
}

/* Finished records all over the ring, so that the kernel's side never finds an end of them. */
static void forge_ring(struct peer *peer, uint32_t *seed)
{
	const uint32_t header = KUP_RECORD_READY | (random_next(seed) % 2 ? KUP_RECORD_DISCARD : 0);
	uint32_t type = odd_type(seed);

	for (uint32_t at = 0; at < peer->attach.to_kernel_bytes; at += KUP_RECORD_HEADER)
		put_header(peer, at, header, type);
}

static void poke_word(struct peer *peer, uint32_t *seed)
{
	kup_u32 *words[] = {
		&peer->user->to_kernel_head.value, &peer->user->to_kernel_head.value,
		&peer->user->to_kernel_head.value, &peer->user->to_kernel_producer_event.value,
		&peer->user->to_user_tail.value,   &peer->user->to_user_consumer_event.value
	};
	kup_u32 *word = words[random_next(seed) % 6];

	word_set(word, odd_word(seed, word_get(word)));
	/* Otherwise the kernel's side would never have room. */
	if (random_next(seed) % 2)
		word_set(&peer->user->to_user_tail.value,
			 word_get(&peer->kernel->to_user_head.value));
}

static void poke_one(struct peer *peer, uint32_t *seed)
{
	switch (random_next(seed) % 64) {
	case 0:
		forge_ring(peer, seed);
		break;
	case 1:
	case 2:
		poke_head(peer, seed);
		break;
	case 3 ... 19:
		poke_word(peer, seed);
		break;
	case 20 ... 35:
		poke_header(peer, seed);
		break;
	default:
		poke_record(peer, seed);
	}
}

void poke(struct peer *peer, uint32_t *seed, uint32_t steps)
{
	/* Headers of discarded records wherever a head may lead. */
	for (uint32_t place = 0; place < peer->attach.to_kernel_bytes; place += 8)
		word_set((kup_u32 *)(void *)(peer->out + place), 0);
	while (steps-- > 0) {
		poke_one(peer, seed);
		if (random_next(seed) % 8 == 0)
			kup_user_kick(peer->fd);
		if (random_next(seed) % 32 == 0)
			peer_poll(peer, random_next(seed) % 2 ? POLLIN : POLLIN | POLLOUT,
				  random_next(seed) % 2);
		if (peer_state(peer) != KUP_STATE_OPEN && random_next(seed) % 8 == 0)
			break;
	}
}
