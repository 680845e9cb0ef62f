/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Generated from every.h by `kup bind every.h`. Do not edit. */
/* clang-format off */
#ifndef EVERY_CHECK_H
#define EVERY_CHECK_H

#include "every.h"

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

KUP_BIND_SAME((unsigned long long)(EVERY_MANY) == 5ull, "EVERY_MANY");
KUP_BIND_SAME((unsigned long long)(EVERY_LARGE) == 20015998343868ull, "EVERY_LARGE");
KUP_BIND_SAME((long long)(EVERY_MINUS) == -2ll - 1, "EVERY_MINUS");
KUP_BIND_SAME((unsigned long long)(EVERY_SUM) == 2ull, "EVERY_SUM");
KUP_BIND_SAME((unsigned long long)(EVERY_FIELD) == 1ull, "EVERY_FIELD");
KUP_BIND_SAME((unsigned long long)(EVERY_ORDER) == 16ull, "EVERY_ORDER");
KUP_BIND_SAME((unsigned long long)(EVERY_STOP) == 17ull, "EVERY_STOP");
KUP_BIND_SAME((unsigned long long)(EVERY_ECHO) == 32ull, "EVERY_ECHO");
KUP_BIND_SAME((unsigned long long)(EVERY_OFF) == 0ull, "EVERY_OFF");
KUP_BIND_SAME((unsigned long long)(EVERY_ON) == 1ull, "EVERY_ON");
KUP_BIND_SAME((unsigned long long)(EVERY_AUTO) == 7ull, "EVERY_AUTO");
KUP_BIND_SAME((long long)(EVERY_NEGATIVE) == -0ll - 1, "EVERY_NEGATIVE");
KUP_BIND_SAME((unsigned long long)(EVERY_ZERO) == 0ull, "EVERY_ZERO");
KUP_BIND_SAME((unsigned long long)(EVERY_POSITIVE) == 1ull, "EVERY_POSITIVE");
KUP_BIND_SAME((unsigned long long)(EVERY_TAG_NONE) == 0ull, "EVERY_TAG_NONE");
KUP_BIND_SAME((unsigned long long)(EVERY_TAG_NUMBER) == 1ull, "EVERY_TAG_NUMBER");
KUP_BIND_SAME((unsigned long long)(EVERY_TAG_POINT) == 2ull, "EVERY_TAG_POINT");
KUP_BIND_SAME((unsigned long long)(EVERY_KIND_LONG_NUMBER) == 1ull, "EVERY_KIND_LONG_NUMBER");
KUP_BIND_SAME((unsigned long long)(EVERY_KIND_SPOT) == 2ull, "EVERY_KIND_SPOT");
KUP_BIND_SAME((unsigned long long)(EVERY_RED) == 1ull, "EVERY_RED");
KUP_BIND_SAME((unsigned long long)(EVERY_BLUE) == 200ull, "EVERY_BLUE");
KUP_BIND_SIZE(every_point_t, 4);
KUP_BIND_FIELD(every_point_t, x, 0, 2);
KUP_BIND_SIGNED(every_point_t, x);
KUP_BIND_FIELD(every_point_t, y, 2, 2);
KUP_BIND_SIGNED(every_point_t, y);
KUP_BIND_SIZE(struct every_field, 200);
KUP_BIND_FIELD(struct every_field, u8, 0, 1);
KUP_BIND_UNSIGNED(struct every_field, u8);
KUP_BIND_FIELD(struct every_field, i8, 1, 1);
KUP_BIND_SIGNED(struct every_field, i8);
KUP_BIND_FIELD(struct every_field, u16, 2, 2);
KUP_BIND_UNSIGNED(struct every_field, u16);
KUP_BIND_FIELD(struct every_field, i16, 4, 2);
KUP_BIND_SIGNED(struct every_field, i16);
KUP_BIND_FIELD(struct every_field, u32, 8, 4);
KUP_BIND_UNSIGNED(struct every_field, u32);
KUP_BIND_FIELD(struct every_field, i32, 12, 4);
KUP_BIND_SIGNED(struct every_field, i32);
KUP_BIND_FIELD(struct every_field, u64, 16, 8);
KUP_BIND_UNSIGNED(struct every_field, u64);
KUP_BIND_FIELD(struct every_field, i64, 24, 8);
KUP_BIND_SIGNED(struct every_field, i64);
KUP_BIND_FIELD(struct every_field, f32, 32, 4);
KUP_BIND_FLOAT(struct every_field, f32);
KUP_BIND_FIELD(struct every_field, f64, 40, 8);
KUP_BIND_FLOAT(struct every_field, f64);
KUP_BIND_FIELD(struct every_field, flag, 48, 1);
KUP_BIND_BOOL(struct every_field, flag);
KUP_BIND_FIELD(struct every_field, mode, 52, 4);
KUP_BIND_FIELD(struct every_field, sign, 56, 4);
KUP_BIND_FIELD(struct every_field, small, 60, 1);
KUP_BIND_FIELD(struct every_field, name, 61, 16);
KUP_BIND_FIELD(struct every_field, be16, 78, 2);
KUP_BIND_UNSIGNED(struct every_field, be16);
KUP_BIND_FIELD(struct every_field, be32, 80, 4);
KUP_BIND_UNSIGNED(struct every_field, be32);
KUP_BIND_FIELD(struct every_field, be64, 88, 8);
KUP_BIND_UNSIGNED(struct every_field, be64);
KUP_BIND_FIELD(struct every_field, point, 96, 4);
KUP_BIND_FIELD(struct every_field, points, 100, 12);
KUP_BIND_FIELD(struct every_field, matrix, 112, 24);
KUP_BIND_UNSIGNED(struct every_field, matrix[0][0]);
KUP_BIND_FIELD(struct every_field, names, 136, 16);
KUP_BIND_FIELD(struct every_field, large, 152, 16);
KUP_BIND_SIGNED(struct every_field, large[0]);
KUP_BIND_FIELD(struct every_field, unnamed, 168, 8);
KUP_BIND_FIELD(struct every_field, unnamed.inner, 168, 4);
KUP_BIND_UNSIGNED(struct every_field, unnamed.inner);
KUP_BIND_FIELD(struct every_field, unnamed.more, 172, 1);
KUP_BIND_FIELD(struct every_field, unnamed.more.deep, 172, 1);
KUP_BIND_UNSIGNED(struct every_field, unnamed.more.deep);
KUP_BIND_FIELD(struct every_field, flat, 176, 4);
KUP_BIND_UNSIGNED(struct every_field, flat);
KUP_BIND_FIELD(struct every_field, tag, 180, 4);
KUP_BIND_FIELD(struct every_field, value, 184, 4);
KUP_BIND_FIELD(struct every_field, value.number, 184, 4);
KUP_BIND_UNSIGNED(struct every_field, value.number);
KUP_BIND_FIELD(struct every_field, value.point, 184, 4);
KUP_BIND_FIELD(struct every_field, kind, 188, 4);
KUP_BIND_FIELD(struct every_field, long_number, 192, 8);
KUP_BIND_UNSIGNED(struct every_field, long_number);
KUP_BIND_FIELD(struct every_field, spot, 192, 4);
KUP_BIND_SIZE(struct every_order, 32);
KUP_BIND_FIELD(struct every_order, mode, 0, 4);
KUP_BIND_FIELD(struct every_order, sign, 4, 4);
KUP_BIND_FIELD(struct every_order, small, 8, 1);
KUP_BIND_FIELD(struct every_order, on, 9, 1);
KUP_BIND_BOOL(struct every_order, on);
KUP_BIND_FIELD(struct every_order, name, 10, 6);
KUP_BIND_FIELD(struct every_order, flags, 16, 4);
KUP_BIND_BOOL(struct every_order, flags[0][0]);
KUP_BIND_FIELD(struct every_order, pad, 20, 4);
KUP_BIND_UNSIGNED(struct every_order, pad[0]);
KUP_BIND_FIELD(struct every_order, tag, 24, 4);
KUP_BIND_FIELD(struct every_order, value, 28, 4);
KUP_BIND_FIELD(struct every_order, value.number, 28, 4);
KUP_BIND_FIELD(struct every_order, value.point, 28, 4);
KUP_BIND_SIZE(struct every_stop, 0);
KUP_BIND_SIZE(struct every_raw, 24);
KUP_BIND_FIELD(struct every_raw, source, 0, 4);
KUP_BIND_FIELD(struct every_raw, view, 4, 4);
KUP_BIND_FIELD(struct every_raw, bytes, 8, 4);
KUP_BIND_UNSIGNED(struct every_raw, bytes[0]);
KUP_BIND_FIELD(struct every_raw, nothing, 12, 4);
KUP_BIND_FIELD(struct every_raw, nothing[0].pad, 12, 2);
KUP_BIND_UNSIGNED(struct every_raw, nothing[0].pad[0]);
KUP_BIND_FIELD(struct every_raw, points, 16, 8);
KUP_BIND_SIZE(struct every_echo, 10);
KUP_BIND_FIELD(struct every_echo, id, 0, 8);
KUP_BIND_UNSIGNED(struct every_echo, id);
KUP_BIND_FIELD(struct every_echo, reserved, 8, 1);
KUP_BIND_UNSIGNED(struct every_echo, reserved);
KUP_BIND_FIELD(struct every_echo, last, 9, 1);
KUP_BIND_UNSIGNED(struct every_echo, last);
#undef KUP_BIND_SAME
#undef KUP_BIND_SIZE
#undef KUP_BIND_FIELD
#undef KUP_BIND_CAST
#undef KUP_BIND_SIGNED
#undef KUP_BIND_UNSIGNED
#undef KUP_BIND_FLOAT
#undef KUP_BIND_BOOL

/* The payload of a every_point_t. 0, or -EINVAL. */
static inline int check_every_point_t(const void *data, unsigned long length)
{

	if (length != 4)
		return -22;
	(void)data;
	return 0;
}

/* The payload of a struct every_field. 0, or -EINVAL. */
static inline int check_every_field(const void *data, unsigned long length)
{
	const struct {
		struct every_field is;
	} __attribute__((packed)) *record = data; /* it may be anywhere */
	unsigned long i0, i1;

	if (length != 200)
		return -22;
	if (*(const unsigned char *)&record->is.flag > 1)
		return -22;
	if ((unsigned long long)record->is.mode > 1ull && (unsigned long long)record->is.mode != 7ull)
		return -22;
	if (((long long)record->is.sign < (-0ll - 1) || (long long)record->is.sign > 1ll))
		return -22;
	if ((unsigned long long)record->is.small != 1ull && (unsigned long long)record->is.small != 200ull)
		return -22;
	for (i0 = 0; i0 < 16 && record->is.name[i0]; i0++)
		;
	if (i0 == 16) /* there is no NUL */
		return -22;
	for (i0 = 0; i0 < 2; i0++) {
		for (i1 = 0; i1 < 8 && record->is.names[i0][i1]; i1++)
			;
		if (i1 == 8) /* there is no NUL */
			return -22;
	}
	if ((unsigned long long)record->is.tag > 2ull)
		return -22;
	if (((unsigned long long)record->is.kind < 1ull || (unsigned long long)record->is.kind > 2ull))
		return -22;
	return 0;
}

/* The payload of a struct every_order. 0, or -EINVAL. */
static inline int check_every_order(const void *data, unsigned long length)
{
	const struct {
		struct every_order is;
	} __attribute__((packed)) *record = data; /* it may be anywhere */
	unsigned long i0, i1;

	if (length != 32)
		return -22;
	if ((unsigned long long)record->is.mode > 1ull && (unsigned long long)record->is.mode != 7ull)
		return -22;
	if (((long long)record->is.sign < (-0ll - 1) || (long long)record->is.sign > 1ll))
		return -22;
	if ((unsigned long long)record->is.small != 1ull && (unsigned long long)record->is.small != 200ull)
		return -22;
	if (*(const unsigned char *)&record->is.on > 1)
		return -22;
	for (i0 = 0; i0 < 6 && record->is.name[i0]; i0++)
		;
	if (i0 == 6) /* there is no NUL */
		return -22;
	for (i0 = 0; i0 < 2; i0++) {
		for (i1 = 0; i1 < 2; i1++) {
			if (*(const unsigned char *)&record->is.flags[i0][i1] > 1)
				return -22;
		}
	}
	for (i0 = 0; i0 < 4; i0++) {
		if (record->is.pad[i0] != 0)
			return -22;
	}
	if ((unsigned long long)record->is.tag > 2ull)
		return -22;
	switch (record->is.tag) {
	case EVERY_TAG_NUMBER:
		if ((unsigned long long)record->is.value.number > 1ull && (unsigned long long)record->is.value.number != 7ull)
			return -22;
		break;
	default:
		break;
	}
	return 0;
}

/* The payload of a struct every_stop. 0, or -EINVAL. */
static inline int check_every_stop(const void *data, unsigned long length)
{

	if (length != 0)
		return -22;
	(void)data;
	return 0;
}

/* The payload of a struct every_raw. 0, or -EINVAL. */
static inline int check_every_raw(const void *data, unsigned long length)
{
	const struct {
		struct every_raw is;
	} __attribute__((packed)) *record = data; /* it may be anywhere */
	unsigned long i0, i1;

	if (length != 24)
		return -22;
	for (i0 = 0; i0 < 2; i0++) {
		for (i1 = 0; i1 < 2; i1++) {
			if (record->is.nothing[i0].pad[i1] != 0)
				return -22;
		}
	}
	return 0;
}

/* The payload of a struct every_echo. 0, or -EINVAL. */
static inline int check_every_echo(const void *data, unsigned long length)
{
	const struct {
		struct every_echo is;
	} __attribute__((packed)) *record = data; /* it may be anywhere */

	if (length != 10)
		return -22;
	if (record->is.reserved != 0)
		return -22;
	return 0;
}

/* A record that the user sends: the member with the name of its struct. */
union every_from_user {
	struct every_order every_order;
	struct every_stop every_stop;
	struct every_echo every_echo;
};

/*
 * Checks a record: its type, its length, and each field. The data must be a copy, which the user
 * can't change after the check. 0, or -EINVAL.
 */
static inline int every_check(unsigned int type, const void *data, unsigned long length)
{
	switch (type) {
	case EVERY_ORDER:
		return check_every_order(data, length);
	case EVERY_STOP:
		return check_every_stop(data, length);
	case EVERY_ECHO:
		return check_every_echo(data, length);
	default:
		return -22;
	}
}

/*
 * Copies a record that lies in the ring, where the user can change it at any moment, and checks the
 * copy. 0, or -EINVAL; then the copy must not be used.
 */
static inline int every_take(unsigned int type, const void *data, unsigned long length,
			       union every_from_user *copy)
{
	if (length > sizeof(*copy))
		return -22;
	__builtin_memcpy(copy, data, length);
	return every_check(type, copy, length);
}

#endif
