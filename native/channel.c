/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole channel for programs in C. It uses the engine's own ring code, from the user's side. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "channel.h"
#include "portable.h"

/* The limit of one call, which may wait several times. It begins when the clock is first read. */
struct limit {
	double timeout_ms;
	uint64_t deadline; /* 0: the clock has not been read yet */
	int waits;
};

/* ---- State ---- */

/* 0, or the reason why nothing can be sent any more. */
static inline int32_t over(const struct kup_user_channel *channel)
{
	/* Pairs with the engine's release: all records stand there already. */
	uint32_t state = kup_load_acquire(&channel->kernel->state);

	if (channel->broken || state == KUP_STATE_BROKEN)
		return -EPROTO;
	return state == KUP_STATE_OPEN ? 0 : -EPIPE;
}

int32_t kup_user_ended(const struct kup_user_channel *channel)
{
	return over(channel);
}

/* The kernel's side sleeps for room, and the tail has reached its position. */
KUP_COLD static void wake_kernel(struct kup_user_channel *channel)
{
	channel->in.owes_wake = 0;
	kup_user_kick(channel->file);
}

/* Finishes each call on the consuming side. */
static inline void consumed(struct kup_user_channel *channel, int result)
{
	if (channel->in.owes_wake)
		wake_kernel(channel);
	if (result >= KUP_RING_LIE_POSITION && result <= KUP_RING_LIE_FLAGS)
		channel->broken = 1;
}

/* ---- Waiting ---- */

struct wait {
	struct kup_user_channel *channel;
	uint32_t space; /* for sending: the room that the record takes */
	struct kup_steps steps;
};

static int may_send(const struct wait *wait)
{
	struct kup_user_channel *channel = wait->channel;

	if (over(channel))
		return 1;
	return kup_producer_room(&channel->out, wait->space) != KUP_RING_WAIT;
}

static void announce_send(const struct wait *wait)
{
	struct kup_producer *out = &wait->channel->out;

	kup_producer_announce(out, kup_producer_wants(out, wait->space));
}

static int may_receive(const struct wait *wait)
{
	return kup_consumer_ready(&wait->channel->in) || over(wait->channel);
}

static void announce_receive(const struct wait *wait)
{
	kup_consumer_announce(&wait->channel->in, wait->channel->in.cursor);
}

static void pause_processor(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Adapts the budget to a wait that has slept, as the engine's wait.c does. */
static void learn(struct spin *spin, uint64_t limit, uint64_t took)
{
	if (took > limit)
		spin->budget_ns /= 2;
	else if (took > spin->budget_ns)
		spin->budget_ns = spin->budget_ns < limit / 2 ? 2 * spin->budget_ns + 1000 : limit;
}

/* 1: it is ready. 0: it was not ready in this many looks. -1: the machine is crowded; sleep. */
static int looks_ready(struct wait *wait, struct spin *spin, int (*ready)(const struct wait *),
		       uint32_t looks)
{
	for (; looks > 0; looks--) {
		if (ready(wait))
			return 1;
		if (!kup_pace_step(&wait->steps))
			pause_processor();
		else if (kup_crowd_avoids(&spin->crowd))
			return -1;
		else
			kup_crowd_yielded(&spin->crowd, yield_processor());
	}
	return 0;
}

/* Looks until it is ready (1), or for `ns` nanoseconds at most (0). `now` is the current time. */
static int spin_for(uint64_t ns, uint64_t now, struct spin *spin, struct wait *wait,
		    int (*ready)(const struct wait *))
{
	uint64_t end = now + ns;

	while (now < end) {
		uint32_t looks = kup_looks_in(end - now, spin->look_ns);
		uint64_t before = now;
		int found = looks_ready(wait, spin, ready, looks);

		if (found)
			return found > 0;
		now = now_ns();
		spin->look_ns = kup_look_ns(looks, now - before);
	}
	return 0;
}

/*
 * Before a sleep for one of `events`, gives the kernel all room back. Otherwise both sides might
 * sleep for room. On a split channel the receiver is another thread, which does this itself.
 */
static void settle(struct kup_user_channel *channel, short events)
{
	if (events & POLLIN || !channel->split)
		consumed(channel, kup_consumer_settle(&channel->in));
}

/* Milliseconds until the deadline, for kup_user_wait. */
static double left_ms(uint64_t deadline)
{
	uint64_t now;

	if (deadline == FOREVER_NS)
		return -1;
	now = now_ns();
	return deadline > now ? (double)(deadline - now) / 1e6 : 0;
}

/* Announces the sleep, and sleeps until the deadline at most. */
static int32_t sleep_for(const struct wait *wait, int (*ready)(const struct wait *),
			 void (*announce)(const struct wait *), short events, uint64_t deadline)
{
	double left = left_ms(deadline);
	int32_t error;

	settle(wait->channel, events);
	announce(wait);
	if (ready(wait))
		return 0;
	error = kup_user_wait(wait->channel->file, (uint32_t)events, left);
	return error < 0 ? error : 0;
}

/* Spins for a while, then sleeps, until another try makes sense: 0, or a negative errno. */
static int32_t wait_for(struct wait *wait, struct spin *spin, int (*ready)(const struct wait *),
			void (*announce)(const struct wait *), short events, struct limit *limit)
{
	uint64_t looked_ns = 0, start, left_ns;
	int32_t error;
	int found = 0;

	if (limit->timeout_ms == 0)
		return -EAGAIN;
	if (!kup_pace_is_on(&wait->steps))
		/* A sender's thread may be here while another one receives. */
		wait->steps = kup_pace_begin(&spin->pace, kup_load(&wait->channel->in.cursor));
	/*
	 * The first looks of a call do not read the clock. Later ones do: if each of a call's waits
	 * ended at once without a result, the call would otherwise run past its timeout.
	 */
	if (limit->waits++ == 0) {
		uint32_t looks = kup_looks_in(spin->budget_ns, spin->look_ns);

		found = looks_ready(wait, spin, ready, looks);
		if (found > 0)
			return 0;
		looked_ns = (uint64_t)looks * spin->look_ns;
	}
	start = now_ns();
	if (limit->deadline == 0)
		limit->deadline = deadline_in(limit->timeout_ms);
	if (start >= limit->deadline)
		return -ETIMEDOUT;
	/* At least one look is measured; otherwise a wrong estimate would never change. */
	left_ns = looked_ns < spin->budget_ns ? spin->budget_ns - looked_ns : 1;
	if (found == 0 && spin->budget_ns > 0 && spin_for(left_ns, start, spin, wait, ready))
		return 0;
	error = sleep_for(wait, ready, announce, events, limit->deadline);
	learn(spin, wait->channel->spin_ns, looked_ns + now_ns() - start);
	return error;
}

int32_t kup_user_prepare_wait(struct kup_user_channel *channel, uint32_t events, uint32_t length)
{
	const struct wait wait = { .channel = channel, .space = KUP_RECORD_SPACE(length) };
	uint32_t there = 0;

	if (events & ~(uint32_t)(POLLIN | POLLOUT))
		return -EINVAL;
	if ((events & POLLOUT) && length > kup_user_max_message(channel))
		return -EMSGSIZE;
	if (events & POLLIN) {
		/* The receive that follows does the same. */
		kup_user_release(channel);
		announce_receive(&wait);
	}
	settle(channel, (short)events);
	if (events & POLLOUT)
		announce_send(&wait);
	if ((events & POLLIN) && may_receive(&wait))
		there |= POLLIN;
	if ((events & POLLOUT) && may_send(&wait))
		there |= POLLOUT;
	return (int32_t)there;
}

/* ---- Receiving ---- */

static inline void release_held(struct kup_user_channel *channel)
{
	if (channel->held.position == NOTHING_HELD)
		return;
	consumed(channel, kup_consumer_release(&channel->in, &channel->held));
	channel->held.position = NOTHING_HELD;
}

void kup_user_release(struct kup_user_channel *channel)
{
	release_held(channel);
}

/* Called for the END record, and for a record behind it, which is a lie. */
KUP_COLD static int32_t end_reached(struct kup_user_channel *channel)
{
	if (channel->in_ended || channel->held.length != channel->stamp_bytes)
		channel->broken = 1;
	channel->in_ended = 1;
	kup_user_release(channel);
	return channel->broken ? -EPROTO : -ENODATA;
}

/* A look has found no record, or one that this side doesn't accept. */
static int32_t not_held(struct kup_user_channel *channel, int result)
{
	channel->held.position = NOTHING_HELD;
	return result == KUP_RING_WAIT ? -EAGAIN : -EPROTO;
}

/* Looks for a record, while none is held. -EAGAIN: there is none. */
static inline int32_t look(struct kup_user_channel *channel)
{
	int result = kup_consumer_peek(&channel->in, &channel->held);

	consumed(channel, result);
	if (result != KUP_RING_OK)
		return not_held(channel, result);
	if (channel->held.length < channel->stamp_bytes) {
		/* It is not released, so each later look finds it again. */
		channel->broken = 1;
		return not_held(channel, KUP_RING_LIE_LENGTH);
	}
	if (channel->held.control == KUP_CONTROL_END || channel->in_ended)
		return end_reached(channel);
	return 0;
}

/*
 * Called after a look that found nothing. The kernel finishes its last records before it stores the
 * state that ends the channel, so a second look after that state finds them.
 */
static int32_t look_again(struct kup_user_channel *channel)
{
	int32_t end = over(channel), error;

	if (!end)
		return -EAGAIN;
	/* A look that has skipped many records may not have reached a message yet. */
	do
		error = look(channel);
	while (error == -EAGAIN && kup_consumer_ready(&channel->in));
	return error == -EAGAIN ? end : error;
}

/* Begins a wait, with a pause if this consumer's looks would delay the producer. */
static void let_producer_ahead(struct wait *wait)
{
	struct kup_pace *pace = &wait->channel->receive_spin.pace;
	uint64_t start;
	uint32_t pauses;

	wait->steps = kup_pace_begin(pace, kup_load(&wait->channel->in.cursor));
	start = wait->steps.measures ? now_ns() : 0;
	for (pauses = wait->steps.first_pauses; pauses > 0; pauses--)
		pause_processor();
	if (wait->steps.measures)
		kup_pace_measured(pace, &wait->steps, now_ns() - start);
}

/* The rest of a receive, when there is nothing yet, or when a pause may have to come first. */
static int32_t await(struct kup_user_channel *channel, double timeout_ms)
{
	struct wait wait = { .channel = channel };
	struct limit limit = { .timeout_ms = timeout_ms };
	int32_t error;

	if (timeout_ms != 0 && channel->in.caught_up)
		let_producer_ahead(&wait);
	for (;;) {
		error = look(channel);
		if (error == -EAGAIN)
			error = look_again(channel);
		if (error != -EAGAIN)
			break;
		error = wait_for(&wait, &channel->receive_spin, may_receive, announce_receive,
				 POLLIN, &limit);
		if (error)
			break;
	}
	if (!error && kup_pace_is_on(&wait.steps))
		kup_pace_found(&channel->receive_spin.pace, &wait.steps, channel->held.position,
			       KUP_RECORD_SPACE(channel->held.length));
	return error;
}

int32_t kup_user_receive(struct kup_user_channel *channel, struct kup_user_message *message,
			 double timeout_ms)
{
	int32_t error = -EAGAIN;

	release_held(channel);
	if (!channel->in.caught_up)
		error = look(channel);
	if (error == -EAGAIN)
		error = await(channel, timeout_ms);
	if (error)
		return error;
	message->data = (const uint8_t *)channel->held.data + channel->stamp_bytes;
	message->length = channel->held.length - channel->stamp_bytes;
	message->type = channel->held.type;
	message->control = channel->held.control;
	return 0;
}

const struct kup_stamp *kup_user_message_stamp(const struct kup_user_channel *channel,
					       const struct kup_user_message *message)
{
	if (!channel->stamp_bytes)
		return NULL;
	return (const void *)((const uint8_t *)message->data - channel->stamp_bytes);
}

/* ---- Receiving at a watermark ---- */

/* The position that a sleep for min_bytes announces. */
static uint32_t mark_of(const struct kup_user_channel *channel, uint32_t min_bytes)
{
	uint32_t last = min_bytes > 0 ? min_bytes - 1 : 0;

	return channel->in.cursor + last / KUP_RECORD_ALIGN * KUP_RECORD_ALIGN;
}

int32_t kup_user_prepare_watermark(struct kup_user_channel *channel, uint32_t min_bytes)
{
	int32_t events;

	if (min_bytes > channel->in.bytes / 2)
		return -EINVAL;
	kup_user_release(channel);
	settle(channel, POLLIN);
	kup_consumer_announce(&channel->in, mark_of(channel, min_bytes));
	if (over(channel))
		return POLLIN;
	/* Only the kernel's side knows its first unfinished record, and if it lacks room. */
	events = kup_user_wait(channel->file, POLLIN, 0);
	return events > 0 ? POLLIN : events;
}

int32_t kup_user_receive_watermark(struct kup_user_channel *channel,
				   struct kup_user_message *message, uint32_t min_bytes,
				   double within_ms, double timeout_ms)
{
	uint64_t deadline = deadline_in(timeout_ms), within = deadline_in(within_ms);
	uint64_t until = within < deadline ? within : deadline;
	int32_t result;

	if (min_bytes > channel->in.bytes / 2)
		return -EINVAL;
	while (until == FOREVER_NS || now_ns() < until) {
		result = kup_user_prepare_watermark(channel, min_bytes);
		if (result == 0)
			result = kup_user_wait(channel->file, POLLIN, left_ms(until));
		if (result < 0)
			return result;
		if (result == 0)
			continue;
		/* There is nothing if all records were discarded. */
		result = kup_user_receive(channel, message, 0);
		if (result != -EAGAIN)
			return result;
	}
	result = kup_user_receive(channel, message, 0);
	if (result != -EAGAIN || timeout_ms == 0)
		return result;
	result = kup_user_receive(channel, message, left_ms(deadline));
	/* No time is left, so that call did not wait; this one did. */
	return result == -EAGAIN ? -ETIMEDOUT : result;
}

/* ---- Sending ---- */

static int32_t reserve_error(int result)
{
	if (result == KUP_RING_WAIT)
		return -EAGAIN;
	/* No wait would end this: the reservations are the caller's own. */
	if (result == KUP_RING_CROWDED)
		return -EBUSY;
	return result == KUP_RING_OK ? 0 : -EPROTO;
}

/* 0, or the reason why nothing can be sent any more. */
static int32_t sending_ended(const struct kup_user_channel *channel)
{
	int32_t error = over(channel);

	return !error && channel->out_ended ? -ESHUTDOWN : error;
}

static int32_t try_reserve(struct kup_user_channel *channel, uint32_t length, uint32_t *position)
{
	int32_t error = sending_ended(channel);

	return error ? error : reserve_error(kup_producer_reserve(&channel->out, length, position));
}

int32_t kup_user_reserve(struct kup_user_channel *channel, uint32_t length, double timeout_ms,
			 struct kup_user_reservation *reservation)
{
	struct wait wait = { .channel = channel, .space = KUP_RECORD_SPACE(length) };
	struct limit limit = { .timeout_ms = timeout_ms };
	int32_t error;

	if (length > kup_user_max_message(channel))
		return -EMSGSIZE;
	for (;;) {
		error = try_reserve(channel, length, &reservation->position);
		if (error != -EAGAIN)
			break;
		error = wait_for(&wait, &channel->send_spin, may_send, announce_send, POLLOUT,
				 &limit);
		if (error)
			break;
	}
	if (error)
		return error;
	reservation->data = kup_producer_payload(&channel->out, reservation->position);
	reservation->length = length;
	return 0;
}

/* Finishes a reservation. If `length` is more than was reserved, it means the whole reservation. */
static void finish(struct kup_user_channel *channel, struct kup_user_reservation *reservation,
		   uint32_t type, uint32_t length, uint32_t flags)
{
	if (length > reservation->length)
		length = reservation->length;
	if (kup_producer_commit(&channel->out, reservation->position, reservation->length, length,
				type, flags))
		kup_user_kick(channel->file);
	reservation->data = NULL;
}

void kup_user_commit(struct kup_user_channel *channel, struct kup_user_reservation *reservation,
		     uint32_t type, uint32_t length)
{
	finish(channel, reservation, type, length, 0);
}

void kup_user_commit_control(struct kup_user_channel *channel,
			     struct kup_user_reservation *reservation, uint32_t kind,
			     uint32_t length)
{
	finish(channel, reservation, kind, length, KUP_RECORD_CONTROL);
}

void kup_user_discard(struct kup_user_channel *channel, struct kup_user_reservation *reservation)
{
	finish(channel, reservation, 0, reservation->length, KUP_RECORD_DISCARD);
}

int32_t kup_user_end(struct kup_user_channel *channel, double timeout_ms)
{
	struct kup_user_reservation reservation;
	int32_t error;

	if (channel->info.mode != KUP_MODE_STREAM)
		return -EINVAL;
	if (!(channel->info.features & KUP_FEATURE_END))
		return -EOPNOTSUPP;
	error = kup_user_reserve(channel, 0, timeout_ms, &reservation);
	if (error)
		return error;
	channel->out_ended = 1;
	kup_user_commit_control(channel, &reservation, KUP_CONTROL_END, 0);
	return 0;
}

/* ---- Whole messages ---- */

/* As many records are appended before they are published, so the kernel can begin to read. */
#define MOST_RECORDS 64

static int32_t try_append(struct kup_user_channel *channel, const struct kup_user_outgoing *message)
{
	if (message->length > kup_user_max_message(channel))
		return -EMSGSIZE;
	return reserve_error(
		kup_producer_append(&channel->out, message->type, message->data, message->length));
}

/*
 * Sends as many as have room, but at most MOST_RECORDS. *error is why there are not more. Always
 * inline: for a single message, nothing of the loop is left.
 */
__attribute__((always_inline)) static inline uint32_t
send_some(struct kup_user_channel *channel, const struct kup_user_outgoing *messages,
	  uint32_t count, int32_t *error)
{
	uint32_t sent = 0;

	*error = sending_ended(channel);
	while (!*error && sent < count && sent < MOST_RECORDS) {
		*error = try_append(channel, &messages[sent]);
		sent += !*error;
	}
	if (kup_producer_publish(&channel->out))
		kup_user_kick(channel->file);
	return sent;
}

/* Returns the number of messages that was sent; *error is why there are not more. */
static uint32_t send_all(struct kup_user_channel *channel, const struct kup_user_outgoing *messages,
			 uint32_t count, double timeout_ms, int32_t *error)
{
	struct limit limit = { .timeout_ms = timeout_ms };
	struct wait wait = { .channel = channel };
	uint32_t sent = 0;

	*error = 0;
	while (sent < count && !*error) {
		sent += send_some(channel, messages + sent, count - sent, error);
		if (*error != -EAGAIN)
			continue;
		wait.space = KUP_RECORD_SPACE(messages[sent].length);
		*error = wait_for(&wait, &channel->send_spin, may_send, announce_send, POLLOUT,
				  &limit);
	}
	return sent;
}

int32_t kup_user_send(struct kup_user_channel *channel, uint32_t type, const void *data,
		      uint32_t length, double timeout_ms)
{
	const struct kup_user_outgoing message = { data, length, type };
	int32_t error;

	(void)send_some(channel, &message, 1, &error);
	if (error == -EAGAIN && timeout_ms != 0)
		(void)send_all(channel, &message, 1, timeout_ms, &error);
	return error;
}

int32_t kup_user_send_batch(struct kup_user_channel *channel,
			    const struct kup_user_outgoing *messages, uint32_t count,
			    double timeout_ms)
{
	/* The numbers that are returned are not negative. */
	uint32_t most = count < INT32_MAX ? count : INT32_MAX, sent;
	int32_t error;

	sent = send_all(channel, messages, most, timeout_ms, &error);
	return sent > 0 ? (int32_t)sent : error;
}
