/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turn mode against a user that does everything by hand: in its own time, in unusual ways, or wrongly. The
 * kernel's side has no serve: threads of the test drive the channel.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

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
	struct user user;
	kup_u32 head, sends;
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
	return 0;
}

static void end(struct raw *raw)
{
	user_close(&raw->user);
	kup_channel_put(raw->channel);
	kup_device_destroy(raw->device);
}

static void publish(struct raw *raw)
{
	kup_store_release(&raw->user.page->to_kernel_head.value,
			  raw->head | (raw->sends & KUP_HEAD_SENDS));
}

/* A header, and no payload; nobody is woken. */
static void put(struct raw *raw, kup_u32 counts, kup_u32 flags, kup_u32 length)
{
	kup_u32 place = raw->head & (raw->user.info.to_kernel_bytes - 1);
	struct kup_record_header *header = (void *)(raw->user.out.data + place);

	kup_store(&header->type, 0);
	kup_store(&header->length_flags, length | flags);
	raw->head += KUP_RECORD_SPACE(length);
	raw->sends += counts;
	publish(raw);
}

/* What an honest user does after it has published. */
static int is_asked(struct raw *raw, kup_u32 from)
{
	kup_fence();
	return kup_load(&raw->user.kernel->to_kernel_consumer_event.value) == from;
}

/* The user has read everything. */
static void drain(struct raw *raw)
{
	kup_store_release(&raw->user.page->to_user_tail.value,
			  kup_load_acquire(&raw->user.kernel->to_user_head.value) &
				  ~KUP_HEAD_SENDS);
}

static int soon(const kup_u32 *word, kup_u32 value)
{
	kup_u64 end_ns = os_now_ns() + 3000000000ull;

	while (kup_load_acquire(word) < value && os_now_ns() < end_ns)
		sleep_ms(1);
	return kup_load_acquire(word) >= value;
}

static int sleepers(struct raw *raw, kup_u32 count)
{
	kup_u64 end_ns = os_now_ns() + 3000000000ull;

	while (kup_load64(&raw->channel->counters.sleeps) < count && os_now_ns() < end_ns)
		sleep_ms(1);
	/* It counts before it sleeps. */
	sleep_ms(5);
	return kup_load64(&raw->channel->counters.sleeps) >= count;
}

/* ---- Threads of the kernel's side ---- */

struct call {
	struct kup_channel *channel;
	pthread_t thread;
	kup_u32 done;
	int error;
};

static void *call_peek(void *argument)
{
	struct call *call = argument;
	struct kup_record record;

	call->error = kup_peek(call->channel, &record, KUP_FOREVER);
	if (!call->error)
		kup_release(call->channel, &record);
	kup_store_release(&call->done, 1);
	return NULL;
}

static void *call_send(void *argument)
{
	struct call *call = argument;

	call->error = kup_send(call->channel, 1, "mine", 4, KUP_FOREVER);
	kup_store_release(&call->done, 1);
	return NULL;
}

static void start(struct call *call, struct raw *raw, void *(*main)(void *))
{
	*call = (struct call){ .channel = raw->channel };
	pthread_create(&call->thread, NULL, main, call);
}

/* ---- Cases ---- */

/* Both sides so busy that nobody sleeps for more than half of what positions can count. */
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
	while (raw.head < 0x80100000u) {
		wrong += kup_pass(raw.channel, 0) != 0;
		drain(&raw);
		put(&raw, 1, 0, raw.user.info.to_kernel_bytes / 2);
		wrong += kup_try_peek(raw.channel, &record) != 0;
		kup_release(raw.channel, &record);
	}
	kup_pass(raw.channel, 0);
	start(&call, &raw, call_peek);
	wrong += !sleepers(&raw, 1);
	from = raw.head;
	put(&raw, 1, 0, 0);
	asked = is_asked(&raw, from);
	kup_user_kick(raw.user.file);
	pthread_join(call.thread, NULL);
	check(asked && !wrong && call.error == 0,
	      "who sleeps first after gigabytes of turns says so", "%s, %d, %u wrong",
	      asked ? "asked" : "not asked", call.error, wrong);
	end(&raw);
}

/*
 * The user is slow between its record and its look for sleepers. A receiver sleeps for that record; another
 * thread has the turn that came with it, and a third one sleeps for the next turn.
 */
static void test_slow_user(void)
{
	struct kup_reservation reservation;
	struct call receiver, sender;
	struct raw raw;
	int error, woken;

	if (begin(&raw, &small))
		return;
	kup_pass(raw.channel, 0);
	start(&receiver, &raw, call_peek);
	error = !sleepers(&raw, 1);
	put(&raw, 1, 0, 0);
	error |= kup_try_reserve(raw.channel, 8, &reservation);
	start(&sender, &raw, call_send);
	error |= !sleepers(&raw, 2);
	/* Only now the user looks. */
	if (is_asked(&raw, 0))
		kup_user_kick(raw.user.file);
	woken = soon(&receiver.done, 1);
	check(woken && !error,
	      "who sleeps for a record is not forgotten when another sleeps for the next", "%s, %d",
	      woken ? "woken" : "asleep", error);
	kup_discard(raw.channel, &reservation);
	kup_user_kick(raw.user.file);
	pthread_join(receiver.thread, NULL);
	pthread_join(sender.thread, NULL);
	end(&raw);
}

/* More than a look skips, twice. */
static void test_discards(void)
{
	struct kup_record record = { 0 };
	struct raw raw;
	int i, error;

	if (begin(&raw, &small))
		return;
	kup_pass(raw.channel, 0);
	for (i = 0; i < 700; i++)
		put(&raw, 0, KUP_RECORD_DISCARD, 0);
	put(&raw, 1, 0, 16);
	error = kup_peek(raw.channel, &record, PATIENCE_MS * 1000);
	check(error == 0 && record.length == 16,
	      "a message behind many discarded records is received", "%s", strerror(-error));
	end(&raw);
}

/* ---- A receiver, while another thread has the turn and passes it ---- */

struct game {
	struct raw raw;
	pthread_t receiver, user;
	kup_u32 reserved; /* rounds in which the sender had the turn */
	kup_u32 seen;	  /* rounds in which the receiver was done */
	kup_u32 over, rounds, wrong;
};

static void await(const kup_u32 *word, kup_u32 value)
{
	while (kup_load_acquire(word) < value)
		os_relax();
}

static void *receive_answers(void *argument)
{
	struct game *game = argument;
	struct kup_record record;
	kup_u32 round;

	for (round = 1; round <= game->rounds; round++) {
		await(&game->reserved, round);
		/* The turn is taken or passed from here on, and the answer is for us. */
		if (kup_peek(game->raw.channel, &record, KUP_FOREVER))
			game->wrong++;
		kup_store_release(&game->seen, round);
		if (game->wrong)
			break;
		kup_release(game->raw.channel, &record);
	}
	kup_store_release(&game->seen, ~0u);
	return NULL;
}

static void *answer_turns(void *argument)
{
	struct raw *raw = &((struct game *)argument)->raw;

	while (!kup_load_acquire(&((struct game *)argument)->over)) {
		kup_u32 word = kup_load_acquire(&raw->user.kernel->to_user_head.value);
		kup_u32 from = raw->head;

		drain(raw);
		/* To skip what is discarded takes the receiver a while. */
		if (((word - raw->sends) & KUP_HEAD_SENDS) == 1)
			put(raw, 1, 0, 8);
		else if (from == kup_load_acquire(&raw->user.kernel->to_kernel_tail.value))
			put(raw, 0, KUP_RECORD_DISCARD, 0);
		else
			os_relax();
		if (raw->head != from && is_asked(raw, from))
			kup_user_kick(raw->user.file);
	}
	return NULL;
}

static void test_answers(void)
{
	struct game game = { .rounds = run.delays ? 500 : 20000 };
	struct kup_reservation reservation;
	kup_u32 round, spins, state = dice_seed(12);

	if (begin(&game.raw, &small))
		return;
	pthread_create(&game.user, NULL, answer_turns, &game);
	pthread_create(&game.receiver, NULL, receive_answers, &game);
	for (round = 1; round <= game.rounds; round++) {
		if (kup_reserve(game.raw.channel, 8, KUP_FOREVER, &reservation))
			break;
		kup_store_release(&game.reserved, round);
		for (spins = dice(&state) % 64; spins > 0; spins--)
			os_relax();
		kup_commit(game.raw.channel, &reservation, 0, 8);
		await(&game.seen, round);
		if (kup_load(&game.seen) == ~0u)
			break;
	}
	kup_store_release(&game.reserved, ~0u);
	pthread_join(game.receiver, NULL);
	kup_store_release(&game.over, 1);
	pthread_join(game.user, NULL);
	check(!game.wrong, "a receiver waits for the answer to what another thread is sending",
	      "it didn't in round %u", round);
	end(&game.raw);
}

/* ---- A user that writes anything anywhere ---- */

static int serve_liar(struct kup_channel *channel)
{
	struct kup_record record;
	kup_u8 buffer[300];
	int error = 0;

	while (!error) {
		error = kup_receive(channel, buffer, sizeof(buffer), &record, 20000);
		if (error == -EMSGSIZE) {
			kup_release(channel, &record);
			error = 0;
		}
		if (error == -EDEADLK || (!error && record.flags & KUP_RECORD_PASS))
			error = kup_pass(channel, 20000);
		else if (!error)
			error = kup_send(channel, record.type, buffer, 8, 20000);
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
		return (word & ~KUP_HEAD_SENDS) | dice(state) % 8;
	case 4:
		return word + 0x80000000u;
	default:
		/* What an honest one would do, now and then. */
		return word + 8 + (dice(state) % 4 ? 1 : 0);
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
	static const kup_u32 flags[] = {
		0, 0, 0, KUP_RECORD_PASS, KUP_RECORD_DISCARD, KUP_RECORD_BUSY, KUP_RECORD_GAP, ~0u
	};
	kup_u32 *word = words[dice(state) % 4];

	if (dice(state) % 2)
		word = words[0];
	kup_store(word, odd_word(state, kup_load(word)));
	kup_store(header, flags[dice(state) % 8] | dice(state) % 64);
	if (dice(state) % 4 == 0)
		kup_store(&user->page->to_user_tail.value,
			  kup_load(&user->kernel->to_user_head.value) & ~KUP_HEAD_SENDS);
	if (dice(state) % 8 == 0)
		kup_user_kick(user->file);
	if (dice(state) % 16 == 0)
		kup_user_wait(user->file, POLLIN | POLLOUT, 0);
}

/* Fills the ring with records of nothing, so that a head that moves finds headers. */
static void live_as_liar(kup_u32 *state)
{
	struct user user;
	kup_u32 i, steps = dice(state) % 3000;

	if (user_attach(&user, "raw", 0))
		return;
	for (i = 0; i < user.info.to_kernel_bytes / 8; i++)
		kup_store((kup_u32 *)(user.out.data + 8 * i), 0);
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

	/* It would see the user's wild writes as the kernel's own races. */
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
	check(lives >= 100, "a user that writes anything anywhere harms nobody, and keeps nobody",
	      "%u lives", lives);
	fprintf(stderr, "# %u lives of lies\n", lives);
}

void turn_raw_cases(void)
{
	test_first_sleep();
	test_slow_user();
	test_discards();
	test_answers();
	test_liar();
}
