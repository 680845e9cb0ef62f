/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * What the benchmark of typed messages takes a message of 64 bytes for, and plain bytes. These are
 * two structs, because a reader of one kind of source alone is compiled for it.
 */
#ifndef BENCH_TYPED_H
#define BENCH_TYPED_H

struct bench_typed {
	unsigned int number;
	unsigned int zero;
	int temperature;
	unsigned short flags;
	unsigned char kind;
	_Bool valid;
	double mean;
	float least;
	float most;
	unsigned int counts[8];
};

struct bench_bytes {
	unsigned int number;
	unsigned int zero;
	int temperature;
	unsigned short flags;
	unsigned char kind;
	_Bool valid;
	double mean;
	float least;
	float most;
	unsigned int counts[8];
};

#endif
