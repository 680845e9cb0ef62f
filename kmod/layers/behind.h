/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * For layers whose clients may write beyond the end of a message in place. Those bytes hold what
 * the producer has put behind the record: the sentinel, or the DISCARD header for the rest of a
 * shortened record and the sentinel behind that. The consumer reads them as soon as it releases the
 * record, so the layer saves them first and restores them before the release. Nothing else of the
 * producer's is there: in turn mode the record that brought the turn is the only one in its ring.
 */
#ifndef KUP_BEHIND_H
#define KUP_BEHIND_H

#include "kup_record.h"

struct kup_behind {
	kup_u32 kept; /* 0: there is nothing to restore, and the other fields have no meaning */
	kup_u32 rest; /* bytes of a discarded record at `at`, or 0 */
	struct kup_record_header *at;
	struct kup_record_header header;
};

static inline void *kup_behind_skip(void *from, kup_u32 bytes)
{
	return (kup_u8 *)from + bytes;
}

/*
 * Saves what lies behind a message of `length` bytes at `data`, before the client gets the message.
 * `most` is the longest payload of the ring. A header that leads beyond it is not believed, since
 * the peer can write there.
 */
static inline void kup_behind_keep(struct kup_behind *behind, void *data, kup_u32 length,
				   kup_u32 most)
{
	const kup_u32 rest = KUP_RECORD_READY | KUP_RECORD_DISCARD;
	struct kup_record_header *at =
		kup_behind_skip(data, KUP_RECORD_SPACE(length) - KUP_RECORD_HEADER);
	/*
	 * The peer can change both words, so each is loaded once. Relaxed: the acquire of the
	 * record's own header has made them visible.
	 */
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

/* Restores the saved bytes, when the client is done with the message and before its release. */
static inline void kup_behind_restore(struct kup_behind *behind)
{
	struct kup_record_header *at = behind->at, *sentinel;

	if (!behind->kept)
		return;
	/* Relaxed: the store-release of the tail, in the release that follows, publishes them. */
	if (behind->rest) {
		sentinel = kup_behind_skip(at, behind->rest);
		__atomic_store_n(&sentinel->length_flags, 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&at->type, behind->header.type, __ATOMIC_RELAXED);
	__atomic_store_n(&at->length_flags, behind->header.length_flags, __ATOMIC_RELAXED);
	behind->kept = 0;
}

#endif
