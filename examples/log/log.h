/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The lines of a log, which go to all users of the device. The type of a message is its level. It
 * is a log_line with the text behind it, without a NUL. Numbers are in the machine's byte order.
 * Lines that a user has no room for are dropped; a gap contains their number.
 */
#ifndef LOG_H
#define LOG_H

#define LOG_ERROR 1
#define LOG_WARNING 2
#define LOG_INFO 3

struct log_line {
	unsigned int job;     /* the job that the line is about; jobs count from 0 */
	unsigned int took_us; /* how long the job took */
};

#define LOG_TEXT 48 /* the longest text, in bytes */

#endif
