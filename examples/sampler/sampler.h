/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The messages of a sampler's channel, which all go to the user. Numbers are in the machine's byte
 * order.
 *
 *   SAMPLER_SAMPLE  a sampler_sample, each time the module's interval has passed. Samples that the
 *                   user has no room for are dropped; a gap contains their number.
 *
 * Each has a stamp: its time, its processor and its number.
 */
#ifndef SAMPLER_H
#define SAMPLER_H

#define SAMPLER_SAMPLE 1

struct sampler_sample {
	unsigned long long since_ns; /* the time since the sample before, or since the start */
};

#endif
