/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Whether a channel can still be used, how both sides see that, and what wakes the user. */
#include "core.h"

int kup_ended(const struct kup_channel *channel)
{
	/*
	 * Pairs with the changes in kup_channel_close, kup_channel_break and kup_channel_user_gone.
	 */
	kup_u32 state = kup_load_acquire(&channel->state);

	if (state & CHANNEL_BROKEN)
		return -EPROTO;
	if (state & CHANNEL_CLOSED)
		return -ESHUTDOWN;
	return state & CHANNEL_USER_GONE ? -EPIPE : 0;
}

kup_u32 kup_channel_state(const struct kup_channel *channel)
{
	kup_u32 state = kup_load(&channel->state);

	if (channel->user_gone || state & CHANNEL_USER_GONE)
		return KUP_STATE_DRAINING;
	if (state & CHANNEL_BROKEN)
		return KUP_STATE_BROKEN;
	return state & CHANNEL_CLOSED ? KUP_STATE_CLOSED : KUP_STATE_OPEN;
}

/* Two changes may race here. Each looks again, so the one that stores last has seen both. */
void kup_channel_publish_state(struct kup_channel *channel)
{
	kup_u32 state, published;

	do {
		state = kup_load(&channel->state);
		published = state & CHANNEL_BROKEN ? KUP_STATE_BROKEN : KUP_STATE_CLOSED;
		/* Pairs with the user's acquire: all records, and the error, were stored before. */
		kup_store_release(&channel->page->state, published);
		/*
		 * Pairs with the read-modify-write with which the other thread has changed the
		 * state.
		 */
		kup_fence();
	} while ((kup_load(&channel->state) ^ state) & CHANNEL_BROKEN);
}

void kup_channel_publish_close(struct kup_channel *channel)
{
	if (channel->out.end != channel->out.head)
		return;
	/* Pairs with the acquire in poll_attached. */
	kup_fetch_or(&channel->state, CHANNEL_ENDED);
	kup_channel_publish_state(channel);
}

void kup_channel_wake_all(struct kup_channel *channel)
{
	os_wake(&channel->waitq);
	os_poll_wake(&channel->handle->pollq);
}

void kup_channel_break(struct kup_channel *channel, kup_u32 error)
{
	/* Relaxed would do: the first reason stays, and the state below publishes it. */
	if (kup_change(&channel->error, KUP_ERROR_NONE, error) != KUP_ERROR_NONE)
		return;
	kup_store(&channel->page->error, error);
	/* Pairs with the acquire in try_peek and in poll_attached. */
	kup_fetch_or(&channel->state, CHANNEL_BROKEN);
	kup_channel_publish_state(channel);
	kup_channel_wake_all(channel);
}

KUP_COLD int kup_channel_lie(struct kup_channel *channel, int result, kup_u32 position_error)
{
	kup_channel_break(channel, result == KUP_RING_LIE_LENGTH  ? KUP_ERROR_LENGTH
				   : result == KUP_RING_LIE_FLAGS ? KUP_ERROR_FLAGS
								  : position_error);
	return -EPROTO;
}

KUP_COLD void kup_channel_wake_sleeper(struct kup_channel *channel, kup_u32 poll_bit)
{
	/* Pairs with the arming in kup_handle_poll. */
	if (kup_load(&channel->poll_armed) & poll_bit)
		kup_fetch_and(&channel->poll_armed, ~poll_bit);
	kup_add64(&channel->counters.wakeups, 1);
	kup_store64(&channel->page->wakeups, kup_load64(&channel->counters.wakeups));
	os_poll_wake(&channel->handle->pollq);
}
