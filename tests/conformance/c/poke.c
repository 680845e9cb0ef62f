/* SPDX-License-Identifier: BSD-3-Clause */
#include <poll.h>
#include <string.h>

#include "cases.h"
#include "poke.h"

/* The user's words: a head that moves a little wrong, or very wrong. */
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
		/* What an honest one would do, now and then. */
		return word + 8;
	}
}

/* Kinds of control records; commands of the echo client that keep it busy for a moment only. */
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

static void poke_header(struct peer *peer, uint32_t *seed)
{
	static const uint32_t flags[] = {
		0, 0, KUP_RECORD_CONTROL, KUP_RECORD_DISCARD, UNFINISHED, 0x10000000u, ~0u
	};
	uint32_t place = random_next(seed) % 128 * 8;
	uint32_t length = random_next(seed) % 4 ? random_next(seed) % 64 : random_next(seed);

	/* Near its head more often than anywhere. */
	if (random_next(seed) % 8 == 0)
		place = random_next(seed) % (peer->attach.to_kernel_bytes / 8) * 8;
	else
		place = (word_get(&peer->user->to_kernel_head.value) + place) %
				peer->attach.to_kernel_bytes &
			~7u;
	word_set((kup_u32 *)(void *)(peer->out + place),
		 flags[random_next(seed) % 7] | (length & KUP_RECORD_LENGTH));
	word_set((kup_u32 *)(void *)(peer->out + place + 4), odd_type(seed));
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
	/* Or its side would never have room. */
	if (random_next(seed) % 2)
		word_set(&peer->user->to_user_tail.value,
			 word_get(&peer->kernel->to_user_head.value));
}

void poke(struct peer *peer, uint32_t *seed, uint32_t steps)
{
	/* Headers of nothing wherever a head may come to. */
	for (uint32_t place = 0; place < peer->attach.to_kernel_bytes; place += 8)
		word_set((kup_u32 *)(void *)(peer->out + place), 0);
	while (steps-- > 0) {
		poke_word(peer, seed);
		poke_header(peer, seed);
		if (random_next(seed) % 8 == 0)
			kup_user_kick(peer->fd);
		if (random_next(seed) % 32 == 0)
			peer_poll(peer, random_next(seed) % 2 ? POLLIN : POLLIN | POLLOUT,
				  random_next(seed) % 2);
		if (peer_state(peer) != KUP_STATE_OPEN && random_next(seed) % 8 == 0)
			break;
	}
}
