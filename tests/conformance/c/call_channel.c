/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls by kup_user_call.h's calls alone, with callbacks and by polling. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "channels.h"
#include "kup_user_call.h"

typedef struct kup_user_calls calls_t;
typedef struct kup_user_call_event event_t;

static channel_t *channel;
static calls_t *calls;

static void start(void)
{
	channel = open_channel();
	need(kup_user_calls_begin(channel, &calls) == 0, "a channel has calls");
}

static void stop(void)
{
	kup_user_calls_end(calls);
	kup_user_channel_close(channel);
}

static void test_streams(void)
{
	channel_t *stream = open_channel();

	refused(kup_user_calls_begin(stream, &calls), EINVAL,
		"a stream channel has no calls: EINVAL");
	kup_user_channel_close(stream);
}

/* ---- Callbacks ---- */

static struct {
	int requests, cancels;
	long nested; /* what kup_user_call returns in a handler */
} seen;

static void on_request(calls_t *of, const event_t *event, void *context)
{
	struct kup_user_answer none = { 0 };

	seen.requests++;
	seen.nested = kup_user_call(of, 1, NULL, 0, &none, 0);
	kup_user_reply(of, event->id, 3, context, 4);
}

static void on_cancel(calls_t *of, const event_t *event, void *context)
{
	(void)context;
	seen.cancels++;
	kup_user_reply_status(of, event->id, KUP_STATUS_CANCELLED);
}

/* Makes the echo client call back, with room for as much data. */
static int call_back(char *buffer, uint32_t *status, uint32_t milliseconds)
{
	struct {
		struct echo_back to;
		char data[16];
	} request = { { 77, milliseconds }, "question" };
	struct kup_user_answer answer = { .buffer = buffer, .capacity = 16 };
	int error =
		kup_user_call(calls, ECHO_CALL_BACK, &request, sizeof(request), &answer, PATIENCE);

	*status = answer.status;
	return error;
}

static void test_callbacks(void)
{
	struct kup_user_call_handlers handlers = { .context = "here",
						   .request = on_request,
						   .cancel = on_cancel };
	struct kup_user_answer answer = { 0 };
	uint32_t status;
	char buffer[64];
	int error;

	start();
	answer = (struct kup_user_answer){ .buffer = buffer, .capacity = sizeof(buffer) };
	error = kup_user_call(calls, 5, "hello", 5, &answer, PATIENCE);
	check(error == 0 && answer.length == 5 && answer.status == 0 &&
		      memcmp(buffer, "hello", 5) == 0,
	      "kup_user_call() returns the kernel's reply", "%s", error_name(error));
	answer.capacity = 4;
	refused(kup_user_call(calls, 5, "hello", 5, &answer, PATIENCE), EMSGSIZE,
		"kup_user_call() is EMSGSIZE if the buffer is too short");
	check(answer.length == 5, "and returns the length", "%u", answer.length);
	refused(kup_user_call(calls, ECHO_CALL_KEEP, NULL, 0, &answer, 20), ETIMEDOUT,
		"kup_user_call() is ETIMEDOUT when its time is over");
	error = call_back(buffer, &status, 60000);
	check(error == 0 && status == KUP_STATUS_NO_HANDLER,
	      "without a handler the kernel's call gets a status", "%s, %x", error_name(error),
	      status);
	kup_user_calls_set_handlers(calls, &handlers);
	error = call_back(buffer, &status, 60000);
	check(error == 0 && status == 3 && memcmp(buffer, "here", 4) == 0 && seen.requests == 1,
	      "kup_user_call() calls the handlers while it waits", "%s, %x", error_name(error),
	      status);
	check(seen.nested == -EDEADLK, "a call from a handler is EDEADLK", "%s",
	      error_name(seen.nested));
	refused(kup_user_calls_run(calls, 20), ETIMEDOUT,
		"kup_user_calls_run() ends with its time");
	stop();
}

/* ---- Polling ---- */

static bool is_reply(const event_t *event, uint64_t id)
{
	return event->kind == KUP_CALL_REPLY && event->id == id && event->error == 0;
}

static void test_polling(void)
{
	struct echo_back back = { 9, 10 };
	uint64_t ids[KUP_CALLS], id;
	uint32_t i, good = 0;
	event_t event;
	int error;

	start();
	for (i = 0; i < KUP_CALLS; i++)
		if (kup_user_call_start(calls, i, &i, sizeof(i), &ids[i], &ids[i]))
			break;
	check(i == KUP_CALLS, "KUP_CALLS calls may be open", "%u", i);
	while (good < i && kup_user_calls_next(calls, &event, PATIENCE) == 0)
		good += is_reply(&event, *(uint64_t *)event.context) && event.length == 4;
	check(good == i, "and each gets its reply", "%u", good);
	refused(kup_user_calls_next(calls, &event, 20), ETIMEDOUT, "then nothing comes: ETIMEDOUT");
	kup_user_call_start(calls, ECHO_CALL_BACK, &back, sizeof(back), NULL, &id);
	error = kup_user_calls_next(calls, &event, PATIENCE);
	check(error == 0 && event.kind == KUP_CALL_REQUEST && event.method == 9,
	      "the kernel's call is an event", "%s", error_name(error));
	ids[0] = event.id;
	error = kup_user_calls_next(calls, &event, PATIENCE);
	check(error == 0 && event.kind == KUP_CALL_CANCEL && event.id == ids[0],
	      "its time-out is one, too", "%s", error_name(error));
	error = kup_user_calls_next(calls, &event, PATIENCE);
	check(error == 0 && is_reply(&event, id) && event.status == ECHO_CALL_FAILED,
	      "and the client's own reply comes without ours", "%s, %x", error_name(error),
	      event.status);
	check(kup_user_reply(calls, ids[0], 0, "late", 4) == 0, "a late reply may be sent", "no");
	stop();
}

static void test_end(void)
{
	struct kup_user_answer answer = { 0 };
	uint32_t i, ends = 0;
	event_t event;
	uint64_t id;
	int error;

	start();
	for (i = 0; i < 10; i++)
		kup_user_call_start(calls, ECHO_CALL_KEEP, NULL, 0, NULL, &id);
	kup_user_call_start(calls, ECHO_CALL_CLOSE, NULL, 0, NULL, &id);
	while ((error = kup_user_calls_next(calls, &event, PATIENCE)) == 0)
		ends += event.kind == KUP_CALL_REPLY && event.error == -EPIPE;
	check(error == -EPIPE && ends == 11, "the kernel's close ends each call once", "%u, %s",
	      ends, error_name(error));
	refused(kup_user_call(calls, 1, NULL, 0, &answer, PATIENCE), EPIPE,
		"and later calls are EPIPE");
	stop();
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_streams();
	need_unload();
	need(module_load("mode=3") == 0, "the echo client can be loaded in call mode");
	test_callbacks();
	test_polling();
	test_end();
	need_unload();
	reload();
	return finish();
}
