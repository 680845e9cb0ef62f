/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * User to kernel: one consumer at a time. The bytes lie in memory that the user can change at any
 * moment; length, type and flags were loaded once, in the ring's peek.
 */
#include "core.h"

/* The user has gone on, so a position that was announced before it did is no use any more. */
static int has_moved(const struct kup_consumer *in)
{
	return in->head == in->tail && kup_turn_position(in) != in->tail;
}

/* Something to read, or no use to wait. */
static int data_ready(void *argument)
{
	struct kup_channel *channel = argument;

	if (kup_consumer_ready(&channel->in) || kup_load_acquire(&channel->state) != 0)
		return 1;
	return channel->in.turns && (kup_turn_is_idle(channel) || has_moved(&channel->in));
}

static void data_announce(void *argument)
{
	struct kup_channel *channel = argument;
	struct kup_consumer *in = &channel->in;

	if (!in->turns)
		kup_consumer_announce(in);
	else if (in->head == in->tail)
		kup_turn_announce(channel, in->tail);
	else /* An unfinished record is in the way, and that is all that its user's side says of it. */
		kup_turn_announce(channel, kup_turn_position(in));
}

/* The user's producer sleeps, and the tail has come to where it wanted it. */
static void wake_producer(struct kup_channel *channel)
{
	int asked = channel->in.owes_wake != 0;

	channel->in.owes_wake = 0;
	kup_channel_wake_user(channel, asked, POLL_ROOM);
}

/* A result beside the ring's: nothing to read, and it's the kernel's turn. */
#define NOTHING_CAN_COME 100

/* It is the kernel's turn, and yet a look finds nothing. */
static int nothing_found(const struct kup_channel *channel, int taken)
{
	const struct kup_consumer *in = &channel->in;

	/* More discarded records lie there than one look skips: there may be one behind them. */
	if (in->head != in->tail && kup_consumer_ready(in))
		return KUP_RING_WAIT;
	return taken ? KUP_RING_WAIT : NOTHING_CAN_COME;
}

/* Turn mode, after a look that found nothing: a result of the ring, or NOTHING_CAN_COME. */
static int peek_turn(struct kup_channel *channel, struct kup_record *record)
{
	/* Before the turn: see kup_turn_is_idle. */
	int taken = kup_load_acquire(&channel->turn_taken) != 0;
	kup_u32 turn = kup_channel_turn(channel);
	int result;

	if (turn == TURN_LIE)
		turn = kup_channel_turn_checked(channel);
	switch (turn) {
	case TURN_LIE:
		return KUP_RING_LIE_TURN;
	case TURN_USER:
		return KUP_RING_WAIT;
	}
	/* The turn and the record that passed it were published in one store. */
	result = kup_consumer_peek(&channel->in, record);
	return result == KUP_RING_WAIT ? nothing_found(channel, taken) : result;
}

/* One look. After the user has gone: one more look at its head, then what is there and no more. */
static int peek_once(struct kup_channel *channel, struct kup_record *record)
{
	kup_u32 tail = channel->in.tail;
	int result = kup_consumer_peek(&channel->in, record);

	/* What gave the kernel its turn may have come since. */
	if (result == KUP_RING_WAIT && channel->in.turns)
		result = peek_turn(channel, record);
	if (channel->in.tail != tail)
		wake_producer(channel);
	if (result == KUP_RING_END)
		return -EPIPE;
	if (result == NOTHING_CAN_COME)
		return -EDEADLK;
	return kup_channel_result(channel, result, KUP_ERROR_HEAD);
}

static int try_peek(struct kup_channel *channel, struct kup_record *record)
{
	kup_u32 state = kup_load_acquire(&channel->state);

	if (state & CHANNEL_BROKEN)
		return -EPROTO;
	if (state & CHANNEL_CLOSED)
		return -ESHUTDOWN;
	if ((state & CHANNEL_USER_GONE) && !channel->in.frozen) {
		int error = kup_channel_result(channel, kup_consumer_freeze(&channel->in),
					       KUP_ERROR_HEAD);

		if (error)
			return error;
	}
	return peek_once(channel, record);
}

/* Values of kup_channel.receiving. */
#define BY_NOBODY 0u
#define BY_RECEIVER 1u
#define BY_SENDER 2u /* for some instructions, under send_lock: see kup_channel_skip_passes */

static int try_enter(struct kup_channel *channel, kup_u32 *who, kup_u32 self)
{
	*who = BY_NOBODY;
	return __atomic_compare_exchange_n(&channel->receiving, who, self, 0, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/*
 * One receiving thread at a time: the ring's private side has no lock. A sender is waited for at its lock, and not by
 * spinning here: where the lock is no spinlock, we may be what keeps it from its processor.
 */
static int enter(struct kup_channel *channel)
{
	unsigned long state;
	kup_u32 who;

	while (!try_enter(channel, &who, BY_RECEIVER)) {
		if (who == BY_RECEIVER)
			return -EBUSY;
		state = os_spin_lock(&channel->send_lock);
		os_spin_unlock(&channel->send_lock, state);
	}
	return 0;
}

static void leave(struct kup_channel *channel)
{
	/* Pairs with the exchange in try_enter. */
	kup_store_release(&channel->receiving, 0);
}

static int peek_within(struct kup_channel *channel, struct kup_record *record, kup_time timeout)
{
	struct kup_deadline deadline = kup_deadline_in(timeout);

	for (;;) {
		int error = try_peek(channel, record);

		if (error != -EAGAIN)
			return error;
		error = kup_channel_wait(channel, &channel->receive_spin, data_ready, channel,
					 data_announce, deadline);
		if (error)
			return error;
		os_breathe();
	}
}

static void release(struct kup_channel *channel, const struct kup_record *record)
{
	struct kup_counters *counters = &channel->counters;
	kup_u32 records = record->flags & KUP_RECORD_PASS ? 0 : 1;

	kup_consumer_release(&channel->in, record);
	kup_store64(&counters->to_kernel_records, counters->to_kernel_records + records);
	kup_store64(&counters->to_kernel_payload, counters->to_kernel_payload + record->length);
	kup_store64(&channel->page->to_kernel_records, counters->to_kernel_records);
	kup_store64(&channel->page->to_kernel_payload, counters->to_kernel_payload);
	wake_producer(channel);
}

static int copy_out(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record)
{
	if (record->length > capacity)
		return -EMSGSIZE;
	__builtin_memcpy(buffer, record->data, record->length);
	release(channel, record);
	record->data = buffer;
	return 0;
}

int kup_try_peek(struct kup_channel *channel, struct kup_record *record)
{
	int error = enter(channel);

	if (error)
		return error;
	error = try_peek(channel, record);
	leave(channel);
	return error;
}

int kup_peek(struct kup_channel *channel, struct kup_record *record, kup_time timeout)
{
	int error = enter(channel);

	if (error)
		return error;
	/* A user that never lets the ring run empty must not keep the processor for ever. */
	os_breathe();
	error = peek_within(channel, record, timeout);
	leave(channel);
	return error;
}

void kup_release(struct kup_channel *channel, const struct kup_record *record)
{
	if (enter(channel))
		return;
	/* Once only, and only what the last peek returned. */
	if (record->position == channel->in.tail && channel->in.head != channel->in.tail)
		release(channel, record);
	leave(channel);
}

int kup_try_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		    struct kup_record *record)
{
	int error = enter(channel);

	if (error)
		return error;
	error = try_peek(channel, record);
	if (!error)
		error = copy_out(channel, buffer, capacity, record);
	leave(channel);
	return error;
}

int kup_receive(struct kup_channel *channel, void *buffer, kup_u32 capacity,
		struct kup_record *record, kup_time timeout)
{
	int error = enter(channel);

	if (error)
		return error;
	os_breathe();
	error = peek_within(channel, record, timeout);
	if (!error)
		error = copy_out(channel, buffer, capacity, record);
	leave(channel);
	return error;
}

/* An honest user passes once between two sends; others may wait for the next one. */
#define MAX_PASSES 4

void kup_channel_skip_passes(struct kup_channel *channel)
{
	struct kup_record record;
	unsigned long state;
	kup_u32 i, who;

	if (!channel->in.turns)
		return;
	/* A receiver waits for this lock. */
	state = os_spin_lock(&channel->send_lock);
	/* One that is at work will see them itself. */
	if (try_enter(channel, &who, BY_SENDER)) {
		for (i = 0; i < MAX_PASSES; i++) {
			if (kup_consumer_peek(&channel->in, &record) != KUP_RING_OK ||
			    !(record.flags & KUP_RECORD_PASS))
				break;
			kup_consumer_release(&channel->in, &record);
		}
		leave(channel);
	}
	os_spin_unlock(&channel->send_lock, state);
	/* No wake-up for the room: the user needs its turn, too, and is woken for that. */
}

/* ---- For poll ---- */

int kup_channel_writable(struct kup_channel *channel, int *announced)
{
	/*
	 * All three are only looked at: a lie makes this process's own poll wrong, nothing else.
	 * The tail is read while the receiver may change it, which the wake-up that follows each
	 * change makes good.
	 */
	kup_u32 tail = kup_load(&channel->in.tail);
	kup_u32 used = (kup_load(channel->in.head_word) & ~KUP_HEAD_SENDS) - tail;
	kup_u32 ahead = kup_load(channel->in.peer_event) - tail;

	/* For its turn a user announces nothing that poll would know of. */
	if (channel->in.turns && kup_channel_turn(channel) != TURN_USER) {
		*announced = 0;
		return 0;
	}
	*announced = ahead != 0 && ahead <= channel->in.bytes;
	return used < channel->in.bytes && !*announced;
}
