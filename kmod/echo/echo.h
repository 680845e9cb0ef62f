/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Between the echo client's files. */
#ifndef ECHO_H
#define ECHO_H

#include "kup.h"
#include "kup_echo.h"
#include "layers/turn.h"

/* One attached channel. */
struct echo_channel {
	kup_u64 next_sent; /* the next sample's number, towards the user */
	kup_u64 next_received;
	struct echo_report report;
	int turns; /* nonzero: the device is one of turns */
	struct kup_turn turn;
};

/* As kup_reserve, kup_try_reserve (a timeout of 0), kup_commit and kup_send; with turns, too. */
int echo_reserve(struct kup_channel *channel, kup_u32 length, kup_time timeout,
		 struct kup_reservation *reservation);
int echo_commit(struct kup_channel *channel, struct kup_reservation *reservation, kup_u32 type,
		kup_u32 length);
int echo_send(struct kup_channel *channel, kup_u32 type, const void *data, kup_u32 length);

int echo_serve_turns(struct kup_channel *channel);

/* What a record asks for. 0, or the errno that ends the channel. */
int echo_answer(struct kup_channel *channel, const struct kup_record *record);

/* Each 0, or the errno that ends the channel. */
int echo_produce(struct kup_channel *channel, const struct echo_produce *produce);
int echo_shuffle(struct kup_channel *channel, const struct echo_pause *pause);

/* As long as its channel lasts, at most. */
void echo_pause_for(struct kup_channel *channel, const struct echo_pause *pause);

#endif
