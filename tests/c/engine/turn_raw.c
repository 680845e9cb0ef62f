/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turns against a user that the test drives by hand: late, in unusual ways, or wrongly. The
 * kernel's side has no serve: threads of the test drive the channel.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "layers/turn.h"
#include "user.h"

static const struct kup_config small = { .name = "raw",
					 .mode = KUP_MODE_TURN,
					 .to_user_pages = 2,
					 .to_kernel_pages = 2,
					 .spin_us = KUP_NO_SPIN };

static struct kup_channel *attached;

static int attach(struct kup_channel *channel)
{
	kup_channel_get(channel);
	attached = channel;
	return 0;
}

static const struct kup_ops ops = { .attach = attach };

struct raw {
	struct kup_device *device;
	struct kup_channel *channel;
	struct kup_turn turn;
	struct user user;
};

static int begin(struct raw *raw, const struct kup_config *config)
{
	memset(raw, 0, sizeof(*raw));
	raw->device = make_device(config, &ops);
	if (user_attach(&raw->user, config->name, 0)) {
		check(0, "a turn channel can be attached", "no");
		kup_device_destroy(raw->device);
		return -EIO;
	}
	raw->channel = attached;
	kup_turn_begin(&raw->turn, attached);
	return 0;
}

static void end(struct raw *raw)
{
	user_close(&raw->user);
	kup_channel_put(raw->channel);
	kup_device_destroy(raw->device);
}

/* No thread is woken. */
static void put_message(struct raw *raw, kup_u32 length)
{
	user_put(&raw->user, 0, 0, length);
}

static void put_pass(struct raw *raw)
{
	user_put(&raw->user, KUP_RECORD_CONTROL, KUP_CONTROL_PASS, 0);
}

static void put_discarded(struct raw *raw, kup_u32 length)
{
	user_put(&raw->user, KUP_RECORD_DISCARD, 0, length);
}

/* The user reads everything. Returns the number of records. */
static kup_u32 drain(struct raw *raw)
{
	struct kup_record record;
	kup_u32 count = 0;

	while (kup_consumer_peek(&raw->user.in, &record) == KUP_RING_OK) {
		kup_consumer_release(&raw->user.in, &record);
		count++;
	}
	return count;
}

static int sleepers(struct raw *raw, kup_u32 count)
{
	kup_u64 end_ns = os_now_ns() + 3000000000ull;

	while (kup_load64(&raw->channel->counters.sleeps) < count && os_now_ns() < end_ns)
		sleep_ms(1);
	/* The call is counted before it sleeps. */
	sleep_ms(5);
	return kup_load64(&raw->channel->counters.sleeps) >= count;
}

/* ---- The rules ---- */

/* Whether the channel has ended for the user, and no record came that the user has not read. */
static int is_broken(struct raw *raw)
{
	return kup_ended(raw->channel) == -EPROTO &&
	       kup_load(&raw->user.kernel->error) == KUP_ERROR_TURN && drain(raw) == 0;
}

static void test_unread(void)
{
	struct kup_record record = { 0 };
	struct raw raw;
	int first, full, dropped, left;
	kup_u8 buffer[8];

	if (begin(&raw, &small))
		return;
	first = kup_turn_peek(&raw.turn, &record, KUP_FOREVER);
	kup_turn_pass(&raw.turn, 0, 0);
	put_pass(&raw);
	drain(&raw);
	check(first == -EDEADLK && !kup_turn_send(&raw.turn, 1, "x", 1, 0, 0),
	      "kup_turn_send() ignores a pass that was not received", "%d", first);
	put_message(&raw, 16);
	drain(&raw);
	full = kup_turn_send(&raw.turn, 1, "x", 1, 0, 0);
	check(full == -ENOTEMPTY && kup_turn_pass(&raw.turn, 0, 0) == -ENOTEMPTY,
	      "kup_turn_send() and kup_turn_pass() refuse to lose a message that was not received",
	      "%s", strerror(-full));
	full = kup_turn_receive(&raw.turn, buffer, sizeof(buffer), &record, 0);
	left = kup_turn_peek(&raw.turn, &record, 0);
	check(full == -EMSGSIZE && !left && record.length == 16 &&
		      kup_turn_peek(&raw.turn, &record, KUP_FOREVER) == -EDEADLK,
	      "kup_turn_receive() leaves a message that is too long for the buffer in the ring",
	      "%s, %s", strerror(-full), strerror(-left));
	kup_turn_pass(&raw.turn, 0, 0);
	put_message(&raw, 16);
	drain(&raw);
	dropped = kup_turn_send(&raw.turn, 1, "x", 1, KUP_TURN_DROP, 0);
	check(!dropped && kup_load(&raw.user.kernel->to_kernel_tail.value) == raw.user.out.head &&
		      kup_turn_peek(&raw.turn, &record, 0) == -EAGAIN,
	      "kup_turn_send() with KUP_TURN_DROP gives back an unread message's room", "%s",
	      strerror(-dropped));
	end(&raw);
}

/* Each lie begins at the kernel's turn, and the kernel's next send has to find it. */
static void lie_early(struct raw *raw)
{
	drain(raw);
	put_message(raw, 0);
}

static void lie_twice(struct raw *raw)
{
	struct kup_record record;

	kup_turn_pass(&raw->turn, 0, 0);
	drain(raw);
	put_message(raw, 8);
	put_pass(raw);
	kup_turn_peek(&raw->turn, &record, 0);
}

static void lie_by_pass(struct raw *raw)
{
	kup_turn_pass(&raw->turn, 0, 0);
	drain(raw);
	user_put(&raw->user, KUP_RECORD_CONTROL, KUP_CONTROL_PASS, 8);
}

static void test_lies(void)
{
	static void (*const lies[])(struct raw *) = { lie_early, lie_twice, lie_by_pass };
	struct raw raw;
	kup_u32 i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		int error;

		if (begin(&raw, &small))
			return;
		lies[i](&raw);
		error = kup_turn_send(&raw.turn, 1, "x", 1, 0, 0);
		check(error == -EPROTO && is_broken(&raw),
		      "kup_turn_send() breaks a channel whose user has sent out of turn, or passed "
		      "data",
		      "lie %u: %s, error %u", i, strerror(-error),
		      kup_load(&raw.user.kernel->error));
		end(&raw);
	}
}

static void test_is_mine(void)
{
	struct kup_reservation reservation;
	struct raw raw;
	int first, given, discarded, back;

	if (begin(&raw, &small))
		return;
	first = kup_turn_is_mine(&raw.turn);
	kup_turn_reserve(&raw.turn, 8, 0, 0, &reservation);
	first = first && kup_turn_is_mine(&raw.turn);
	kup_turn_commit(&raw.turn, &reservation, 0, 8);
	drain(&raw);
	given = kup_turn_is_mine(&raw.turn);
	put_discarded(&raw, 8);
	discarded = kup_turn_is_mine(&raw.turn);
	put_message(&raw, 8);
	back = kup_turn_is_mine(&raw.turn);
	kup_turn_send(&raw.turn, 1, "x", 1, KUP_TURN_DROP, 0);
	put_message(&raw, 8);
	/* Also while a thread has the turn that came with it. */
	back = back && !kup_turn_reserve(&raw.turn, 8, KUP_TURN_DROP, 0, &reservation) &&
	       kup_turn_is_mine(&raw.turn);
	check(first && !given && !discarded && back,
	      "kup_turn_is_mine() returns whether this side may send a message or a pass",
	      "%d %d %d %d", first, given, discarded, back);
	if (back)
		kup_turn_discard(&raw.turn, &reservation);
	end(&raw);
}

/* ---- Sleeping ---- */

struct call {
	struct kup_turn *turn;
	pthread_t thread;
	int error;
};

static void *call_peek(void *argument)
{
	struct call *call = argument;
	struct kup_record record;

	call->error = kup_turn_peek(call->turn, &record, KUP_FOREVER);
	return NULL;
}

/* Both sides are always busy: neither sleeps for more than half of what positions can count. */
static void test_first_sleep(void)
{
	struct kup_config config = small;
	struct kup_record record;
	struct call call;
	struct raw raw;
	kup_u32 from, wrong = 0;
	int asked;

	config.to_kernel_pages = 4096;
	if (begin(&raw, &config))
		return;
	while (raw.user.out.head < 0x80100000u) {
		wrong += kup_turn_pass(&raw.turn, 0, 0) != 0;
		drain(&raw);
		put_message(&raw, raw.user.attach.to_kernel_bytes / 2);
		wrong += kup_turn_peek(&raw.turn, &record, 0) != 0;
	}
	kup_turn_pass(&raw.turn, 0, 0);
	call.turn = &raw.turn;
	pthread_create(&call.thread, NULL, call_peek, &call);
	wrong += !sleepers(&raw, 1);
	from = raw.user.out.head;
	put_message(&raw, 0);
	asked = user_is_asked(&raw.user, from);
	kup_user_kick(raw.user.file);
	pthread_join(call.thread, NULL);
	check(asked && !wrong && call.error == 0,
	      "kup_turn_peek() announces its first sleep after gigabytes of turns",
	      "%s, %d, %u wrong", asked ? "asked" : "not asked", call.error, wrong);
	end(&raw);
}

/* More records than one look skips, twice. */
static void test_discards(void)
{
	struct kup_record record = { 0 };
	struct raw raw;
	int i, error;

	if (begin(&raw, &small))
		return;
	kup_turn_pass(&raw.turn, 0, 0);
	for (i = 0; i < 700; i++)
		put_discarded(&raw, 0);
	put_message(&raw, 16);
	error = kup_turn_peek(&raw.turn, &record, PATIENCE_MS * KUP_MS);
	check(error == 0 && record.length == 16,
	      "kup_turn_peek() finds a message behind many discarded records", "%s",
	      strerror(-error));
	end(&raw);
}

/* ---- A receiver, while another thread has the turn and passes it ---- */

struct game {
	struct raw raw;
	pthread_t receiver, user;
	kup_u32 reserved; /* the rounds in which the sender had the turn */
	kup_u32 seen;	  /* the rounds in which the receiver was done */
	kup_u32 over, rounds, wrong;
};

static void await(const kup_u32 *word, kup_u32 value)
{
	kup_u32 looks;

	/* Each yield may take a time slice on a busy machine. */
	for (looks = 1; kup_load_acquire(word) < value; looks++)
		os_relax(looks % 64 == 0);
}

static void *receive_answers(void *argument)
{
	struct game *game = argument;
	struct kup_record record;
	kup_u32 round;

	for (round = 1; round <= kup_load(&game->rounds); round++) {
		await(&game->reserved, round);
		if (round > kup_load(&game->rounds))
			break;
		/* The turn is taken or passed from here on, and the answer is for this thread. */
		if (kup_turn_peek(&game->raw.turn, &record, KUP_FOREVER))
			game->wrong++;
		kup_store_release(&game->seen, round);
		if (game->wrong)
			break;
	}
	kup_store_release(&game->seen, ~0u);
	return NULL;
}

static void *answer_turns(void *argument)
{
	struct raw *raw = &((struct game *)argument)->raw;
	kup_u32 looks = 0;

	while (!kup_load_acquire(&((struct game *)argument)->over)) {
		kup_u32 from = raw->user.out.head;

		/* It takes the receiver a while to skip the discarded records. */
		if (drain(raw))
			put_message(raw, 8);
		else if (from == kup_load_acquire(&raw->user.kernel->to_kernel_tail.value))
			put_discarded(raw, 0);
		else
			os_relax(++looks % 64 == 0);
		if (raw->user.out.head != from && user_is_asked(&raw->user, from))
			kup_user_kick(raw->user.file);
	}
	return NULL;
}

#define GAME_NS 5000000000ull

static void test_answers(void)
{
	struct game game = { .rounds = run.delays ? 500 : 20000 };
	struct kup_reservation reservation;
	kup_u32 round, spins, state = dice_seed(12);
	kup_u64 end_ns = os_now_ns() + GAME_NS;

	if (begin(&game.raw, &small))
		return;
	pthread_create(&game.user, NULL, answer_turns, &game);
	pthread_create(&game.receiver, NULL, receive_answers, &game);
	/* A busy machine makes fewer rounds. */
	for (round = 1; round <= game.rounds && os_now_ns() < end_ns; round++) {
		if (kup_turn_reserve(&game.raw.turn, 8, 0, KUP_FOREVER, &reservation))
			break;
		kup_store_release(&game.reserved, round);
		for (spins = dice(&state) % 64; spins > 0; spins--)
			os_relax(0);
		kup_turn_commit(&game.raw.turn, &reservation, 0, 8);
		await(&game.seen, round);
		if (kup_load(&game.seen) == ~0u)
			break;
	}
	kup_store(&game.rounds, round - 1);
	kup_store_release(&game.reserved, ~0u);
	pthread_join(game.receiver, NULL);
	kup_store_release(&game.over, 1);
	pthread_join(game.user, NULL);
	check(!game.wrong, "kup_turn_peek() waits for the answer to what another thread is sending",
	      "it didn't in round %u", round);
	end(&game.raw);
}

/* ---- A user that writes any value anywhere ---- */

static int serve_liar(struct kup_channel *channel)
{
	struct kup_record record;
	struct kup_turn turn;
	kup_u8 buffer[300];
	int error = 0;

	kup_turn_begin(&turn, channel);
	while (!error) {
		error = kup_turn_receive(&turn, buffer, sizeof(buffer), &record, 20 * KUP_MS);
		if (error == -EDEADLK || error == -EMSGSIZE || (!error && record.control))
			error = kup_turn_pass(&turn, KUP_TURN_DROP, 20 * KUP_MS);
		else if (!error)
			error = kup_turn_send(&turn, record.type, buffer, 8, 0, 20 * KUP_MS);
		if (error == -ETIMEDOUT)
			error = 0;
	}
	return 0;
}

static kup_u32 odd_word(kup_u32 *state, kup_u32 word)
{
	switch (dice(state) % 8) {
	case 0:
		return dice(state);
	case 1:
		return word + 8 * (dice(state) % 1024) + dice(state) % 8;
	case 2:
		return word - 8 * (dice(state) % 16);
	case 3:
		return word + 0x80000000u;
	default:
		/* Sometimes the right value. */
		return word + 8 + (dice(state) % 8 ? 0 : 8);
	}
}

static void poke(struct user *user, kup_u32 *state)
{
	kup_u32 *words[] = { &user->page->to_kernel_head.value,
			     &user->page->to_kernel_producer_event.value,
			     &user->page->to_user_tail.value,
			     &user->page->to_user_consumer_event.value };
	kup_u32 *header =
		(kup_u32 *)(user->out.data + dice(state) % (user->info.to_kernel_bytes / 8) * 8);
	/* All of a record that is finished, except one word. */
	static const kup_u32 flags[] = {
		0, 0, 0, KUP_RECORD_CONTROL, KUP_RECORD_DISCARD, UNFINISHED, 0x10000000u, ~0u
	};
	kup_u32 *word = words[dice(state) % 4];

	if (dice(state) % 2)
		word = words[0];
	kup_store(word, odd_word(state, kup_load(word)));
	kup_store(header + 1, dice(state) % 4);
	kup_store(header, (flags[dice(state) % 8] ^ KUP_RECORD_READY) | dice(state) % 64);
	if (dice(state) % 4 == 0)
		kup_store(&user->page->to_user_tail.value,
			  kup_load(&user->kernel->to_user_head.value));
	if (dice(state) % 8 == 0)
		kup_user_kick(user->file);
	if (dice(state) % 16 == 0)
		kup_user_wait(user->file, POLLIN | POLLOUT, 0);
}

/* Fills the ring with discarded records, so that a head that moves finds headers. */
static void live_as_liar(kup_u32 *state)
{
	struct user user;
	kup_u32 i, steps = dice(state) % 3000;

	if (user_attach(&user, "raw", 0))
		return;
	for (i = 0; i < user.info.to_kernel_bytes / 8; i++)
		kup_store((kup_u32 *)(user.out.data + 8 * i), KUP_RECORD_READY);
	for (i = 0; i < steps; i++) {
		poke(&user, state);
		if (kup_load(&user.kernel->state) != KUP_STATE_OPEN && dice(state) % 4)
			break;
	}
	user_close(&user);
}

static void test_liar(void)
{
	const struct kup_ops liar_ops = { .serve = serve_liar };
	struct kup_config config = small;
	struct kup_device *device;
	kup_u32 state = dice_seed(333), lives = 0;

	/* A race detector would take the user's wild writes for the kernel's own races. */
	if (ONE_MAPPING)
		return;
	config.channels = 2;
	device = make_device(&config, &liar_ops);
	storm_begin();
	while (storm_goes_on(100)) {
		live_as_liar(&state);
		storm_step();
		lives++;
	}
	kup_device_destroy(device);
	check(lives >= 100,
	      "the kernel's side serves others beside a user that writes any value anywhere, and "
	      "ends its thread",
	      "%u lives", lives);
	fprintf(stderr, "# %u lives of lies\n", lives);
}

void turn_raw_cases(void)
{
	test_unread();
	test_lies();
	test_is_mine();
	test_first_sleep();
	test_discards();
	test_answers();
	test_liar();
}
