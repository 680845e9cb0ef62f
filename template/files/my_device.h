/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The messages of my_device's channels. Numbers are in the machine's byte order.
 *
 *   to the kernel   MY_DEVICE_ADD, a my_device_add. Any other message is ignored.
 *   to the user     MY_DEVICE_SUM, a my_device_sum: the answer to each MY_DEVICE_ADD, in order
 */
#ifndef MY_DEVICE_H
#define MY_DEVICE_H

#define MY_DEVICE_ADD 1
#define MY_DEVICE_SUM 2

struct my_device_add {
	unsigned int a;
	unsigned int b;
};

struct my_device_sum {
	unsigned long long sum;
	unsigned int count; /* how many sums this channel has asked for */
	unsigned int reserved;
};

#endif
