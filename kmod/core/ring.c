/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#include "copy.h"
#include "ring.h"

static inline kup_u8 *at(const kup_u8 *data, kup_u32 bytes, kup_u32 position)
{
	return (kup_u8 *)data + (position & (bytes - 1));
}

/* ---- Producing ---- */

/* The room for the next record's header, which is the sentinel until that record is made. */
#define SENTINEL KUP_RECORD_HEADER

static struct kup_record_header *header_at(const struct kup_producer *producer, kup_u32 position)
{
	return (void *)at(producer->data, producer->bytes, position);
}

int kup_producer_refresh(struct kup_producer *producer)
{
	/*
	 * C: pairs with the release in kup_consumer_publish: the consumer is done with what lies
	 * before.
	 */
	kup_u32 tail = kup_load_acquire(producer->tail_word);

	if (tail % KUP_RECORD_ALIGN != 0 || tail - producer->tail > producer->head - producer->tail)
		return KUP_RING_LIE_POSITION;
	/* Other threads read this in kup_wait. */
	kup_store(&producer->tail, tail);
	return KUP_RING_OK;
}

static inline int fits(const struct kup_producer *producer, kup_u32 space)
{
	return space + SENTINEL <= producer->bytes - (producer->head - producer->tail);
}

KUP_COLD static int refreshed_room(struct kup_producer *producer, kup_u32 space)
{
	int result = kup_producer_refresh(producer);

	if (result != KUP_RING_OK)
		return result;
	return fits(producer, space) ? KUP_RING_OK : KUP_RING_WAIT;
}

static inline int room(struct kup_producer *producer, kup_u32 space)
{
	return fits(producer, space) ? KUP_RING_OK : refreshed_room(producer, space);
}

int kup_producer_room(struct kup_producer *producer, kup_u32 space)
{
	return room(producer, space);
}

kup_u32 kup_producer_wants(const struct kup_producer *producer, kup_u32 space)
{
	return kup_load(&producer->head) + space + SENTINEL - producer->bytes;
}

int kup_producer_crowded(const struct kup_producer *producer)
{
	return kup_load(&producer->count) == KUP_MOST_OPEN;
}

static kup_u32 *open_at(struct kup_producer *producer, kup_u32 i)
{
	return &producer->open[(producer->first + i) % KUP_MOST_OPEN];
}

/*
 * Each record ends with a fence, which waits until this processor owns the lines that were written.
 * So it asks for the lines of later records early. The consumer does not touch them before that.
 */
#define AHEAD 256

static inline void prepare(const kup_u8 *later)
{
#if defined(__x86_64__)
	/* The compiler's prefetch would not ask for ownership. */
	__asm__ volatile("prefetchw %0" : : "m"(*later));
#else
	__builtin_prefetch(later, 1);
#endif
}

/* There is room. */
static inline void claim(struct kup_producer *producer, kup_u32 space)
{
	kup_u32 head = producer->head + space;
	struct kup_record_header *next = header_at(producer, head);

	/* The last sentinel is this record's header. A of this record publishes both stores. */
	kup_store(&next->length_flags, 0);
	kup_store(producer->head_word, head);
	kup_store(&producer->head, head);
	/* The ring is mapped twice, so this lies in it. */
	prepare((const kup_u8 *)next + AHEAD);
}

int kup_producer_reserve(struct kup_producer *producer, kup_u32 length, kup_u32 *position)
{
	kup_u32 space = KUP_RECORD_SPACE(length);
	int result = room(producer, space);

	if (result != KUP_RING_OK)
		return result;
	if (kup_producer_crowded(producer))
		return KUP_RING_CROWDED;
	*position = producer->head;
	*open_at(producer, producer->count) = producer->head;
	kup_store(&producer->count, producer->count + 1);
	claim(producer, space);
	return KUP_RING_OK;
}

void *kup_producer_payload(const struct kup_producer *producer, kup_u32 position)
{
	return header_at(producer, position) + 1;
}

/* Turns the rest of a shortened record into a discarded record. */
static void fill(const struct kup_producer *producer, kup_u32 position, kup_u32 space)
{
	struct kup_record_header *header = header_at(producer, position);

	kup_store(&header->type, 0);
	kup_store(&header->length_flags,
		  (space - KUP_RECORD_HEADER) | KUP_RECORD_READY | KUP_RECORD_DISCARD);
}

/* Marks the record as finished. Nonzero if it was open. */
static int close_position(struct kup_producer *producer, kup_u32 position)
{
	kup_u32 i;

	for (i = 0; i < producer->count; i++) {
		if (*open_at(producer, i) == position) {
			*open_at(producer, i) |= 1;
			return 1;
		}
	}
	return 0;
}

/* Moves `end` over all finished records. */
static void advance_end(struct kup_producer *producer)
{
	while (producer->count > 0 && *open_at(producer, 0) & 1) {
		producer->first = (producer->first + 1) % KUP_MOST_OPEN;
		kup_store(&producer->count, producer->count - 1);
	}
	kup_store(&producer->end, producer->count > 0 ? *open_at(producer, 0) : producer->head);
}

/* Called after `end` has moved from `before`: whether the consumer sleeps for what is finished. */
static int is_awaited_since(const struct kup_producer *producer, kup_u32 before)
{
	/*
	 * B: the consumer announces, fences and looks again; this side publishes, fences and looks.
	 */
	kup_fence();
	return kup_load(producer->peer_event) - before < producer->end - before;
}

int kup_producer_commit(struct kup_producer *producer, kup_u32 position, kup_u32 reserved,
			kup_u32 length, kup_u32 type, kup_u32 flags)
{
	struct kup_record_header *header = header_at(producer, position);
	kup_u32 space = KUP_RECORD_SPACE(length);
	kup_u32 left = KUP_RECORD_SPACE(reserved) - space;
	kup_u32 before = producer->end;

	if (!close_position(producer, position))
		return 0;
	/* The release below publishes both; until then the consumer stops before them. */
	if (left > 0)
		fill(producer, position + space, left);
	kup_store(&header->type, type);
	/* A: pairs with the acquire in kup_look. */
	kup_store_release(&header->length_flags, length | flags | KUP_RECORD_READY);
	advance_end(producer);
	return producer->end != before && is_awaited_since(producer, before);
}

static inline kup_u32 stamp_bytes(const struct kup_stamp *stamp)
{
	return stamp ? (kup_u32)sizeof(*stamp) : 0;
}

static inline void write_payload(void *payload, const struct kup_stamp *stamp, const void *data,
				 kup_u32 length)
{
	if (stamp)
		__builtin_memcpy(payload, stamp, sizeof(*stamp));
	kup_copy((kup_u8 *)payload + stamp_bytes(stamp), data, length);
}

/*
 * Appends behind reservations that are open. The consumer stops before this record, whose header
 * need not be withheld.
 */
KUP_COLD static int append_behind(struct kup_producer *producer, kup_u32 type,
				  const struct kup_stamp *stamp, const void *data, kup_u32 length)
{
	kup_u32 position, whole = length + stamp_bytes(stamp);
	int result = kup_producer_reserve(producer, whole, &position);

	if (result != KUP_RING_OK)
		return result;
	write_payload(kup_producer_payload(producer, position), stamp, data, length);
	/* `end` does not move, so no one is woken. */
	(void)kup_producer_commit(producer, position, whole, whole, type, 0);
	return KUP_RING_OK;
}

/* Always inline: without a stamp, nothing of it is left. */
__attribute__((always_inline)) static inline int append(struct kup_producer *producer, kup_u32 type,
							const struct kup_stamp *stamp,
							const void *data, kup_u32 length)
{
	struct kup_record_header *header = header_at(producer, producer->head);
	kup_u32 whole = length + stamp_bytes(stamp), space = KUP_RECORD_SPACE(whole);
	int result;

	if (producer->count > 0)
		return append_behind(producer, type, stamp, data, length);
	result = room(producer, space);
	if (result != KUP_RING_OK)
		return result;
	claim(producer, space);
	kup_store(&header->type, type);
	write_payload(header + 1, stamp, data, length);
	if (producer->withheld)
		/* Relaxed: the consumer stops at the withheld header, whose release follows. */
		kup_store(&header->length_flags, whole | KUP_RECORD_READY);
	else
		producer->withheld = whole | KUP_RECORD_READY;
	return KUP_RING_OK;
}

int kup_producer_append(struct kup_producer *producer, kup_u32 type, const void *data,
			kup_u32 length)
{
	return append(producer, type, (const struct kup_stamp *)0, data, length);
}

int kup_producer_append_stamped(struct kup_producer *producer, kup_u32 type,
				const struct kup_stamp *stamp, const void *data, kup_u32 length)
{
	return append(producer, type, stamp, data, length);
}

int kup_producer_publish(struct kup_producer *producer)
{
	kup_u32 before = producer->end, withheld = producer->withheld;

	if (!withheld)
		return 0;
	producer->withheld = 0;
	/* A: pairs with the acquire in kup_look. */
	kup_store_release(&header_at(producer, before)->length_flags, withheld);
	kup_store(&producer->end, producer->head);
	return is_awaited_since(producer, before);
}

void kup_producer_announce(struct kup_producer *producer, kup_u32 position)
{
	kup_store(producer->event_word, position);
	/* D: pairs with the fence in kup_consumer_publish. */
	kup_fence();
}

/* ---- Consuming ---- */

static void advance(struct kup_consumer *consumer, kup_u32 space)
{
	/* Other threads read the cursor in kup_consumer_ready. */
	kup_store(&consumer->cursor, consumer->cursor + space);
}

/*
 * Whether this head is a lie: records were read that lie behind it, or the ring would contain too
 * much.
 */
static int is_head_lie(const struct kup_consumer *consumer, kup_u32 cursor, kup_u32 head)
{
	return head % KUP_RECORD_ALIGN != 0 || head - cursor > consumer->bytes;
}

/* E: pairs with the release in kup_consumer_release_late, which may run concurrently. */
static kup_u32 load_cursor(const struct kup_consumer *consumer)
{
	return kup_load_acquire(&consumer->cursor);
}

/*
 * Loads head, which limits how many forged headers can be read. It is not loaded for each record:
 * then the cache line with the producer's head would move each time, which makes a round trip a
 * seventh slower.
 */
static int check_head(struct kup_consumer *consumer)
{
	/* Load the cursor first; a later one might lie beyond this head. */
	kup_u32 cursor = load_cursor(consumer);

	/* Relaxed: the headers were loaded with acquire (A), and head was stored before them. */
	if (!consumer->frozen && is_head_lie(consumer, cursor, kup_load(consumer->head_word)))
		return KUP_RING_LIE_POSITION;
	kup_store(&consumer->checked, cursor);
	return KUP_RING_OK;
}

int kup_consumer_publish(struct kup_consumer *consumer)
{
	kup_u32 before = consumer->tail, cursor = load_cursor(consumer);

	if (cursor == before)
		return KUP_RING_OK;
	if (cursor - consumer->checked >= consumer->bytes / 8 &&
	    check_head(consumer) != KUP_RING_OK)
		return KUP_RING_LIE_POSITION;
	kup_store(&consumer->tail, cursor);
	/*
	 * C: pairs with the acquire in kup_producer_refresh: the producer may overwrite what lies
	 * before.
	 */
	kup_store_release(consumer->tail_word, cursor);
	/*
	 * D: the producer announces, fences and looks again; this side publishes, fences and looks.
	 */
	kup_fence();
	if (kup_load(consumer->peer_event) - before - 1 < cursor - before)
		consumer->owes_wake = 1;
	return KUP_RING_OK;
}

#define KNOWN_FLAGS (KUP_RECORD_READY | KUP_RECORD_DISCARD | KUP_RECORD_CONTROL)

static int is_known(const struct kup_consumer *consumer, kup_u32 kind)
{
	return kind < 32 && consumer->controls & 1u << kind;
}

/* Whether this is a control record of a later version. */
static int is_unknown(const struct kup_consumer *consumer, kup_u32 flags, kup_u32 kind)
{
	return flags & KUP_RECORD_CONTROL && !is_known(consumer, kind);
}

static int is_lie(const struct kup_consumer *consumer, kup_u32 flags, kup_u32 kind)
{
	if (flags & ~KNOWN_FLAGS)
		return 1;
	if (flags & KUP_RECORD_DISCARD || !is_unknown(consumer, flags, kind))
		return 0;
	return !(consumer->skips_unknown && kind & KUP_CONTROL_OPTIONAL);
}

int kup_look_at_flags(const struct kup_consumer *consumer, kup_u32 flags, struct kup_record *record,
		      int *skip)
{
	kup_u32 type = record->type;

	if (is_lie(consumer, flags, type))
		return KUP_RING_LIE_FLAGS;
	*skip = flags & KUP_RECORD_DISCARD || is_unknown(consumer, flags, type);
	if (flags & KUP_RECORD_CONTROL) {
		record->type = 0;
		record->control = type;
	}
	return KUP_RING_OK;
}

/* A producer of discarded records must not keep its consumer in one call. */
#define MAX_SKIPS 256

int kup_skip_records(struct kup_consumer *consumer, struct kup_record *record)
{
	int skips, skip = 1, result = KUP_RING_OK, published;

	for (skips = 0; skip && result == KUP_RING_OK; skips++) {
		advance(consumer, KUP_RECORD_SPACE(record->length));
		published = kup_is_much(consumer, consumer->cursor) ? kup_consumer_publish(consumer)
								    : KUP_RING_OK;
		if (published != KUP_RING_OK)
			return published;
		skip = 0;
		result = skips + 1 < MAX_SKIPS ? kup_look(consumer, record, &skip) : KUP_RING_WAIT;
	}
	if (result == KUP_RING_OK)
		return KUP_RING_OK;
	published = kup_consumer_publish(consumer);
	return published == KUP_RING_OK ? result : published;
}

/*
 * Another thread may consume at the same time. It stores the new cursor before the producer can
 * overwrite what lies before it. So if the word is not a header any more, the cursor has moved.
 */
int kup_consumer_ready(const struct kup_consumer *consumer)
{
	kup_u32 cursor = kup_load(&consumer->cursor);
	/* A: as in kup_look, which loads the word again. */
	kup_u32 word = kup_load_acquire(&kup_next_header(consumer, cursor)->length_flags);

	return word & KUP_RECORD_READY || kup_load(&consumer->frozen) ||
	       kup_load(&consumer->cursor) != cursor;
}

int kup_consumer_settle(struct kup_consumer *consumer)
{
	int result = kup_consumer_publish(consumer);

	return result == KUP_RING_OK ? check_head(consumer) : result;
}

void kup_consumer_announce(struct kup_consumer *consumer, kup_u32 position)
{
	kup_store(consumer->event_word, position);
	/* B: pairs with the fence in kup_producer_commit. */
	kup_fence();
}

int kup_consumer_freeze(struct kup_consumer *consumer)
{
	/* Relaxed: the headers before it are loaded with acquire (A). */
	kup_u32 head = kup_load(consumer->head_word);
	int lie = is_head_lie(consumer, consumer->cursor, head);

	/* The last head is not loaded again, so a lie leaves no records. */
	consumer->head = lie ? consumer->cursor : head;
	kup_store(&consumer->frozen, 1);
	return lie ? KUP_RING_LIE_POSITION : KUP_RING_OK;
}
