/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The messages of a ticker's channel. Numbers are in the machine's byte order.
 *
 *   to the kernel   TICKER_START, a ticker_start: from now on a timer sends a tick each time the
 *                   interval has passed. An interval of 0 stops the ticks. Any other message is
 *                   ignored.
 *   to the user     TICKER_TICK, a ticker_tick. Ticks that the user has no room for are dropped; a
 *                   gap before the next one that fits contains their number.
 */
#ifndef TICKER_H
#define TICKER_H

#define TICKER_START 1
#define TICKER_TICK 2

struct ticker_start {
	unsigned int interval_us;
};

struct ticker_tick {
	unsigned long long number;  /* counts from 0 since the last TICKER_START */
	unsigned long long time_ns; /* of the kernel's monotonic clock */
};

#endif
