/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls on a channel of kup_user.h. This uses the channel's public calls alone. One thread at a
 * time is here, so the two tables need no more than a state in each slot.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "kup_user_call.h"
#include "timeout.h"

#define FRAME ((uint32_t)sizeof(struct kup_call))

enum state {
	FREE,
	OPEN,
	LEFT, /* a call that was cancelled; its reply is still to come */
	OWES, /* as LEFT, and the cancel is still to be sent; or a request whose status is */
};

struct call {
	enum state state;
	uint64_t id;
	void *context;
};

struct request {
	enum state state;
	int cancelled; /* its cancel event was returned */
	uint64_t id;
	uint32_t status; /* that is owed */
};

struct kup_user_calls {
	struct kup_user_channel *channel;
	struct kup_user_call_handlers handlers;
	int32_t over; /* why nothing comes any more, or 0 */
	int in_handler;
	uint32_t owed; /* frames to be sent */
	uint32_t ignored;
	uint32_t generation; /* of the newest id */
	struct call calls[KUP_CALLS];
	struct request requests[KUP_CALLS];
};

int32_t kup_user_calls_begin(struct kup_user_channel *channel, struct kup_user_calls **begun)
{
	struct kup_user_calls *calls;

	if (kup_user_channel_mode(channel) != KUP_MODE_CALL)
		return -EINVAL;
	calls = calloc(1, sizeof(*calls));
	if (!calls)
		return -ENOMEM;
	calls->channel = channel;
	*begun = calls;
	return 0;
}

void kup_user_calls_end(struct kup_user_calls *calls)
{
	free(calls);
}

/* The room that a request leaves to replies. */
static uint32_t quarter(const struct kup_user_calls *calls)
{
	return (kup_user_max_message(calls->channel) + KUP_RECORD_RESERVE) / 4;
}

uint32_t kup_user_calls_max_request(const struct kup_user_calls *calls)
{
	return kup_user_max_message(calls->channel) - quarter(calls) - FRAME;
}

uint32_t kup_user_calls_ignored(const struct kup_user_calls *calls)
{
	return calls->ignored;
}

/* ---- Sending ---- */

static int32_t ended(const struct kup_user_calls *calls)
{
	return calls->over ? calls->over : kup_user_ended(calls->channel);
}

/* Sends a frame and its data, if there is room now. */
static int32_t put(struct kup_user_calls *calls, const struct kup_call *frame, uint32_t type,
		   const void *data, uint32_t length)
{
	struct kup_user_reservation reservation;
	int32_t error = ended(calls);

	if (error)
		return error;
	if (length > KUP_RECORD_LENGTH)
		return -EMSGSIZE;
	error = kup_user_reserve(calls->channel, FRAME + length, 0, &reservation);
	if (error)
		return error;
	memcpy(reservation.data, frame, FRAME);
	/* Without bytes, `data` may be NULL. */
	if (length > 0)
		memcpy((uint8_t *)reservation.data + FRAME, data, length);
	kup_user_commit(calls->channel, &reservation, type, FRAME + length);
	return 0;
}

/* Sends what is owed, as far as there is room. */
static void settle(struct kup_user_calls *calls)
{
	uint32_t i;

	for (i = 0; i < KUP_CALLS && calls->owed > 0; i++) {
		struct call *call = &calls->calls[i];
		struct request *request = &calls->requests[i];
		const struct kup_call cancel = { call->id, KUP_CALL_CANCEL, 0 };
		const struct kup_call reply = { request->id, KUP_CALL_REPLY, request->status };

		if (call->state == OWES) {
			if (put(calls, &cancel, 0, NULL, 0))
				return;
			call->state = LEFT;
			calls->owed--;
		}
		if (request->state == OWES) {
			if (put(calls, &reply, 0, NULL, 0))
				return;
			request->state = FREE;
			calls->owed--;
		}
	}
}

static struct request *find_request(struct kup_user_calls *calls, uint64_t id)
{
	struct request *request = &calls->requests[id % KUP_CALLS];

	return request->state == OPEN && request->id == id ? request : NULL;
}

int32_t kup_user_reply(struct kup_user_calls *calls, uint64_t id, uint32_t status, const void *data,
		       uint32_t length)
{
	struct request *request = find_request(calls, id);
	const struct kup_call frame = { id, KUP_CALL_REPLY, status };
	int32_t error;

	if (!request)
		return -ENOENT;
	error = put(calls, &frame, 0, data, length);
	if (error != -EAGAIN && error != -EMSGSIZE)
		request->state = FREE;
	return error;
}

int32_t kup_user_reply_status(struct kup_user_calls *calls, uint64_t id, uint32_t status)
{
	struct request *request = find_request(calls, id);
	int32_t error = kup_user_reply(calls, id, status, NULL, 0);

	if (error == -ENOENT)
		return error;
	if (error == -EAGAIN) {
		request->status = status;
		request->state = OWES;
		calls->owed++;
	}
	return 0;
}

/* Whether there is room for a request that leaves a quarter of the ring free. */
static int32_t has_room(struct kup_user_calls *calls, uint32_t length)
{
	uint32_t space = FRAME + length + quarter(calls);
	int32_t there = kup_user_prepare_wait(calls->channel, POLLOUT, space);

	return there < 0 ? there : there ? 0 : -EAGAIN;
}

int32_t kup_user_call_start(struct kup_user_calls *calls, uint32_t method, const void *data,
			    uint32_t length, void *context, uint64_t *id)
{
	struct kup_call frame = { 0, KUP_CALL_REQUEST, 0 };
	struct call *call = calls->calls;
	int32_t error;

	if (method >= KUP_TYPE_RESERVED)
		return -EINVAL;
	if (length > kup_user_calls_max_request(calls))
		return -EMSGSIZE;
	while (call < calls->calls + KUP_CALLS && call->state != FREE)
		call++;
	error = ended(calls);
	if (!error && call == calls->calls + KUP_CALLS)
		error = -EAGAIN;
	if (!error)
		error = has_room(calls, length);
	if (error)
		return error;
	frame.id = (uint64_t)++calls->generation << 32 | (uint64_t)(call - calls->calls);
	error = put(calls, &frame, method, data, length);
	if (error)
		return error;
	*call = (struct call){ OPEN, frame.id, context };
	*id = frame.id;
	return 0;
}

int32_t kup_user_call_cancel(struct kup_user_calls *calls, uint64_t id)
{
	struct call *call = &calls->calls[id % KUP_CALLS];

	if (call->state != OPEN || call->id != id)
		return -ENOENT;
	call->state = OWES;
	calls->owed++;
	settle(calls);
	return 0;
}

/* ---- Reading ---- */

/* The kernel has broken the rules of calls. This side uses the channel no more. */
static int32_t lie(struct kup_user_calls *calls)
{
	return calls->over = -EPROTO;
}

static int32_t ignore(struct kup_user_calls *calls)
{
	calls->ignored++;
	return -EAGAIN;
}

static int32_t requested(struct kup_user_calls *calls, struct kup_user_call_event *event)
{
	struct request *request = &calls->requests[event->id % KUP_CALLS];

	if (event->status || request->state != FREE)
		return lie(calls);
	*request = (struct request){ .state = OPEN, .id = event->id };
	if (event->method < KUP_TYPE_RESERVED)
		return 0;
	kup_user_reply_status(calls, event->id, KUP_STATUS_NO_METHOD);
	return -EAGAIN;
}

static int32_t replied(struct kup_user_calls *calls, struct kup_user_call_event *event)
{
	struct call *call = &calls->calls[event->id % KUP_CALLS];
	int open = call->state == OPEN;

	if (call->state == FREE || call->id != event->id)
		return ignore(calls);
	if (call->state == OWES)
		calls->owed--;
	call->state = FREE;
	event->context = call->context;
	return open ? 0 : -EAGAIN;
}

static int32_t cancelled(struct kup_user_calls *calls, struct kup_user_call_event *event)
{
	struct request *request = find_request(calls, event->id);

	if (event->status || event->length > 0)
		return lie(calls);
	if (!request || request->cancelled)
		return ignore(calls);
	request->cancelled = 1;
	return 0;
}

/* 0: the message is an event; -EAGAIN: it is not; -EPROTO: it is a lie. */
static int32_t take(struct kup_user_calls *calls, const struct kup_user_message *message,
		    struct kup_user_call_event *event)
{
	const struct kup_call *frame = message->data;

	if (message->length < FRAME)
		return lie(calls);
	/* Each word once. Relaxed: the record is ready, and a kernel that changes it lies. */
	*event = (struct kup_user_call_event){
		.kind = __atomic_load_n(&frame->kind, __ATOMIC_RELAXED),
		.method = message->type,
		.status = __atomic_load_n(&frame->status, __ATOMIC_RELAXED),
		.id = __atomic_load_n(&frame->id, __ATOMIC_RELAXED),
		.data = frame + 1,
		.length = message->length - FRAME,
	};
	switch (event->kind) {
	case KUP_CALL_REQUEST:
		return requested(calls, event);
	case KUP_CALL_REPLY:
		return replied(calls, event);
	case KUP_CALL_CANCEL:
		return cancelled(calls, event);
	default:
		return event->kind & KUP_CALL_OPTIONAL ? ignore(calls) : lie(calls);
	}
}

/* After the end: one event for each call and each request that is open; then the reason. */
static int32_t next_end(struct kup_user_calls *calls, struct kup_user_call_event *event)
{
	uint32_t i;

	*event = (struct kup_user_call_event){ .error = calls->over };
	calls->owed = 0;
	for (i = 0; i < KUP_CALLS; i++) {
		struct call *call = &calls->calls[i];
		struct request *request = &calls->requests[i];

		if (call->state == OPEN) {
			event->kind = KUP_CALL_REPLY;
			event->id = call->id;
			event->context = call->context;
			call->state = FREE;
			return 0;
		}
		if (request->state == OPEN && !request->cancelled) {
			event->kind = KUP_CALL_CANCEL;
			event->id = request->id;
			request->cancelled = 1;
			return 0;
		}
	}
	return calls->over;
}

static int is_over(double timeout_ms, double began)
{
	return timeout_ms > 0 && kup_user_now() - began >= timeout_ms;
}

/*
 * Waits for a message; or for room, if `space` is nonzero or something is owed, and then returns
 * -EAGAIN.
 */
static int32_t receive(struct kup_user_calls *calls, struct kup_user_message *message,
		       uint32_t space, double timeout_ms)
{
	int32_t error, there;

	if (calls->owed == 0 && space == 0)
		return kup_user_receive(calls->channel, message, timeout_ms);
	error = kup_user_receive(calls->channel, message, 0);
	if (error != -EAGAIN || timeout_ms == 0)
		return error;
	there = kup_user_prepare_wait(calls->channel, POLLIN | POLLOUT,
				      calls->owed > 0 || space < FRAME ? FRAME : space);
	if (there != 0)
		return there < 0 ? there : -EAGAIN;
	error = kup_user_wait(kup_user_channel_file(calls->channel), POLLIN | POLLOUT, timeout_ms);
	return error < 0 ? error : -EAGAIN;
}

/*
 * Waits for an event. With `space`, it also returns when there may be room for that many bytes:
 * -EAGAIN.
 */
static int32_t next(struct kup_user_calls *calls, struct kup_user_call_event *event, uint32_t space,
		    double timeout_ms)
{
	double began = timeout_ms > 0 ? kup_user_now() : 0;
	struct kup_user_message message;
	int32_t error;

	for (;;) {
		if (calls->owed > 0)
			settle(calls);
		error = calls->over;
		if (!error)
			error = receive(calls, &message, space, timeout_left(timeout_ms, began));
		if (!error)
			error = take(calls, &message, event);
		else if (error == -EAGAIN && (space > 0 || timeout_ms == 0))
			return error;
		if (error == -EPIPE || error == -EPROTO) {
			calls->over = error;
			return next_end(calls, event);
		}
		if (error != -EAGAIN)
			return error;
		if (is_over(timeout_ms, began))
			return -ETIMEDOUT;
	}
}

int32_t kup_user_calls_next(struct kup_user_calls *calls, struct kup_user_call_event *event,
			    double timeout_ms)
{
	return calls->in_handler ? -EDEADLK : next(calls, event, 0, timeout_ms);
}

int32_t kup_user_calls_prepare_wait(struct kup_user_calls *calls, int room)
{
	int32_t events = POLLIN, there;

	settle(calls);
	if (calls->over)
		return 0;
	if (room || calls->owed > 0)
		events |= POLLOUT;
	there = kup_user_prepare_wait(calls->channel, (uint32_t)events, FRAME);
	return there ? 0 : events;
}

/* ---- Callbacks ---- */

void kup_user_calls_set_handlers(struct kup_user_calls *calls,
				 const struct kup_user_call_handlers *handlers)
{
	calls->handlers = *handlers;
}

static void dispatch(struct kup_user_calls *calls, const struct kup_user_call_event *event)
{
	const struct kup_user_call_handlers *handlers = &calls->handlers;
	void (*handler)(struct kup_user_calls * calls, const struct kup_user_call_event *event,
			void *context) = event->kind == KUP_CALL_REQUEST ? handlers->request
					 : event->kind == KUP_CALL_REPLY ? handlers->reply
									 : handlers->cancel;

	calls->in_handler = 1;
	if (handler)
		handler(calls, event, handlers->context);
	else if (event->kind == KUP_CALL_REQUEST)
		kup_user_reply_status(calls, event->id, KUP_STATUS_NO_HANDLER);
	calls->in_handler = 0;
}

int32_t kup_user_calls_run(struct kup_user_calls *calls, double timeout_ms)
{
	double began = timeout_ms > 0 ? kup_user_now() : 0;
	struct kup_user_call_event event;
	int32_t error;

	if (calls->in_handler)
		return -EDEADLK;
	do {
		error = next(calls, &event, 0, timeout_left(timeout_ms, began));
		if (!error)
			dispatch(calls, &event);
		if (!error && is_over(timeout_ms, began))
			error = -ETIMEDOUT;
	} while (!error);
	return error;
}

/* Copies the reply that has come. */
static int32_t copy(struct kup_user_answer *answer, const struct kup_user_call_event *event)
{
	if (event->error)
		return event->error;
	answer->status = event->status;
	answer->length = event->length;
	if (event->length > answer->capacity)
		return -EMSGSIZE;
	if (event->length > 0)
		memcpy(answer->buffer, event->data, event->length);
	return 0;
}

/* Starts the call; handles events until there is room. */
static int32_t start(struct kup_user_calls *calls, uint32_t method, const void *data,
		     uint32_t length, double timeout_ms, double began, uint64_t *id)
{
	struct kup_user_call_event event;
	uint32_t space;
	int32_t error;

	for (;;) {
		error = kup_user_call_start(calls, method, data, length, calls, id);
		if (error != -EAGAIN)
			return error;
		if (is_over(timeout_ms, began))
			return -ETIMEDOUT;
		/* Without a free slot, it is an event that makes the next try worth while. */
		error = has_room(calls, length);
		space = error ? FRAME + length + quarter(calls) : 0;
		error = next(calls, &event, space, timeout_left(timeout_ms, began));
		if (!error)
			dispatch(calls, &event);
		else if (error != -EAGAIN || timeout_ms == 0)
			return error;
	}
}

int32_t kup_user_call(struct kup_user_calls *calls, uint32_t method, const void *data,
		      uint32_t length, struct kup_user_answer *answer, double timeout_ms)
{
	double began = timeout_ms > 0 ? kup_user_now() : 0;
	struct kup_user_call_event event;
	uint64_t id;
	int32_t error;

	if (calls->in_handler)
		return -EDEADLK;
	error = start(calls, method, data, length, timeout_ms, began, &id);
	if (error)
		return error;
	for (;;) {
		error = next(calls, &event, 0, timeout_left(timeout_ms, began));
		if (!error && event.kind == KUP_CALL_REPLY && event.id == id)
			return copy(answer, &event);
		if (!error)
			dispatch(calls, &event);
		if (!error && is_over(timeout_ms, began))
			error = -ETIMEDOUT;
		if (error) {
			kup_user_call_cancel(calls, id);
			return error;
		}
	}
}
