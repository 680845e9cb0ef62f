/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turns, for programs in C: a layer on a channel of kup_user.h, for devices whose mode is
 * KUP_MODE_TURN. The kernel's side is kmod/layers/turn.h, which has the rules.
 *
 * One thread at a time may use a channel. Timeouts are as in kup_user.h. The errors are those of
 * the channel's calls, and:
 *
 *   -EDEADLK    receiving: it is this side's turn, so nothing can come; send or pass first
 *   -ENOTEMPTY  sending, passing: the turn came with a message that was not received and would be
 *               lost; receive it, or give KUP_USER_TURN_DROP
 *   -EBUSY      a reservation is open, which has the turn
 *   -EAGAIN     (a timeout of 0) it is the kernel's turn; or it has not yet skipped discarded
 *               reservations, which take up the room
 *   -EPROTO     also: the kernel has broken the rules of turns
 *   -EINVAL     flags that do not exist
 */
#ifndef KUP_USER_TURN_H
#define KUP_USER_TURN_H

#include "kup_user.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flag of sending and passing: drop a message that was not received. */
#define KUP_USER_TURN_DROP 1u

/* The turns of one channel. The program keeps this struct; the layer alone uses the fields. */
struct kup_user_turn {
	struct kup_user_channel *channel;
	int mine;     /* this side has the turn */
	int unread;   /* `message` was not received */
	int reserved; /* a reservation is open */
	/* a reservation was discarded since the turn came, and takes up room */
	int discarded;
	int broken; /* the kernel has broken the rules */
	/* the record that brought the turn, while it is in the ring */
	struct kup_user_message message;
};

/*
 * Call it before any other call with this struct, on a channel that is open and unused. The kernel
 * has the turn then. From then on only the layer may make the channel's own calls that send,
 * receive, release or wait. -EINVAL: the device's mode is not KUP_MODE_TURN.
 */
KUP_USER_CALL int32_t kup_user_turn_begin(struct kup_user_turn *turn,
					  struct kup_user_channel *channel);

/*
 * Waits for the kernel's record, which gives this side the turn. The record is valid until the next
 * send, pass or commit. For a pass, message->control is KUP_CONTROL_PASS and the data is NULL.
 */
KUP_USER_CALL int32_t kup_user_turn_receive(struct kup_user_turn *turn,
					    struct kup_user_message *message, double timeout_ms);

/*
 * Waits for the turn and sends one message, which gives the turn to the kernel. `flags`: 0 or
 * KUP_USER_TURN_DROP.
 */
KUP_USER_CALL int32_t kup_user_turn_send(struct kup_user_turn *turn, uint32_t type,
					 const void *data, uint32_t length, uint32_t flags,
					 double timeout_ms);

/* Waits for the turn, and gives it to the kernel without a message. */
KUP_USER_CALL int32_t kup_user_turn_pass(struct kup_user_turn *turn, uint32_t flags,
					 double timeout_ms);

/*
 * Waits for the turn, and for room for a message to be written in place. The record that brought
 * the turn stays valid until the commit. The commit sends the message and gives the turn; a discard
 * keeps the turn.
 */
KUP_USER_CALL int32_t kup_user_turn_reserve(struct kup_user_turn *turn, uint32_t length,
					    uint32_t flags, double timeout_ms,
					    struct kup_user_reservation *reservation);
/*
 * 0, or an error, and then nothing was sent: -EPROTO, the kernel has sent out of turn; -EPIPE, the
 * kernel's side has closed.
 */
KUP_USER_CALL int32_t kup_user_turn_commit(struct kup_user_turn *turn,
					   struct kup_user_reservation *reservation, uint32_t type,
					   uint32_t length);
KUP_USER_CALL void kup_user_turn_discard(struct kup_user_turn *turn,
					 struct kup_user_reservation *reservation);

/*
 * 1 if this side has the turn, or the record that gives it can be read; 0 if it is the kernel's
 * turn, or the channel has ended.
 */
KUP_USER_CALL int32_t kup_user_turn_is_mine(struct kup_user_turn *turn);

/*
 * For event loops, as kup_user_prepare_wait: announces that the program sleeps for its turn, which
 * poll reports as POLLIN. Returns POLLIN if the turn is there already, or will never come; then
 * don't sleep.
 */
KUP_USER_CALL int32_t kup_user_turn_prepare_wait(struct kup_user_turn *turn);

#ifdef __cplusplus
}
#endif

#endif
