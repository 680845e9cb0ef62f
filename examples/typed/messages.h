/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The messages of a thermometer's channel. `kup bind messages.h` makes messages.ts and
 * messages_check.h from this file; docs/bind.md has the rules.
 *
 * A user sends limits, and then asks for readings. Each reading contains how it compares with the
 * limits. A message that the checker refuses is answered by its type.
 */
#ifndef TYPED_MESSAGES_H
#define TYPED_MESSAGES_H

#define THERMO_MOST_READINGS 100 /* that one THERMO_ASK may ask for */

enum thermo_to_user {
	THERMO_READING = 1,
	THERMO_REFUSED = 2,
};

enum thermo_to_kernel {
	THERMO_LIMITS = 16,
	THERMO_ASK = 17,
};

enum thermo_state {
	THERMO_COLD,
	THERMO_GOOD,
	THERMO_HOT,
};

struct thermo_reading {
	unsigned long long time_ns; /* of the kernel's monotonic clock */
	int millidegrees;
	enum thermo_state state;
	char place[16]; /* as in the limits */
};

struct thermo_refused {
	unsigned int type; /* of the message that was refused */
};

struct thermo_limits {
	int least; /* millidegrees */
	int most;
	char place[16]; /* what the user calls it */
	_Bool strict;	/* whether a limit itself is out of range */
	unsigned char pad[3];
};

struct thermo_ask {
	unsigned int count;
};

#endif
