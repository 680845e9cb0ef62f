/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client module that writes a log: its work is done in a timer's callback, which may not sleep,
 * and logs a line for each job. All processes that have a channel get all lines, and format them.
 * Without a reader, a line costs next to nothing.
 */
#include "kup.h"
#include "joblog.h"

KUP_PARAM_NUMBER(channels, 4, "number of readers");
KUP_PARAM_NUMBER(interval_us, 1000, "microseconds between two jobs");

static struct kup_device *device;
static struct kup_timer *timer;

/* Any context. */
static void write_line(kup_u32 level, struct joblog_line line, const char *text)
{
	char message[sizeof(line) + JOBLOG_TEXT];
	kup_u32 length = (kup_u32)strlen(text);

	if (length > JOBLOG_TEXT)
		length = JOBLOG_TEXT;
	memcpy(message, &line, sizeof(line));
	memcpy(message + sizeof(line), text, length);
	kup_broadcast(device, level, message, sizeof(line) + length);
}

/* Stands for real work. Callbacks of one timer never overlap, so the counter needs no lock. */
static void do_job(void *argument)
{
	static unsigned int job;
	static unsigned int sum;
	struct joblog_line line = { .job = job++ };
	kup_u64 start = kup_now_ns();
	unsigned int i;

	(void)argument;
	for (i = 0; i < 1000 + line.job % 1000; i++)
		sum = sum * 31 + i;
	line.took_us = (unsigned int)((kup_now_ns() - start) / KUP_US);
	if (line.job % 100 == 99)
		write_line(JOBLOG_ERROR, line, "the job has failed");
	else if (line.job % 10 == 9)
		write_line(JOBLOG_WARNING, line, "the job has found bad data");
	else
		write_line(JOBLOG_INFO, line, "the job is done");
}

static int serve(struct kup_channel *channel)
{
	return kup_pause(channel, KUP_FOREVER); /* until the reader is gone */
}

static const struct kup_ops ops = { .serve = serve };

static int load(void)
{
	const struct kup_config config = { .name = "joblog", .channels = channels, .stamps = 1 };
	int error = kup_timer_create(do_job, NULL, &timer);

	if (error)
		return error;
	error = kup_device_create(&config, &ops, NULL, &device);
	if (error)
		kup_timer_destroy(timer);
	else
		kup_timer_start(timer, interval_us * KUP_US, interval_us * KUP_US);
	return error;
}

/* The timer first: a broadcast has to return before the device is destroyed. */
static void unload(void)
{
	kup_timer_destroy(timer);
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "KUP's joblog: an example of a client module that logs");
