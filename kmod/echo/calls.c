/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The echo client on a call device; kup_echo.h describes its methods. */
#include "context.h"
#include "echo.h"

/* What a kept request is for. */
#define KEPT_NOT 0u
#define KEPT 1u
#define KEPT_ALWAYS 2u /* a cancel does not end it */

/* A call to the user, in a thread of its own. */
struct back {
	struct kup_thread *thread;
	kup_u32 running; /* atomic: main has not returned */
	struct kup_request request;
	struct echo_back to;
	kup_u32 length;
	kup_u8 *data;
};

/* The requests that are not answered have different slots, so these tables suffice. */
struct echo_calls {
	struct kup_calls *calls;
	struct kup_channel *channel;
	kup_u32 cancelled;
	kup_u32 kept[KUP_CALLS]; /* atomic: KEPT_* */
	struct kup_request requests[KUP_CALLS];
	struct back backs[KUP_CALLS];
};

struct release {
	struct echo_calls *echo;
	kup_u32 count;
	int asks; /* then the fields below are what the reader has seen */
	kup_u32 max_request, ignored;
};

/* Takes a kept request; only one thread gets it. */
static int take(kup_u32 *kept, kup_u32 as)
{
	/* Pairs with the release in keep. */
	return __atomic_compare_exchange_n(kept, &as, KEPT_NOT, 0, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

static void keep(struct echo_calls *echo, struct kup_request request, kup_u32 as)
{
	echo->requests[request.id % KUP_CALLS] = request;
	/* Pairs with the acquire in take. */
	__atomic_store_n(&echo->kept[request.id % KUP_CALLS], as, __ATOMIC_RELEASE);
}

/* Answers as the data fits, or with a status that explains why not. */
static void answer(struct kup_request request, kup_u32 status, const void *data, kup_u32 length)
{
	int error = kup_reply(request, status, data, length);

	if (error == -EAGAIN)
		kup_reply_status(request, KUP_STATUS_NO_ROOM);
	else if (error == -EMSGSIZE)
		kup_reply_status(request, KUP_STATUS_TOO_LONG);
}

static void answer_number(struct kup_request request, kup_u32 status, kup_u32 number)
{
	answer(request, status, &number, sizeof(number));
}

/*
 * Whether the questions that may be asked in any context have the same answers there. Their thread,
 * the reader, waits meanwhile.
 */
static int are_same(const struct release *release)
{
	struct kup_calls *calls = release->echo->calls;
	int good;

	kup_calls_get(calls);
	good = kup_calls_context(calls) == release->echo &&
	       kup_calls_max_request(calls) == release->max_request &&
	       kup_calls_ignored(calls) == release->ignored;
	kup_calls_put(calls);
	return good;
}

static void release_all(void *argument)
{
	struct release *release = argument;
	kup_u32 i;

	if (release->asks && !are_same(release))
		return;
	for (i = 0; i < KUP_CALLS; i++) {
		struct echo_calls *echo = release->echo;

		if (!take(&echo->kept[i], KEPT) && !take(&echo->kept[i], KEPT_ALWAYS))
			continue;
		release->count++;
		answer_number(echo->requests[i], 0, i);
	}
}

static kup_u32 release_in(struct echo_calls *echo, kup_u32 context)
{
	struct release release = { .echo = echo,
				   .asks = 1,
				   .max_request = kup_calls_max_request(echo->calls),
				   .ignored = kup_calls_ignored(echo->calls) };

	if (context == ECHO_INTERRUPT)
		echo_in_interrupt(release_all, &release);
	else if (context == ECHO_DEFERRED)
		echo_in_deferred(release_all, &release);
	else
		release_all(&release);
	return release.count;
}

static void answer_long(struct kup_request request, kup_u32 length)
{
	kup_u8 *bytes = length <= KUP_MAX_RING ? kup_alloc(length + 1ul) : NULL;

	if (!bytes) {
		kup_reply_status(request, KUP_STATUS_TOO_LONG);
		return;
	}
	__builtin_memset(bytes, 0x5a, length);
	answer(request, 0, bytes, length);
	kup_free(bytes);
}

/* ---- Calling back ---- */

static void call_back(void *argument)
{
	struct back *back = argument;
	struct kup_request request = back->request;
	kup_u8 *data = back->data;
	struct kup_answer got = { .buffer = data, .capacity = back->length };
	int error = kup_call(request.calls, back->to.method, data, back->length, &got,
			     back->to.milliseconds * KUP_MS);
	kup_u32 number = (kup_u32)-error;

	/* Pairs with the acquire in is_idle. The answer frees the slot for another request. */
	__atomic_store_n(&back->running, 0, __ATOMIC_RELEASE);
	if (!error)
		answer(request, got.status, data, got.length);
	else
		answer(request, ECHO_CALL_FAILED, &number, sizeof(number));
	kup_free(data);
}

static int is_idle(const struct back *back)
{
	/* Pairs with the release in call_back. */
	return !__atomic_load_n(&back->running, __ATOMIC_ACQUIRE);
}

/* 0, or the status that explains why not. */
static kup_u32 start_back(struct echo_calls *echo, struct kup_request request, const kup_u8 *data,
			  kup_u32 length)
{
	struct back *back = &echo->backs[request.id % KUP_CALLS];

	if (length < sizeof(back->to) || !is_idle(back))
		return KUP_STATUS_FAILED;
	kup_thread_join(back->thread);
	back->thread = NULL;
	back->request = request;
	__builtin_memcpy(&back->to, data, sizeof(back->to));
	back->length = length - (kup_u32)sizeof(back->to);
	back->data = kup_alloc(length);
	if (!back->data)
		return KUP_STATUS_FAILED;
	__builtin_memcpy(back->data, data + sizeof(back->to), back->length);
	back->running = 1;
	if (!kup_thread_start(call_back, back, "kup_echo_back", &back->thread))
		return 0;
	back->running = 0;
	kup_free(back->data);
	return KUP_STATUS_FAILED;
}

static void deadlock(struct echo_calls *echo, struct kup_request request)
{
	struct kup_answer none = { 0 };

	answer_number(request, 0, (kup_u32)-kup_call(echo->calls, 1, NULL, 0, &none, KUP_FOREVER));
}

static void answer_counts(struct echo_calls *echo, struct kup_request request)
{
	struct echo_counts counts = { .cancelled = echo->cancelled };
	kup_u32 i;

	counts.ignored = kup_calls_ignored(echo->calls);
	for (i = 0; i < KUP_CALLS; i++)
		counts.kept += __atomic_load_n(&echo->kept[i], __ATOMIC_RELAXED) != KEPT_NOT;
	answer(request, 0, &counts, sizeof(counts));
}

/* ---- The handlers ---- */

static void run(struct echo_calls *echo, struct kup_request request, kup_u32 method, kup_u32 number)
{
	switch (method) {
	case ECHO_CALL_STATUS:
		kup_reply_status(request, number);
		return;
	case ECHO_CALL_LONG:
		answer_long(request, number);
		return;
	case ECHO_CALL_KEEP:
		keep(echo, request, KEPT);
		return;
	case ECHO_CALL_IGNORE:
		keep(echo, request, KEPT_ALWAYS);
		return;
	case ECHO_CALL_RELEASE:
		answer_number(request, 0, release_in(echo, number));
		return;
	case ECHO_CALL_DEADLOCK:
		deadlock(echo, request);
		return;
	case ECHO_CALL_COUNTS:
		answer_counts(echo, request);
		return;
	case ECHO_CALL_CLOSE:
		kup_channel_close(echo->channel);
		kup_reply_status(request, 0);
		return;
	default:
		kup_reply_status(request, KUP_STATUS_NO_METHOD);
	}
}

static void call(struct kup_request request, kup_u32 method, const void *data, kup_u32 length)
{
	struct echo_calls *echo = kup_calls_context(request.calls);
	kup_u32 number = 0, status;

	if (method < ECHO_CALL_COMMANDS) {
		answer(request, 0, data, length);
	} else if (method == ECHO_CALL_BACK) {
		status = start_back(echo, request, data, length);
		if (status)
			kup_reply_status(request, status);
	} else {
		if (length >= sizeof(number))
			__builtin_memcpy(&number, data, sizeof(number));
		run(echo, request, method, number);
	}
}

static void cancel(struct kup_request request)
{
	struct echo_calls *echo = kup_calls_context(request.calls);

	echo->cancelled++;
	if (take(&echo->kept[request.id % KUP_CALLS], KEPT))
		kup_reply_status(request, KUP_STATUS_CANCELLED);
}

static const struct kup_call_ops ops = { .call = call, .cancel = cancel };

int echo_calls_begin(struct kup_channel *channel, struct echo_calls **begun)
{
	struct echo_calls *echo = kup_alloc(sizeof(*echo));
	int error;

	if (!echo)
		return -ENOMEM;
	echo->channel = channel;
	error = kup_calls_begin(channel, &ops, echo, &echo->calls);
	if (error)
		kup_free(echo);
	else
		*begun = echo;
	return error;
}

int echo_calls_serve(struct echo_calls *echo)
{
	return kup_calls_serve(echo->calls);
}

void echo_calls_end(struct echo_calls *echo)
{
	struct release rest = { .echo = echo };
	kup_u32 i;

	if (!echo)
		return;
	/* Late answers of call_back's threads get -EPIPE. */
	kup_calls_get(echo->calls);
	kup_calls_end(echo->calls);
	for (i = 0; i < KUP_CALLS; i++)
		kup_thread_join(echo->backs[i].thread);
	release_all(&rest);
	kup_calls_put(echo->calls);
	kup_free(echo);
}
