/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What TypeScript calls of the rounds in C. It calls them in the same process, so both sides of a
 * ratio alternate in one run.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "kup_user.h"
#include "rounds.h"

#define MOST_CHANNELS 16

#define BENCH_CALL __attribute__((visibility("default")))

/* Rounds in C++, if there is a compiler for them. */
extern const struct round_entry queue_rounds[] __attribute__((weak));

static struct kup_user_channel *channels[MOST_CHANNELS];

BENCH_CALL int32_t bench_pin(int32_t processor);
BENCH_CALL double bench_now(void);
BENCH_CALL int32_t bench_open(const char *path, uint32_t number);
BENCH_CALL void bench_spin(int32_t handle, double microseconds);
BENCH_CALL void bench_close(int32_t handle);
BENCH_CALL int32_t bench_has(const char *name);
BENCH_CALL double bench_run(const char *name, int32_t handle, int32_t theirs, uint32_t length,
			    uint32_t batch, uint32_t threads, uint32_t count, double *each);
BENCH_CALL void bench_sleep(uint32_t microseconds);
BENCH_CALL int32_t bench_feed(int32_t fd, uint32_t count, uint32_t pause_us, int32_t theirs);
BENCH_CALL void bench_feed_end(void);

/* ---- Processors and threads ---- */

/* Returns 0, or a negative errno: -EINVAL if this process may not use the processor. */
int32_t bench_pin(int32_t processor)
{
	cpu_set_t set;
	int32_t i;

	CPU_ZERO(&set);
	for (i = 0; i < CPU_SETSIZE; i++)
		if (processor < 0 || i == processor)
			CPU_SET(i, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

double bench_now(void)
{
	return now_ns();
}

void bench_sleep(uint32_t microseconds)
{
	usleep(microseconds);
}

static void *helper_main(void *argument)
{
	struct helper *helper = argument;

	bench_pin(helper->round->theirs);
	helper->main(helper->round);
	return NULL;
}

int helper_start(struct helper *helper)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, helper_main, helper);

	helper->thread = (unsigned long)thread;
	return error;
}

void helper_join(const struct helper *helper)
{
	pthread_join((pthread_t)helper->thread, NULL);
}

/* ---- Rounds by name ---- */

static round_fn find_in(const struct round_entry *table, const char *name)
{
	for (; table && table->name; table++)
		if (strcmp(table->name, name) == 0 && (!table->is_here || table->is_here()))
			return table->run;
	return NULL;
}

static round_fn find(const char *name)
{
	const struct round_entry *tables[] = { kup_rounds,    ring_rounds,     call_rounds,
					       kernel_rounds, iceoryx2_rounds, queue_rounds };
	round_fn run = NULL;
	unsigned int i;

	for (i = 0; i < sizeof(tables) / sizeof(*tables) && !run; i++)
		run = find_in(tables[i], name);
	return run;
}

/* 1 if this build has a round of that name, otherwise 0. */
int32_t bench_has(const char *name)
{
	return find(name) != NULL;
}

/*
 * Attaches a channel; its kernel thread stays on the processor on which this thread is now. Returns
 * a handle for bench_run, or a negative errno.
 */
int32_t bench_open(const char *path, uint32_t number)
{
	int32_t handle = 0, error;

	while (handle < MOST_CHANNELS && channels[handle])
		handle++;
	if (handle == MOST_CHANNELS)
		return -EMFILE;
	error = kup_user_channel_open(path, number, 1000, &channels[handle]);
	if (error)
		channels[handle] = NULL;
	return error ? error : handle;
}

/* How long this side of a channel spins before it sleeps, at most. */
void bench_spin(int32_t handle, double microseconds)
{
	kup_user_channel_set_spin(channels[handle], microseconds);
}

void bench_close(int32_t handle)
{
	kup_user_channel_close(channels[handle]);
	channels[handle] = NULL;
}

/* handle: a channel, or -1. -ENOENT: no such round. Otherwise as round_fn. */
double bench_run(const char *name, int32_t handle, int32_t theirs, uint32_t length, uint32_t batch,
		 uint32_t threads, uint32_t count, double *each)
{
	const struct round round = {
		.channel = handle < 0 ? NULL : channels[handle],
		.theirs = theirs,
		.length = length,
		.batch = batch,
		.threads = threads,
		.count = count,
		.each = each,
	};
	round_fn run = find(name);

	return run ? run(&round) : -ENOENT;
}

/* ---- A thread that writes to a pipe now and then ---- */

static struct {
	pthread_t thread;
	int32_t fd, theirs;
	uint32_t count, pause_us;
} feeder;

static void *feed(void *argument)
{
	uint32_t i;
	uint64_t now;

	(void)argument;
	bench_pin(feeder.theirs);
	for (i = 0; i < feeder.count; i++) {
		usleep(feeder.pause_us);
		now = (uint64_t)now_ns();
		if (write(feeder.fd, &now, sizeof(now)) != sizeof(now))
			break;
	}
	return NULL;
}

/* Writes the time in ns, as a 64-bit word, `count` times, each after a sleep of `pause_us`. */
int32_t bench_feed(int32_t fd, uint32_t count, uint32_t pause_us, int32_t theirs)
{
	feeder.fd = fd;
	feeder.theirs = theirs;
	feeder.count = count;
	feeder.pause_us = pause_us;
	return -pthread_create(&feeder.thread, NULL, feed, NULL);
}

/* Waits for the end of the thread. Call it once after each bench_feed. */
void bench_feed_end(void)
{
	pthread_join(feeder.thread, NULL);
}
