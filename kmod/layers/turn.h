/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Turns: one side at a time may send. A layer on the streams of kup.h for devices whose mode is
 * KUP_MODE_TURN; the user's side is native/kup_user_turn.h, and in TypeScript each channel of
 * such a device.
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
 * A side has the turn from the moment when it receives a record until it sends or passes; the
 * kernel has the first turn. A send or a pass gives back what came with the turn, so one record
 * is in flight.
 *
 * Errors are those of kup.h, and:
 *
 *   -EDEADLK    receiving: it is this side's turn, so nothing can come; send or pass first
 *   -ENOTEMPTY  sending, passing: the turn came with a message that was not received, which would be
 *               lost; receive it, or say KUP_TURN_DROP
 *   -EAGAIN     (a timeout of 0) it is the user's turn, or another thread of the client has it
 *
 * Threads: any number may call at once; each call has the turn for itself until it returns, a
 * reservation until it is committed or discarded. Contexts: a thread that may sleep; with a timeout
 * of 0 any context that kup_try_receive and kup_try_send may be called in.
 */
#ifndef KUP_TURN_H
#define KUP_TURN_H

#include "../kup.h"

/* Sending and passing: a message that was not received is dropped. */
#define KUP_TURN_DROP 1u

/* One channel's turns. The client keeps it, for as long as it uses the channel; fields are the
 * layer's. */
struct kup_turn {
	struct kup_channel *channel;
	kup_u32 state;	/* atomic; the others belong to the thread that has taken the turn */
	kup_u32 came;	/* the turn came with `record`, which is still in the ring */
	kup_u32 unread; /* `record` was not received */
	struct kup_record record;
};

/* Before the first call with it. The kernel has the turn. */
void kup_turn_begin(struct kup_turn *turn, struct kup_channel *channel);

/*
 * Waits for the user's record, which gives this side the turn. It is valid until this side's next
 * send, pass or commit: as with kup_peek, the user can change the bytes meanwhile. A pass has
 * record->control KUP_CONTROL_PASS, and no bytes.
 */
int kup_turn_peek(struct kup_turn *turn, struct kup_record *record, kup_time timeout);

/* The same, into the caller's buffer. -EMSGSIZE: the message stays to be received. */
int kup_turn_receive(struct kup_turn *turn, void *buffer, kup_u32 capacity,
		     struct kup_record *record, kup_time timeout);

/* Waits for the turn, sends one message, and so gives the turn. `flags`: 0 or KUP_TURN_DROP. */
int kup_turn_send(struct kup_turn *turn, kup_u32 type, const void *data, kup_u32 length,
		  kup_u32 flags, kup_time timeout);

/* Waits for the turn, and gives it without a message. */
int kup_turn_pass(struct kup_turn *turn, kup_u32 flags, kup_time timeout);

/*
 * Waits for the turn, and for room for a message that is written in place. What came with the turn
 * stays valid until the commit, which sends the message and gives the turn; kup_turn_discard keeps
 * the turn. One of them, once.
 */
int kup_turn_reserve(struct kup_turn *turn, kup_u32 length, kup_u32 flags, kup_time timeout,
		     struct kup_reservation *reservation);
/* 0, or -EPROTO: the user has sent out of turn, and nothing was sent. */
int kup_turn_commit(struct kup_turn *turn, struct kup_reservation *reservation, kup_u32 type,
		    kup_u32 length);
void kup_turn_discard(struct kup_turn *turn, struct kup_reservation *reservation);

/* Nonzero: this side has the turn, or the record that gives it is there. Any context. */
int kup_turn_is_mine(struct kup_turn *turn);

#endif
