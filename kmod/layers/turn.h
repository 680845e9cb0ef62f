/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Turns: one side at a time may send. This is a layer on the streams of kup.h, for devices whose
 * mode is KUP_MODE_TURN. The user's side is native/kup_user_turn.h; in TypeScript it is every
 * channel of such a device.
 *
 *   static int serve(struct kup_channel *channel)
 *   {
 *           struct kup_turn turn;
 *           struct kup_record record;
 *           char buffer[256];
 *           int error;
 *
 *           kup_turn_begin(&turn, channel);
 *           error = kup_turn_pass(&turn, 0, KUP_FOREVER);	(the kernel has the first turn)
 *           while (!error) {
 *                   error = kup_turn_receive(&turn, buffer, sizeof(buffer), &record, KUP_FOREVER);
 *                   if (!error)
 *                           error = kup_turn_send(&turn, 0, buffer, record.length, 0, KUP_FOREVER);
 *           }
 *           return error;
 *   }
 *
 * A side has the turn from the moment it receives a record until it sends or passes. The kernel has
 * the first turn. A send or a pass first releases the record that brought the turn, so at most one
 * record is in flight.
 *
 * The errors are those of kup.h, and:
 *
 *   -EDEADLK    receiving: it is this side's turn, so nothing can come; send or pass first
 *   -ENOTEMPTY  sending, passing: the turn came with a message that was not received and would be
 *               lost; receive it, or give KUP_TURN_DROP
 *   -EAGAIN     (a timeout of 0) it is the user's turn, or another thread of the client has it
 *
 * Threads. Any number of threads may call at once. Each call owns the turn until it returns; a
 * reservation owns it until the commit or the discard. Contexts. A thread that may sleep; with a
 * timeout of 0, any context that allows both kup_try_receive and kup_try_send.
 */
#ifndef KUP_TURN_H
#define KUP_TURN_H

#include "../kup.h"

/* Flag of sending and passing: drop a message that was not received. */
#define KUP_TURN_DROP 1u

/*
 * The turns of one channel. The client keeps this struct for as long as it uses the channel; the
 * layer alone uses the fields.
 */
struct kup_turn {
	struct kup_channel *channel;
	kup_u32 state;	/* atomic; the other fields belong to the thread that took the turn */
	kup_u32 came;	/* the turn came with `record`, which is still in the ring */
	kup_u32 unread; /* `record` was not received */
	struct kup_record record;
};

/* Call it before any other call with this struct. The kernel has the turn then. */
void kup_turn_begin(struct kup_turn *turn, struct kup_channel *channel);

/*
 * Waits for the user's record, which gives this side the turn. The record is valid until this
 * side's next send, pass or commit. As with kup_peek, the user can change the bytes during that
 * time. For a pass, record->control is KUP_CONTROL_PASS and there are no bytes.
 */
int kup_turn_peek(struct kup_turn *turn, struct kup_record *record, kup_time timeout);

/*
 * The same, but copies into the caller's buffer. -EMSGSIZE: the message stays and can be received.
 */
int kup_turn_receive(struct kup_turn *turn, void *buffer, kup_u32 capacity,
		     struct kup_record *record, kup_time timeout);

/*
 * Waits for the turn and sends one message, which gives the turn to the user. `flags`: 0 or
 * KUP_TURN_DROP.
 */
int kup_turn_send(struct kup_turn *turn, kup_u32 type, const void *data, kup_u32 length,
		  kup_u32 flags, kup_time timeout);

/* Waits for the turn, and gives it to the user without a message. */
int kup_turn_pass(struct kup_turn *turn, kup_u32 flags, kup_time timeout);

/*
 * Waits for the turn, and for room for a message to be written in place. The record that brought
 * the turn stays valid until the commit. The commit sends the message and gives the turn;
 * kup_turn_discard keeps the turn. Call one of the two, once.
 */
int kup_turn_reserve(struct kup_turn *turn, kup_u32 length, kup_u32 flags, kup_time timeout,
		     struct kup_reservation *reservation);
/* 0, or -EPROTO: the user has sent out of turn, and the message is not sent. */
int kup_turn_commit(struct kup_turn *turn, struct kup_reservation *reservation, kup_u32 type,
		    kup_u32 length);
void kup_turn_discard(struct kup_turn *turn, struct kup_reservation *reservation);

/* Nonzero if this side has the turn, or the record that gives it can be read. Any context. */
int kup_turn_is_mine(struct kup_turn *turn);

#endif
