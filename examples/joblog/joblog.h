/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The lines of a log, which go to all users of the device. The type of a message is its level. It
 * is a joblog_line with the text behind it, without a NUL. Numbers are in the machine's byte order.
 * Lines that a user has no room for are dropped; a gap contains their number.
 */
#ifndef JOBLOG_H
#define JOBLOG_H

#define JOBLOG_ERROR 1
#define JOBLOG_WARNING 2
#define JOBLOG_INFO 3

struct joblog_line {
	unsigned int job;     /* the job that the line is about; jobs count from 0 */
	unsigned int took_us; /* how long the job took */
};

#define JOBLOG_TEXT 48 /* the longest text, in bytes */

#endif
