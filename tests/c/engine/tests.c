/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core.h"
#include "tests.h"

int failures;
struct test_run run;

void check(int good, const char *sentence, const char *why, ...)
{
	const char *when = run.delays ? "with delays: " : "";
	va_list arguments;

	if (good) {
		printf("ok %s%s\n", when, sentence);
	} else {
		failures++;
		printf("not ok %s%s: ", when, sentence);
		va_start(arguments, why);
		vprintf(why, arguments);
		va_end(arguments);
		printf("\n");
	}
	fflush(stdout);
}

void pause_delays(void)
{
	host_delays(0, 0);
}

void resume_delays(void)
{
	if (run.delays)
		host_delays(run.odds, run.seed);
}

kup_u32 dice(kup_u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

kup_u32 dice_seed(kup_u32 user)
{
	return (run.seed * 31 + user + 1) * 2654435761u | 1;
}

void sleep_ms(kup_u32 milliseconds)
{
	const struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000l };

	nanosleep(&time, NULL);
}

static struct {
	kup_u64 begin;
	kup_u32 steps;
} storm;

void storm_begin(void)
{
	storm.begin = os_now_ns();
	kup_store(&storm.steps, 0);
}

void storm_step(void)
{
	__atomic_fetch_add(&storm.steps, 1, __ATOMIC_RELAXED);
}

kup_u32 storm_steps(void)
{
	return kup_load(&storm.steps);
}

int storm_goes_on(kup_u32 least_steps)
{
	const kup_u64 patience_ns = PATIENCE_MS * 1000000ull;
	kup_u64 spent = os_now_ns() - storm.begin;

	return spent < run.storm_ns || (storm_steps() < least_steps && spent < patience_ns);
}

void storm_wait(kup_u32 least_steps)
{
	while (storm_goes_on(least_steps))
		sleep_ms(10);
}

void storm_pause(kup_u32 milliseconds)
{
	kup_u32 i, before = storm_steps();

	for (i = 0; i < 50 && (i == 0 || storm_steps() == before); i++)
		sleep_ms(milliseconds);
}

struct kup_device *make_device(const struct kup_config *config, const struct kup_ops *ops)
{
	struct kup_device *device;
	int error = kup_device_create(config, ops, NULL, &device);

	if (error) {
		printf("not ok the device %s can be made: %s\n", config->name, strerror(-error));
		exit(1);
	}
	return device;
}

int all_files_closed(struct kup_device *device)
{
	kup_u64 end = os_now_ns() + PATIENCE_MS * 1000000ull;

	/*
	 * The creator and the device's node have a reference each, and each file and each channel.
	 */
	while (kup_load(&device->refs) != 2 && os_now_ns() < end)
		sleep_ms(1);
	return kup_load(&device->refs) == 2;
}

static int serve_echo(struct kup_channel *channel)
{
	struct kup_record record;
	kup_u8 buffer[512];
	int error;

	while (!(error = kup_receive(channel, buffer, sizeof(buffer), &record, KUP_FOREVER)))
		kup_send(channel, record.type, buffer, record.length, KUP_FOREVER);
	return error;
}

const struct kup_ops echo_ops = { .serve = serve_echo };
