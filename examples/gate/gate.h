/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The calls of a gate's channel. Numbers are in the machine's byte order.
 *
 *   to the user     GATE_DECIDE, a gate_visitor: may it pass? Reply: one byte, 1 for yes. A reply
 *                   with another status or length, and one that does not come in time, mean no.
 *   to the kernel   GATE_COUNT: replies with a gate_counts.
 */
#ifndef GATE_H
#define GATE_H

#define GATE_DECIDE 1
#define GATE_COUNT 2

struct gate_visitor {
	unsigned int number;
};

/* Visitors so far. */
struct gate_counts {
	unsigned int passed;
	unsigned int refused;
	unsigned int undecided; /* refused because no process has answered in time */
};

#endif
