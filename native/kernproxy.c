/* SPDX-License-Identifier: BSD-3-Clause */
/* The predecessor's user API over turn channels: see include/kup.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/kup.h"
#include "kup_user.h"

#define FOREVER -1.0

/* A device, or a channel of one. */
struct handle {
	int error;
	char *path;			  /* a device's */
	int32_t file;			  /* a device's; -1: a channel */
	struct kup_user_channel *channel; /* NULL: a device */
	size_t max_bytes;
	void *last; /* what kernproxy_receive returned, while it is this side's turn */
	char nothing[KP_NOTHING]
		__attribute__((aligned(16))); /* what a pass without data carries */
};

KUP_USER_CALL __thread int kernproxy_errno;

/* Notes a result of the native calls, or 0; returns whether it was a failure. */
static int note(struct handle *handle, int32_t result)
{
	int error = -result;

	if (result == -EPIPE || result == -ENODEV || result == -ENXIO)
		error = EKU_SHUTDOWN;
	if (result == -EAGAIN)
		error = EKU_NOTREADY;
	if (handle)
		handle->error = error;
	if (error)
		kernproxy_errno = error;
	return error != 0;
}

/* ---- Devices ---- */

static char *path_of(const char *name)
{
	const char *folder = name[0] == '/' || strncmp(name, "host:", 5) == 0 ? "" : "/dev/";
	size_t bytes = strlen(folder) + strlen(name) + 1;
	char *path = malloc(bytes);

	if (path)
		snprintf(path, bytes, "%s%s", folder, name);
	return path;
}

static int32_t open_turn_device(const char *path)
{
	struct kup_info info;
	int32_t error, file = kup_user_open(path);

	if (file < 0)
		return file;
	error = kup_user_info(file, &info);
	if (!error && info.mode != KUP_MODE_TURN)
		error = -EINVAL;
	if (!error)
		return file;
	kup_user_close(file);
	return error;
}

KUP_USER_CALL void *kernproxy_open(const char *name)
{
	struct handle *handle = calloc(1, sizeof(*handle));
	int32_t error = -ENOMEM;

	if (handle)
		handle->path = path_of(name ? name : "");
	if (handle && handle->path) {
		handle->file = open_turn_device(handle->path);
		if (handle->file >= 0)
			return handle;
		error = handle->file;
	}
	note(NULL, error);
	if (handle)
		free(handle->path);
	free(handle);
	return NULL;
}

/* ---- Channels ---- */

/* Checks what was asked for before waiting for it, and tells its size in bytes. */
static int32_t check_channel(const struct handle *device, size_t chan_id, size_t size,
			     size_t *bytes)
{
	struct kup_info info;
	int32_t error = kup_user_info(device->file, &info);

	if (error)
		return error;
	*bytes = size * info.page_size;
	if (size == 0 || chan_id >= info.channels ||
	    size > KUP_MAX_PAYLOAD(info.to_kernel_bytes) / info.page_size ||
	    size > KUP_MAX_PAYLOAD(info.to_user_bytes) / info.page_size)
		return -EINVAL;
	return 0;
}

KUP_USER_CALL void *kernproxy_channel(void *handle, size_t chan_id, size_t size)
{
	struct handle *device = handle, *channel;
	size_t bytes;
	int32_t error = -EINVAL;

	if (device && !device->channel)
		error = check_channel(device, chan_id, size, &bytes);
	if (note(device, error))
		return NULL;
	channel = calloc(1, sizeof(*channel));
	if (!channel) {
		note(device, -ENOMEM);
		return NULL;
	}
	channel->file = -1;
	error = kup_user_channel_open(device->path, (uint32_t)chan_id, FOREVER, &channel->channel);
	if (note(device, error)) {
		free(channel);
		return NULL;
	}
	channel->max_bytes = bytes;
	return channel;
}

KUP_USER_CALL void *kernproxy_receive(void *handle, int flags)
{
	struct handle *channel = handle;
	struct kup_user_message message;
	int32_t error;

	if (!channel || !channel->channel || flags & ~KP_NB) {
		note(channel, -EINVAL);
		return NULL;
	}
	if (channel->last) {
		note(channel, 0);
		return channel->last;
	}
	error = kup_user_receive(channel->channel, &message, flags & KP_NB ? 0 : FOREVER);
	if (note(channel, error))
		return NULL;
	memset(channel->nothing, 0, sizeof(channel->nothing));
	channel->last = message.flags & KUP_RECORD_PASS ? channel->nothing : (void *)message.data;
	return channel->last;
}

/* The data may be the message that was received: what is given back was copied before. */
static int32_t send_on(struct handle *channel, const void *data, size_t len, int flags)
{
	struct kup_user_reservation reservation;
	struct kup_user_message unread;
	int32_t error = kup_user_reserve(channel->channel, (uint32_t)len,
					 flags & KP_NB ? 0 : FOREVER, &reservation);

	if (error)
		return error;
	if (len > 0)
		memcpy(reservation.data, data, len);
	/* What nobody has received is gone, as if there were one place for both. */
	while (!kup_user_receive(channel->channel, &unread, 0))
		;
	kup_user_commit(channel->channel, &reservation, 0, (uint32_t)len);
	channel->last = NULL;
	return 0;
}

KUP_USER_CALL int kernproxy_send(void *handle, void *data, size_t len, int flags)
{
	struct handle *channel = handle;
	int32_t error = -EINVAL;

	if (channel && channel->channel && !(flags & ~KP_NB) && (data || len == 0))
		error = len > channel->max_bytes ? -EMSGSIZE : send_on(channel, data, len, flags);
	return note(channel, error) ? -1 : 0;
}

/* ---- Both ---- */

KUP_USER_CALL void kernproxy_close(void *handle)
{
	struct handle *closing = handle;

	if (!closing)
		return;
	if (closing->channel)
		kup_user_channel_close(closing->channel);
	else
		kup_user_close(closing->file);
	free(closing->path);
	free(closing);
}

KUP_USER_CALL int kernproxy_error(void *handle)
{
	return handle ? ((struct handle *)handle)->error : kernproxy_errno;
}
