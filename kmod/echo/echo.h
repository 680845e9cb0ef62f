/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Shared by the echo client's files. */
#ifndef ECHO_H
#define ECHO_H

#include "kup.h"
#include "kup_echo.h"
#include "layers/call.h"
#include "layers/turn.h"

/* One attached channel. */
struct echo_channel {
	kup_u64 next_sent; /* the number of the next sample to the user */
	kup_u64 next_received;
	struct echo_report report;
	int turns; /* nonzero: the device is in turn mode */
	struct kup_turn turn;
	struct echo_calls *calls; /* of a device in call mode; otherwise NULL */
};

/*
 * As kup_reserve (or, with a timeout of 0, kup_try_reserve), kup_commit and kup_send; in turn mode
 * they use turns.
 */
int echo_reserve(struct kup_channel *channel, kup_u32 length, kup_time timeout,
		 struct kup_reservation *reservation);
int echo_commit(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 type,
		kup_u32 length);
int echo_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length);

int echo_serve_turns(struct kup_channel *channel);

/* calls.c: what the echo client does on a call device. */
struct echo_calls;
int echo_calls_begin(struct kup_channel *channel, struct echo_calls **calls);
int echo_calls_serve(struct echo_calls *calls);
void echo_calls_end(struct echo_calls *calls); /* NULL does nothing */

/* Does what a record asks for. Returns 0, or the errno that ends the channel. */
int echo_answer(struct kup_channel *channel, const struct kup_record *record);

/* Each returns 0, or the errno that ends the channel. */
int echo_produce(struct kup_channel *channel, const struct echo_produce *produce);
int echo_shuffle(struct kup_channel *channel, const struct echo_pause *pause);

/*
 * contexts.c: obeys an ECHO_CONTEXTS, and releases it. Returns 0, or the errno that ends the
 * channel.
 */
int echo_make_calls(struct kup_channel *channel, const struct kup_record *command);

/* Pauses, but no longer than the channel lasts. */
void echo_pause_for(struct kup_channel *channel, const struct echo_pause *pause);

#endif
