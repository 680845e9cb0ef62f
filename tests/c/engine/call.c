/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kmod/layers/call.h, result by result: a user that is driven by hand sends what a well-behaved one
 * does, and what it does not.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "layers/call.h"
#include "user.h"

#define FRAME ((kup_u32)sizeof(struct kup_call))
#define SOON (PATIENCE_MS * KUP_MS)

/* What the client does with requests. */
#define KEEP 1u
#define ECHO 2u
#define DEADLOCK 3u

static struct {
	struct kup_device *device;
	struct kup_channel *channel;
	struct kup_calls *calls; /* a reference */
	struct user user;
	struct kup_request kept[KUP_CALLS];
	kup_u32 requests; /* atomic, as all below */
	kup_u32 cancels;
	kup_u32 deadlocks; /* calls that were refused in a handler */
	kup_u32 served;
	int result;
} world;

/* Pairs with load: what was done before is visible. */
static void add(kup_u32 *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_RELEASE);
}

static kup_u32 load(const kup_u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void called(struct kup_request request, kup_u32 method, const void *data, kup_u32 length)
{
	struct kup_answer none = { 0 };

	if (method == ECHO)
		kup_reply(request, 0, data, length);
	if (method == DEADLOCK) {
		if (kup_call(request.calls, 1, NULL, 0, &none, KUP_FOREVER) == -EDEADLK)
			add(&world.deadlocks);
		if (kup_reply_wait(request, 0, NULL, 0, KUP_FOREVER) == -EDEADLK)
			add(&world.deadlocks);
		kup_reply_status(request, 0);
	}
	if (method == KEEP)
		world.kept[request.id % KUP_CALLS] = request;
	add(&world.requests);
}

static void cancelled(struct kup_request request)
{
	(void)request;
	add(&world.cancels);
}

static const struct kup_call_ops call_ops = { .call = called, .cancel = cancelled };
static const struct kup_call_ops no_ops = { 0 };
static const struct kup_call_ops *chosen;

static int attach(struct kup_channel *channel)
{
	int error = kup_calls_begin(channel, chosen, NULL, &world.calls);

	world.channel = channel;
	if (!error)
		kup_calls_get(world.calls);
	return error;
}

static int serve(struct kup_channel *channel)
{
	(void)channel;
	world.result = kup_calls_serve(world.calls);
	__atomic_store_n(&world.served, 1, __ATOMIC_RELEASE);
	return 0;
}

static void detach(struct kup_channel *channel)
{
	(void)channel;
	kup_calls_end(world.calls);
}

static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };

static int begin(const struct kup_call_ops *with)
{
	const struct kup_config config = { .name = "calls",
					   .mode = KUP_MODE_CALL,
					   .to_user_pages = 1,
					   .to_kernel_pages = 1,
					   .spin_us = KUP_NO_SPIN };
	int error;

	memset(&world, 0, sizeof(world));
	chosen = with;
	world.device = make_device(&config, &ops);
	error = user_attach(&world.user, "calls", 0);
	check(!error, "a channel in call mode is attached", "%s", strerror(-error));
	return error;
}

static void end(void)
{
	user_close(&world.user);
	kup_device_destroy(world.device);
	kup_calls_put(world.calls);
}

/* Soon: the atomic word has at least this value. */
static int reaches(const kup_u32 *word, kup_u32 value)
{
	kup_u32 i;

	for (i = 0; i < PATIENCE_MS && load(word) < value; i++)
		sleep_ms(1);
	return load(word) >= value;
}

/* ---- The user, by hand ---- */

static int put(kup_u64 id, kup_u32 kind, kup_u32 status, kup_u32 method, kup_u32 length)
{
	kup_u8 bytes[600] = { 0 };
	const struct kup_call frame = { id, kind, status };

	memcpy(bytes, &frame, sizeof(frame));
	memset(bytes + FRAME, 0x77, length);
	return user_send(&world.user, method, bytes, FRAME + length);
}

/* Receives one frame, and releases it. */
static int get(struct kup_call *frame, struct kup_record *record)
{
	int error = user_receive(&world.user, record);

	if (error)
		return error;
	memcpy(frame, record->data, sizeof(*frame));
	user_release(&world.user, record);
	return 0;
}

/* Nonzero: the next frame is this one. */
static int gets(kup_u64 id, kup_u32 kind, kup_u32 status, kup_u32 length)
{
	struct kup_record record;
	struct kup_call frame;

	return !get(&frame, &record) && frame.id == id && frame.kind == kind &&
	       frame.status == status && record.length == FRAME + length;
}

static void test_requests(void)
{
	kup_u64 high = 0xfedcba9876543200ull;
	int good;

	if (begin(&call_ops))
		return;
	good = !put(high + 5, KUP_CALL_REQUEST, 0, ECHO, 100) &&
	       gets(high + 5, KUP_CALL_REPLY, 0, 100);
	check(good, "kup_reply() answers the id that the user has chosen", "no");
	put(1, KUP_CALL_REQUEST, 0, DEADLOCK, 0);
	check(gets(1, KUP_CALL_REPLY, 0, 0) && reaches(&world.deadlocks, 2),
	      "kup_call() and kup_reply_wait() in a handler are -EDEADLK", "%u",
	      load(&world.deadlocks));
	put(1, KUP_CALL_REQUEST, 0, KUP_TYPE_RESERVED, 0);
	check(gets(1, KUP_CALL_REPLY, KUP_STATUS_NO_METHOD, 0),
	      "a method of KUP's gets KUP_STATUS_NO_METHOD", "no");
	put(2, KUP_CALL_REQUEST, 0, KEEP, 10);
	reaches(&world.requests, 3);
	check(kup_reply(world.kept[2], 0, NULL, 5000) == -EMSGSIZE &&
		      !kup_reply(world.kept[2], 9, "abc", 3) &&
		      kup_reply(world.kept[2], 9, "abc", 3) == -ENOENT &&
		      gets(2, KUP_CALL_REPLY, 9, 3),
	      "kup_reply() leaves a request open if the reply is too long, and answers it once",
	      "no");
	end();
	if (begin(&no_ops))
		return;
	put(1, KUP_CALL_REQUEST, 0, ECHO, 3);
	check(gets(1, KUP_CALL_REPLY, KUP_STATUS_NO_HANDLER, 0),
	      "without ops.call a request gets KUP_STATUS_NO_HANDLER", "no");
	end();
}

static void test_cancels(void)
{
	kup_u32 ignored;

	if (begin(&call_ops))
		return;
	put(3, KUP_CALL_CANCEL, 0, 0, 0);
	put(3, KUP_CALL_REQUEST, 0, KEEP, 0);
	put(3 + KUP_CALLS, KUP_CALL_CANCEL, 0, 0, 0);
	put(3, KUP_CALL_CANCEL, 0, 0, 0);
	put(3, KUP_CALL_CANCEL, 0, 0, 0);
	put(4, KUP_CALL_REPLY, 0, 0, 0);
	put(~0ull, KUP_CALL_REPLY, 0, 0, 0);
	put(0, KUP_CALL_OPTIONAL | 9, 77, 5, 11);
	put(5, KUP_CALL_REQUEST, 0, ECHO, 0);
	gets(5, KUP_CALL_REPLY, 0, 0);
	ignored = kup_calls_ignored(world.calls);
	check(load(&world.cancels) == 1 && ignored == 6,
	      "ops.cancel is called once, and frames that belong to no call are counted",
	      "%u cancels, %u ignored", world.cancels, ignored);
	kup_reply_status(world.kept[3], KUP_STATUS_CANCELLED);
	check(gets(3, KUP_CALL_REPLY, KUP_STATUS_CANCELLED, 0),
	      "a request that was cancelled is answered all the same", "no");
	end();
}

struct caller {
	pthread_t thread;
	kup_time timeout;
	kup_u8 buffer[64];
	struct kup_answer answer;
	int error;
};

static void *call_once(void *argument)
{
	struct caller *caller = argument;

	caller->answer =
		(struct kup_answer){ .buffer = caller->buffer, .capacity = sizeof(caller->buffer) };
	caller->error = kup_call(world.calls, 3, "question", 8, &caller->answer, caller->timeout);
	return NULL;
}

static void call_begin(struct caller *caller, kup_time timeout)
{
	memset(caller, 0, sizeof(*caller));
	caller->timeout = timeout;
	pthread_create(&caller->thread, NULL, call_once, caller);
}

static int call_end(struct caller *caller)
{
	pthread_join(caller->thread, NULL);
	return caller->error;
}

/* ---- Replies without room ---- */

static void test_owed(void)
{
	kup_u32 i, kept = KUP_CALLS, full = 0, good = 0;
	kup_u8 bytes[1000] = { 0 };
	struct kup_record record;
	struct kup_call frame;

	if (begin(&call_ops))
		return;
	for (i = 0; i < kept; i++)
		put(i, KUP_CALL_REQUEST, 0, KEEP, 0);
	reaches(&world.requests, kept);
	for (i = 0; i < kept && !full; i++)
		full = kup_reply(world.kept[i], 0, bytes, sizeof(bytes)) == -EAGAIN;
	check(full, "kup_reply() is -EAGAIN without room", "%u", i);
	check(kup_reply_wait(world.kept[i - 1], 0, bytes, sizeof(bytes), KUP_MS) == -ETIMEDOUT,
	      "kup_reply_wait() waits for room, and leaves the request open", "no");
	for (i = i - 1; i < kept; i++)
		kup_reply_status(world.kept[i], 5);
	for (i = 0; i < kept && !get(&frame, &record); i++)
		good += frame.kind == KUP_CALL_REPLY && frame.id < kept &&
			(frame.status == 5 ? record.length == FRAME
					   : record.length == FRAME + sizeof(bytes));
	check(good == kept, "kup_reply_status() always succeeds, with room or without", "%u of %u",
	      good, kept);
	for (i = 0; i < kept; i++)
		put(i, KUP_CALL_REQUEST, 0, ECHO, 0);
	for (i = 0; i < kept && gets(i, KUP_CALL_REPLY, 0, 0); i++)
		;
	check(i == kept, "and afterwards every slot can be used again", "%u", i);
	end();
}

/* A cancel without room comes when there is room. */
static void test_owed_cancel(void)
{
	struct kup_call asked, frame = { 0 };
	kup_u8 bytes[1000] = { 0 };
	struct kup_record record;
	struct caller one;
	kup_u32 i, full = 0;

	if (begin(&call_ops))
		return;
	for (i = 0; i < KUP_CALLS; i++)
		put(i, KUP_CALL_REQUEST, 0, KEEP, 0);
	reaches(&world.requests, KUP_CALLS);
	call_begin(&one, 200 * KUP_MS);
	get(&asked, &record);
	for (i = 0; i < KUP_CALLS && full < 2; i++) {
		kup_u32 length = full ? 0 : sizeof(bytes);

		if (kup_reply(world.kept[i], 0, bytes, length) == -EAGAIN) {
			full++;
			kup_reply_status(world.kept[i], 0);
		}
	}
	check(call_end(&one) == -ETIMEDOUT && full == 2, "a call times out with a full ring", "%u",
	      full);
	while (!get(&frame, &record) && frame.kind != KUP_CALL_CANCEL)
		;
	check(frame.kind == KUP_CALL_CANCEL && frame.id == asked.id,
	      "kup_call() sends a cancel that had no room later", "%u", frame.kind);
	for (; i < KUP_CALLS; i++)
		kup_reply_status(world.kept[i], 0);
	end();
}

#define ROUNDS 3000u

/* Answers the request in slot 1, again and again, as soon as it comes. */
static void *answer_one(void *argument)
{
	kup_u32 round;

	(void)argument;
	for (round = 1; round <= ROUNDS && reaches(&world.requests, round); round++)
		kup_reply(world.kept[1], 0, NULL, 0);
	return NULL;
}

static void test_slot_again(void)
{
	kup_u32 round, good = 0;
	pthread_t thread;

	if (begin(&call_ops))
		return;
	pthread_create(&thread, NULL, answer_one, NULL);
	for (round = 0; round < ROUNDS && good == round; round++) {
		put(1 + KUP_CALLS * round, KUP_CALL_REQUEST, 0, KEEP, 0);
		good += gets(1 + KUP_CALLS * round, KUP_CALL_REPLY, 0, 0);
	}
	check(good == ROUNDS, "a slot can be used again as soon as its reply has come", "%u", good);
	user_close(&world.user);
	pthread_join(thread, NULL);
	kup_device_destroy(world.device);
	kup_calls_put(world.calls);
}

/* The user uses an id again at once, which only a dishonest one does. */
static void test_late_answer(void)
{
	struct kup_request late;

	if (begin(&call_ops))
		return;
	put(9, KUP_CALL_REQUEST, 0, KEEP, 0);
	reaches(&world.requests, 1);
	late = world.kept[9];
	kup_reply_status(late, 1);
	gets(9, KUP_CALL_REPLY, 1, 0);
	put(9, KUP_CALL_REQUEST, 0, KEEP, 0);
	reaches(&world.requests, 2);
	check(kup_reply(late, 2, NULL, 0) == -ENOENT && !kup_reply(world.kept[9], 3, NULL, 0) &&
		      gets(9, KUP_CALL_REPLY, 3, 0),
	      "kup_reply() to a request that was answered takes no later one of the same slot",
	      "no");
	user_close(&world.user);
	kup_device_destroy(world.device);
	kup_calls_put(world.calls);
}

/* ---- Ends ---- */

static void test_outlives(void)
{
	struct kup_request request;

	if (begin(&call_ops))
		return;
	put(7, KUP_CALL_REQUEST, 0, KEEP, 0);
	put(8, KUP_CALL_REQUEST, 0, KEEP, 0);
	reaches(&world.requests, 2);
	user_close(&world.user);
	check(reaches(&world.served, 1) && world.result == -EPIPE && reaches(&world.cancels, 2),
	      "ops.cancel is called for each open request when the user leaves", "%u",
	      load(&world.cancels));
	kup_device_destroy(world.device);
	request = world.kept[7];
	check(kup_reply(request, 0, "late", 4) == -EPIPE, "a reply after the channel is -EPIPE",
	      "no");
	kup_reply_status(world.kept[8], 0);
	kup_calls_put(world.calls);
}

/* ---- Calls of the kernel ---- */

static void test_calls(void)
{
	struct kup_record record;
	struct kup_call first, second;
	struct caller one, two;
	kup_u32 i;
	int error;

	if (begin(&call_ops))
		return;
	call_begin(&one, SOON);
	get(&first, &record);
	call_begin(&two, SOON);
	get(&second, &record);
	check(first.kind == KUP_CALL_REQUEST && record.type == 3 && record.length == FRAME + 8 &&
		      !first.status && first.id % KUP_CALLS != second.id % KUP_CALLS,
	      "kup_call() sends requests in slots of their own", "no");
	put(second.id, KUP_CALL_REPLY, 4, 0, 20);
	put(first.id, KUP_CALL_REPLY, 0, 0, 64);
	error = call_end(&one) | call_end(&two);
	check(!error && one.answer.length == 64 && two.answer.length == 20 &&
		      two.answer.status == 4 && two.buffer[19] == 0x77,
	      "kup_call() returns the reply to its own request, in any order", "%d", error);
	call_begin(&one, SOON);
	get(&first, &record);
	put(first.id, KUP_CALL_REPLY, 0, 0, 65);
	error = call_end(&one);
	check(error == -EMSGSIZE && one.answer.length == 65,
	      "kup_call() is -EMSGSIZE if the buffer is too short", "%d", error);
	call_begin(&one, KUP_MS);
	error = call_end(&one);
	get(&first, &record);
	check(error == -ETIMEDOUT && gets(first.id, KUP_CALL_CANCEL, 0, 0),
	      "kup_call() sends a cancel when its time is over", "%d", error);
	put(first.id, KUP_CALL_REPLY, 0, 0, 10);
	put(first.id, KUP_CALL_REPLY, 0, 0, 10);
	for (i = 0; i < PATIENCE_MS && !kup_calls_ignored(world.calls); i++)
		sleep_ms(1);
	call_begin(&one, SOON);
	get(&second, &record);
	check(first.id % KUP_CALLS == second.id % KUP_CALLS, "a slot is used again", "no");
	put(first.id, KUP_CALL_REPLY, 0, 0, 10);
	put(second.id, KUP_CALL_REPLY, 0, 0, 1);
	error = call_end(&one);
	check(!error && one.answer.length == 1 && kup_calls_ignored(world.calls) == 2,
	      "a reply that comes late, or twice, is not another call's", "%d, %u", error,
	      kup_calls_ignored(world.calls));
	check(kup_call(world.calls, 1, NULL, 0, &one.answer, 0) == -EAGAIN &&
		      kup_call(world.calls, KUP_TYPE_RESERVED, NULL, 0, &one.answer, 1) ==
			      -EINVAL &&
		      kup_call(world.calls, 1, NULL, kup_calls_max_request(world.calls) + 1,
			       &one.answer, 1) == -EMSGSIZE,
	      "kup_call() refuses what can't be asked", "no");
	end();
}

/* All slots stay in use, because a user that answers nothing has the requests. */
static void test_flood(void)
{
	struct caller callers[KUP_CALLS + 1];
	kup_u32 i, over = 0, got = 0;
	struct kup_record record;
	struct kup_call frame;

	if (begin(&call_ops))
		return;
	for (i = 0; i < KUP_CALLS; i++)
		call_begin(&callers[i], SOON);
	while (got < KUP_CALLS && !get(&frame, &record))
		got += frame.kind == KUP_CALL_REQUEST;
	call_begin(&callers[KUP_CALLS], 20 * KUP_MS);
	over = call_end(&callers[KUP_CALLS]) == -ETIMEDOUT;
	check(got == KUP_CALLS && over, "kup_call() waits while KUP_CALLS calls are open", "%d",
	      callers[KUP_CALLS].error);
	call_begin(&callers[KUP_CALLS], SOON);
	put(frame.id, KUP_CALL_REPLY, 0, 0, 0);
	get(&frame, &record);
	check(frame.kind == KUP_CALL_REQUEST, "and goes on when one of them is answered", "%u",
	      frame.kind);
	user_close(&world.user);
	for (i = 0, over = 0; i <= KUP_CALLS; i++)
		over += call_end(&callers[i]) == -EPIPE;
	check(over == KUP_CALLS, "kup_call() is -EPIPE when the user leaves", "%u", over);
	kup_device_destroy(world.device);
	check(kup_call(world.calls, 1, NULL, 0, &callers[0].answer, SOON) == -EPIPE,
	      "and after kup_calls_end", "no");
	kup_calls_put(world.calls);
}

/* What the user has answered before it leaves is still a reply. */
static void test_last_reply(void)
{
	kup_u32 round, good = 0;
	struct kup_record record;
	struct kup_call frame;
	struct caller one;

	for (round = 0; round < 30; round++) {
		if (begin(&call_ops))
			return;
		call_begin(&one, SOON);
		get(&frame, &record);
		put(frame.id, KUP_CALL_REPLY, 0, 0, 5);
		user_close(&world.user);
		good += !call_end(&one) && one.answer.length == 5;
		kup_device_destroy(world.device);
		kup_calls_put(world.calls);
	}
	check(good == round, "kup_call() gets the reply of a user that left at once", "%u of %u",
	      good, round);
}

/* ---- Lies ---- */

struct lie {
	const char *sentence;
	kup_u64 id;
	kup_u32 kind, status, length;
};

#define IN_USE 1u /* the slot of a request that is kept, and cancelled */

static const struct lie lies[] = {
	{ "an unknown kind breaks its channel", 2, 4, 0, 0 },
	{ "the kind 0 does", 2, 0, 0, 0 },
	{ "a request with a status does", 2, KUP_CALL_REQUEST, 1, 0 },
	{ "a request in a slot that is in use does", IN_USE + 5 * KUP_CALLS, KUP_CALL_REQUEST, 0,
	  0 },
	{ "a request that was cancelled keeps its slot", IN_USE, KUP_CALL_REQUEST, 0, 0 },
	{ "a cancel with data does", 2, KUP_CALL_CANCEL, 0, 1 },
	{ "a cancel with a status does", 2, KUP_CALL_CANCEL, 3, 0 },
	{ "a frame that is too short does", 0, 0, 0, 0 },
};

static void tell(const struct lie *lie)
{
	put(IN_USE, KUP_CALL_REQUEST, 0, KEEP, 0);
	put(IN_USE, KUP_CALL_CANCEL, 0, 0, 0);
	if (lie->id)
		put(lie->id, lie->kind, lie->status, KEEP, lie->length);
	else
		user_send(&world.user, ECHO, "123456789abcdef", FRAME - 1);
}

static void test_lies(void)
{
	struct caller one;
	kup_u32 i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct kup_record record;
		struct kup_call frame;
		int error;

		if (begin(&call_ops))
			return;
		call_begin(&one, SOON);
		get(&frame, &record);
		tell(&lies[i]);
		error = call_end(&one);
		check(error == -EPROTO && reaches(&world.served, 1) && world.result == -EPROTO &&
			      world.user.kernel->error == KUP_ERROR_CALL,
		      lies[i].sentence, "%d, error %u", error, world.user.kernel->error);
		user_close(&world.user);
		kup_device_destroy(world.device);
		kup_reply_status(world.kept[IN_USE], 0);
		kup_calls_put(world.calls);
	}
}

static int attach_stream(struct kup_channel *channel)
{
	struct kup_calls *calls;

	world.result = kup_calls_begin(channel, &call_ops, NULL, &calls);
	return 0;
}

static void test_mode(void)
{
	const struct kup_config config = { .name = "calls" };
	const struct kup_ops stream = { .attach = attach_stream };
	struct kup_device *device = make_device(&config, &stream);
	struct user user;

	if (!user_attach(&user, "calls", 0))
		user_close(&user);
	kup_device_destroy(device);
	check(world.result == -EINVAL, "kup_calls_begin() is -EINVAL on a stream device", "%d",
	      world.result);
}

void call_cases(void)
{
	test_mode();
	test_requests();
	test_cancels();
	test_owed();
	test_owed_cancel();
	test_slot_again();
	test_late_answer();
	test_outlives();
	test_calls();
	test_flood();
	test_last_reply();
	test_lies();
}
