/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls in both directions at once: 64 threads of a client, and a user with 64 calls; with random
 * timeouts, cancels, replies that do not fit, and ends of both sides. Every call ends once.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kup_user_call.h"
#include "layers/call.h"
#include "user.h"

#define LONGEST 5000u /* more than the ring takes */

/* Atomic counts of all channels. */
static struct {
	kup_u32 kernel_calls, kernel_replies, kernel_failures, kernel_wrong;
	kup_u32 requests, answered, cancels, cancelled_twice;
	kup_u32 user_calls, user_replies, user_cancels, user_ends, user_deaths, user_wrong;
	kup_u32 drained, lost; /* lives that were drained, and calls that stayed open in them */
} sum;

static void count(kup_u32 *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
}

/* ---- Contents: a request is filled from its method, and its reply from the method too ---- */

static kup_u8 byte_at(kup_u32 method, kup_u32 index, kup_u8 salt)
{
	return (kup_u8)(method * 31 + index + salt);
}

static void fill(kup_u8 *bytes, kup_u32 length, kup_u32 method, kup_u8 salt)
{
	kup_u32 i;

	for (i = 0; i < length; i++)
		bytes[i] = byte_at(method, i, salt);
}

static int is_filled(const void *data, kup_u32 length, kup_u32 method, kup_u8 salt)
{
	const kup_u8 *bytes = data;
	kup_u32 i;

	for (i = 0; i < length; i++)
		if (bytes[i] != byte_at(method, i, salt))
			return 0;
	return 1;
}

#define ASKED 0
#define ANSWERED 100

/* Mostly short. */
static kup_u32 random_length(kup_u32 *state)
{
	return dice(state) % (dice(state) % 16 ? 200 : LONGEST);
}

/* ---- The client ---- */

struct kept {
	int used, cancelled;
	kup_u32 method;
	struct kup_request request;
};

struct client {
	struct kup_calls *calls;
	struct kup_channel *channel;
	pthread_t callers[KUP_CALLS];
	pthread_t replier;
	pthread_mutex_t lock; /* of all below */
	struct kept kept[KUP_CALLS];
	kup_u32 seed;
	int ending;
};

static kup_u32 seeds;

static void answer(struct kup_request request, kup_u32 method, int may_wait, kup_u32 *state)
{
	kup_u8 bytes[LONGEST];
	kup_u32 length = random_length(state);
	int error;

	if (dice(state) % 4 == 0) {
		kup_reply_status(request, dice(state) % 2 ? 7 : KUP_STATUS_CANCELLED);
	} else {
		fill(bytes, length, method, ANSWERED);
		error = may_wait ? kup_reply_wait(request, 0, bytes, length,
						  dice(state) % 3 * KUP_MS)
				 : kup_reply(request, 0, bytes, length);
		if (error == -EAGAIN || error == -EMSGSIZE || error == -ETIMEDOUT)
			kup_reply_status(request, KUP_STATUS_NO_ROOM);
		else if (error == -ENOENT)
			return;
	}
	count(&sum.answered);
}

static void called(struct kup_request request, kup_u32 method, const void *data, kup_u32 length)
{
	struct client *client = kup_calls_context(request.calls);
	kup_u32 state = (method + 1) * 2654435761u | 1;

	count(&sum.requests);
	if (!is_filled(data, length, method, ASKED))
		count(&sum.kernel_wrong);
	if (dice(&state) % 2) {
		answer(request, method, 0, &state);
		return;
	}
	pthread_mutex_lock(&client->lock);
	if (client->kept[request.id % KUP_CALLS].used)
		count(&sum.kernel_wrong);
	client->kept[request.id % KUP_CALLS] = (struct kept){ 1, 0, method, request };
	pthread_mutex_unlock(&client->lock);
}

static void cancelled(struct kup_request request)
{
	struct client *client = kup_calls_context(request.calls);
	struct kept *kept = &client->kept[request.id % KUP_CALLS];

	count(&sum.cancels);
	pthread_mutex_lock(&client->lock);
	if (kept->used && kept->request.id == request.id && kept->cancelled++)
		count(&sum.cancelled_twice);
	pthread_mutex_unlock(&client->lock);
}

static const struct kup_call_ops call_ops = { .call = called, .cancel = cancelled };

/* Answers what was kept, in another order, until the client ends and nothing is kept. */
static void *reply_later(void *argument)
{
	struct client *client = argument;
	kup_u32 state = dice_seed(client->seed), i;
	int ending = 0;

	while (!ending) {
		pthread_mutex_lock(&client->lock);
		ending = client->ending;
		pthread_mutex_unlock(&client->lock);
		for (i = 0; i < KUP_CALLS; i++) {
			struct kept kept;

			if (!ending && dice(&state) % 3 == 0)
				continue;
			pthread_mutex_lock(&client->lock);
			kept = client->kept[i];
			client->kept[i].used = 0;
			pthread_mutex_unlock(&client->lock);
			if (kept.used)
				answer(kept.request, kept.method, 1, &state);
		}
		sleep_ms(ending ? 0 : 1);
	}
	return NULL;
}

static kup_time random_timeout(kup_u32 *state)
{
	switch (dice(state) % 4) {
	case 0:
		return (1 + dice(state) % 50) * KUP_US;
	case 1:
		return (1 + dice(state) % 5) * KUP_MS;
	default:
		return KUP_FOREVER;
	}
}

static void *call_user(void *argument)
{
	struct client *client = argument;
	kup_u32 state = dice_seed(__atomic_add_fetch(&seeds, 1, __ATOMIC_RELAXED));
	kup_u8 out[300], in[LONGEST];
	int error = 0;

	while (!error || error == -ETIMEDOUT || error == -EMSGSIZE) {
		kup_u32 method = dice(&state) % 100000, length = dice(&state) % sizeof(out);
		struct kup_answer got = { .buffer = in,
					  .capacity = dice(&state) % 8 ? LONGEST : 10 };

		fill(out, length, method, ASKED);
		count(&sum.kernel_calls);
		error = kup_call(client->calls, method, out, length, &got, random_timeout(&state));
		count(error ? &sum.kernel_failures : &sum.kernel_replies);
		if (!error && !got.status && !is_filled(in, got.length, method, ANSWERED))
			count(&sum.kernel_wrong);
		if (!error)
			storm_step();
	}
	if (error != -EPIPE && error != -ESHUTDOWN)
		count(&sum.kernel_wrong);
	kup_calls_put(client->calls);
	return NULL;
}

static int attach(struct kup_channel *channel)
{
	struct client *client = calloc(1, sizeof(*client));
	kup_u32 i;

	if (!client || kup_calls_begin(channel, &call_ops, client, &client->calls))
		abort();
	client->channel = channel;
	client->seed = __atomic_add_fetch(&seeds, 1, __ATOMIC_RELAXED);
	pthread_mutex_init(&client->lock, NULL);
	kup_channel_set_context(channel, client);
	for (i = 0; i < KUP_CALLS; i++) {
		kup_calls_get(client->calls);
		if (pthread_create(&client->callers[i], NULL, call_user, client))
			abort();
	}
	if (pthread_create(&client->replier, NULL, reply_later, client))
		abort();
	return 0;
}

static int serve(struct kup_channel *channel)
{
	struct client *client = kup_channel_context(channel);

	return kup_calls_serve(client->calls);
}

static void detach(struct kup_channel *channel)
{
	struct client *client = kup_channel_context(channel);
	kup_u32 i;

	kup_calls_end(client->calls);
	for (i = 0; i < KUP_CALLS; i++)
		pthread_join(client->callers[i], NULL);
	pthread_mutex_lock(&client->lock);
	client->ending = 1;
	pthread_mutex_unlock(&client->lock);
	pthread_join(client->replier, NULL);
	pthread_mutex_destroy(&client->lock);
	free(client);
}

static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };

/* ---- The user ---- */

struct user_call {
	int open;
	kup_u32 method;
	uint64_t id;
};

struct player {
	struct kup_user_calls *calls;
	struct user_call open[KUP_CALLS];
	kup_u32 state;
	uint64_t kept[KUP_CALLS]; /* requests to be answered later */
	kup_u32 kept_methods[KUP_CALLS], kept_count;
};

static int start_call(struct player *player)
{
	struct user_call *call = player->open;
	kup_u8 bytes[300];
	kup_u32 length = dice(&player->state) % sizeof(bytes);
	int error;

	while (call < player->open + KUP_CALLS && call->open)
		call++;
	if (call == player->open + KUP_CALLS)
		return -EAGAIN;
	call->method = dice(&player->state) % 100000;
	fill(bytes, length, call->method, ASKED);
	error = kup_user_call_start(player->calls, call->method, bytes, length, call, &call->id);
	if (error)
		return error;
	call->open = 1;
	count(&sum.user_calls);
	return 0;
}

static void cancel_some(struct player *player)
{
	struct user_call *call = &player->open[dice(&player->state) % KUP_CALLS];

	if (!call->open)
		return;
	if (kup_user_call_cancel(player->calls, call->id))
		count(&sum.user_wrong);
	call->open = 0;
	count(&sum.user_cancels);
}

static void reply(struct player *player, uint64_t id, kup_u32 method)
{
	kup_u8 bytes[LONGEST];
	kup_u32 length = random_length(&player->state);
	int error;

	fill(bytes, length, method, ANSWERED);
	error = dice(&player->state) % 4 ? kup_user_reply(player->calls, id, 0, bytes, length)
					 : -EAGAIN;
	if (error == -EAGAIN || error == -EMSGSIZE)
		kup_user_reply_status(player->calls, id, 3);
}

static void take_event(struct player *player, const struct kup_user_call_event *event)
{
	struct user_call *call = event->context;

	if (event->kind == KUP_CALL_REQUEST) {
		if (player->kept_count == KUP_CALLS ||
		    !is_filled(event->data, event->length, event->method, ASKED))
			count(&sum.user_wrong);
		if (dice(&player->state) % 2) {
			reply(player, event->id, event->method);
		} else {
			player->kept_methods[player->kept_count] = event->method;
			player->kept[player->kept_count++] = event->id;
		}
	} else if (event->kind == KUP_CALL_REPLY) {
		if (!call->open || call->id != event->id)
			count(&sum.user_wrong);
		if (!event->error && !event->status &&
		    !is_filled(event->data, event->length, call->method, ANSWERED))
			count(&sum.user_wrong);
		call->open = 0;
		count(event->error ? &sum.user_ends : &sum.user_replies);
	}
}

static void answer_kept(struct player *player)
{
	while (player->kept_count > 0 && dice(&player->state) % 8) {
		player->kept_count--;
		reply(player, player->kept[player->kept_count],
		      player->kept_methods[player->kept_count]);
	}
}

/* Plays until the channel ends (-EPIPE), or the user dies in the middle of all. */
static int play(struct player *player, kup_u32 rounds)
{
	struct kup_user_call_event event;
	int error = 0;

	while (rounds-- > 0 && (!error || error == -EAGAIN || error == -ETIMEDOUT)) {
		while (dice(&player->state) % 16 && !start_call(player))
			;
		if (dice(&player->state) % 4 == 0)
			cancel_some(player);
		answer_kept(player);
		error = kup_user_calls_next(player->calls, &event, dice(&player->state) % 3);
		if (!error)
			take_event(player, &event);
	}
	return error;
}

static kup_u32 count_open(const struct player *player)
{
	kup_u32 i, open = 0;

	for (i = 0; i < KUP_CALLS; i++)
		open += player->open[i].open != 0;
	return open;
}

/*
 * Starts no more calls, and reads until each open one has ended, by an event of its own. If users
 * stop before their device goes, no end of the channel can replace a reply that was lost.
 */
static int drain(struct player *player)
{
	kup_u64 end = os_now_ns() + PATIENCE_MS * KUP_MS;
	struct kup_user_call_event event;
	int error = 0;

	while (count_open(player) > 0 && (!error || error == -EAGAIN || error == -ETIMEDOUT) &&
	       os_now_ns() < end) {
		answer_kept(player);
		error = kup_user_calls_next(player->calls, &event, 1);
		if (!error)
			take_event(player, &event);
	}
	count(&sum.drained);
	__atomic_fetch_add(&sum.lost, count_open(player), __ATOMIC_RELAXED);
	return error;
}

/* The calls that are open when a user dies end with it. */
static void die(struct player *player)
{
	__atomic_fetch_add(&sum.user_deaths, count_open(player), __ATOMIC_RELAXED);
	kup_user_calls_end(player->calls);
}

/* Atomic: the users end their last life. */
static kup_u32 users_stop;

static void *live(void *argument)
{
	kup_u32 *number = argument, state = dice_seed(900 + *number);
	struct kup_user_channel *channel;

	while (!kup_load(&users_stop) &&
	       !kup_user_channel_open("host:calls", *number, PATIENCE_MS, &channel)) {
		struct player player = { .state = dice(&state) };
		int error = kup_user_calls_begin(channel, &player.calls);

		if (!error) {
			error = play(&player, 20 + dice(&state) % 2000);
			if (dice(&state) % 2)
				error = drain(&player);
			die(&player);
		}
		if (error == -EPROTO)
			count(&sum.user_wrong);
		kup_user_channel_close(channel);
	}
	return NULL;
}

/* ---- The storm ---- */

/* The device goes while its users call, or after they have stopped. */
static void one_device(int stops_first)
{
	const struct kup_config config = { .name = "calls",
					   .channels = 2,
					   .mode = KUP_MODE_CALL,
					   .to_user_pages = 1,
					   .to_kernel_pages = 1 };
	struct kup_device *device = make_device(&config, &ops);
	kup_u32 numbers[2] = { 0, 1 }, i;
	pthread_t users[2];

	kup_store(&users_stop, 0);
	for (i = 0; i < 2; i++)
		pthread_create(&users[i], NULL, live, &numbers[i]);
	storm_pause(100);
	if (stops_first)
		kup_store(&users_stop, 1);
	else
		kup_device_destroy(device);
	for (i = 0; i < 2; i++)
		pthread_join(users[i], NULL);
	if (stops_first)
		kup_device_destroy(device);
}

void call_storm_cases(void)
{
	kup_u32 ended;

	memset(&sum, 0, sizeof(sum));
	storm_begin();
	while (storm_goes_on(50)) {
		one_device(0);
		one_device(1);
	}
	ended = sum.user_replies + sum.user_cancels + sum.user_ends + sum.user_deaths;
	check(sum.user_calls > 0 && sum.user_calls == ended && !sum.user_wrong,
	      "kup_user_call_start() begins calls that each end once, by a reply, a cancel or an "
	      "end",
	      "%u of %u: %u replies, %u cancels, %u ends, %u deaths; %u wrong", ended,
	      sum.user_calls, sum.user_replies, sum.user_cancels, sum.user_ends, sum.user_deaths,
	      sum.user_wrong);
	check(sum.drained > 0 && !sum.lost,
	      "kup_user_calls_next() returns the end of each open call when no new ones begin",
	      "%u of %u lives left calls open: %u", sum.lost > 0, sum.drained, sum.lost);
	check(sum.kernel_replies > 0 && sum.kernel_failures > 0 && !sum.kernel_wrong &&
		      sum.kernel_calls == sum.kernel_replies + sum.kernel_failures,
	      "kup_call() of 64 threads gets each thread its own reply", "%u of %u, %u wrong",
	      sum.kernel_replies + sum.kernel_failures, sum.kernel_calls, sum.kernel_wrong);
	check(sum.requests > 0 && sum.requests == sum.answered && !sum.cancelled_twice,
	      "kup_reply() answers each request once, also after the channel's end",
	      "%u of %u, %u cancelled twice", sum.answered, sum.requests, sum.cancelled_twice);
}
