/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
#ifndef KUP_RECORD_H
#define KUP_RECORD_H

#include "uapi/kup_abi.h"

/*
 * A readable record. `data` points into the ring: the other side can still change the bytes there.
 */
struct kup_record {
	const void *data;
	kup_u32 length;	  /* bytes of payload; checked, and not loaded again */
	kup_u32 type;	  /* the client's own tag; 0 for a control record */
	kup_u32 control;  /* 0 for a message; otherwise KUP_CONTROL_* */
	kup_u32 position; /* for the release */
};

#endif
