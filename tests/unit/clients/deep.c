/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that echoes, and uses 100 KiB of stack in each thread that it runs in. */
#include "kup.h"

static struct kup_device *device;

static void use_stack(void *argument)
{
	volatile char bytes[100 * 1024];
	unsigned int i;

	(void)argument;
	for (i = 0; i < sizeof(bytes); i += 1024)
		bytes[i] = 1;
}

static int serve(struct kup_channel *channel)
{
	struct kup_record record;
	char buffer[512];
	struct kup_thread *thread = NULL;
	int error = kup_thread_start(use_stack, NULL, "deep", &thread);

	kup_thread_join(thread);
	use_stack(NULL);
	while (!error) {
		error = kup_receive(channel, buffer, sizeof(buffer), &record, KUP_FOREVER);
		if (!error)
			error = kup_send(channel, record.type, buffer, record.length, KUP_FOREVER);
	}
	return error;
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "deep" };

	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "one that uses its stack");
