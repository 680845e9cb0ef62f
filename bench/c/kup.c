/* SPDX-License-Identifier: BSD-3-Clause */
/* Rounds over a KUP channel, through the native library's calls for programs in C. */
#include <errno.h>
#include <stdlib.h>

#include "../client/bench.h"
#include "kup_user.h"
#include "rounds.h"

#define FOREVER -1.0
#define MOST_BATCH 256

static int32_t command(const struct round *round, unsigned int work, uint64_t count,
		       unsigned int pause_us)
{
	const struct bench_command message = {
		.work = work,
		.length = round->length,
		.batch = round->batch ? round->batch : 1,
		.threads = round->threads ? round->threads : 1,
		.pause_us = pause_us,
		.count = count,
	};

	return kup_user_send(round->channel, BENCH_COMMAND, &message, sizeof(message), FOREVER);
}

/* Receives the message that ends a work. */
static int32_t receive_done(const struct round *round, struct bench_done *done)
{
	struct kup_user_message message;
	int32_t error = kup_user_receive(round->channel, &message, FOREVER);

	if (!error && (message.type != BENCH_DONE || message.length != sizeof(*done)))
		error = -EILSEQ;
	if (!error)
		memcpy(done, message.data, sizeof(*done));
	kup_user_release(round->channel);
	return error;
}

/* Begins BENCH_CONSUME, and waits until the kernel's side runs. */
static int32_t begin_consuming(const struct round *round, unsigned int pause_us)
{
	struct kup_user_message message;
	int32_t error = command(round, BENCH_CONSUME, round->count, pause_us);

	if (!error)
		error = kup_user_receive(round->channel, &message, FOREVER);
	if (!error && message.type != BENCH_DATA)
		error = -EILSEQ;
	kup_user_release(round->channel);
	return error;
}

/* ---- Echo ---- */

static double echo(const struct round *round)
{
	struct kup_user_message message;
	struct stopwatch watch = { 0, 0 };
	unsigned char *data = calloc(1, round->length);
	uint32_t trips = round->count + WARM_UP, i;
	int32_t error = data ? command(round, BENCH_ECHO, trips, 0) : -ENOMEM;

	for (i = 0; i < trips && !error; i++) {
		if (i >= WARM_UP)
			stopwatch_item(&watch, round, i - WARM_UP);
		put_word(data, i);
		error = kup_user_send(round->channel, BENCH_DATA, data, round->length, FOREVER);
		if (!error)
			error = kup_user_receive(round->channel, &message, FOREVER);
		if (!error && (message.length != round->length || get_word(message.data) != i))
			error = -EILSEQ;
	}
	kup_user_release(round->channel);
	free(data);
	return error ? error : stopwatch_end(&watch, round);
}

/* ---- To the user ---- */

/* Reads the words of a stream to its end. */
static int32_t read_stream(const struct round *round, struct stopwatch *watch,
			   struct bench_done *done)
{
	struct kup_user_message message;
	uint64_t count = 0, sum = 0, threads = round->threads ? round->threads : 1;
	int32_t error;

	for (;;) {
		error = kup_user_receive(round->channel, &message, FOREVER);
		if (error)
			return error;
		if (message.type == BENCH_DONE)
			break;
		if (count++ == 0)
			watch->start = now_ns();
		sum += get_word(message.data);
	}
	memcpy(done, message.data, sizeof(*done));
	kup_user_release(round->channel);
	return count == round->count && sum == threads * sum_below(count / threads) ? 0 : -EILSEQ;
}

/* Both sides at full speed. */
static double to_user(const struct round *round)
{
	struct stopwatch watch = { 0, 0 };
	struct bench_done done;
	int32_t error = command(round, BENCH_PRODUCE, round->count, 0);

	if (!error)
		error = read_stream(round, &watch, &done);
	return error ? error : (now_ns() - watch.start) / (round->count - 1);
}

static int32_t wait_until_sent(const struct round *round, uint64_t records)
{
	struct kup_stats stats;
	int32_t error;

	do {
		nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
		memset(&stats, 0, sizeof(stats));
		stats.channel = kup_user_channel_number(round->channel);
		error = kup_user_stats(kup_user_channel_file(round->channel), &stats);
	} while (!error && stats.to_user_records < records);
	return error;
}

static int32_t sent_so_far(const struct round *round, uint64_t *records)
{
	struct kup_stats stats = { .channel = kup_user_channel_number(round->channel) };
	int32_t error = kup_user_stats(kup_user_channel_file(round->channel), &stats);

	*records = stats.to_user_records;
	return error;
}

/* The kernel's side sends while the user sleeps; then the user reads. */
static int32_t burst(const struct round *round, double *producer, double *reader)
{
	struct stopwatch watch = { 0, 0 };
	struct bench_done done;
	uint64_t before;
	int32_t error = sent_so_far(round, &before);

	if (!error)
		error = command(round, BENCH_PRODUCE, round->count, 0);
	if (!error)
		error = wait_until_sent(round, before + round->count + 1);
	if (!error)
		error = read_stream(round, &watch, &done);
	if (error)
		return error;
	*reader = (now_ns() - watch.start) / (round->count - 1);
	*producer = (double)done.ns / round->count;
	return 0;
}

static double reader_alone(const struct round *round)
{
	double producer, reader;
	int32_t error = burst(round, &producer, &reader);

	return error ? error : reader;
}

static double producer_alone(const struct round *round)
{
	double producer, reader;
	int32_t error = burst(round, &producer, &reader);

	return error ? error : producer;
}

/* ---- To the kernel ---- */

static int32_t send_one_by_one(const struct round *round, unsigned char *data)
{
	uint32_t i;
	int32_t error = 0;

	for (i = 0; i < round->count && !error; i++) {
		put_word(data, i);
		error = kup_user_send(round->channel, BENCH_DATA, data, round->length, FOREVER);
	}
	return error;
}

static int32_t send_batches(const struct round *round, unsigned char *data)
{
	struct kup_user_outgoing messages[MOST_BATCH];
	uint32_t i = 0, n, wanted;
	int32_t sent;

	for (n = 0; n < round->batch; n++)
		messages[n] = (struct kup_user_outgoing){
			.data = data + (size_t)n * round->length,
			.length = round->length,
			.type = BENCH_DATA,
		};
	while (i < round->count) {
		wanted = round->batch < round->count - i ? round->batch : round->count - i;
		for (n = 0; n < wanted; n++)
			put_word(data + (size_t)n * round->length, i + n);
		sent = kup_user_send_batch(round->channel, messages, wanted, FOREVER);
		if (sent < 0)
			return sent;
		i += (uint32_t)sent;
	}
	return 0;
}

/* With a pause, the kernel's side sleeps while the user sends; the time is the user's alone. */
static double send_all(const struct round *round, unsigned int pause_us)
{
	struct bench_done done;
	double start, sent = 0;
	uint32_t batch = round->batch ? round->batch : 1;
	unsigned char *data = calloc(batch, round->length);
	int32_t error;

	if (!data || batch > MOST_BATCH) {
		free(data);
		return data ? -EINVAL : -ENOMEM;
	}
	error = begin_consuming(round, pause_us);
	start = now_ns();
	if (!error)
		error = batch > 1 ? send_batches(round, data) : send_one_by_one(round, data);
	sent = now_ns();
	if (!error)
		error = receive_done(round, &done);
	free(data);
	if (!error && (done.count != round->count || done.sum != sum_below(round->count)))
		error = -EILSEQ;
	if (error)
		return error;
	return ((pause_us ? sent : now_ns()) - start) / round->count;
}

static double to_kernel(const struct round *round)
{
	return send_all(round, 0);
}

static double sender_alone(const struct round *round)
{
	return send_all(round, 3000);
}

const struct round_entry kup_rounds[] = {
	{ "kup echo", echo, NULL },
	{ "kup to user", to_user, NULL },
	{ "kup reader alone", reader_alone, NULL },
	{ "kup producer alone", producer_alone, NULL },
	{ "kup to kernel", to_kernel, NULL },
	{ "kup sender alone", sender_alone, NULL },
	{ NULL, NULL, NULL },
};
