/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The client module of the benchmarks: a fast source, a fast sink and a fast echo. It does nothing
 * for each message but what the command asks for. The same file makes a module of the host driver
 * and of a kernel.
 */
#include "kup.h"
#include "bench.h"

KUP_PARAM_NUMBER(channels, 16, "number of channels of the device \"bench\"");
KUP_PARAM_NUMBER(pages, 256, "size of each ring of \"bench\"");
KUP_PARAM_NUMBER(large_pages, 2048, "size of the ring to the user of \"bench_large\"");
KUP_PARAM_NUMBER(many, 1000, "number of channels of the device \"bench_many\"");
KUP_PARAM_NUMBER(spin, 0, "how long a side spins, in microseconds; 0: the default");

static struct kup_device *device, *large_device, *many_device;

/* What one channel's thread works with. */
struct worker {
	struct kup_channel *channel;
	struct bench_command command;
	unsigned char *buffer; /* kup_max_received bytes */
	struct bench_done done;
};

/* One of the threads that send. */
struct producer {
	struct kup_channel *channel;
	const struct bench_command *command;
	unsigned long long count;
	unsigned char *data; /* `batch` messages */
	struct kup_message *messages;
	struct kup_thread *thread;
	int error;
};

static unsigned long long now_ns(void)
{
	return kup_until(KUP_MS) - KUP_MS;
}

static void put_word(unsigned char *data, unsigned long long word)
{
	memcpy(data, &word, sizeof(word));
}

/* ---- Echo ---- */

static int echo(struct worker *worker)
{
	struct kup_channel *channel = worker->channel;
	unsigned int capacity = kup_max_received(channel);
	struct kup_record record;
	unsigned long long i;
	int error;

	for (i = 0; i < worker->command.count; i++) {
		error = kup_receive(channel, worker->buffer, capacity, &record, KUP_FOREVER);
		if (!error)
			error = kup_send(channel, BENCH_DATA, worker->buffer, record.length,
					 KUP_FOREVER);
		if (error)
			return error;
	}
	return 0;
}

static int answer_in_place(struct worker *worker)
{
	struct kup_channel *channel = worker->channel;
	struct kup_reservation reservation;
	unsigned long long word = 0, i;
	struct kup_record record;
	int error;

	for (i = 0; i < worker->command.count; i++) {
		error = kup_receive(channel, &word, sizeof(word), &record, KUP_FOREVER);
		if (!error)
			error = kup_reserve(channel, worker->command.length, KUP_FOREVER,
					    &reservation);
		if (error)
			return error;
		put_word(reservation.data, word);
		kup_commit(channel, &reservation, BENCH_DATA, worker->command.length);
	}
	return 0;
}

/* ---- Producing ---- */

static int send_one_by_one(struct producer *producer)
{
	unsigned long long i;
	int error = 0;

	for (i = 0; i < producer->count && !error; i++) {
		put_word(producer->data, i);
		error = kup_send(producer->channel, BENCH_DATA, producer->data,
				 producer->command->length, KUP_FOREVER);
	}
	return error;
}

static int send_batches(struct producer *producer)
{
	unsigned int length = producer->command->length, wanted, n;
	unsigned long long i = 0;
	int sent;

	for (n = 0; n < producer->command->batch; n++)
		producer->messages[n] = (struct kup_message){
			.data = producer->data + (unsigned long)n * length,
			.length = length,
			.type = BENCH_DATA,
		};
	while (i < producer->count) {
		wanted = producer->command->batch;
		if (wanted > producer->count - i)
			wanted = (unsigned int)(producer->count - i);
		for (n = 0; n < wanted; n++)
			put_word(producer->data + (unsigned long)n * length, i + n);
		sent = kup_send_batch(producer->channel, producer->messages, wanted, KUP_FOREVER);
		if (sent < 0)
			return sent;
		i += (unsigned int)sent;
	}
	return 0;
}

static void produce(void *argument)
{
	struct producer *producer = argument;

	producer->error = producer->command->batch > 1 ? send_batches(producer)
						       : send_one_by_one(producer);
}

static void free_producers(struct producer *producers, unsigned int threads)
{
	unsigned int i;

	for (i = 0; i < threads; i++) {
		kup_free(producers[i].data);
		kup_free(producers[i].messages);
	}
	kup_free(producers);
}

static struct producer *make_producers(struct worker *worker)
{
	const struct bench_command *command = &worker->command;
	struct producer *producers = kup_alloc(command->threads * sizeof(*producers));
	unsigned int i;

	if (!producers)
		return NULL;
	for (i = 0; i < command->threads; i++) {
		struct producer *producer = &producers[i];

		producer->channel = worker->channel;
		producer->command = command;
		producer->count = command->count / command->threads;
		producer->data = kup_alloc((unsigned long)command->batch * command->length);
		producer->messages = kup_alloc(command->batch * sizeof(*producer->messages));
		if (!producer->data || !producer->messages) {
			free_producers(producers, i + 1);
			return NULL;
		}
	}
	return producers;
}

/* Starts a thread for each producer, and waits for all. A single one runs in this thread. */
static int run_producers(struct producer *producers, unsigned int threads)
{
	int error = 0;
	unsigned int i;

	if (threads == 1) {
		produce(&producers[0]);
		return producers[0].error;
	}
	for (i = 0; i < threads && !error; i++)
		error = kup_thread_start(produce, &producers[i], "bench", &producers[i].thread);
	for (i = 0; i < threads; i++) {
		kup_thread_join(producers[i].thread);
		if (!error)
			error = producers[i].error;
	}
	return error;
}

static int produce_all(struct worker *worker)
{
	struct producer *producers = make_producers(worker);
	unsigned long long start;
	int error;

	if (!producers)
		return -ENOMEM;
	start = now_ns();
	error = run_producers(producers, worker->command.threads);
	worker->done.ns = now_ns() - start;
	worker->done.count = worker->command.count;
	free_producers(producers, worker->command.threads);
	return error;
}

static int produce_in_place(struct worker *worker)
{
	struct kup_reservation reservation;
	unsigned long long start = now_ns(), i;
	int error;

	for (i = 0; i < worker->command.count; i++) {
		error = kup_reserve(worker->channel, worker->command.length, KUP_FOREVER,
				    &reservation);
		if (error)
			return error;
		put_word(reservation.data, i);
		kup_commit(worker->channel, &reservation, BENCH_DATA, worker->command.length);
	}
	worker->done.ns = now_ns() - start;
	worker->done.count = worker->command.count;
	return 0;
}

/* ---- Consuming ---- */

static int consume(struct worker *worker)
{
	struct kup_record record;
	unsigned long long start, word = 0;
	int error = kup_send(worker->channel, BENCH_DATA, &word, sizeof(word), KUP_FOREVER);

	if (!error && worker->command.pause_us)
		error = kup_pause(worker->channel, worker->command.pause_us * KUP_US);
	start = now_ns();
	while (!error && worker->done.count < worker->command.count) {
		error = kup_peek(worker->channel, &record, KUP_FOREVER);
		if (error)
			return error;
		if (record.length < sizeof(word))
			error = -EINVAL;
		else
			memcpy(&word, record.data, sizeof(word));
		kup_release(worker->channel, &record);
		if (error)
			return error;
		worker->done.sum += word;
		worker->done.count++;
	}
	worker->done.ns = now_ns() - start;
	return error;
}

/* ---- Waking ---- */

/* The attached channels of "bench_many", each with a reference. */
static struct kup_channel *attached[KUP_MAX_CHANNELS]; /* atomic */

static int attach_many(struct kup_channel *channel)
{
	kup_channel_get(channel);
	__atomic_store_n(&attached[kup_channel_number(channel)], channel, __ATOMIC_RELEASE);
	return 0;
}

static void detach_many(struct kup_channel *channel)
{
	__atomic_store_n(&attached[kup_channel_number(channel)], NULL, __ATOMIC_RELEASE);
	kup_channel_put(channel);
}

/*
 * Returns a channel for the i-th message: each time another one. All of them must stay attached
 * until the command is done.
 */
static struct kup_channel *choose(struct worker *worker, unsigned long long i)
{
	unsigned int number = (unsigned int)(i * 7919u % many);

	if (worker->command.work == BENCH_WAKE)
		return worker->channel;
	return __atomic_load_n(&attached[number], __ATOMIC_ACQUIRE);
}

static int wake(struct worker *worker)
{
	unsigned char *data = kup_alloc(worker->command.length);
	struct kup_channel *channel;
	unsigned long long i;
	int error = data ? 0 : -ENOMEM;

	for (i = 0; i < worker->command.count && !error; i++) {
		error = kup_pause(worker->channel, worker->command.pause_us * KUP_US);
		channel = choose(worker, i);
		if (error || !channel)
			continue;
		put_word(data, now_ns());
		error = kup_send(channel, BENCH_DATA, data, worker->command.length, KUP_FOREVER);
		worker->done.count++;
	}
	kup_free(data);
	return error;
}

/* ---- Pacing ---- */

static void send_burst(struct worker *worker, unsigned char *data)
{
	const struct bench_command *command = &worker->command;
	unsigned long long start = now_ns(), before = worker->done.count;
	unsigned int i;

	for (i = 0; i < command->batch && before + i < command->count; i++) {
		put_word(data, before + i);
		kup_try_send(worker->channel, BENCH_DATA, data, command->length);
	}
	worker->done.count += i;
	worker->done.ns += now_ns() - start;
}

static int send_paced(struct worker *worker)
{
	const struct bench_command *command = &worker->command;
	unsigned char *data = kup_alloc(command->length);
	unsigned long long next = now_ns(), now;
	int error = data ? 0 : -ENOMEM;

	while (!error && worker->done.count < command->count) {
		send_burst(worker, data);
		next += command->pause_us * KUP_US;
		now = now_ns();
		if (now < next)
			error = kup_pause(worker->channel, next - now);
	}
	kup_free(data);
	return error;
}

/* ---- The client ---- */

static int work(struct worker *worker)
{
	switch (worker->command.work) {
	case BENCH_ECHO:
		return echo(worker);
	case BENCH_ANSWER_IN_PLACE:
		return answer_in_place(worker);
	case BENCH_PRODUCE:
		return produce_all(worker);
	case BENCH_PRODUCE_IN_PLACE:
		return produce_in_place(worker);
	case BENCH_CONSUME:
		return consume(worker);
	case BENCH_WAKE:
	case BENCH_WAKE_MANY:
		return wake(worker);
	case BENCH_PACED:
		return send_paced(worker);
	default:
		return -EINVAL;
	}
}

static int check(const struct kup_channel *channel, const struct bench_command *command)
{
	if (command->length < sizeof(unsigned long long) || command->batch < 1 ||
	    command->batch > 1024 || command->threads < 1 ||
	    command->threads > BENCH_MOST_THREADS || command->count % command->threads)
		return -EINVAL;
	if (command->work != BENCH_WAKE_MANY && command->length > kup_max_payload(channel))
		return -EINVAL;
	return 0;
}

static int obey(struct worker *worker)
{
	struct kup_record record;
	int error = kup_receive(worker->channel, &worker->command, sizeof(worker->command), &record,
				KUP_FOREVER);

	if (!error && (record.type != BENCH_COMMAND || record.length != sizeof(worker->command)))
		error = -EINVAL;
	if (!error)
		error = check(worker->channel, &worker->command);
	if (error)
		return error;
	worker->done = (struct bench_done){ 0 };
	error = work(worker);
	if (error || worker->command.work == BENCH_ECHO ||
	    worker->command.work == BENCH_ANSWER_IN_PLACE)
		return error;
	return kup_send(worker->channel, BENCH_DONE, &worker->done, sizeof(worker->done),
			KUP_FOREVER);
}

/* Does what the commands say. A bad command, or one that fails, ends the channel. */
static int serve(struct kup_channel *channel)
{
	struct worker worker = { .channel = channel };
	int error = 0;

	worker.buffer = kup_alloc(kup_max_received(channel));
	if (!worker.buffer)
		return -ENOMEM;
	while (!error)
		error = obey(&worker);
	kup_free(worker.buffer);
	return error;
}

static const struct kup_ops serving = { .serve = serve };
static const struct kup_ops kept = { .attach = attach_many, .detach = detach_many };

static void unload(void)
{
	if (many_device)
		kup_device_destroy(many_device);
	if (large_device)
		kup_device_destroy(large_device);
	if (device)
		kup_device_destroy(device);
}

static int load(void)
{
	const struct kup_config config = {
		.name = "bench",
		.channels = channels,
		.to_user_pages = pages,
		.to_kernel_pages = pages,
		.spin_us = spin,
	};
	const struct kup_config large_config = {
		.name = "bench_large",
		.channels = 2,
		.to_user_pages = large_pages,
		.to_kernel_pages = 1,
	};
	const struct kup_config many_config = {
		.name = "bench_many",
		.channels = many,
		.to_user_pages = 1,
		.to_kernel_pages = 1,
	};
	int error = kup_device_create(&config, &serving, NULL, &device);

	if (!error)
		error = kup_device_create(&large_config, &serving, NULL, &large_device);
	if (!error)
		error = kup_device_create(&many_config, &kept, NULL, &many_device);
	if (error)
		unload();
	return error;
}

KUP_MODULE(load, unload, "KUP's benchmarks: a source, a sink and an echo");
