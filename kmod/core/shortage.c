/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A lack of room: messages that are lost because of it, and users that sleep until there is more to
 * read than the ring has room for, or than will ever come.
 */
#include "core.h"

/* ---- Users that sleep for a watermark ---- */

int kup_sleeps_ahead(const struct kup_producer *out, kup_u32 event)
{
	return event - out->end < out->bytes;
}

KUP_COLD int kup_channel_is_overdue(struct kup_channel *channel)
{
	struct kup_producer *out = &channel->out;
	kup_u32 event;

	/* The user may have read meanwhile. The next reservation reports a lie. */
	(void)kup_producer_refresh(out);
	event = kup_load(out->peer_event);
	if (!kup_channel_must_hurry(channel) || out->end == out->tail ||
	    !kup_sleeps_ahead(out, event) ||
	    (channel->woken_tail == out->tail && channel->woken_event == event))
		return 0;
	channel->woken_tail = out->tail;
	channel->woken_event = event;
	return 1;
}

int kup_channel_hurry(struct kup_channel *channel)
{
	channel->urgent_tail = channel->out.tail;
	return kup_channel_overdue(channel);
}

/* ---- Losses ---- */

struct kup_stamp kup_channel_stamp(kup_u32 sequence)
{
	return (struct kup_stamp){ os_stamp_ns(), os_cpu(), sequence };
}

void kup_channel_count_lost(struct kup_channel *channel, kup_u32 length, int error)
{
	struct kup_counters *counters = &channel->counters;

	if (error == -EMSGSIZE) {
		kup_store64(&counters->dropped_too_long, counters->dropped_too_long + 1);
		kup_store64(&channel->page->dropped_too_long, counters->dropped_too_long);
	} else if (error == -EAGAIN) {
		kup_store64(&counters->dropped_no_space, counters->dropped_no_space + 1);
		kup_store64(&channel->page->dropped_no_space, counters->dropped_no_space);
	} else {
		return;
	}
	if (!(KUP_CONTROLS_TO_USER(channel->device->config.mode) & 1u << KUP_CONTROL_GAP))
		return;
	kup_store64(&channel->lost.records, channel->lost.records + 1);
	channel->lost.bytes += length;
	channel->sequence++;
}

int kup_channel_write_gap(struct kup_channel *channel)
{
	kup_u32 position, bytes = kup_channel_gap_bytes(channel);
	kup_u8 *payload;
	int asked;

	if (kup_producer_reserve(&channel->out, bytes, &position) != KUP_RING_OK)
		return 0;
	payload = kup_producer_payload(&channel->out, position);
	if (channel->stamp_bytes) {
		/* Nothing was placed since the first of these losses. */
		kup_u32 first = channel->sequence - (kup_u32)channel->lost.records;
		struct kup_stamp stamp = kup_channel_stamp(first);

		__builtin_memcpy(payload, &stamp, sizeof(stamp));
	}
	__builtin_memcpy(payload + channel->stamp_bytes, &channel->lost, sizeof(struct kup_gap));
	kup_store64(&channel->lost.records, 0);
	channel->lost.bytes = 0;
	/*
	 * The commit does not wake a user that sleeps for more, so treat it as if room was missing.
	 */
	asked = kup_producer_commit(&channel->out, position, bytes, bytes, KUP_CONTROL_GAP,
				    KUP_RECORD_CONTROL);
	(void)kup_producer_refresh(&channel->out);
	return kup_channel_hurry(channel) || asked;
}

int kup_channel_flush_gap(struct kup_channel *channel)
{
	if (!channel->lost.records ||
	    kup_producer_room(&channel->out, KUP_RECORD_SPACE(kup_channel_gap_bytes(channel))) !=
		    KUP_RING_OK)
		return 0;
	return kup_channel_write_gap(channel);
}

void kup_channel_put_gap(struct kup_channel *channel)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	kup_u64 lost = channel->lost.records;
	int asked = kup_channel_flush_gap(channel);
	int put = lost != channel->lost.records;

	os_spin_unlock(&channel->send_lock, state);
	/* Only then: a kick that puts nothing must not wake a process that waits in poll. */
	if (put)
		kup_channel_wake_user(channel, asked, POLL_DATA);
}
