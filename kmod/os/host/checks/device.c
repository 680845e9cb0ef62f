/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Devices. The engine gets a table of callbacks that call the client's: so the checks know in which
 * callback of which device a thread is.
 */
#include <stdlib.h>

#include "checks/checks.h"

ENGINE(device_create);
ENGINE(device_destroy);

struct checked_device {
	struct kup_ops ops; /* first, since the engine's device points to it */
	const struct kup_ops *client_ops;
	struct host_client *client; /* NULL: none is known */
	struct checked_device *next;
	const struct kup_device *device;
	int is_destroyed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under lock. A device stays here after its end, until another one has its address. */
static struct checked_device *devices;

static struct checked_device *checked_of(const struct kup_channel *channel)
{
	return (struct checked_device *)(void *)(size_t)channel->device->ops;
}

/* What a thread was before a callback. */
struct before {
	struct host_client *client;
	struct kup_channel *channel;
};

static struct before enter(struct kup_channel *channel)
{
	struct check_thread *self = check_self();
	struct before before = { self->client, self->channel };

	self->client = checked_of(channel)->client;
	self->channel = channel;
	return before;
}

static void leave(const struct kup_channel *channel, const char *callback, struct before before)
{
	struct check_thread *self = check_self();

	check_returned(channel, callback);
	self->client = before.client;
	self->channel = before.channel;
}

static int attach(struct kup_channel *channel)
{
	struct checked_device *checked = checked_of(channel);
	struct before before = enter(channel);
	int error = 0;

	if (check_is_on() && check_client())
		check_channel_begin(channel, check_client());
	if (checked->client_ops->attach)
		error = checked->client_ops->attach(channel);
	leave(channel, "attach", before);
	return error;
}

static void set_serving(struct check_channel *checks, int serving)
{
	check_enter(checks);
	checks->serving = serving;
	check_leave(checks);
}

static int serve(struct kup_channel *channel)
{
	struct check_channel *checks = check_of(channel);
	struct before before = enter(channel);
	int result;

	if (checks)
		set_serving(checks, 1);
	result = checked_of(channel)->client_ops->serve(channel);
	if (checks)
		set_serving(checks, 0);
	leave(channel, "serve", before);
	return result;
}

static void detach(struct kup_channel *channel)
{
	struct check_channel *checks = check_of(channel);
	const struct kup_ops *ops = checked_of(channel)->client_ops;
	struct before before = enter(channel);

	if (ops->detach)
		ops->detach(channel);
	if (checks) {
		check_reservations_left(checks);
		check_peek_left(checks, 0);
	}
	leave(channel, "detach", before);
}

/* ---- Creating and destroying ---- */

/* Under the lock. */
static struct checked_device **find(const struct kup_device *device)
{
	struct checked_device **link;

	for (link = &devices; *link && (*link)->device != device;)
		link = &(*link)->next;
	return link;
}

static void add(struct checked_device *checked, const struct kup_device *device)
{
	struct checked_device **old, *freed;

	pthread_mutex_lock(&lock);
	old = find(device);
	freed = *old;
	if (freed)
		*old = freed->next;
	checked->device = device;
	checked->next = devices;
	devices = checked;
	pthread_mutex_unlock(&lock);
	free(freed);
}

int kup_device_create(const struct kup_config *config, const struct kup_ops *ops, void *context,
		      struct kup_device **created)
{
	struct checked_device *checked = ops ? malloc(sizeof(*checked)) : NULL;
	struct check_sleep sleep;
	int error;

	if (ops && !checked)
		return -ENOMEM;
	if (checked)
		*checked = (struct checked_device){
			.ops = { attach, ops->serve ? serve : NULL, detach },
			.client_ops = ops,
			.client = check_self()->client,
		};
	sleep = check_asleep("kup_device_create", CALLER, CHECK_SHORT);
	error = engine_device_create(config, checked ? &checked->ops : NULL, context, created);
	check_awake(sleep);
	if (error) {
		free(checked);
		return error;
	}
	add(checked, *created);
	if (check_client())
		check_add_device(check_client(), config->name);
	return 0;
}

/* Nonzero: the client may destroy this device here. Otherwise reports why not. */
static int may_destroy(const struct kup_device *device, const void *caller)
{
	const struct kup_channel *channel = check_self()->channel;
	struct checked_device *checked;
	int was_destroyed;

	if (channel && channel->device == device) {
		check_report(NULL, caller,
			     "kup_device_destroy(%s) from a callback of the same device would wait "
			     "for itself; it is refused here; call it from unload",
			     device->name);
		return 0;
	}
	pthread_mutex_lock(&lock);
	checked = *find(device);
	was_destroyed = checked && checked->is_destroyed;
	if (checked)
		checked->is_destroyed = 1;
	pthread_mutex_unlock(&lock);
	if (was_destroyed)
		check_report(NULL, caller,
			     "kup_device_destroy of a device that was destroyed already; it is "
			     "refused here; set the pointer to NULL after the first call");
	return !was_destroyed;
}

void kup_device_destroy(struct kup_device *device)
{
	struct check_sleep sleep = { 0 };

	if (device && check_is_on()) {
		if (!may_destroy(device, CALLER))
			return;
		sleep = check_asleep("kup_device_destroy", CALLER, KUP_FOREVER);
	}
	engine_device_destroy(device);
	check_awake(sleep);
}
