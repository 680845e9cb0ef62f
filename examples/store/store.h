/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The calls of a store's channel. All channels share one table. Numbers are in the machine's byte
 * order.
 *
 *   STORE_GET     data: a key. Reply: the value, or the status STORE_NOT_FOUND
 *   STORE_SET     data: a store_set, the key and the value. Reply: no data, or STORE_FULL
 *   STORE_DELETE  data: a key. Reply: no data, or STORE_NOT_FOUND
 *
 * A key has 1 to STORE_KEY bytes, a value 0 to STORE_VALUE; other lengths get STORE_BAD. If the
 * process does not read its replies, it gets KUP_STATUS_NO_ROOM, and asks again later.
 */
#ifndef STORE_H
#define STORE_H

#define STORE_GET 1
#define STORE_SET 2
#define STORE_DELETE 3

#define STORE_NOT_FOUND 1
#define STORE_FULL 2
#define STORE_BAD 3

#define STORE_KEY 64
#define STORE_VALUE 1024

struct store_set {
	unsigned int key_length;
};

#endif
