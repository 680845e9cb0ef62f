/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls in both directions at once, 64 and 64 on a channel, with random cancels, time-outs, replies
 * that do not fit, closes by the kernel's side, unloads, and a process that is killed in the middle
 * again and again. Every call ends once.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channels.h"
#include "kup_user_call.h"
#include "peer.h"

#define PLAYERS 2
#define LEAST_LIVES 20
#define LONGEST 2000u
#define BEHIND ((uint32_t)sizeof(struct echo_back))

typedef struct kup_user_call_event event_t;

/* Atomic counts of all processes that end by themselves; those that are killed have their own. */
static struct sum {
	uint32_t over, lives;
	uint32_t calm; /* not 0: players begin no life while it has this value */
	uint32_t idle; /* how many players have none */
	uint32_t started, replies, cancels, ends, most_open;	    /* of the user's calls */
	uint32_t requests, requests_cancelled, too_long, timed_out; /* of the kernel's */
	uint32_t wrong, lost;
} * sum;

static uint32_t deaths, loads;

static void add(uint32_t *word, uint32_t number)
{
	__atomic_fetch_add(word, number, __ATOMIC_RELAXED);
}

static uint32_t get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* ---- Contents: a payload is filled from its method ---- */

static void fill(uint8_t *bytes, uint32_t length, uint32_t method)
{
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(method * 31 + i);
}

static bool is_filled(const void *data, uint32_t length, uint32_t method)
{
	const uint8_t *bytes = data;

	for (uint32_t i = 0; i < length; i++)
		if (bytes[i] != (uint8_t)(method * 31 + i))
			return false;
	return true;
}

/* ---- A player: one channel, and 64 calls ---- */

struct call {
	bool open;
	uint32_t method;
	uint32_t back; /* for ECHO_CALL_BACK: the method of the kernel's call */
	uint64_t id;
};

struct player {
	channel_t *channel;
	struct kup_user_calls *calls;
	struct call open[KUP_CALLS];
	uint32_t state, next_back, unreleased;
	bool only_back; /* all calls make the kernel call */
	uint64_t kept[KUP_CALLS];
	uint32_t kept_methods[KUP_CALLS], kept_count;
};

static uint32_t roll(struct player *player, uint32_t sides)
{
	return random_next(&player->state) % sides;
}

static uint32_t pick_method(struct player *player)
{
	if (player->only_back)
		return ECHO_CALL_BACK;
	switch (roll(player, 16)) {
	case 0:
		return ECHO_CALL_STATUS;
	case 1:
	case 2:
		return ECHO_CALL_LONG;
	case 3:
	case 4:
		/* A few calls at most are kept at once, so that others have slots. */
		if (player->unreleased++ < 16)
			return roll(player, 2) ? ECHO_CALL_KEEP : ECHO_CALL_IGNORE;
		player->unreleased = 0;
		return ECHO_CALL_RELEASE;
	case 5:
	case 6:
	case 7:
	case 8:
		return ECHO_CALL_BACK;
	default:
		return roll(player, 100000);
	}
}

/* Writes the request of a call. Returns its length. */
static uint32_t write_request(struct player *player, struct call *call, uint8_t *bytes)
{
	static const uint32_t contexts[] = { ECHO_INTERRUPT, ECHO_DEFERRED, ECHO_TRYING };
	uint32_t length = roll(player, 300), number = 0;
	struct echo_back back;

	if (call->method < ECHO_CALL_COMMANDS) {
		fill(bytes, length, call->method);
		return length;
	}
	if (call->method == ECHO_CALL_BACK) {
		call->back = player->next_back++ % 0x10000 << 8 | (uint32_t)(call - player->open);
		back.method = call->back;
		back.milliseconds = roll(player, 4) ? PATIENCE_MS : roll(player, 20);
		memcpy(bytes, &back, sizeof(back));
		fill(bytes + BEHIND, length, call->back);
		return BEHIND + length;
	}
	if (call->method == ECHO_CALL_RELEASE)
		number = contexts[roll(player, 3)];
	else if (call->method == ECHO_CALL_LONG)
		number = roll(player, 4) ? roll(player, LONGEST) : 1u << roll(player, 20);
	else if (call->method == ECHO_CALL_STATUS)
		number = roll(player, 1000);
	memcpy(bytes, &number, sizeof(number));
	return sizeof(number);
}

/* Starts a call in a free slot. -EAGAIN: there is none, or no room. */
static int start(struct player *player, uint32_t method)
{
	struct call *call = player->open, trial;
	uint8_t bytes[400];
	uint32_t length;
	int error;

	while (call < player->open + KUP_CALLS && call->open)
		call++;
	if (call == player->open + KUP_CALLS)
		return -EAGAIN;
	trial = *call;
	call->method = method;
	length = write_request(player, call, bytes);
	error = kup_user_call_start(player->calls, method, bytes, length, call, &call->id);
	if (error) {
		*call = trial;
		return error;
	}
	call->open = true;
	add(&sum->started, 1);
	return 0;
}

static uint32_t count_open(const struct player *player)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < KUP_CALLS; i++)
		open += player->open[i].open;
	return open;
}

static void cancel_some(struct player *player)
{
	struct call *call = &player->open[roll(player, KUP_CALLS)];

	if (!call->open)
		return;
	if (kup_user_call_cancel(player->calls, call->id))
		add(&sum->wrong, 1);
	call->open = false;
	add(&sum->cancels, 1);
}

/* The answer is as long as the request, shorter, or longer, which the kernel's caller refuses. */
static void answer(struct player *player, uint64_t id, uint32_t method)
{
	uint8_t bytes[LONGEST];
	uint32_t length = roll(player, roll(player, 8) ? 100 : LONGEST);
	int error = -EAGAIN;

	fill(bytes, length, method);
	if (roll(player, 8))
		error = kup_user_reply(player->calls, id, 0, bytes, length);
	if (error == -EAGAIN || error == -EMSGSIZE)
		kup_user_reply_status(player->calls, id, 3);
}

static void answer_kept(struct player *player, uint32_t odds)
{
	while (player->kept_count > 0 && roll(player, odds)) {
		player->kept_count--;
		answer(player, player->kept[player->kept_count],
		       player->kept_methods[player->kept_count]);
	}
}

static void take_request(struct player *player, const event_t *event)
{
	add(&sum->requests, 1);
	if (!is_filled(event->data, event->length, event->method))
		add(&sum->wrong, 1);
	if (player->kept_count == KUP_CALLS)
		add(&sum->wrong, 1);
	if (roll(player, 4) == 0 || player->kept_count == KUP_CALLS) {
		answer(player, event->id, event->method);
	} else {
		player->kept_methods[player->kept_count] = event->method;
		player->kept[player->kept_count++] = event->id;
	}
}

/* Whether a reply is one that this call can have. */
static bool is_right(const struct call *call, const event_t *event)
{
	if (call->method < ECHO_CALL_COMMANDS)
		return event->status == KUP_STATUS_NO_ROOM ||
		       event->status == KUP_STATUS_TOO_LONG ||
		       (!event->status && is_filled(event->data, event->length, call->method));
	if (call->method != ECHO_CALL_BACK || event->status)
		return true;
	return is_filled(event->data, event->length, call->back);
}

static void count_failure(const struct call *call, const event_t *event)
{
	uint32_t error;

	if (call->method != ECHO_CALL_BACK || event->status != ECHO_CALL_FAILED ||
	    event->length != sizeof(error))
		return;
	memcpy(&error, event->data, sizeof(error));
	add(&sum->too_long, error == EMSGSIZE);
	add(&sum->timed_out, error == ETIMEDOUT);
}

static void take_event(struct player *player, const event_t *event)
{
	struct call *call = event->context;

	if (event->kind == KUP_CALL_REQUEST) {
		take_request(player, event);
	} else if (event->kind == KUP_CALL_CANCEL) {
		add(&sum->requests_cancelled, 1);
	} else {
		if (!call->open || call->id != event->id)
			add(&sum->wrong, 1);
		call->open = false;
		add(event->error ? &sum->ends : &sum->replies, 1);
		if (event->error)
			return;
		if (!is_right(call, event))
			add(&sum->wrong, 1);
		count_failure(call, event);
	}
}

static bool continues(int error)
{
	return error == 0 || error == -EAGAIN || error == -ETIMEDOUT;
}

/* Plays for some rounds, or until the channel ends or this player has to end its life. */
static int play(struct player *player, uint32_t rounds)
{
	event_t event;
	int error = 0;

	while (rounds-- > 0 && !get(&sum->calm) && continues(error)) {
		while (roll(player, 32) && !start(player, pick_method(player)))
			;
		if (roll(player, 8) == 0)
			cancel_some(player);
		if (count_open(player) > get(&sum->most_open))
			__atomic_store_n(&sum->most_open, count_open(player), __ATOMIC_RELAXED);
		answer_kept(player, player->kept_count > KUP_CALLS / 2 ? 64 : 4);
		error = kup_user_calls_next(player->calls, &event, roll(player, 3));
		if (!error)
			take_event(player, &event);
	}
	return error;
}

/*
 * Starts nothing new, except what ends the kept calls, until each open call has had its event. If
 * it is calm, no unload ends a call whose reply was lost.
 */
static int drain(struct player *player)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	bool released = false;
	event_t event;
	int error = 0;

	while (count_open(player) > 0 && continues(error) && now_ms() < end) {
		if (!released)
			released = start(player, ECHO_CALL_RELEASE) == 0;
		answer_kept(player, 64);
		error = kup_user_calls_next(player->calls, &event, 1);
		if (!error)
			take_event(player, &event);
	}
	add(&sum->lost, count_open(player));
	return error;
}

/* One channel's life. The device may be gone at any time. */
static void live(uint32_t seed)
{
	static struct player player;
	int error;

	player = (struct player){ .state = seed * 2654435761u | 1 };
	if (kup_user_channel_open(path_of(ECHO_NAME), KUP_CHANNEL_ANY, 100, &player.channel)) {
		sleep_ms(1);
		return;
	}
	error = kup_user_calls_begin(player.channel, &player.calls);
	if (!error) {
		player.only_back = roll(&player, 2);
		error = play(&player, 200 + roll(&player, 3000));
		if (continues(error) && roll(&player, 4) == 0)
			start(&player, ECHO_CALL_CLOSE);
		error = drain(&player);
		add(&sum->lives, 1);
	}
	if (error == -EPROTO)
		add(&sum->wrong, 1);
	kup_user_calls_end(player.calls);
	kup_user_channel_close(player.channel);
}

/* ---- Processes ---- */

static pid_t start_process(uint32_t seed, bool is_victim)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	alarm(0);
	sum += is_victim;
	while (is_victim || !get(&sum->over)) {
		uint32_t calm;

		live(seed++ * 1000003u);
		/* Pairs with the release in load_again: `idle` is 0 before. */
		calm = __atomic_load_n(&sum->calm, __ATOMIC_ACQUIRE);
		if (is_victim || !calm)
			continue;
		add(&sum->idle, 1);
		while (get(&sum->calm) == calm)
			sleep_ms(1);
	}
	_exit(0);
}

/* Unloads and loads the module, while the players call, or after each of them has ended a life. */
static void load_again(bool calm)
{
	if (calm) {
		__atomic_store_n(&sum->idle, 0, __ATOMIC_RELAXED);
		/* Pairs with the acquire in start_process. */
		__atomic_store_n(&sum->calm, loads + 1, __ATOMIC_RELEASE);
		need(EVENTUALLY(2 * PATIENCE_MS, get(&sum->idle) == PLAYERS),
		     "each player ends its life");
	}
	need_unload();
	sleep_us(dice(3000));
	need(module_load("mode=3") == 0, "the echo client can be loaded in call mode");
	loads++;
	__atomic_store_n(&sum->calm, 0, __ATOMIC_RELAXED);
}

/* Whether all that a storm can have has happened. */
static bool had_all(void)
{
	return get(&sum->lives) >= LEAST_LIVES && loads > 2 && get(&sum->most_open) == KUP_CALLS &&
	       get(&sum->cancels) && get(&sum->ends) && get(&sum->requests) &&
	       get(&sum->requests_cancelled) && get(&sum->too_long) && get(&sum->timed_out);
}

/* Chance decides what happens in so many seconds: a slow machine needs more of them. */
static bool is_over(uint64_t end)
{
	return now_ms() >= end && (had_all() || now_ms() >= end + 4ull * PATIENCE_MS);
}

/* Kills the victim at random times, and unloads the module now and then, until the end. */
static void storm(uint64_t end)
{
	uint32_t seed = 100;

	while (!is_over(end)) {
		/* A slow machine needs the ends of more lives, not more victims. */
		uint32_t rounds = 5 + (now_ms() < end ? dice(20) : 0);

		while (rounds-- > 0) {
			pid_t victim = start_process(seed++, true);

			sleep_us(dice(60000));
			kill(victim, SIGKILL);
			waitpid(victim, NULL, 0);
			deaths++;
		}
		load_again(loads % 2);
	}
}

static uint32_t seconds(void)
{
	const char *text = getenv("KUP_SECONDS");

	return text && *text ? (uint32_t)strtoul(text, NULL, 10) : 3;
}

static void check_sums(void)
{
	uint32_t ended = sum->replies + sum->cancels + sum->ends;

	printf("# %u lives, %u deaths, %u loads; %u calls: %u replies, %u cancels, %u ends\n",
	       sum->lives, deaths, loads, sum->started, sum->replies, sum->cancels, sum->ends);
	printf("# %u requests, %u cancelled; %u replies too long, %u calls timed out\n",
	       sum->requests, sum->requests_cancelled, sum->too_long, sum->timed_out);
	check(sum->lost == 0 && sum->started == ended,
	      "kup_user_calls_next() returns the end of each open call when no new ones begin",
	      "%u of %u calls ended, %u stayed open", ended, sum->started, sum->lost);
	check(sum[0].wrong == 0 && sum[1].wrong == 0,
	      "kup_user_calls_next() returns one end of a call, with its own reply",
	      "%u and %u are wrong", sum[0].wrong, sum[1].wrong);
	check(sum->most_open == KUP_CALLS, "kup_user_call_start() opens 64 calls at once", "%u",
	      sum->most_open);
	check(had_all(),
	      "the storm has requests, cancels, time-outs, replies that do not fit and ends",
	      "one of the counts above is 0");
}

int main(int count, char **arguments)
{
	pid_t players[PLAYERS];
	int fd;

	begin(count, arguments, 60 + 5 * seconds());
	need_unload();
	need(module_load("mode=3") == 0, "the echo client can be loaded in call mode");
	sum = mmap(NULL, 2 * sizeof(*sum), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		   0);
	for (uint32_t i = 0; i < PLAYERS; i++)
		players[i] = start_process(i + 1, false);
	storm(now_ms() + 1000 * seconds());
	__atomic_store_n(&sum->over, 1, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < PLAYERS; i++) {
		int status;

		waitpid(players[i], &status, 0);
		check(status == 0, "a process ends after its last call", "status %x", status);
	}
	check_sums();
	fd = echo_open();
	check(all_free(fd), "close() and a kill in calls of both sides free the channel", "%u are",
	      channels_free(fd));
	kup_user_close(fd);
	need_unload();
	reload();
	return finish();
}
