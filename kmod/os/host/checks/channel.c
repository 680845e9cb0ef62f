/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Checked channels, and the thread that looks at them for what doesn't happen: a reservation that
 * is not finished, and a serve that does not return.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checks/checks.h"

ENGINE(channel_put);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t added = PTHREAD_COND_INITIALIZER;
static struct check_channel *channels; /* under lock */
static int has_watcher;		       /* under lock */

/* ---- The watcher ---- */

#define TICK_NS 100000000ll
/* After a tick that took longer than this, the whole process may have stood still. */
#define STALL_NS 500000000ull
#define RESERVATION_NS 1000000000ull
#define SERVE_NS 5000000000ull

/* What one look at a channel has found. */
struct finding {
	struct kup_channel *channel; /* a reference */
	struct check_reservation reservation;
	int is_serve;
	struct check_note last; /* the call of serve */
};

/* Whether a process sleeps until this reservation is finished. It may be about to wake up. */
static int is_awaited(struct kup_channel *channel, kup_u32 position)
{
	const struct kup_producer *out = &channel->out;
	struct os_pollq *pollq = &channel->handle->pollq;
	unsigned long state;
	int waits;

	pthread_mutex_lock(&pollq->lock);
	waits = pollq->pollers != NULL;
	pthread_mutex_unlock(&pollq->lock);
	if (!waits)
		return 0;
	state = os_spin_lock(&channel->send_lock);
	waits = out->end == position && (kup_sleeps_ahead(out, kup_load(out->peer_event)) ||
					 kup_load(&channel->poll_armed) & POLL_DATA);
	os_spin_unlock(&channel->send_lock, state);
	return waits;
}

/* Under checks->lock. */
static int find_reservation(struct check_channel *checks, kup_u64 now, struct finding *finding)
{
	kup_u32 i;

	for (i = 0; i < checks->open; i++) {
		struct check_reservation *one = &checks->reservations[i];

		if (one->is_reported || !is_awaited(checks->channel, one->position))
			one->awaited_ns = 0;
		else if (!one->awaited_ns)
			one->awaited_ns = now;
		if (!one->awaited_ns || now - one->awaited_ns < RESERVATION_NS)
			continue;
		one->is_reported = 1;
		finding->reservation = *one;
		return 1;
	}
	return 0;
}

/* The last call of serve, whose thread may be in check_note_own at the same time. */
static struct check_note last_note(const struct check_channel *checks)
{
	struct check_note last;
	kup_u32 note;

	do {
		/* Pairs with the release in check_note_own. */
		note = kup_load_acquire(&checks->note);
		last.call = kup_load_pointer(&checks->notes[note % 2].call);
		last.caller = kup_load_pointer(&checks->notes[note % 2].caller);
		/* The second call after this one writes to the same place. */
	} while (kup_load(&checks->note) != note);
	return last;
}

/* Under checks->lock. */
static int find_serve(struct check_channel *checks, kup_u64 now, struct finding *finding)
{
	kup_u64 since;

	if (!checks->serving || checks->is_reported || !kup_ended(checks->channel))
		return 0;
	if (!checks->ended_ns)
		checks->ended_ns = now;
	/* What the user has left may be read. */
	since = checks->progress_ns > checks->ended_ns ? checks->progress_ns : checks->ended_ns;
	if (now < since || now - since < SERVE_NS)
		return 0;
	checks->is_reported = 1;
	finding->is_serve = 1;
	finding->last = last_note(checks);
	return 1;
}

/* 0: the last reference was put, and the channel is being freed. */
static int get_unless_freed(struct kup_channel *channel)
{
	kup_u32 refs = kup_load(&channel->refs);

	while (refs > 0)
		if (__atomic_compare_exchange_n(&channel->refs, &refs, refs + 1, 0,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return 1;
	return 0;
}

/* After the process stood still, each wait counts from now on. */
static void restart(struct check_channel *checks)
{
	kup_u32 i;

	checks->ended_ns = 0;
	for (i = 0; i < checks->open; i++)
		checks->reservations[i].awaited_ns = 0;
}

/*
 * Under the lock, which keeps the channels of the list from being freed: looks at them until there
 * is something to report. finding->channel is a reference then.
 */
static int find(kup_u64 now, int was_stalled, struct finding *finding)
{
	struct check_channel *checks;
	int found;

	for (checks = channels; checks; checks = checks->next) {
		/* What was found on a channel that is being freed is no longer wanted. */
		*finding = (struct finding){ .channel = checks->channel };
		check_enter(checks);
		if (was_stalled)
			restart(checks);
		found = find_reservation(checks, now, finding) || find_serve(checks, now, finding);
		check_leave(checks);
		if (found && get_unless_freed(checks->channel))
			return 1;
	}
	return 0;
}

static const char *end_of(const struct kup_channel *channel)
{
	switch (kup_ended(channel)) {
	case -EPIPE:
		return "the user was gone";
	case -EPROTO:
		return "the user had broken the protocol";
	default:
		return "the channel was closed, or its device destroyed";
	}
}

static void report(const struct finding *finding)
{
	const struct check_reservation *one = &finding->reservation;
	char place[CHECK_PLACE];

	if (finding->is_serve)
		check_stuck(check_of(finding->channel)->client);
	if (one->caller)
		check_report(finding->channel, NULL,
			     "a reservation of %u bytes has been open for a second while the user "
			     "waits for it; it was made at %s; commit or discard it on every path",
			     one->length, check_place(one->caller, place));
	if (finding->is_serve && finding->last.call)
		check_report(finding->channel, NULL,
			     "serve has not returned 5 s after %s; its last call was %s at %s; "
			     "return when a call or kup_ended reports the end, and sleep by "
			     "kup_pause",
			     end_of(finding->channel), finding->last.call,
			     check_place(finding->last.caller, place));
	else if (finding->is_serve)
		check_report(finding->channel, NULL,
			     "serve has not returned 5 s after %s, and has made no call of kup.h; "
			     "return when a call or kup_ended reports the end",
			     end_of(finding->channel));
}

static void look(kup_u64 now, int was_stalled)
{
	struct finding finding;
	int found;

	do {
		pthread_mutex_lock(&lock);
		found = find(now, was_stalled, &finding);
		pthread_mutex_unlock(&lock);
		was_stalled = 0;
		if (found) {
			report(&finding);
			engine_channel_put(finding.channel);
		}
	} while (found);
}

static void *watch(void *unused)
{
	const struct timespec tick = { 0, TICK_NS };
	kup_u64 last = os_now_ns(), now;

	(void)unused;
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!channels)
			pthread_cond_wait(&added, &lock);
		pthread_mutex_unlock(&lock);
		nanosleep(&tick, NULL);
		now = os_now_ns();
		look(now, now - last > STALL_NS);
		last = now;
	}
	return NULL;
}

/* Under the lock. A thread that can't be started is missed, and the next channel tries again. */
static void start_watcher(void)
{
	sigset_t all;
	pthread_t id;

	sigfillset(&all);
	if (has_watcher || host_create_thread(&id, HOST_DEFAULT_STACK, &all, watch, NULL))
		return;
	pthread_detach(id);
	has_watcher = 1;
}

/* ---- Life ---- */

void check_channel_begin(struct kup_channel *channel, struct host_client *client)
{
	struct check_channel *checks = malloc(sizeof(*checks));

	if (!checks)
		return;
	memset(checks, 0, sizeof(*checks));
	checks->channel = channel;
	checks->client = client;
	os_spin_init(&checks->lock);
	channel->memory->checks = checks;
	pthread_mutex_lock(&lock);
	checks->next = channels;
	checks->link = &channels;
	if (checks->next)
		checks->next->link = &checks->next;
	channels = checks;
	start_watcher();
	pthread_cond_signal(&added);
	pthread_mutex_unlock(&lock);
}

void host_channel_end(struct check_channel *checks)
{
	pthread_mutex_lock(&lock);
	*checks->link = checks->next;
	if (checks->next)
		checks->next->link = checks->link;
	pthread_mutex_unlock(&lock);
	check_peek_left(checks, 1);
	check_free_areas(checks);
	os_spin_destroy(&checks->lock);
	free(checks);
}

/* ---- Calls ---- */

void check_note(struct check_channel *checks, const char *call, const void *caller)
{
	if (check_self()->channel == checks->channel)
		check_note_own(checks, call, caller);
}
