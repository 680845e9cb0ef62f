/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The example client: it echoes what it receives. kup_echo.h describes what else it can do, for
 * tests and benchmarks.
 */
#include "echo.h"

KUP_PARAM_STRING(name, "kup/echo", "the device: /dev/NAME");
KUP_PARAM_NUMBER(channels, 8, "number of channels");
KUP_PARAM_NUMBER(to_user_pages, 64, "ring towards the user, in pages, a power of two");
KUP_PARAM_NUMBER(to_kernel_pages, 32, "ring towards the kernel, in pages, a power of two");
KUP_PARAM_NUMBER(max_to_user_pages, 0, "the largest that ATTACH may ask for; 0: to_user_pages");
KUP_PARAM_NUMBER(max_to_kernel_pages, 0, "the largest that ATTACH may ask for; 0: to_kernel_pages");
KUP_PARAM_NUMBER(permissions, 0600, "permissions of the device node");
KUP_PARAM_NUMBER(group, 0, "group of the device node");
KUP_PARAM_NUMBER(spin, 0, "microseconds to spin before sleeping; 0 is KUP's default");
KUP_PARAM_NUMBER(refuse, 0, "the errno with which attaching is refused; 0 refuses none");
KUP_PARAM_NUMBER(stubborn, 0, "1: pauses outlast their user and the device; for tests");
KUP_PARAM_NUMBER(mode, 0, "1 is stream mode, 2 turn mode, 3 call mode; 0 is KUP's default");
KUP_PARAM_NUMBER(stamps, 0, "1: messages to the user have a time, a processor and a number");

static struct kup_device *device;

/* The largest errno that a system call may return. */
#define LAST_ERRNO 4095

/* Copies from one ring to the other, without a buffer in between. */
static int echo_record(struct kup_channel *channel, const struct kup_record *record)
{
	int error = echo_send(channel, record->type, record->data, record->length);

	return error == -EMSGSIZE ? 0 : error;
}

/*
 * Checks a sample. The user may change the bytes meanwhile; then the sample counts as damaged,
 * which is correct.
 */
static void check_sample(struct echo_channel *echo, const struct kup_record *record)
{
	const kup_u8 *bytes = record->data;
	struct echo_sample sample;

	__builtin_memcpy(&sample, bytes, sizeof(sample));
	echo->report.records++;
	echo->report.bytes += record->length;
	if (sample.number != echo->next_received)
		echo->report.out_of_order++;
	echo->next_received = sample.number + 1;
	if (sample.checksum != echo_checksum((kup_u32)sample.number, bytes + sizeof(sample),
					     record->length - (kup_u32)sizeof(sample)))
		echo->report.damaged++;
}

static int send_report(struct kup_channel *channel, struct echo_channel *echo)
{
	int error = echo_send(channel, ECHO_REPORT, &echo->report, sizeof(echo->report));

	__builtin_memset(&echo->report, 0, sizeof(echo->report));
	return error;
}

/*
 * Ignores a pause that is cut short: what the user has sent before it left is still served, and the
 * next call on the channel fails if there is nothing left.
 */
void echo_pause_for(struct kup_channel *channel, const struct echo_pause *pause)
{
	if (stubborn)
		kup_sleep_ms(pause->milliseconds);
	else
		kup_pause(channel, pause->milliseconds * KUP_MS);
}

/* Arguments are copied before they are checked. */
static int run_command(struct kup_channel *channel, const struct kup_record *record)
{
	struct echo_channel *echo = kup_channel_context(channel);
	union {
		struct echo_produce produce;
		struct echo_pause pause;
	} argument = { 0 };

	if (record->type == ECHO_SAMPLE && record->length >= sizeof(struct echo_sample)) {
		check_sample(echo, record);
		return 0;
	}
	if (record->type == ECHO_REPORT)
		return send_report(channel, echo);
	if (record->type == ECHO_CLOSE)
		return -ESHUTDOWN;
	if (record->length > sizeof(argument))
		return 0;
	__builtin_memcpy(&argument, record->data, record->length);
	if (record->type == ECHO_PRODUCE && record->length == sizeof(argument.produce))
		return echo_produce(channel, &argument.produce);
	if (record->length != sizeof(argument.pause) || argument.pause.milliseconds > 60000)
		return 0;
	if (record->type == ECHO_PAUSE)
		echo_pause_for(channel, &argument.pause);
	/* In turn mode, two of three reservations would wait for the first one. */
	if (record->type == ECHO_SHUFFLE && !echo->turns)
		return echo_shuffle(channel, &argument.pause);
	return 0;
}

int echo_answer(struct kup_channel *channel, const struct kup_record *record)
{
	return record->type < ECHO_COMMANDS ? echo_record(channel, record)
					    : run_command(channel, record);
}

static int serve(struct kup_channel *channel)
{
	const struct echo_channel *echo = kup_channel_context(channel);
	struct kup_record record;
	int error = 0;

	if (echo->turns)
		return echo_serve_turns(channel);
	if (echo->calls)
		return echo_calls_serve(echo->calls);
	while (!error) {
		error = kup_peek(channel, &record, KUP_FOREVER);
		if (!error && record.type == ECHO_CONTEXTS &&
		    record.length == sizeof(struct echo_contexts)) {
			error = echo_make_calls(channel, &record);
		} else if (!error) {
			error = echo_answer(channel, &record);
			kup_release(channel, &record);
		} else if (error == -ENODATA) {
			/* Everything was echoed, so the end is echoed, too. */
			error = kup_end(channel, KUP_FOREVER);
		}
	}
	return error;
}

static int attach(struct kup_channel *channel)
{
	struct echo_channel *echo;

	if (refuse)
		return -(int)refuse;
	echo = kup_alloc(sizeof(*echo));
	if (!echo)
		return -ENOMEM;
	echo->turns = mode == KUP_MODE_TURN;
	kup_turn_begin(&echo->turn, channel);
	if (mode == KUP_MODE_CALL && echo_calls_begin(channel, &echo->calls)) {
		kup_free(echo);
		return -ENOMEM;
	}
	kup_channel_set_context(channel, echo);
	return 0;
}

static void detach(struct kup_channel *channel)
{
	struct echo_channel *echo = kup_channel_context(channel);

	echo_calls_end(echo->calls);
	kup_free(echo);
}

static const struct kup_ops ops = {
	.attach = attach,
	.serve = serve,
	.detach = detach,
};

static int load(void)
{
	const struct kup_config config = {
		.name = name,
		.channels = channels,
		.to_user_pages = to_user_pages,
		.to_kernel_pages = to_kernel_pages,
		.max_to_user_pages = max_to_user_pages,
		.max_to_kernel_pages = max_to_kernel_pages,
		.mode = mode,
		.permissions = permissions,
		.group = group,
		.spin_us = spin,
		.stamps = stamps,
	};

	if (refuse > LAST_ERRNO)
		return -EINVAL;
	return kup_device_create(&config, &ops, NULL, &device);
}

static void unload(void)
{
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "KUP's echo client: an example, and the tests' peer");
