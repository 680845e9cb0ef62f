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

kup_u32 kup_channel_turn_checked(struct kup_channel *channel)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	kup_u32 turn = kup_channel_turn(channel);

	os_spin_unlock(&channel->send_lock, state);
	return turn;
}

int kup_turn(const struct kup_channel *channel)
{
	if (!channel->out.turns)
		return -EINVAL;
	return kup_channel_turn(channel) == TURN_KERNEL;
}

/*
 * In this order: who sees that a reservation is over sees the turn that went with it (see commit_turn), or it
 * might take the turn before the send and the idleness after it for one moment.
 */
int kup_turn_is_idle(const struct kup_channel *channel)
{
	return !kup_load_acquire(&channel->turn_taken) && kup_channel_turn(channel) != TURN_USER;
}

/*
 * All of a channel's threads share one event word, and all that sleep wait for the same: the record at the
 * user's head. Who was to wait for an earlier one finds it there. Who replaces an earlier announcement
 * says in the user's place that its record is there: it has been published, but the user may look at the
 * word only now.
 */
void kup_turn_announce(struct kup_channel *channel, kup_u32 position)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	int others = 0;

	if (position == kup_turn_position(&channel->in)) {
		/* Who has announced under the lock before us is counted, and so are we. */
		others = position != channel->turn_event && kup_load(&channel->sleepers) > 1;
		channel->turn_event = position;
		kup_consumer_announce_at(&channel->in, position);
	}
	os_spin_unlock(&channel->send_lock, state);
	if (others)
		os_wake(&channel->waitq);
}

/* One sender that waits. */
struct turn_wait {
	struct kup_channel *channel;
	kup_u32 seen; /* where the record begins that will bring the turn back */
};

/*
 * Worth another try: the turn is there (a lie is for that try to find), or it was there, and another thread was
 * faster: then the next record is to be announced.
 */
static int turn_ready(void *argument)
{
	const struct turn_wait *wait = argument;

	return kup_ended(wait->channel) || kup_turn_is_idle(wait->channel) ||
	       kup_turn_position(&wait->channel->in) != wait->seen;
}

static void turn_announce(void *argument)
{
	const struct turn_wait *wait = argument;

	kup_turn_announce(wait->channel, wait->seen);
}

int kup_turn_wait(struct kup_channel *channel, struct kup_deadline deadline)
{
	struct turn_wait wait = { channel, kup_turn_position(&channel->in) };

	return kup_channel_wait(channel, &channel->send_spin, turn_ready, &wait, turn_announce,
				deadline);
}
