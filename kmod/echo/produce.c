/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The echo client as a producer: as fast as it can, from contexts that may not sleep, and out of
 * order.
 */
#include "context.h"
#include "echo.h"

struct job {
	struct kup_channel *channel;
	const struct echo_produce *produce;
	kup_u32 context;
	kup_u32 producer; /* for the samples */
	kup_u64 *next;	  /* the number of the next sample */
	kup_u64 left;
	int error;
	struct echo_produced done;
};

/* Only writes there, since the user may change what it would read. */
static void fill(struct kup_reservation *reservation, kup_u64 number, kup_u32 producer)
{
	struct echo_sample sample = { .number = number, .producer = producer };
	kup_u8 *bytes = reservation->data, byte;
	kup_u32 i, filler = reservation->length - (kup_u32)sizeof(sample);

	sample.checksum = echo_checksum_begin((kup_u32)number);
	for (i = 0; i < filler; i++) {
		byte = (kup_u8)(number + i);
		sample.checksum = echo_checksum_add(sample.checksum, byte);
		bytes[sizeof(sample) + i] = byte;
	}
	__builtin_memcpy(bytes, &sample, sizeof(sample));
}

/*
 * Sends one sample, waiting or not. A lost sample uses up its number, so that the user sees the
 * hole.
 */
static int produce_one(struct job *job)
{
	struct kup_reservation reservation;
	kup_u32 length = job->produce->length;
	kup_u64 number = (*job->next)++;
	kup_time timeout = job->context == ECHO_WAITING ? KUP_FOREVER : 0;
	int error = echo_reserve(job->channel, length, timeout, &reservation);

	if (error) {
		job->done.lost++;
		return error;
	}
	fill(&reservation, number, job->producer);
	error = echo_commit(job->channel, &reservation, ECHO_SAMPLE, length);
	job->done.sent += !error;
	return error;
}

/* An interrupt handler returns after this many records or bytes, but sends at least one record. */
#define BURST 64
#define BURST_BYTES 16384

static void produce_burst(void *argument)
{
	struct job *job = argument;
	kup_u32 i, most = BURST_BYTES / job->produce->length;

	if (most > BURST)
		most = BURST;
	else if (most == 0)
		most = 1;
	for (i = 0; i < most && job->left > 0; i++, job->left--)
		produce_one(job);
}

static int produce_all(struct job *job)
{
	int error = 0;

	while (job->left > 0 && !error) {
		/*
		 * Neither calls that never sleep nor interrupts give the processor to other
		 * threads.
		 */
		kup_breathe();
		if (job->context == ECHO_INTERRUPT) {
			error = echo_in_interrupt(produce_burst, job);
		} else if (job->context == ECHO_DEFERRED) {
			error = echo_in_deferred(produce_burst, job);
		} else if (job->context == ECHO_TIMER) {
			error = echo_in_timer(produce_burst, job);
		} else {
			error = produce_one(job);
			if (error == -EAGAIN || error == -EMSGSIZE)
				error = 0;
			job->left--;
		}
		if (!error)
			error = kup_ended(job->channel);
	}
	return error;
}

static void together_main(void *argument)
{
	struct job *job = argument;

	job->error = produce_all(job);
}

/* One thread makes each producer's calls, so the four contexts meet. */
static int produce_together(struct job *all)
{
	struct job jobs[ECHO_TIMER];
	struct kup_thread *threads[ECHO_TIMER] = { NULL };
	kup_u64 next[ECHO_TIMER] = { 0 };
	kup_u32 i;
	int error = 0;

	for (i = 0; i < ECHO_TIMER && !error; i++) {
		jobs[i] = *all;
		jobs[i].context = jobs[i].producer = ECHO_INTERRUPT + i;
		jobs[i].next = &next[i];
		error = kup_thread_start(together_main, &jobs[i], "echo producer", &threads[i]);
	}
	while (i-- > 0) {
		if (!threads[i])
			continue;
		kup_thread_join(threads[i]);
		all->done.sent += jobs[i].done.sent;
		all->done.lost += jobs[i].done.lost;
		error = error ? error : jobs[i].error;
	}
	return error;
}

int echo_produce(struct kup_channel *channel, const struct echo_produce *produce)
{
	struct echo_channel *echo = kup_channel_context(channel);
	struct job job = {
		.channel = channel,
		.produce = produce,
		.context = produce->context,
		.next = &echo->next_sent,
		.left = produce->count,
	};
	int error;

	if (produce->length < sizeof(struct echo_sample) || produce->context > ECHO_TOGETHER ||
	    (produce->context == ECHO_TOGETHER && echo->turns))
		return 0;
	/* The producer would wait without end for room that can't exist. */
	if (produce->context == ECHO_WAITING && produce->length > kup_max_payload(channel))
		return 0;
	error = produce->context == ECHO_TOGETHER ? produce_together(&job) : produce_all(&job);
	if (error)
		return error;
	return echo_send(channel, ECHO_PRODUCE, &job.done, sizeof(job.done));
}

/* Records become readable as they are finished, but the user stops at an unfinished one. */
int echo_shuffle(struct kup_channel *channel, const struct echo_pause *pause)
{
	struct kup_reservation three[3];
	int i, error;

	for (i = 0; i < 3; i++) {
		error = kup_reserve(channel, 1, KUP_FOREVER, &three[i]);
		if (error)
			break;
		*(char *)three[i].data = (char)('1' + i);
	}
	if (i == 3) {
		kup_commit(channel, &three[2], ECHO_SHUFFLE, 1);
		kup_discard(channel, &three[1]);
		echo_pause_for(channel, pause);
		kup_commit(channel, &three[0], ECHO_SHUFFLE, 1);
		return 0;
	}
	/* What was reserved must be finished; otherwise the user would wait for it. */
	while (i-- > 0)
		kup_discard(channel, &three[i]);
	return error;
}
