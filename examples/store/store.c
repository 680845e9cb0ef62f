/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A key-value store in a kernel module, which processes ask by calls. The same file makes a module
 * of the host driver (`make`) and of a kernel (`make module`).
 */
#include "kup.h"
#include "layers/call.h"
#include "store.h"

KUP_PARAM_NUMBER(channels, 4, "number of channels");
KUP_PARAM_NUMBER(entries, 1000, "number of keys");

struct entry {
	kup_u32 key_length; /* 0: the entry is free */
	kup_u32 value_length;
	kup_u8 key[STORE_KEY];
	kup_u8 value[STORE_VALUE];
};

static struct kup_device *device;
static struct kup_monitor *lock; /* of the table */
static struct entry *table;

/* ---- The table, under the lock ---- */

static struct entry *find(const kup_u8 *key, kup_u32 length)
{
	kup_u32 i;

	for (i = 0; i < entries; i++)
		if (table[i].key_length == length && !memcmp(table[i].key, key, length))
			return &table[i];
	return NULL;
}

static struct entry *find_free(void)
{
	kup_u32 i;

	for (i = 0; i < entries; i++)
		if (!table[i].key_length)
			return &table[i];
	return NULL;
}

/* ---- The calls, under the lock ---- */

/* A reply without data; or if `status` is 0 and there is an entry, with its value. */
static void answer(struct kup_request request, kup_u32 status, const struct entry *entry)
{
	if (status || !entry)
		kup_reply_status(request, status);
	else if (kup_reply(request, 0, entry->value, entry->value_length))
		kup_reply_status(request, KUP_STATUS_NO_ROOM);
}

static kup_u32 set(const kup_u8 *data, kup_u32 length)
{
	struct store_set header;
	struct entry *entry;
	kup_u32 value_length;

	if (length < sizeof(header))
		return STORE_BAD;
	memcpy(&header, data, sizeof(header));
	data += sizeof(header);
	length -= (kup_u32)sizeof(header);
	if (!header.key_length || header.key_length > STORE_KEY || header.key_length > length)
		return STORE_BAD;
	value_length = length - header.key_length;
	if (value_length > STORE_VALUE)
		return STORE_BAD;
	entry = find(data, header.key_length);
	if (!entry)
		entry = find_free();
	if (!entry)
		return STORE_FULL;
	memcpy(entry->key, data, header.key_length);
	memcpy(entry->value, data + header.key_length, value_length);
	entry->key_length = header.key_length;
	entry->value_length = value_length;
	return 0;
}

static void obey(struct kup_request request, kup_u32 method, const kup_u8 *data, kup_u32 length)
{
	struct entry *entry;

	if (method == STORE_SET) {
		answer(request, set(data, length), NULL);
	} else if (method != STORE_GET && method != STORE_DELETE) {
		kup_reply_status(request, KUP_STATUS_NO_METHOD);
	} else if (!length || length > STORE_KEY) {
		kup_reply_status(request, STORE_BAD);
	} else {
		entry = find(data, length);
		if (entry && method == STORE_DELETE) {
			entry->key_length = 0;
			answer(request, 0, NULL);
		} else {
			answer(request, entry ? 0 : STORE_NOT_FOUND, entry);
		}
	}
}

/* Copies the data first, because the process may change it in the ring at any time. */
static void call(struct kup_request request, kup_u32 method, const void *data, kup_u32 length)
{
	kup_u8 copy[sizeof(struct store_set) + STORE_KEY + STORE_VALUE];

	if (length > sizeof(copy)) {
		kup_reply_status(request, STORE_BAD);
		return;
	}
	memcpy(copy, data, length);
	kup_monitor_lock(lock);
	obey(request, method, copy, length);
	kup_monitor_unlock(lock);
}

static const struct kup_call_ops call_ops = { .call = call };

/* ---- Channels, and the module ---- */

static int attach(struct kup_channel *channel)
{
	struct kup_calls *calls;
	int error = kup_calls_begin(channel, &call_ops, NULL, &calls);

	if (!error)
		kup_channel_set_context(channel, calls);
	return error;
}

static int serve(struct kup_channel *channel)
{
	return kup_calls_serve(kup_channel_context(channel));
}

static void detach(struct kup_channel *channel)
{
	kup_calls_end(kup_channel_context(channel));
}

static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };

static void unload(void)
{
	if (device)
		kup_device_destroy(device);
	kup_monitor_destroy(lock);
	kup_free(table);
}

static int load(void)
{
	const struct kup_config config = { .name = "store",
					   .channels = channels,
					   .mode = KUP_MODE_CALL };
	int error = kup_monitor_create(&lock);

	if (error)
		return error;
	table = kup_alloc(entries * sizeof(*table));
	error = table ? kup_device_create(&config, &ops, NULL, &device) : -ENOMEM;
	if (error)
		unload();
	return error;
}

KUP_MODULE(load, unload, "KUP's store: an example of calls to a client module");
