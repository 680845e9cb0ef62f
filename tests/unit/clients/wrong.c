/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client whose parameters are its config, right or wrong, and that can make its device in wrong
 * ways.
 */
#include "kup.h"
#include "kupdev.h"

KUP_PARAM_STRING(name, "mine/wrong",
		 "the name; \"space\", \"strange\", \"long\", \"empty\": such a one");
KUP_PARAM_NUMBER(channels, 0, "the same field");
KUP_PARAM_NUMBER(to_user_pages, 0, "the same field");
KUP_PARAM_NUMBER(to_kernel_pages, 0, "the same field");
KUP_PARAM_NUMBER(max_to_user_pages, 0, "the same field");
KUP_PARAM_NUMBER(max_to_kernel_pages, 0, "the same field");
KUP_PARAM_NUMBER(mode, 0, "the same field");
KUP_PARAM_NUMBER(permissions, 0, "the same field");
KUP_PARAM_NUMBER(group, 0, "the same field");
KUP_PARAM_NUMBER(spin_us, 0, "the same field");
KUP_PARAM_NUMBER(stamps, 0, "as in kup_config");
KUP_PARAM_STRING(null, "", "what of kup_device_create is NULL: config, ops, device or name");
KUP_PARAM_STRING(how, "",
		 "thread; go_on: whatever comes of it; taken: twice; kupdev: by kupdev_create; "
		 "leave: unload "
		 "destroys nothing");
KUP_PARAM_STRING(before, "", "taken: the name of the device that is there before");
KUP_PARAM_NUMBER(size, 1, "kupdev_create's");
KUP_PARAM_NUMBER(chan_cnt, 1, "kupdev_create's");
KUP_PARAM_NUMBER(error, 0, "load returns this instead, negated");
KUP_PARAM_NUMBER(positive, 0, "load returns this instead");

static struct kup_device *device, *other;
static struct kup_thread *thread;
static const struct kup_ops ops;

static int is(const char *text, const char *other_text)
{
	return strcmp(text, other_text) == 0;
}

/* Parameters can contain neither blanks nor characters that can't be printed. */
static const char *real_name(void)
{
	static char longest[1000];

	if (is(null, "name"))
		return NULL;
	if (is(name, "space"))
		return "a b";
	if (is(name, "strange"))
		return "line\nfeed";
	if (is(name, "long"))
		return memset(longest, 'x', sizeof(longest) - 1);
	return is(name, "empty") ? "" : name;
}

static int create(void)
{
	const struct kup_config config = {
		.name = real_name(),
		.channels = channels,
		.to_user_pages = to_user_pages,
		.to_kernel_pages = to_kernel_pages,
		.max_to_user_pages = max_to_user_pages,
		.max_to_kernel_pages = max_to_kernel_pages,
		.mode = mode,
		.permissions = permissions,
		.group = group,
		.spin_us = spin_us,
		.stamps = stamps,
	};

	return kup_device_create(is(null, "config") ? NULL : &config, is(null, "ops") ? NULL : &ops,
				 NULL, is(null, "device") ? NULL : &device);
}

static void create_in_thread(void *argument)
{
	(void)argument;
	create();
}

static int load(void)
{
	const struct kup_config first = { .name = before };
	int result;

	device = other = NULL;
	thread = NULL;
	if (error || positive)
		return error ? -(int)error : (int)positive;
	if (is(how, "kupdev"))
		return kupdev_create(real_name(), size, chan_cnt) ? 0 : -ENXIO;
	if (is(how, "thread"))
		return kup_thread_start(create_in_thread, NULL, "wrong", &thread);
	if (is(how, "taken") && kup_device_create(&first, &ops, NULL, &other))
		return -EIO;
	result = create();
	if (result)
		kup_device_destroy(other);
	return is(how, "go_on") ? 0 : result;
}

static void unload(void)
{
	if (is(how, "leave"))
		return;
	kup_thread_join(thread);
	kup_device_destroy(device);
	kup_device_destroy(other);
}

KUP_MODULE(load, unload, "wrong configs");
