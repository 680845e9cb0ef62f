/* SPDX-License-Identifier: BSD-3-Clause */
/* The timeouts of calls that wait more than once. */
#ifndef KUP_TIMEOUT_H
#define KUP_TIMEOUT_H

#include "kup_user.h"

/*
 * What is left of a timeout that began at this time, in milliseconds. It is more than 0, so that
 * the call still waits. A negative timeout is no limit.
 */
static inline double timeout_left(double timeout_ms, double began)
{
	const double least = 0.001;
	double left_ms;

	if (!(timeout_ms > 0))
		return timeout_ms;
	left_ms = timeout_ms - (kup_user_now() - began);
	return left_ms > least ? left_ms : least;
}

#endif
