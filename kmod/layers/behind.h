/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * For layers whose clients may write more bytes at a message, in place, than the message has. Those
 * bytes lie over what the producer has put behind the record: the sentinel, or what is left over of
 * a record that was shortened and the sentinel behind that. The consumer reads it as soon as the
 * record is released, so the layer puts it back before. The producer has nothing else there: what
 * has brought the turn is the only record in its ring.
 */
#ifndef KUP_BEHIND_H
#define KUP_BEHIND_H

#include "kup_record.h"

struct kup_behind {
	kup_u32 kept; /* 0: there is nothing to put back, and the rest has no meaning */
	kup_u32 rest; /* bytes of a discarded record at `at`, or 0 */
	struct kup_record_header *at;
	struct kup_record_header header;
};

static inline void *kup_behind_skip(void *from, kup_u32 bytes)
{
	return (kup_u8 *)from + bytes;
}

/*
 * A message of `length` bytes at `data` is given to the client. `most` is the longest payload of
 * the ring, beyond which no header is believed: the peer can write there.
 */
static inline void kup_behind_keep(struct kup_behind *behind, void *data, kup_u32 length,
				   kup_u32 most)
{
	const kup_u32 rest = KUP_RECORD_READY | KUP_RECORD_DISCARD;
	struct kup_record_header *at =
		kup_behind_skip(data, KUP_RECORD_SPACE(length) - KUP_RECORD_HEADER);
	/* Each once, as all that a peer can change. Relaxed: they came with the record's header. */
	kup_u32 word = __atomic_load_n(&at->length_flags, __ATOMIC_RELAXED);
	kup_u32 space = KUP_RECORD_SPACE(word & KUP_RECORD_LENGTH);

	behind->kept = 1;
	behind->rest = 0;
	behind->at = at;
	behind->header.length_flags = word;
	behind->header.type = __atomic_load_n(&at->type, __ATOMIC_RELAXED);
	if ((word & ~KUP_RECORD_LENGTH) == rest &&
	    KUP_RECORD_SPACE(length) + space <= KUP_RECORD_SPACE(most))
		behind->rest = space;
}

/* Before the release of that message, whose bytes are not used any more. */
static inline void kup_behind_restore(struct kup_behind *behind)
{
	struct kup_record_header *at = behind->at, *sentinel;

	if (!behind->kept)
		return;
	/* Relaxed: the release that follows publishes the tail after them. */
	if (behind->rest) {
		sentinel = kup_behind_skip(at, behind->rest);
		__atomic_store_n(&sentinel->length_flags, 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&at->type, behind->header.type, __ATOMIC_RELAXED);
	__atomic_store_n(&at->length_flags, behind->header.length_flags, __ATOMIC_RELAXED);
	behind->kept = 0;
}

#endif
