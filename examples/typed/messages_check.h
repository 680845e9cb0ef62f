/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Generated from messages.h by `kup bind messages.h`. Do not edit. */
/* clang-format off */
#ifndef MESSAGES_CHECK_H
#define MESSAGES_CHECK_H

#include "messages.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error the messages are little-endian, as all machines that KUP runs on
#endif

#define KUP_BIND_SAME(test, what) _Static_assert(test, what " has changed: run kup bind")
#define KUP_BIND_SIZE(type, bytes) KUP_BIND_SAME(sizeof(type) == (bytes), #type)
#define KUP_BIND_FIELD(type, field, at, bytes)                                                     \
	KUP_BIND_SAME(__builtin_offsetof(type, field) == (at) &&                                   \
			      sizeof(((type *)0)->field) == (bytes),                               \
		      #type ", " #field)
#define KUP_BIND_CAST(type, field, value) ((__typeof__(((type *)0)->field))(value))
#define KUP_BIND_SIGNED(type, field)                                                               \
	KUP_BIND_SAME(KUP_BIND_CAST(type, field, -1) < 0 && !KUP_BIND_CAST(type, field, 0.5),      \
		      #type ", " #field)
#define KUP_BIND_UNSIGNED(type, field)                                                             \
	KUP_BIND_SAME(KUP_BIND_CAST(type, field, -1) > 0 && !KUP_BIND_CAST(type, field, 0.5),      \
		      #type ", " #field)
#define KUP_BIND_FLOAT(type, field)                                                                \
	KUP_BIND_SAME(KUP_BIND_CAST(type, field, 0.5) < 1 && KUP_BIND_CAST(type, field, 0.5) > 0,  \
		      #type ", " #field)
#define KUP_BIND_BOOL(type, field)                                                                 \
	KUP_BIND_SAME(KUP_BIND_CAST(type, field, 2) == 1, #type ", " #field)

KUP_BIND_SAME((unsigned long long)(THERMO_MOST_READINGS) == 100ull, "THERMO_MOST_READINGS");
KUP_BIND_SAME((unsigned long long)(THERMO_READING) == 1ull, "THERMO_READING");
KUP_BIND_SAME((unsigned long long)(THERMO_REFUSED) == 2ull, "THERMO_REFUSED");
KUP_BIND_SAME((unsigned long long)(THERMO_LIMITS) == 16ull, "THERMO_LIMITS");
KUP_BIND_SAME((unsigned long long)(THERMO_ASK) == 17ull, "THERMO_ASK");
KUP_BIND_SAME((unsigned long long)(THERMO_COLD) == 0ull, "THERMO_COLD");
KUP_BIND_SAME((unsigned long long)(THERMO_GOOD) == 1ull, "THERMO_GOOD");
KUP_BIND_SAME((unsigned long long)(THERMO_HOT) == 2ull, "THERMO_HOT");
KUP_BIND_SIZE(struct thermo_reading, 32);
KUP_BIND_FIELD(struct thermo_reading, time_ns, 0, 8);
KUP_BIND_UNSIGNED(struct thermo_reading, time_ns);
KUP_BIND_FIELD(struct thermo_reading, millidegrees, 8, 4);
KUP_BIND_SIGNED(struct thermo_reading, millidegrees);
KUP_BIND_FIELD(struct thermo_reading, state, 12, 4);
KUP_BIND_FIELD(struct thermo_reading, place, 16, 16);
KUP_BIND_SIZE(struct thermo_refused, 4);
KUP_BIND_FIELD(struct thermo_refused, type, 0, 4);
KUP_BIND_UNSIGNED(struct thermo_refused, type);
KUP_BIND_SIZE(struct thermo_limits, 28);
KUP_BIND_FIELD(struct thermo_limits, least, 0, 4);
KUP_BIND_SIGNED(struct thermo_limits, least);
KUP_BIND_FIELD(struct thermo_limits, most, 4, 4);
KUP_BIND_SIGNED(struct thermo_limits, most);
KUP_BIND_FIELD(struct thermo_limits, place, 8, 16);
KUP_BIND_FIELD(struct thermo_limits, strict, 24, 1);
KUP_BIND_BOOL(struct thermo_limits, strict);
KUP_BIND_FIELD(struct thermo_limits, pad, 25, 3);
KUP_BIND_UNSIGNED(struct thermo_limits, pad[0]);
KUP_BIND_SIZE(struct thermo_ask, 4);
KUP_BIND_FIELD(struct thermo_ask, count, 0, 4);
KUP_BIND_UNSIGNED(struct thermo_ask, count);
#undef KUP_BIND_SAME
#undef KUP_BIND_SIZE
#undef KUP_BIND_FIELD
#undef KUP_BIND_CAST
#undef KUP_BIND_SIGNED
#undef KUP_BIND_UNSIGNED
#undef KUP_BIND_FLOAT
#undef KUP_BIND_BOOL

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
