/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* C's side of the round trips: fills a struct, and compares one. Each name is in bind_test.ts. */
#include <string.h>

#include "every_check.h"

static unsigned int swapped(unsigned int value)
{
	return __builtin_bswap32(value);
}

void every_fill(struct every_field *field)
{
	memset(field, 0, sizeof(*field));
	field->u8 = 200;
	field->i8 = -100;
	field->u16 = 60000;
	field->i16 = -30000;
	field->u32 = 4000000000u;
	field->i32 = -2000000000;
	field->u64 = 0xfedcba9876543210ull;
	field->i64 = -9007199254740991ll;
	field->f32 = 1.5f;
	field->f64 = -0.1;
	field->flag = 1;
	field->mode = EVERY_AUTO;
	field->sign = EVERY_NEGATIVE;
	field->small = EVERY_BLUE;
	strcpy(field->name, "gr\xc3\xbc\xc3\x9f");
	field->be16 = __builtin_bswap16(0xabcd);
	field->be32 = swapped(0x89abcdefu);
	field->be64 = __builtin_bswap64(0x0123456789abcdefull);
	field->point.x = -1;
	field->point.y = 2;
	for (int i = 0; i < 3; i++)
		field->points[i].y = (short)(10 + i);
	for (int i = 0; i < 6; i++)
		field->matrix[i / 3][i % 3] = (unsigned int)i;
	strcpy(field->names[0], "one");
	strcpy(field->names[1], "seven77");
	field->large[1] = -5;
	field->unnamed.inner = 6;
	field->unnamed.more.deep = 7;
	field->flat = 8;
	field->tag = EVERY_TAG_POINT;
	field->value.point.x = 9;
	field->kind = EVERY_KIND_LONG_NUMBER;
	field->long_number = 10;
}

/* 1 if the two are the same, byte by byte: the padding is zero in both. */
int every_same(const struct every_field *field)
{
	struct every_field mine;

	every_fill(&mine);
	return memcmp(&mine, field, sizeof(mine)) == 0;
}

int every_checks(unsigned int type, const void *data, unsigned int length)
{
	union every_from_user copy;
	const int checked = every_check(type, data, length);

	return every_take(type, data, length, &copy) == checked ? checked : 1;
}
