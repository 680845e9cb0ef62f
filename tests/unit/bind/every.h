/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Every kind of field that `kup bind` knows; bind_test.ts writes and reads them on both sides. */
#ifndef EVERY_H
#define EVERY_H

#define EVERY_MANY 5
#define EVERY_LARGE 0x123456789abcull /* with 64 bits */
#define EVERY_MINUS (-3)
#define EVERY_SUM (EVERY_MANY + EVERY_MINUS)

/* As Linux's <linux/types.h> names them. */
typedef unsigned short __be16;
typedef unsigned int __be32;
typedef unsigned long long __be64;

enum every_to_user {
	EVERY_FIELD = 1
};
enum every_to_kernel {
	EVERY_ORDER = 16,
	EVERY_STOP
};
enum every_both_ways {
	EVERY_ECHO = 32
};

enum every_mode {
	EVERY_OFF,
	EVERY_ON,
	EVERY_AUTO = 7
};
enum every_sign {
	EVERY_NEGATIVE = -1,
	EVERY_ZERO,
	EVERY_POSITIVE
};
enum every_tag {
	EVERY_TAG_NONE,
	EVERY_TAG_NUMBER,
	EVERY_TAG_POINT
};
enum every_kind {
	EVERY_KIND_LONG_NUMBER = 1,
	EVERY_KIND_SPOT
};
enum __attribute__((packed)) every_small {
	EVERY_RED = 1,
	EVERY_BLUE = 200
};

typedef struct {
	short x;
	short y;
} every_point_t;

struct every_field {
	unsigned char u8; /* a byte */
	signed char i8;
	unsigned short u16;
	short i16;
	unsigned int u32;
	int i32;
	unsigned long long u64;
	long long i64;
	float f32;
	double f64;
	_Bool flag;
	enum every_mode mode;
	enum every_sign sign;
	enum every_small small;
	char name[16];
	__be16 be16;
	__be32 be32;
	__be64 be64;
	every_point_t point;
	every_point_t points[3];
	unsigned int matrix[2][3];
	char names[2][8];
	long long large[2];
	struct {
		unsigned int inner;
		struct {
			unsigned char deep;
		} more;
	} unnamed;
	struct {
		unsigned int flat;
	};
	enum every_tag tag;
	union {
		unsigned int number;
		every_point_t point;
	} value;
	enum every_kind kind;
	union {
		unsigned long long long_number;
		every_point_t spot;
	};
};

struct every_order {
	enum every_mode mode;
	enum every_sign sign;
	enum every_small small;
	_Bool on;
	char name[6];
	_Bool flags[2][2];
	unsigned char pad[4];
	enum every_tag tag;
	union {
		enum every_mode number;
		every_point_t point;
	} value;
};

struct every_stop {
};

/* Nothing of it is checked but its length. */
struct every_raw {
	every_point_t source; /* as a reader's own words */
	every_point_t view;
	unsigned char bytes[4];
	struct {
		unsigned char pad[2];
	} nothing[2];
	every_point_t points[2];
};

struct every_echo {
	unsigned long long id;
	unsigned char reserved;
	unsigned char last;
} __attribute__((packed));

#endif
