/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Generated from every.h by `kup bind every.h`. Do not edit. */
/* clang-format off */
#ifndef EVERY_CHECK_H
#define EVERY_CHECK_H

#include "every.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the messages are little-endian");
_Static_assert((unsigned long long)(EVERY_MANY) == 5ull, "EVERY_MANY has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_LARGE) == 20015998343868ull, "EVERY_LARGE has changed, run kup bind");
_Static_assert((long long)(EVERY_MINUS) == -2ll - 1, "EVERY_MINUS has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_SUM) == 2ull, "EVERY_SUM has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_FIELD) == 1ull, "EVERY_FIELD has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_ORDER) == 16ull, "EVERY_ORDER has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_STOP) == 17ull, "EVERY_STOP has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_ECHO) == 32ull, "EVERY_ECHO has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_OFF) == 0ull, "EVERY_OFF has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_ON) == 1ull, "EVERY_ON has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_AUTO) == 7ull, "EVERY_AUTO has changed, run kup bind");
_Static_assert((long long)(EVERY_NEGATIVE) == -0ll - 1, "EVERY_NEGATIVE has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_ZERO) == 0ull, "EVERY_ZERO has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_POSITIVE) == 1ull, "EVERY_POSITIVE has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_TAG_NONE) == 0ull, "EVERY_TAG_NONE has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_TAG_NUMBER) == 1ull, "EVERY_TAG_NUMBER has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_TAG_POINT) == 2ull, "EVERY_TAG_POINT has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_KIND_LONG_NUMBER) == 1ull, "EVERY_KIND_LONG_NUMBER has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_KIND_SPOT) == 2ull, "EVERY_KIND_SPOT has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_RED) == 1ull, "EVERY_RED has changed, run kup bind");
_Static_assert((unsigned long long)(EVERY_BLUE) == 200ull, "EVERY_BLUE has changed, run kup bind");
_Static_assert(sizeof(every_point_t) == 4, "every_point_t has changed, run kup bind");
_Static_assert(__builtin_offsetof(every_point_t, x) == 0, "every_point_t: x has changed, run kup bind");
_Static_assert(sizeof(((every_point_t *)0)->x) == 2, "every_point_t: x has changed, run kup bind");
_Static_assert((__typeof__(((every_point_t *)0)->x))-1 < 0 && (__typeof__(((every_point_t *)0)->x))0.5 == 0, "every_point_t: x has changed, run kup bind");
_Static_assert(__builtin_offsetof(every_point_t, y) == 2, "every_point_t: y has changed, run kup bind");
_Static_assert(sizeof(((every_point_t *)0)->y) == 2, "every_point_t: y has changed, run kup bind");
_Static_assert((__typeof__(((every_point_t *)0)->y))-1 < 0 && (__typeof__(((every_point_t *)0)->y))0.5 == 0, "every_point_t: y has changed, run kup bind");
_Static_assert(sizeof(struct every_field) == 200, "struct every_field has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, u8) == 0, "struct every_field: u8 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->u8) == 1, "struct every_field: u8 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->u8))-1 > 0 && (__typeof__(((struct every_field *)0)->u8))0.5 == 0, "struct every_field: u8 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, i8) == 1, "struct every_field: i8 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->i8) == 1, "struct every_field: i8 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->i8))-1 < 0 && (__typeof__(((struct every_field *)0)->i8))0.5 == 0, "struct every_field: i8 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, u16) == 2, "struct every_field: u16 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->u16) == 2, "struct every_field: u16 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->u16))-1 > 0 && (__typeof__(((struct every_field *)0)->u16))0.5 == 0, "struct every_field: u16 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, i16) == 4, "struct every_field: i16 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->i16) == 2, "struct every_field: i16 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->i16))-1 < 0 && (__typeof__(((struct every_field *)0)->i16))0.5 == 0, "struct every_field: i16 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, u32) == 8, "struct every_field: u32 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->u32) == 4, "struct every_field: u32 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->u32))-1 > 0 && (__typeof__(((struct every_field *)0)->u32))0.5 == 0, "struct every_field: u32 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, i32) == 12, "struct every_field: i32 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->i32) == 4, "struct every_field: i32 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->i32))-1 < 0 && (__typeof__(((struct every_field *)0)->i32))0.5 == 0, "struct every_field: i32 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, u64) == 16, "struct every_field: u64 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->u64) == 8, "struct every_field: u64 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->u64))-1 > 0 && (__typeof__(((struct every_field *)0)->u64))0.5 == 0, "struct every_field: u64 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, i64) == 24, "struct every_field: i64 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->i64) == 8, "struct every_field: i64 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->i64))-1 < 0 && (__typeof__(((struct every_field *)0)->i64))0.5 == 0, "struct every_field: i64 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, f32) == 32, "struct every_field: f32 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->f32) == 4, "struct every_field: f32 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->f32))0.5 != 0, "struct every_field: f32 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, f64) == 40, "struct every_field: f64 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->f64) == 8, "struct every_field: f64 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->f64))0.5 != 0, "struct every_field: f64 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, flag) == 48, "struct every_field: flag has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->flag) == 1, "struct every_field: flag has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->flag))2 == 1, "struct every_field: flag has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, mode) == 52, "struct every_field: mode has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->mode) == 4, "struct every_field: mode has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, sign) == 56, "struct every_field: sign has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->sign) == 4, "struct every_field: sign has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, small) == 60, "struct every_field: small has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->small) == 1, "struct every_field: small has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, name) == 61, "struct every_field: name has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->name) == 16, "struct every_field: name has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, be16) == 78, "struct every_field: be16 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->be16) == 2, "struct every_field: be16 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->be16))-1 > 0 && (__typeof__(((struct every_field *)0)->be16))0.5 == 0, "struct every_field: be16 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, be32) == 80, "struct every_field: be32 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->be32) == 4, "struct every_field: be32 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->be32))-1 > 0 && (__typeof__(((struct every_field *)0)->be32))0.5 == 0, "struct every_field: be32 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, be64) == 88, "struct every_field: be64 has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->be64) == 8, "struct every_field: be64 has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->be64))-1 > 0 && (__typeof__(((struct every_field *)0)->be64))0.5 == 0, "struct every_field: be64 has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, point) == 96, "struct every_field: point has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->point) == 4, "struct every_field: point has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, points) == 100, "struct every_field: points has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->points) == 12, "struct every_field: points has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, matrix) == 112, "struct every_field: matrix has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->matrix) == 24, "struct every_field: matrix has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->matrix[0][0]))-1 > 0 && (__typeof__(((struct every_field *)0)->matrix[0][0]))0.5 == 0, "struct every_field: matrix has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, names) == 136, "struct every_field: names has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->names) == 16, "struct every_field: names has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, large) == 152, "struct every_field: large has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->large) == 16, "struct every_field: large has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->large[0]))-1 < 0 && (__typeof__(((struct every_field *)0)->large[0]))0.5 == 0, "struct every_field: large has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, unnamed) == 168, "struct every_field: unnamed has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->unnamed) == 8, "struct every_field: unnamed has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, unnamed.inner) == 168, "struct every_field: unnamed.inner has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->unnamed.inner) == 4, "struct every_field: unnamed.inner has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->unnamed.inner))-1 > 0 && (__typeof__(((struct every_field *)0)->unnamed.inner))0.5 == 0, "struct every_field: unnamed.inner has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, unnamed.more) == 172, "struct every_field: unnamed.more has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->unnamed.more) == 1, "struct every_field: unnamed.more has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, unnamed.more.deep) == 172, "struct every_field: unnamed.more.deep has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->unnamed.more.deep) == 1, "struct every_field: unnamed.more.deep has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->unnamed.more.deep))-1 > 0 && (__typeof__(((struct every_field *)0)->unnamed.more.deep))0.5 == 0, "struct every_field: unnamed.more.deep has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, flat) == 176, "struct every_field: flat has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->flat) == 4, "struct every_field: flat has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->flat))-1 > 0 && (__typeof__(((struct every_field *)0)->flat))0.5 == 0, "struct every_field: flat has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, tag) == 180, "struct every_field: tag has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->tag) == 4, "struct every_field: tag has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, value) == 184, "struct every_field: value has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->value) == 4, "struct every_field: value has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, value.number) == 184, "struct every_field: value.number has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->value.number) == 4, "struct every_field: value.number has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->value.number))-1 > 0 && (__typeof__(((struct every_field *)0)->value.number))0.5 == 0, "struct every_field: value.number has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, value.point) == 184, "struct every_field: value.point has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->value.point) == 4, "struct every_field: value.point has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, kind) == 188, "struct every_field: kind has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->kind) == 4, "struct every_field: kind has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, long_number) == 192, "struct every_field: long_number has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->long_number) == 8, "struct every_field: long_number has changed, run kup bind");
_Static_assert((__typeof__(((struct every_field *)0)->long_number))-1 > 0 && (__typeof__(((struct every_field *)0)->long_number))0.5 == 0, "struct every_field: long_number has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_field, spot) == 192, "struct every_field: spot has changed, run kup bind");
_Static_assert(sizeof(((struct every_field *)0)->spot) == 4, "struct every_field: spot has changed, run kup bind");
_Static_assert(sizeof(struct every_order) == 32, "struct every_order has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, mode) == 0, "struct every_order: mode has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->mode) == 4, "struct every_order: mode has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, sign) == 4, "struct every_order: sign has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->sign) == 4, "struct every_order: sign has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, small) == 8, "struct every_order: small has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->small) == 1, "struct every_order: small has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, on) == 9, "struct every_order: on has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->on) == 1, "struct every_order: on has changed, run kup bind");
_Static_assert((__typeof__(((struct every_order *)0)->on))2 == 1, "struct every_order: on has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, name) == 10, "struct every_order: name has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->name) == 6, "struct every_order: name has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, flags) == 16, "struct every_order: flags has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->flags) == 4, "struct every_order: flags has changed, run kup bind");
_Static_assert((__typeof__(((struct every_order *)0)->flags[0][0]))2 == 1, "struct every_order: flags has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, pad) == 20, "struct every_order: pad has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->pad) == 4, "struct every_order: pad has changed, run kup bind");
_Static_assert((__typeof__(((struct every_order *)0)->pad[0]))-1 > 0 && (__typeof__(((struct every_order *)0)->pad[0]))0.5 == 0, "struct every_order: pad has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, tag) == 24, "struct every_order: tag has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->tag) == 4, "struct every_order: tag has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, value) == 28, "struct every_order: value has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->value) == 4, "struct every_order: value has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, value.number) == 28, "struct every_order: value.number has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->value.number) == 4, "struct every_order: value.number has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_order, value.point) == 28, "struct every_order: value.point has changed, run kup bind");
_Static_assert(sizeof(((struct every_order *)0)->value.point) == 4, "struct every_order: value.point has changed, run kup bind");
_Static_assert(sizeof(struct every_stop) == 0, "struct every_stop has changed, run kup bind");
_Static_assert(sizeof(struct every_raw) == 24, "struct every_raw has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_raw, source) == 0, "struct every_raw: source has changed, run kup bind");
_Static_assert(sizeof(((struct every_raw *)0)->source) == 4, "struct every_raw: source has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_raw, view) == 4, "struct every_raw: view has changed, run kup bind");
_Static_assert(sizeof(((struct every_raw *)0)->view) == 4, "struct every_raw: view has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_raw, bytes) == 8, "struct every_raw: bytes has changed, run kup bind");
_Static_assert(sizeof(((struct every_raw *)0)->bytes) == 4, "struct every_raw: bytes has changed, run kup bind");
_Static_assert((__typeof__(((struct every_raw *)0)->bytes[0]))-1 > 0 && (__typeof__(((struct every_raw *)0)->bytes[0]))0.5 == 0, "struct every_raw: bytes has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_raw, nothing) == 12, "struct every_raw: nothing has changed, run kup bind");
_Static_assert(sizeof(((struct every_raw *)0)->nothing) == 4, "struct every_raw: nothing has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_raw, nothing[0].pad) == 12, "struct every_raw: nothing[0].pad has changed, run kup bind");
_Static_assert(sizeof(((struct every_raw *)0)->nothing[0].pad) == 2, "struct every_raw: nothing[0].pad has changed, run kup bind");
_Static_assert((__typeof__(((struct every_raw *)0)->nothing[0].pad[0]))-1 > 0 && (__typeof__(((struct every_raw *)0)->nothing[0].pad[0]))0.5 == 0, "struct every_raw: nothing[0].pad has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_raw, points) == 16, "struct every_raw: points has changed, run kup bind");
_Static_assert(sizeof(((struct every_raw *)0)->points) == 8, "struct every_raw: points has changed, run kup bind");
_Static_assert(sizeof(struct every_echo) == 10, "struct every_echo has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_echo, id) == 0, "struct every_echo: id has changed, run kup bind");
_Static_assert(sizeof(((struct every_echo *)0)->id) == 8, "struct every_echo: id has changed, run kup bind");
_Static_assert((__typeof__(((struct every_echo *)0)->id))-1 > 0 && (__typeof__(((struct every_echo *)0)->id))0.5 == 0, "struct every_echo: id has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_echo, reserved) == 8, "struct every_echo: reserved has changed, run kup bind");
_Static_assert(sizeof(((struct every_echo *)0)->reserved) == 1, "struct every_echo: reserved has changed, run kup bind");
_Static_assert((__typeof__(((struct every_echo *)0)->reserved))-1 > 0 && (__typeof__(((struct every_echo *)0)->reserved))0.5 == 0, "struct every_echo: reserved has changed, run kup bind");
_Static_assert(__builtin_offsetof(struct every_echo, last) == 9, "struct every_echo: last has changed, run kup bind");
_Static_assert(sizeof(((struct every_echo *)0)->last) == 1, "struct every_echo: last has changed, run kup bind");
_Static_assert((__typeof__(((struct every_echo *)0)->last))-1 > 0 && (__typeof__(((struct every_echo *)0)->last))0.5 == 0, "struct every_echo: last has changed, run kup bind");

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
