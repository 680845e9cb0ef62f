/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A client module that asks a process for decisions, and has an answer of its own when no process
 * answers in time. A visitor comes every few milliseconds; a real module has packets, files or
 * requests here. The same file makes a module of the host driver (`make`) and of a kernel (`make
 * module`).
 */
#include "kup.h"
#include "gate.h"
#include "layers/call.h"

KUP_PARAM_NUMBER(interval_ms, 5, "milliseconds between two visitors");
KUP_PARAM_NUMBER(patience_ms, 50, "milliseconds to wait for a decision");

static struct kup_device *device;
static struct kup_thread *thread;
static struct kup_monitor *lock;  /* of all below */
static struct kup_calls *decider; /* the process that decides, or NULL */
static struct gate_counts counts;
static int stopped;

/* ---- Asking ---- */

/* A reference to the process that decides, or NULL. */
static struct kup_calls *take_decider(void)
{
	struct kup_calls *calls;

	kup_monitor_lock(lock);
	calls = decider;
	if (calls)
		kup_calls_get(calls);
	kup_monitor_unlock(lock);
	return calls;
}

/* Nonzero: the process has decided; *passes is its answer. */
static int ask(const struct gate_visitor *visitor, kup_u8 *passes)
{
	struct kup_calls *calls = take_decider();
	struct kup_answer answer = { .buffer = passes, .capacity = sizeof(*passes) };
	int error;

	if (!calls)
		return 0;
	/* Not under the lock: detach needs it, and this may take a while. */
	error = kup_call(calls, GATE_DECIDE, visitor, sizeof(*visitor), &answer,
			 patience_ms * KUP_MS);
	kup_calls_put(calls);
	return !error && answer.status == 0 && answer.length == sizeof(*passes);
}

/* Lets one visitor pass, or not. */
static void visit(kup_u32 number)
{
	const struct gate_visitor visitor = { number };
	kup_u8 passes = 0;
	int decided = ask(&visitor, &passes);

	kup_monitor_lock(lock);
	if (decided && passes == 1)
		counts.passed++;
	else
		counts.refused++;
	if (!decided)
		counts.undecided++;
	kup_monitor_unlock(lock);
}

/* Waits for the next visitor. Returns 0 at once when the module is unloaded. */
static int comes_next(void)
{
	int goes_on;

	kup_monitor_lock(lock);
	/* Only unload wakes it. */
	if (!stopped)
		kup_monitor_wait(lock, interval_ms * KUP_MS);
	goes_on = !stopped;
	kup_monitor_unlock(lock);
	return goes_on;
}

static void visitors(void *argument)
{
	kup_u32 number = 0;

	(void)argument;
	while (comes_next())
		visit(number++);
}

/* ---- Being asked ---- */

static void call(struct kup_request request, kup_u32 method, const void *data, kup_u32 length)
{
	struct gate_counts copy;

	(void)data;
	(void)length;
	if (method != GATE_COUNT) {
		kup_reply_status(request, KUP_STATUS_NO_METHOD);
		return;
	}
	kup_monitor_lock(lock);
	copy = counts;
	kup_monitor_unlock(lock);
	if (kup_reply(request, 0, &copy, sizeof(copy)))
		kup_reply_status(request, KUP_STATUS_NO_ROOM);
}

static const struct kup_call_ops call_ops = { .call = call };

/* ---- The channel, and the module ---- */

static int attach(struct kup_channel *channel)
{
	struct kup_calls *calls;
	int error = kup_calls_begin(channel, &call_ops, NULL, &calls);

	if (error)
		return error;
	kup_channel_set_context(channel, calls);
	kup_monitor_lock(lock);
	decider = calls;
	kup_monitor_unlock(lock);
	return 0;
}

static int serve(struct kup_channel *channel)
{
	return kup_calls_serve(kup_channel_context(channel));
}

static void detach(struct kup_channel *channel)
{
	kup_monitor_lock(lock);
	decider = NULL;
	kup_monitor_unlock(lock);
	kup_calls_end(kup_channel_context(channel));
}

static const struct kup_ops ops = { .attach = attach, .serve = serve, .detach = detach };

static void unload(void)
{
	if (thread) {
		kup_monitor_lock(lock);
		stopped = 1;
		kup_monitor_wake(lock);
		kup_monitor_unlock(lock);
	}
	if (device)
		kup_device_destroy(device);
	kup_thread_join(thread);
	kup_monitor_destroy(lock);
}

static int load(void)
{
	const struct kup_config config = { .name = "gate", .mode = KUP_MODE_CALL };
	int error;

	if (!patience_ms) {
		kup_log("gate: patience_ms must be at least 1, since no decision comes at once");
		return -EINVAL;
	}
	error = kup_monitor_create(&lock);
	if (error)
		return error;
	error = kup_device_create(&config, &ops, NULL, &device);
	if (!error)
		error = kup_thread_start(visitors, NULL, "gate", &thread);
	if (error)
		unload();
	return error;
}

KUP_MODULE(load, unload, "KUP's gate: an example of a client module that calls a process");
