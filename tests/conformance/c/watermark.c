/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving at a watermark: the kernel's side wakes the user when enough bytes can be read. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "channels.h"

#define PAYLOAD 56
#define RECORDS 100
#define MARK (RECORDS * KUP_RECORD_SPACE(PAYLOAD))

static struct kup_stats stats_of(channel_t *channel)
{
	struct kup_stats stats = { .channel = kup_user_channel_number(channel) };

	need(kup_user_stats(kup_user_channel_file(channel), &stats) == 0, "STATS works");
	return stats;
}

/* Sends messages, and waits until their echoes can be read. */
static void echo_some(channel_t *channel, uint32_t count)
{
	static const uint8_t bytes[PAYLOAD];
	uint64_t before = stats_of(channel).to_user_records;

	for (uint32_t i = 0; i < count; i++)
		need(kup_user_send(channel, i, bytes, PAYLOAD, PATIENCE) == 0, "a message is sent");
	need(EVENTUALLY(PATIENCE_MS, stats_of(channel).to_user_records == before + count),
	     "the messages are echoed");
}

static uint32_t receive_all(channel_t *channel)
{
	message_t message;
	uint32_t count = 0;

	while (kup_user_receive(channel, &message, 0) == 0)
		count++;
	return count;
}

static void test_poll(void)
{
	channel_t *channel = open_channel();
	int file = kup_user_channel_file(channel);
	int first = kup_user_prepare_watermark(channel, MARK), below, prepared, woken, ready;
	uint64_t wakeups = stats_of(channel).wakeups, wakeups_below;
	uint32_t got;

	echo_some(channel, RECORDS - 1);
	wakeups_below = stats_of(channel).wakeups - wakeups;
	below = kup_user_wait(file, POLLIN, 0);
	prepared = kup_user_prepare_watermark(channel, MARK);
	check(!first && !below && !prepared && wakeups_below == 0,
	      "kup_user_wait() does not report POLLIN below the watermark that was prepared",
	      "%d, %d, %d, %llu wake-ups", first, below, prepared, (long long)wakeups_below);
	echo_some(channel, 1);
	woken = kup_user_wait(file, POLLIN, PATIENCE);
	ready = kup_user_prepare_watermark(channel, MARK);
	got = receive_all(channel);
	check(woken == POLLIN && ready == POLLIN && got == RECORDS,
	      "kup_user_wait() reports POLLIN at the watermark that was prepared", "%d, %d, %u",
	      woken, ready, got);
	kup_user_channel_close(channel);
}

struct reader {
	pthread_t thread;
	channel_t *channel;
	uint32_t done; /* atomic */
	int error;
	uint32_t got;
};

static void *read_at_mark(void *argument)
{
	struct reader *reader = argument;
	message_t message;

	reader->error =
		kup_user_receive_watermark(reader->channel, &message, MARK, FOREVER, PATIENCE);
	if (!reader->error)
		reader->got = 1 + receive_all(reader->channel);
	__atomic_store_n(&reader->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_receive(void)
{
	struct reader reader = { .channel = open_channel() };
	uint32_t early;

	kup_user_channel_split(reader.channel);
	pthread_create(&reader.thread, NULL, read_at_mark, &reader);
	echo_some(reader.channel, RECORDS - 1);
	early = __atomic_load_n(&reader.done, __ATOMIC_ACQUIRE);
	echo_some(reader.channel, 1);
	pthread_join(reader.thread, NULL);
	check(!early && !reader.error && reader.got == RECORDS,
	      "kup_user_receive_watermark() returns when minBytes can be read", "%u, %s, %u", early,
	      error_name(reader.error), reader.got);
	kup_user_channel_close(reader.channel);
}

static void test_time(void)
{
	channel_t *channel = open_channel();
	message_t message;
	int some, none, once;

	echo_some(channel, 3);
	some = kup_user_receive_watermark(channel, &message, MARK, 1, PATIENCE);
	receive_all(channel);
	none = kup_user_receive_watermark(channel, &message, MARK, 1, 3);
	once = kup_user_receive_watermark(channel, &message, MARK, 1, 0);
	check(!some && none == -ETIMEDOUT && once == -EAGAIN,
	      "kup_user_receive_watermark() takes what is there when its time has passed",
	      "%d, %d, %d", some, none, once);
	kup_user_channel_close(channel);
}

/* What ends the wait below the watermark. */
static void test_end(uint32_t command, int expected, const char *sentence)
{
	channel_t *channel = open_channel();
	message_t message;
	int error;

	if (command)
		kup_user_send(channel, command, NULL, 0, PATIENCE);
	else
		kup_user_end(channel, PATIENCE);
	error = kup_user_receive_watermark(channel, &message, MARK, FOREVER, PATIENCE);
	refused(error, expected, sentence);
	kup_user_channel_close(channel);
}

static void test_most(void)
{
	channel_t *channel = open_channel();
	struct kup_info info;
	message_t message;

	need(kup_user_info(kup_user_channel_file(channel), &info) == 0, "INFO works");
	refused(kup_user_receive_watermark(channel, &message, info.to_user_bytes / 2, 0, 0), EAGAIN,
		"kup_user_receive_watermark() accepts half the ring");
	refused(kup_user_receive_watermark(channel, &message, info.to_user_bytes / 2 + 1, 0, 0),
		EINVAL, "kup_user_receive_watermark() refuses more than half the ring with EINVAL");
	refused(kup_user_prepare_watermark(channel, info.to_user_bytes / 2 + 1), EINVAL,
		"kup_user_prepare_watermark() refuses more than half the ring with EINVAL");
	kup_user_channel_close(channel);
}

/* FreeBSD has the same under another name. */
#ifndef ENODATA
#define ENODATA ENOATTR
#endif

int main(int count, char **arguments)
{
	begin(count, arguments, 30);
	test_poll();
	test_receive();
	test_time();
	test_most();
	test_end(ECHO_CLOSE, EPIPE,
		 "kup_user_receive_watermark() returns EPIPE when the kernel's side closes");
	test_end(0, ENODATA,
		 "kup_user_receive_watermark() returns ENODATA at the end of the direction");
	return finish();
}
