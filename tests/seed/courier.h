/* SPDX-License-Identifier: BSD-3-Clause */
/* The orders that the courier accepts. The kernel begins with a pass. */
#ifndef COURIER_H
#define COURIER_H

#define COURIER_SEND 1 /* the kernel sends `count` items, the process passes each time */
#define COURIER_SINK                                                                               \
	2 /* the process sends `count` items; the kernel passes, and answers the last */
#define COURIER_TOTAL 3 /* how many items this channel number has taken in total */
#define COURIER_NAP 4	/* the kernel keeps its turn for `count` milliseconds, then passes */
/*
 * The kernel passes, and answers each of `count` items with the same item. Each receiver fills the
 * page at the message before it answers in place.
 */
#define COURIER_FILL 5

struct order {
	unsigned int what;
	unsigned int count;
};

struct item {
	unsigned int number; /* from 0 in each order */
	unsigned int check;  /* number times COURIER_FACTOR */
};

#define COURIER_FACTOR 2654435761u

struct answer {
	unsigned int items;
	unsigned int wrong;
};

#endif
