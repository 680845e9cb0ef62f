/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Turn mode: whose turn it is follows from how often each side has sent (see kup_abi.h), and from nothing
 * else. The kernel's own count is private; the user's is one look at its head word, which proves that it
 * sent out of turn or doesn't, and can't do more.
 */
#include "core.h"

kup_u32 kup_channel_turn(const struct kup_channel *channel)
{
	kup_u32 ahead;

	if (!channel->out.turns)
		return TURN_KERNEL;
	ahead = kup_turn_ahead(&channel->out, channel->in.head_word);
	return ahead < TURN_LIE ? ahead : TURN_LIE;
}

int kup_turn(const struct kup_channel *channel)
{
	if (!channel->out.turns)
		return -EINVAL;
	return kup_channel_turn(channel) == TURN_KERNEL;
}

/* A lie is for the next try to find. */
static int turn_ready(void *argument)
{
	const struct kup_channel *channel = argument;

	return kup_ended(channel) || kup_turn_is_idle(channel);
}

/* One at a time: an announcement that was looked up earlier must not replace a later one. */
void kup_channel_announce_turn(struct kup_channel *channel)
{
	unsigned long state = os_spin_lock(&channel->send_lock);

	kup_turn_announce(&channel->in);
	os_spin_unlock(&channel->send_lock, state);
}

int kup_turn_is_idle(const struct kup_channel *channel)
{
	return kup_channel_turn(channel) != TURN_USER && !kup_load(&channel->turn_taken);
}

int kup_turn_wait(struct kup_channel *channel, struct kup_deadline deadline)
{
	return kup_channel_wait(channel, &channel->send_spin, turn_ready, channel,
				kup_channel_announce_turn, deadline);
}
