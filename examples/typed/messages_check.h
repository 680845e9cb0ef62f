/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Generated from messages.h by `kup bind messages.h`. Do not edit. */
/* clang-format off */
#ifndef MESSAGES_CHECK_H
#define MESSAGES_CHECK_H

#include "messages.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the messages are little-endian");
_Static_assert((unsigned long long)(THERMO_MOST_READINGS) == 100ull, "THERMO_MOST_READINGS has changed, run kup bind");
_Static_assert((unsigned long long)(THERMO_READING) == 1ull, "THERMO_READING has changed, run kup bind");
_Static_assert((unsigned long long)(THERMO_REFUSED) == 2ull, "THERMO_REFUSED has changed, run kup bind");
_Static_assert((unsigned long long)(THERMO_LIMITS) == 16ull, "THERMO_LIMITS has changed, run kup bind");
_Static_assert((unsigned long long)(THERMO_ASK) == 17ull, "THERMO_ASK has changed, run kup bind");
_Static_assert((unsigned long long)(THERMO_COLD) == 0ull, "THERMO_COLD has changed, run kup bind");
_Static_assert((unsigned long long)(THERMO_GOOD) == 1ull, "THERMO_GOOD has changed, run kup bind");
_Static_assert((unsigned long long)(THERMO_HOT) == 2ull, "THERMO_HOT has changed, run kup bind");
_Static_assert(sizeof(struct thermo_reading) == 32, "struct thermo_reading has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_reading, time_ns) == 0, "struct thermo_reading: time_ns has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_reading *)0)->time_ns) == 8, "struct thermo_reading: time_ns has changed, run kup bind");
_Static_assert((__typeof__(((struct thermo_reading *)0)->time_ns))-1 > 0 && (__typeof__(((struct thermo_reading *)0)->time_ns))0.5 == 0, "struct thermo_reading: time_ns has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_reading, millidegrees) == 8, "struct thermo_reading: millidegrees has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_reading *)0)->millidegrees) == 4, "struct thermo_reading: millidegrees has changed, run kup bind");
_Static_assert((__typeof__(((struct thermo_reading *)0)->millidegrees))-1 < 0 && (__typeof__(((struct thermo_reading *)0)->millidegrees))0.5 == 0, "struct thermo_reading: millidegrees has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_reading, state) == 12, "struct thermo_reading: state has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_reading *)0)->state) == 4, "struct thermo_reading: state has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_reading, place) == 16, "struct thermo_reading: place has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_reading *)0)->place) == 16, "struct thermo_reading: place has changed, run kup bind");
_Static_assert(sizeof(struct thermo_refused) == 4, "struct thermo_refused has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_refused, type) == 0, "struct thermo_refused: type has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_refused *)0)->type) == 4, "struct thermo_refused: type has changed, run kup bind");
_Static_assert((__typeof__(((struct thermo_refused *)0)->type))-1 > 0 && (__typeof__(((struct thermo_refused *)0)->type))0.5 == 0, "struct thermo_refused: type has changed, run kup bind");
_Static_assert(sizeof(struct thermo_limits) == 28, "struct thermo_limits has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_limits, least) == 0, "struct thermo_limits: least has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_limits *)0)->least) == 4, "struct thermo_limits: least has changed, run kup bind");
_Static_assert((__typeof__(((struct thermo_limits *)0)->least))-1 < 0 && (__typeof__(((struct thermo_limits *)0)->least))0.5 == 0, "struct thermo_limits: least has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_limits, most) == 4, "struct thermo_limits: most has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_limits *)0)->most) == 4, "struct thermo_limits: most has changed, run kup bind");
_Static_assert((__typeof__(((struct thermo_limits *)0)->most))-1 < 0 && (__typeof__(((struct thermo_limits *)0)->most))0.5 == 0, "struct thermo_limits: most has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_limits, place) == 8, "struct thermo_limits: place has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_limits *)0)->place) == 16, "struct thermo_limits: place has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_limits, strict) == 24, "struct thermo_limits: strict has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_limits *)0)->strict) == 1, "struct thermo_limits: strict has changed, run kup bind");
_Static_assert((__typeof__(((struct thermo_limits *)0)->strict))2 == 1, "struct thermo_limits: strict has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_limits, pad) == 25, "struct thermo_limits: pad has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_limits *)0)->pad) == 3, "struct thermo_limits: pad has changed, run kup bind");
_Static_assert((__typeof__(((struct thermo_limits *)0)->pad[0]))-1 > 0 && (__typeof__(((struct thermo_limits *)0)->pad[0]))0.5 == 0, "struct thermo_limits: pad has changed, run kup bind");
_Static_assert(sizeof(struct thermo_ask) == 4, "struct thermo_ask has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct thermo_ask, count) == 0, "struct thermo_ask: count has changed, run kup bind");
_Static_assert(sizeof(((struct thermo_ask *)0)->count) == 4, "struct thermo_ask: count has changed, run kup bind");
_Static_assert((__typeof__(((struct thermo_ask *)0)->count))-1 > 0 && (__typeof__(((struct thermo_ask *)0)->count))0.5 == 0, "struct thermo_ask: count has changed, run kup bind");

/* The payload of a struct thermo_reading. 0, or -EINVAL. */
static inline int check_thermo_reading(const void *data, unsigned long length)
{
	const struct {
		struct thermo_reading is;
	} __attribute__((packed)) *record = data; /* it may be anywhere */
	unsigned long i0;

	if (length != 32)
		return -22;
	if ((unsigned long long)record->is.state > 2ull)
		return -22;
	for (i0 = 0; i0 < 16 && record->is.place[i0]; i0++)
		;
	if (i0 == 16) /* there is no NUL */
		return -22;
	return 0;
}

/* The payload of a struct thermo_refused. 0, or -EINVAL. */
static inline int check_thermo_refused(const void *data, unsigned long length)
{

	if (length != 4)
		return -22;
	(void)data;
	return 0;
}

/* The payload of a struct thermo_limits. 0, or -EINVAL. */
static inline int check_thermo_limits(const void *data, unsigned long length)
{
	const struct {
		struct thermo_limits is;
	} __attribute__((packed)) *record = data; /* it may be anywhere */
	unsigned long i0;

	if (length != 28)
		return -22;
	for (i0 = 0; i0 < 16 && record->is.place[i0]; i0++)
		;
	if (i0 == 16) /* there is no NUL */
		return -22;
	if (*(const unsigned char *)&record->is.strict > 1)
		return -22;
	for (i0 = 0; i0 < 3; i0++) {
		if (record->is.pad[i0] != 0)
			return -22;
	}
	return 0;
}

/* The payload of a struct thermo_ask. 0, or -EINVAL. */
static inline int check_thermo_ask(const void *data, unsigned long length)
{

	if (length != 4)
		return -22;
	(void)data;
	return 0;
}

/* A record that the user sends: the member with the name of its struct. */
union messages_from_user {
	struct thermo_limits thermo_limits;
	struct thermo_ask thermo_ask;
};

/*
 * Checks a record: its type, its length, and each field. The data must be a copy, which the user
 * can't change after the check. 0, or -EINVAL.
 */
static inline int messages_check(unsigned int type, const void *data, unsigned long length)
{
	switch (type) {
	case THERMO_LIMITS:
		return check_thermo_limits(data, length);
	case THERMO_ASK:
		return check_thermo_ask(data, length);
	default:
		return -22;
	}
}

/*
 * Copies a record that lies in the ring, where the user can change it at any moment, and checks the
 * copy. 0, or -EINVAL; then the copy must not be used.
 */
static inline int messages_take(unsigned int type, const void *data, unsigned long length,
			       union messages_from_user *copy)
{
	if (length > sizeof(*copy))
		return -22;
	__builtin_memcpy(copy, data, length);
	return messages_check(type, copy, length);
}

#endif
