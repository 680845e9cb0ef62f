/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Between the echo client's two files. */
#ifndef ECHO_H
#define ECHO_H

#include "kup.h"
#include "kup_echo.h"

/* One attached channel. */
struct echo_channel {
	kup_u64 next_sent; /* the next sample's number, towards the user */
	kup_u64 next_received;
	struct echo_report report;
};

/* Each 0, or the errno that ends the channel. */
int echo_produce(struct kup_channel *channel, const struct echo_produce *produce);
int echo_shuffle(struct kup_channel *channel, const struct echo_pause *pause);

/* As long as its channel lasts, at most. */
void echo_pause_for(struct kup_channel *channel, const struct echo_pause *pause);

#endif
