/* SPDX-License-Identifier: BSD-3-Clause */
/* The predecessor's user API: a layer on kup_user_turn.h. See kup_1/kup.h. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kup_1/kup.h"
#include "kup_user_turn.h"
#include "layers/behind.h"

#define FOREVER -1.0

/*
 * How long a thread waits for a channel before it looks whether its own device's handle has got
 * it meanwhile.
 */
#define PATIENCE_MS 200.0

/* A device, or a channel of one. */
struct handle {
	int error;	       /* atomic: a device's is of its channels' threads, too */
	struct handle *device; /* a channel's; NULL: this is a device */

	/* A device's. */
	char *path;
	int32_t file;
	pthread_mutex_t lock;
	struct handle *channels; /* under lock */

	/* A channel's. */
	struct handle *next; /* under the device's lock */
	uint32_t number;     /* under the device's lock; what is waited for, until it is attached */
	int attached;	     /* under the device's lock */
	struct kup_user_channel *channel;
	struct kup_user_turn turn;
	size_t max_bytes;
	uint32_t max_received;
	void *last; /* what kernproxy_receive returned, while it is this side's turn */
	struct kup_behind behind; /* the message that kernproxy_receive returned, in the ring */
	char nothing[] __attribute__((aligned(16))); /* max_bytes: instead of a message */
};

KUP_USER_CALL __thread int kernproxy_errno;

static void set_error(struct handle *handle, int error)
{
	__atomic_store_n(&handle->error, error, __ATOMIC_RELAXED);
}

/*
 * Notes a result of the native calls, or 0; returns whether it was a failure. A device keeps its
 * last failure, since that of a channel is asked for there, by programs that know no other place.
 */
static int note(struct handle *handle, int32_t result)
{
	int error = -result;

	if (result == -EPIPE || result == -ENODEV || result == -ENXIO)
		error = EKU_SHUTDOWN;
	if (result == -EAGAIN)
		error = EKU_NOTREADY;
	if (handle && handle->device)
		set_error(handle, error);
	if (!error)
		return 0;
	if (handle)
		set_error(handle->device ? handle->device : handle, error);
	kernproxy_errno = error;
	return 1;
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
		if (handle->file >= 0) {
			pthread_mutex_init(&handle->lock, NULL);
			return handle;
		}
		error = handle->file;
	}
	note(NULL, error);
	if (handle)
		free(handle->path);
	free(handle);
	return NULL;
}

/* ---- Channels ---- */

/*
 * Checks what was asked for before waiting for it, and returns its size in bytes, and the longest
 * message that the kernel sends.
 */
static int32_t check_channel(const struct handle *device, size_t chan_id, size_t size,
			     size_t *bytes, uint32_t *received)
{
	struct kup_info info;
	int32_t error = kup_user_info(device->file, &info);

	if (error)
		return error;
	*bytes = size * info.page_size;
	*received = KUP_MAX_PAYLOAD(info.to_user_bytes);
	if (size == 0 || chan_id >= info.channels ||
	    size > KUP_MAX_PAYLOAD(info.to_kernel_bytes) / info.page_size ||
	    size > KUP_MAX_PAYLOAD(info.to_user_bytes) / info.page_size)
		return -EINVAL;
	return 0;
}

/*
 * Into the device's list, with the number to attach: any, where this handle has that one already.
 */
static void add_channel(struct handle *channel, uint32_t number)
{
	struct handle *device = channel->device, *other;

	pthread_mutex_lock(&device->lock);
	for (other = device->channels; other && other->number != number;)
		other = other->next;
	channel->number = other ? KUP_CHANNEL_ANY : number;
	channel->next = device->channels;
	device->channels = channel;
	pthread_mutex_unlock(&device->lock);
}

static void remove_channel(struct handle *channel)
{
	struct handle *device = channel->device, **link = &device->channels;

	pthread_mutex_lock(&device->lock);
	while (*link != channel)
		link = &(*link)->next;
	*link = channel->next;
	pthread_mutex_unlock(&device->lock);
}

/*
 * Under the device's lock: another thread that asked for any was given the one that this one
 * waits for.
 */
static int is_given(const struct handle *channel)
{
	const struct handle *other = channel->device->channels;

	while (other && (other == channel || !other->attached || other->number != channel->number))
		other = other->next;
	return other != NULL;
}

/* Waits for it; but not for what only closing the device would give back. */
static int32_t attach(struct handle *channel)
{
	struct handle *device = channel->device;
	double patience = 0;
	int32_t error;

	do {
		error = kup_user_channel_open(device->path, channel->number, patience,
					      &channel->channel);
		patience = PATIENCE_MS;
		pthread_mutex_lock(&device->lock);
		if (!error) {
			channel->number = kup_user_channel_number(channel->channel);
			channel->attached = 1;
		} else if (error == -EBUSY && is_given(channel)) {
			channel->number = KUP_CHANNEL_ANY;
		}
		pthread_mutex_unlock(&device->lock);
	} while (error == -EBUSY);
	/* The device was there. */
	return error == -ENOENT ? -ENODEV : error;
}

KUP_USER_CALL void *kernproxy_channel(void *handle, size_t chan_id, size_t size)
{
	struct handle *device = handle, *channel = NULL;
	int32_t error = -EINVAL;
	uint32_t received;
	size_t bytes;

	if (device && !device->device)
		error = check_channel(device, chan_id, size, &bytes, &received);
	if (!error) {
		channel = calloc(1, sizeof(*channel) + bytes);
		error = channel ? 0 : -ENOMEM;
	}
	if (note(device, error))
		return NULL;
	channel->device = device;
	channel->max_bytes = bytes;
	channel->max_received = received;
	add_channel(channel, (uint32_t)chan_id);
	error = attach(channel);
	if (!error)
		error = kup_user_turn_begin(&channel->turn, channel->channel);
	if (!error)
		return channel;
	note(device, error);
	remove_channel(channel);
	kup_user_channel_close(channel->channel);
	free(channel);
	return NULL;
}

static double timeout_of(int flags)
{
	return flags & KP_NB ? 0 : FOREVER;
}

static int32_t receive(struct handle *channel, int flags)
{
	struct kup_user_message message = { 0 };
	int32_t error = kup_user_turn_receive(&channel->turn, &message, timeout_of(flags));

	if (error == -EDEADLK && channel->last)
		return 0;
	if (error && error != -EDEADLK)
		return error;
	/* Again: the program may have written there. */
	memset(channel->nothing, 0, KP_NOTHING);
	channel->last = error || message.control ? channel->nothing : (void *)message.data;
	if (channel->last != channel->nothing)
		kup_behind_keep(&channel->behind, channel->last, message.length,
				channel->max_received);
	return 0;
}

KUP_USER_CALL void *kernproxy_receive(void *handle, int flags)
{
	struct handle *channel = handle;
	int32_t error = -EINVAL;

	if (channel && channel->channel && !(flags & ~KP_NB))
		error = receive(channel, flags);
	return note(channel, error) ? NULL : channel->last;
}

static int32_t pass(struct handle *channel, double timeout)
{
	kup_behind_restore(&channel->behind);
	return kup_user_turn_pass(&channel->turn, KUP_USER_TURN_DROP, timeout);
}

/* The data may be the message that was received, which stays as it is until it was copied. */
static int32_t send_bytes(struct handle *channel, const void *data, uint32_t length, double timeout)
{
	struct kup_user_reservation reservation;
	int32_t error = kup_user_turn_reserve(&channel->turn, length, KUP_USER_TURN_DROP, timeout,
					      &reservation);

	if (error)
		return error;
	memcpy(reservation.data, data, length);
	kup_behind_restore(&channel->behind);
	return kup_user_turn_commit(&channel->turn, &reservation, 0, length);
}

static int32_t send_on(struct handle *channel, const void *data, size_t len, int flags)
{
	const double timeout = timeout_of(flags);
	int32_t error = len > 0 ? send_bytes(channel, data, (uint32_t)len, timeout)
				: pass(channel, timeout);

	if (!error)
		channel->last = NULL;
	return error;
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

static void close_channel(struct handle *channel)
{
	remove_channel(channel);
	kup_user_channel_close(channel->channel);
	free(channel);
}

static void close_device(struct handle *device)
{
	while (device->channels)
		close_channel(device->channels);
	kup_user_close(device->file);
	pthread_mutex_destroy(&device->lock);
	free(device->path);
	free(device);
}

KUP_USER_CALL void kernproxy_close(void *handle)
{
	struct handle *closing = handle;

	if (closing && closing->device)
		close_channel(closing);
	else if (closing)
		close_device(closing);
}

KUP_USER_CALL int kernproxy_error(void *handle)
{
	struct handle *asked = handle;

	return asked ? __atomic_load_n(&asked->error, __ATOMIC_RELAXED) : kernproxy_errno;
}
