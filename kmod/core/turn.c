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

/*
 * All of a channel's threads share one event word: it only moves on, or an announcement that was looked up
 * earlier would replace a later one. Who announces an earlier position finds the record there.
 */
void kup_turn_announce(struct kup_channel *channel, kup_u32 position)
{
	unsigned long state = os_spin_lock(&channel->send_lock);

	if ((__INT32_TYPE__)(position - channel->turn_event) > 0)
		channel->turn_event = position;
	kup_consumer_announce_at(&channel->in, channel->turn_event);
	os_spin_unlock(&channel->send_lock, state);
}

static void turn_announce(struct kup_channel *channel)
{
	kup_turn_announce(channel, kup_turn_position(&channel->in));
}

int kup_turn_is_idle(const struct kup_channel *channel)
{
	return kup_channel_turn(channel) != TURN_USER && !kup_load(&channel->turn_taken);
}

int kup_turn_wait(struct kup_channel *channel, struct kup_deadline deadline)
{
	return kup_channel_wait(channel, &channel->send_spin, turn_ready, channel, turn_announce,
				deadline);
}
