/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client module as a shared object. It echoes, and counts the threads in its code, so that an
 * unload that does not wait for them is found.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kup.h"

KUP_PARAM_STRING(name, "so/client", "the device's name");
KUP_PARAM_NUMBER(refuse, 0, "the errno that attach refuses with");
KUP_PARAM_NUMBER(fail, 0, "the errno that load fails with after it has made its device");

static struct kup_device *device;
static unsigned int inside, attached;

static int attach(struct kup_channel *channel)
{
	void *context;

	if (refuse)
		return -(int)refuse;
	context = kup_alloc(64);
	if (!context)
		return -ENOMEM;
	kup_channel_set_context(channel, context);
	__atomic_add_fetch(&attached, 1, __ATOMIC_RELAXED);
	return 0;
}

static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	char buffer[512];
	int error;

	__atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED);
	while (!(error = kup_receive(channel, buffer, sizeof(buffer), &record, KUP_FOREVER)))
		kup_send(channel, record.type, buffer, record.length, KUP_FOREVER);
	/* Time for an unload that does not wait to take the code away. */
	kup_sleep_ms(1);
	__atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
	return error;
}

static void detach(struct kup_channel *channel)
{
	kup_free(kup_channel_context(channel));
	__atomic_sub_fetch(&attached, 1, __ATOMIC_RELAXED);
}

static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };

static int load(void)
{
	const struct kup_config config = {
		.name = name, .channels = 4, .to_user_pages = 1, .to_kernel_pages = 1
	};
	int error = kup_device_create(&config, &ops, NULL, &device);

	if (!error && fail) {
		kup_device_destroy(device);
		error = -(int)fail;
	}
	return error;
}

static void unload(void)
{
	kup_device_destroy(device);
	if (inside || attached) {
		fprintf(stderr, "kup: unloaded with %u inside, %u attached\n", inside, attached);
		abort();
	}
}

KUP_MODULE(load, unload, "a client in a shared object");
