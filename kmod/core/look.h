/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A part of ring.h: what a consumer does for each record. It is inline, because a call into another
 * file would take as long as the work itself.
 */
#ifndef KUP_LOOK_H
#define KUP_LOOK_H

static inline const struct kup_record_header *kup_next_header(const struct kup_consumer *consumer,
							      kup_u32 cursor)
{
	return (const void *)(consumer->data + (cursor & (consumer->bytes - 1)));
}

/*
 * Whether an eighth of the ring would be unpublished or unchecked. Both are compared: a producer
 * that sleeps for room gets it earlier, and must not make the checks rarer by that.
 */
static inline int kup_is_much(const struct kup_consumer *consumer, kup_u32 cursor)
{
	kup_u32 much = consumer->bytes / 8;

	return cursor - kup_load(&consumer->tail) >= much ||
	       cursor - kup_load(&consumer->checked) >= much;
}

/* Whether the producer sleeps for room that is not published. Its store may come later: see D. */
static inline int kup_is_awaited(const struct kup_consumer *consumer, kup_u32 cursor)
{
	kup_u32 tail = kup_load(&consumer->tail);

	return kup_load(consumer->peer_event) - tail - 1 < cursor - tail;
}

/*
 * The producer is gone: whether the records end at the cursor, which may also lie beyond the last
 * head, behind a record that was held.
 */
static inline int kup_is_at_end(const struct kup_consumer *consumer, kup_u32 cursor)
{
	return consumer->frozen && consumer->head - cursor - 1 >= consumer->bytes;
}

/* The rest of kup_look for a record with flags. *skip: it is to be skipped. */
KUP_COLD int kup_look_at_flags(const struct kup_consumer *consumer, kup_u32 flags,
			       struct kup_record *record, int *skip);

/* Looks at the record at the cursor. *skip, which is 0 before: the record is to be skipped. */
static inline int kup_look(const struct kup_consumer *consumer, struct kup_record *record,
			   int *skip)
{
	kup_u32 word, length, space, cursor = consumer->cursor;
	const struct kup_record_header *header = kup_next_header(consumer, cursor);

	if (kup_is_at_end(consumer, cursor))
		return KUP_RING_END;
	/* A: pairs with the release in kup_producer_commit. This word is loaded only once. */
	word = kup_load_acquire(&header->length_flags);
	if (!(word & KUP_RECORD_READY))
		return consumer->frozen ? KUP_RING_END : KUP_RING_WAIT;
	length = word & KUP_RECORD_LENGTH;
	space = KUP_RECORD_SPACE(length);
	/* There is a sentinel behind each record. */
	if (space + KUP_RECORD_HEADER > consumer->bytes ||
	    (consumer->frozen && space > consumer->head - cursor))
		return KUP_RING_LIE_LENGTH;
	record->data = header + 1;
	record->length = length;
	record->type = kup_load(&header->type);
	record->control = 0;
	record->position = cursor;
	if ((word & ~KUP_RECORD_LENGTH) == KUP_RECORD_READY)
		return KUP_RING_OK;
	return kup_look_at_flags(consumer, word & ~KUP_RECORD_LENGTH, record, skip);
}

/* The rest of kup_consumer_peek, when `record` is to be skipped. */
KUP_COLD int kup_skip_records(struct kup_consumer *consumer, struct kup_record *record);

/*
 * Returns the next readable record, without consuming it: KUP_RING_OK, _WAIT, _END, or a lie. It
 * skips discarded records, so look at owes_wake after every result.
 */
static inline int kup_consumer_peek(struct kup_consumer *consumer, struct kup_record *record)
{
	int skip = 0, result = kup_look(consumer, record, &skip);

	return skip ? kup_skip_records(consumer, record) : result;
}

/*
 * KUP_RING_OK, as peek; or KUP_RING_WAIT: only peek can find out more. It changes nothing, and may
 * run while another thread publishes or settles.
 */
static inline int kup_consumer_glance(const struct kup_consumer *consumer,
				      struct kup_record *record)
{
	int skip = 0;

	return kup_look(consumer, record, &skip) == KUP_RING_OK && !skip ? KUP_RING_OK
									 : KUP_RING_WAIT;
}

/*
 * Consumes the record that the last peek returned. It gives room back at once if nothing is
 * readable behind the record, if the producer sleeps for the room, or if an eighth of the ring is
 * unpublished; otherwise later. KUP_RING_OK or KUP_RING_LIE_POSITION. Then look at owes_wake.
 */
static inline int kup_consumer_release(struct kup_consumer *consumer,
				       const struct kup_record *record)
{
	kup_u32 cursor = consumer->cursor + KUP_RECORD_SPACE(record->length);
	/* A: as in kup_look, which loads the word again. */
	kup_u32 word = kup_load_acquire(&kup_next_header(consumer, cursor)->length_flags);
	kup_u32 caught_up = !(word & KUP_RECORD_READY) && !consumer->frozen;

	/* Other threads read both: the first in kup_consumer_ready, the second before a wait. */
	kup_store(&consumer->cursor, cursor);
	kup_store(&consumer->caught_up, caught_up);
	if (caught_up || kup_is_much(consumer, cursor) || kup_is_awaited(consumer, cursor))
		return kup_consumer_publish(consumer);
	return KUP_RING_OK;
}

/*
 * Consumes the record that the last peek returned, if its room may be given back later; otherwise
 * returns 0, and has done nothing. Another thread may publish or settle at the same time.
 */
static inline int kup_consumer_release_late(struct kup_consumer *consumer,
					    const struct kup_record *record)
{
	kup_u32 cursor = record->position + KUP_RECORD_SPACE(record->length);
	/* A: as in kup_look, which loads the word again. */
	kup_u32 word = kup_load_acquire(&kup_next_header(consumer, cursor)->length_flags);

	/* Otherwise the tail may have to be published; kup_consumer_release finds out. */
	if (!(word & KUP_RECORD_READY) || kup_is_much(consumer, cursor) ||
	    kup_is_awaited(consumer, cursor))
		return 0;
	/* E: pairs with load_cursor: this side is done with the record. */
	kup_store_release(&consumer->cursor, cursor);
	kup_store(&consumer->caught_up, 0);
	return 1;
}

#endif
