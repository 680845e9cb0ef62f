/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A system that has nothing: enough to compile the engine, which proves that it needs no other
 * header.
 */
#ifndef KUP_OS_TYPES_H
#define KUP_OS_TYPES_H

enum {
	EINTR = 1,
	EDEADLK,
	EAGAIN,
	ENOENT,
	ENOMEM,
	EBUSY,
	EEXIST,
	ENODEV,
	EINVAL,
	ENXIO,
	EPIPE,
	EMSGSIZE,
	EPROTO,
	EPROTONOSUPPORT,
	EOPNOTSUPP,
	EISCONN,
	ENOTCONN,
	ESHUTDOWN,
	ENODATA,
	ETIMEDOUT,
	ENOTEMPTY,
};

#define NULL ((void *)0)

struct os_spin {
	int nothing;
};
struct os_mutex {
	int nothing;
};
struct os_waitq {
	int nothing;
};
struct os_pollq {
	int nothing;
};
struct os_timer {
	int nothing;
};
struct os_process {
	int nothing;
};
struct os_memory;
struct os_node;

#endif
