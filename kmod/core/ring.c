/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#include "ring.h"

static kup_u8 *at(const kup_u8 *data, kup_u32 bytes, kup_u32 position)
{
	return (kup_u8 *)data + (position & (bytes - 1));
}

/* ---- Producing ---- */

/* Takes the consumer's newest tail over, if it lies between the last one and our head. */
static int refresh_tail(struct kup_producer *producer)
{
	/* Pairs with D in kup_consumer_release: the consumer is done with what lies before it. */
	kup_u32 tail = kup_load_acquire(producer->tail_word);

	if (tail % KUP_RECORD_ALIGN != 0 || tail - producer->tail > producer->head - producer->tail)
		return KUP_RING_LIE_POSITION;
	/* Other threads look at it. */
	kup_store(&producer->tail, tail);
	return KUP_RING_OK;
}

static kup_u32 free_bytes(const struct kup_producer *producer)
{
	return producer->bytes - (producer->head - producer->tail);
}

int kup_producer_free(struct kup_producer *producer, kup_u32 *bytes)
{
	int result = refresh_tail(producer);

	*bytes = result == KUP_RING_OK ? free_bytes(producer) : 0;
	return result;
}

int kup_producer_room(struct kup_producer *producer, kup_u32 space)
{
	int result;

	if (space <= free_bytes(producer))
		return KUP_RING_OK;
	result = refresh_tail(producer);
	if (result != KUP_RING_OK)
		return result;
	return space <= free_bytes(producer) ? KUP_RING_OK : KUP_RING_WAIT;
}

int kup_producer_reserve(struct kup_producer *producer, kup_u32 length, kup_u32 *position)
{
	struct kup_record_header *header;
	kup_u32 space = KUP_RECORD_SPACE(length);
	int result = kup_producer_room(producer, space);

	if (result != KUP_RING_OK)
		return result;
	*position = producer->head;
	header = (void *)at(producer->data, producer->bytes, producer->head);
	kup_store(&header->length_flags, length | KUP_RECORD_BUSY);
	kup_store(&producer->head, producer->head + space);
	/* A: pairs with the load of head in refresh_head, which then sees the BUSY header. */
	kup_store_release(producer->head_word, producer->head);
	return KUP_RING_OK;
}

void *kup_producer_payload(const struct kup_producer *producer, kup_u32 position)
{
	return at(producer->data, producer->bytes, position) + KUP_RECORD_HEADER;
}

/* What a shortened record leaves over becomes a discarded record of its own. */
static void fill(const struct kup_producer *producer, kup_u32 position, kup_u32 space)
{
	struct kup_record_header *header = (void *)at(producer->data, producer->bytes, position);

	kup_store(&header->type, 0);
	kup_store(&header->length_flags, (space - KUP_RECORD_HEADER) | KUP_RECORD_DISCARD);
}

int kup_producer_commit(struct kup_producer *producer, kup_u32 position, kup_u32 reserved,
			kup_u32 length, kup_u32 type, kup_u32 flags)
{
	struct kup_record_header *header = (void *)at(producer->data, producer->bytes, position);
	kup_u32 space = KUP_RECORD_SPACE(length);
	kup_u32 left = KUP_RECORD_SPACE(reserved) - space;

	/* Both are published by the release below: the consumer stops before them until then. */
	if (left > 0)
		fill(producer, position + space, left);
	kup_store(&header->type, type);
	/* B: pairs with the load of the header in kup_consumer_peek. */
	kup_store_release(&header->length_flags, length | flags);
	/* C: the consumer announces, fences and looks again; we publish, fence and look. */
	kup_fence();
	return kup_load(producer->peer_event) == position;
}

void kup_producer_announce(struct kup_producer *producer, kup_u32 position)
{
	kup_store(producer->event_word, position);
	/* E: pairs with the fence in kup_consumer_release. */
	kup_fence();
}

/* ---- Consuming ---- */

/* Takes the producer's newest head over, if the ring could really hold that much. */
static int refresh_head(struct kup_consumer *consumer)
{
	/* Pairs with A in kup_producer_reserve. */
	kup_u32 head = kup_load_acquire(consumer->head_word);

	if (head % KUP_RECORD_ALIGN != 0 || head - consumer->tail > consumer->bytes ||
	    head - consumer->tail < consumer->head - consumer->tail)
		return KUP_RING_LIE_POSITION;
	/* As in advance. */
	kup_store(&consumer->head, head);
	return KUP_RING_OK;
}

static void advance(struct kup_consumer *consumer, kup_u32 space)
{
	/* Poll, and other threads that wait, look at our positions. */
	kup_store(&consumer->tail, consumer->tail + space);
}

/* The tail was at `before` when it was published last. */
static void publish_tail(struct kup_consumer *consumer, kup_u32 before)
{
	/* D: pairs with the load of tail in refresh_tail: what lies before it may be overwritten.
	 */
	kup_store_release(consumer->tail_word, consumer->tail);
	/* E: the producer announces, fences and looks again; we publish, fence and look. */
	kup_fence();
	if (kup_load(consumer->peer_event) - before - 1 < consumer->tail - before)
		consumer->owes_wake = 1;
}

#define KNOWN_FLAGS (KUP_RECORD_DISCARD | KUP_RECORD_CONTROL)

static int is_known(const struct kup_consumer *consumer, kup_u32 kind)
{
	return kind < 32 && consumer->controls & 1u << kind;
}

/* A control record of a later version, for readers that know more. */
static int is_unknown(const struct kup_consumer *consumer, kup_u32 flags, kup_u32 kind)
{
	return flags & KUP_RECORD_CONTROL && !is_known(consumer, kind);
}

static int is_lie(const struct kup_consumer *consumer, kup_u32 flags, kup_u32 kind)
{
	if (flags & KUP_RECORD_DISCARD || !is_unknown(consumer, flags, kind))
		return 0;
	return !(consumer->skips_unknown && kind & KUP_CONTROL_OPTIONAL);
}

/* A producer that publishes nothing but discarded records must not keep its consumer in one call.
 */
#define MAX_SKIPS 256

/* Skips discarded records, and moves the private tail alone. */
static int find_record(struct kup_consumer *consumer, struct kup_record *record)
{
	int skips;

	for (skips = 0; skips < MAX_SKIPS; skips++) {
		const struct kup_record_header *header;
		kup_u32 word, length, flags, type;
		int result;

		if (consumer->head == consumer->tail) {
			if (consumer->frozen)
				return KUP_RING_END;
			result = refresh_head(consumer);
			if (result != KUP_RING_OK)
				return result;
			if (consumer->head == consumer->tail)
				return KUP_RING_WAIT;
		}
		header = (const void *)at(consumer->data, consumer->bytes, consumer->tail);
		/* Pairs with B in kup_producer_commit. The one and only look at this word. */
		word = kup_load_acquire(&header->length_flags);
		if (word & KUP_RECORD_BUSY)
			return consumer->frozen ? KUP_RING_END : KUP_RING_WAIT;
		length = word & KUP_RECORD_LENGTH;
		flags = word & ~KUP_RECORD_LENGTH;
		if (KUP_RECORD_SPACE(length) > consumer->head - consumer->tail)
			return KUP_RING_LIE_LENGTH;
		type = kup_load(&header->type);
		if (flags & ~KNOWN_FLAGS || is_lie(consumer, flags, type))
			return KUP_RING_LIE_FLAGS;
		if (flags & KUP_RECORD_DISCARD || is_unknown(consumer, flags, type)) {
			advance(consumer, KUP_RECORD_SPACE(length));
			continue;
		}
		record->data = header + 1;
		record->length = length;
		record->type = flags & KUP_RECORD_CONTROL ? 0 : type;
		record->control = flags & KUP_RECORD_CONTROL ? type : 0;
		record->position = consumer->tail;
		return KUP_RING_OK;
	}
	return KUP_RING_WAIT;
}

/*
 * All that was skipped is published at once. A fence for each would cost the consumer several times
 * what the producer has spent on a discarded record.
 */
int kup_consumer_peek(struct kup_consumer *consumer, struct kup_record *record)
{
	kup_u32 before = consumer->tail;
	int result = find_record(consumer, record);

	if (consumer->tail != before)
		publish_tail(consumer, before);
	return result;
}

void kup_consumer_release(struct kup_consumer *consumer, const struct kup_record *record)
{
	kup_u32 before = consumer->tail;

	advance(consumer, KUP_RECORD_SPACE(record->length));
	publish_tail(consumer, before);
}

/*
 * Another thread may consume meanwhile. It stores the new tail before the producer can write over
 * what lies before that: so a header that isn't the one at our tail any more comes with a tail that
 * has moved.
 */
int kup_consumer_ready(const struct kup_consumer *consumer)
{
	const struct kup_record_header *header;
	kup_u32 tail = kup_load(&consumer->tail);

	if (kup_load(&consumer->frozen))
		return 1;
	/* Pairs with A: a head that is ahead comes with the header that was written before it. */
	if (kup_load(&consumer->head) == tail && kup_load_acquire(consumer->head_word) == tail)
		return 0;
	header = (const void *)at(consumer->data, consumer->bytes, tail);
	return !(kup_load_acquire(&header->length_flags) & KUP_RECORD_BUSY) ||
	       kup_load(&consumer->tail) != tail;
}

void kup_consumer_announce(struct kup_consumer *consumer)
{
	kup_store(consumer->event_word, kup_load(&consumer->tail));
	/* C: pairs with the fence in kup_producer_commit. */
	kup_fence();
}

int kup_consumer_freeze(struct kup_consumer *consumer)
{
	int result = refresh_head(consumer);

	/* Whatever the last head says: it is not looked at again. */
	kup_store(&consumer->frozen, 1);
	return result;
}
