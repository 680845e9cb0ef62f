/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The predecessor's kernel API (kupdev.h), on turns. A client could also be written like this, on
 * kup.h and turn.h alone.
 *
 * That API identifies a process only by a number. A number does not show which process it means: a
 * process may leave, and the next one attach, while a thread still answers the first. So each
 * number has two places:
 *
 *   attach -> next -- kupdev_wait_channel, if `now` is empty --> now -- a call fails --> empty
 *               \---- the process leaves ----> empty               \-- it is given up --> empty
 *
 * All calls go to `now`, even after its process has left, until a call has failed because of that,
 * or its thread can make no more calls (is_given_up). So no thread can mistake the next process for
 * its own.
 */
#include "behind.h"
#include "kupdev.h"
#include "layers.h"
#include "turn.h"

/* A process that has attached a number. */
struct seat {
	/* one for its place, one for its process, and one for each running call */
	kup_u32 refs;
	struct seat *over;	     /* the next seat to be freed */
	struct kup_channel *channel; /* a reference */
	struct kup_turn turn;
	kup_u64 user; /* the thread that made the last call with the number; 0: no call was made */
	void *data;   /* what kupdev_receive has returned, as long as it is valid; or NULL */
	/* saves what lies behind the message that kupdev_receive has returned */
	struct kup_behind behind;
	char zeros[]; /* used instead of a message; as long as the longest one */
};

struct slot {
	struct seat *now;  /* a process that kupdev_wait_channel has returned */
	struct seat *next; /* an attached process that was not returned yet */
};

/*
 * Clients get the `id` instead of the device's address. Another device may get the address of a
 * device that is gone, and a late thread may still use it.
 */
struct softc {
	struct softc *next;
	unsigned long id; /* a multiple of ID_STEP */
	struct kup_device *device;
	size_t max_bytes;
	kup_u32 channels;
	kup_u32 calls; /* running calls */
	kup_u32 first; /* where the search for a process begins */
	int ending;    /* kupdev_unload has begun */
	int ended;     /* kupdev_unload has returned, and some threads still have messages */
	struct slot slots[];
};

/* An id is neither an error code nor an address: the first page is never mapped. */
#define ID_STEP 32ul

/*
 * The monitor protects all of the above and below, except what the threads of a number do with a
 * seat.
 */
static struct kup_monitor *lock;
/* Seats without a reference. Putting a channel may take locks of the engine, so unlock does it. */
static struct seat *over;
static struct softc *softcs;
static unsigned long last_id;

/* ---- Seats and devices, under the lock ---- */

static void seat_put(struct seat *seat)
{
	if (--seat->refs > 0)
		return;
	seat->over = over;
	over = seat;
}

/* Instead of kup_monitor_unlock: frees the seats without a reference, after the unlock. */
static void unlock(void)
{
	struct seat *seats = over, *next;

	over = NULL;
	kup_monitor_unlock(lock);
	for (; seats; seats = next) {
		next = seats->over;
		kup_channel_put(seats->channel);
		kup_free(seats);
	}
}

static void empty(struct seat **place)
{
	if (*place)
		seat_put(*place);
	*place = NULL;
}

static struct softc *find(const struct kupdev_softc *id)
{
	struct softc *sc = softcs;

	while (sc && sc->id != (unsigned long)id)
		sc = sc->next;
	return sc;
}

static struct slot *slot_of(struct softc *sc, int number)
{
	return number >= 0 && (kup_u32)number < sc->channels ? &sc->slots[number] : NULL;
}

/* Called after the end of a device: frees it, unless a thread still has a message. */
static void free_ended(struct softc *sc)
{
	struct softc **link = &softcs;
	kup_u32 i, messages = 0;

	for (i = 0; i < sc->channels; i++) {
		struct seat *now = sc->slots[i].now;

		/* A thread that has ended has no message. */
		if (now && (!now->data || kup_thread_ended(now->user)))
			empty(&sc->slots[i].now);
		messages += sc->slots[i].now != NULL;
	}
	if (messages)
		return;
	while (*link != sc)
		link = &(*link)->next;
	*link = sc->next;
	kup_free(sc);
}

static void free_all_ended(void)
{
	struct softc *sc = softcs, *next;

	for (; sc; sc = next) {
		next = sc->next;
		if (sc->ended)
			free_ended(sc);
	}
}

/* ---- Attaching and leaving ---- */

static struct softc *softc_of(struct kup_channel *channel)
{
	return kup_device_context(kup_channel_device(channel));
}

static int attach(struct kup_channel *channel)
{
	struct softc *sc = softc_of(channel);
	struct seat *seat;

	/*
	 * A process may ask for smaller rings, but clients write as much as the longest message in
	 * place.
	 */
	if (kup_max_payload(channel) < sc->max_bytes || kup_max_received(channel) < sc->max_bytes)
		return -EINVAL;
	seat = kup_alloc(sizeof(*seat) + sc->max_bytes);
	if (!seat)
		return -ENOMEM;
	seat->refs = 2;
	seat->channel = channel;
	kup_channel_get(channel);
	kup_turn_begin(&seat->turn, channel);
	kup_channel_set_context(channel, seat);
	kup_monitor_lock(lock);
	/* The number's last process has been detached, so `next` is empty. */
	sc->slots[kup_channel_number(channel)].next = seat;
	kup_monitor_wake(lock);
	unlock();
	return 0;
}

static void detach(struct kup_channel *channel)
{
	struct slot *slot = &softc_of(channel)->slots[kup_channel_number(channel)];
	struct seat *seat = kup_channel_context(channel);

	kup_monitor_lock(lock);
	if (slot->next == seat)
		empty(&slot->next);
	seat_put(seat);
	unlock();
}

static const struct kup_ops ops = { .attach = attach, .detach = detach };

/* ---- Creation ---- */

/* kup_device_create takes 0 as a default, and its numbers have fewer bits. */
static int arguments_valid(size_t size, size_t chan_cnt)
{
	const unsigned long most = KUP_MAX_RING / 2 / kup_page_size();

	if (size == 0 || size > most)
		kup_log("kupdev_create: size is %lu, not 1 to %lu pages", (unsigned long)size,
			most);
	else if (chan_cnt == 0 || chan_cnt > KUP_MAX_CHANNELS)
		kup_log("kupdev_create: chan_cnt is %lu, not 1 to %u", (unsigned long)chan_cnt,
			KUP_MAX_CHANNELS);
	else
		return 1;
	return 0;
}

/* The size of rings that can contain a message of `bytes`. */
static kup_u32 ring_pages(size_t bytes)
{
	kup_u32 pages = 1;

	while ((size_t)pages * kup_page_size() < bytes + KUP_RECORD_RESERVE)
		pages *= 2;
	return pages;
}

struct kupdev_softc *kupdev_create(const char *name, size_t size, size_t chan_cnt)
{
	struct kup_config config = { .name = name, .mode = KUP_MODE_TURN };
	struct softc *sc;

	if (!arguments_valid(size, chan_cnt))
		return NULL;
	sc = kup_alloc(sizeof(*sc) + chan_cnt * sizeof(sc->slots[0]));
	if (!sc)
		return NULL;
	sc->channels = (kup_u32)chan_cnt;
	sc->max_bytes = size * kup_page_size();
	config.channels = sc->channels;
	config.to_user_pages = ring_pages(sc->max_bytes);
	config.to_kernel_pages = config.to_user_pages;
	if (kup_device_create(&config, &ops, sc, &sc->device)) {
		kup_free(sc);
		return NULL;
	}
	kup_monitor_lock(lock);
	/* Of threads that ended later than their device. */
	free_all_ended();
	last_id += ID_STEP;
	sc->id = last_id;
	sc->next = softcs;
	softcs = sc;
	unlock();
	return (struct kupdev_softc *)last_id;
}

/* Does nothing: KUP itself wakes the processes that wait for a channel. */
void kupdev_notify(struct kupdev_softc *id)
{
	(void)id;
}

/* ---- Waiting for a process ---- */

/*
 * Whether the number is given up. Modules of the predecessor stop using a number in two ways
 * without a failed call: the thread waits for the next process, or the thread ends. In both cases
 * it can make no late call. A thread that is alive and does something else keeps the number, since
 * its next call may be meant for the process that has left. A number with which no call was made is
 * kept too, since its thread may just begin.
 */
static int is_given_up(const struct seat *now)
{
	/* The process has a reference until it is gone, and each call until it returns. */
	if (now->refs > 1 || !now->user)
		return 0;
	return now->user == kup_thread_self() || kup_thread_ended(now->user);
}

/*
 * Returns the next number with a process. The search begins behind the last one, since otherwise a
 * number whose processes change often would keep the others waiting. *kept: the end of another
 * thread would give a number up.
 */
static int take_next(struct softc *sc, int *kept)
{
	kup_u32 i;

	*kept = 0;
	for (i = 0; i < sc->channels; i++) {
		kup_u32 number = (sc->first + i) % sc->channels;
		struct slot *slot = &sc->slots[number];

		if (!slot->next)
			continue;
		if (slot->now && is_given_up(slot->now))
			empty(&slot->now);
		if (slot->now) {
			*kept |= slot->now->user != 0;
			continue;
		}
		slot->now = slot->next;
		slot->next = NULL;
		sc->first = number + 1;
		return (int)number;
	}
	return -EAGAIN;
}

static void leave(struct softc *sc)
{
	if (--sc->calls == 0 && sc->ending)
		kup_monitor_wake(lock);
}

/*
 * A module can't find out when a thread ends that it has not started through KUP. So a wait for
 * that end looks again after this time. It is long enough to cost nothing, and short enough for a
 * process that waits.
 */
#define LOOK_AGAIN (100000 * KUP_US)

/* Under the lock. */
static int wait_next(struct softc *sc)
{
	for (;;) {
		int kept = 0;
		int number = sc->ending ? -ESHUTDOWN : take_next(sc, &kept);
		int error;

		if (number != -EAGAIN)
			return number;
		error = kup_monitor_wait(lock, kept ? LOOK_AGAIN : KUP_FOREVER);
		if (error && error != -ETIMEDOUT)
			return error;
	}
}

int kupdev_wait_channel(struct kupdev_softc *id)
{
	int number = -ESHUTDOWN;
	struct softc *sc;

	kup_monitor_lock(lock);
	sc = find(id);
	if (sc) {
		sc->calls++;
		number = wait_next(sc);
		leave(sc);
	}
	unlock();
	return number;
}

/* ---- Calls on a number ---- */

struct call {
	struct softc *sc;
	struct slot *slot;
	struct seat *seat;
};

/* Under the lock. `bytes` is the length of the message to be sent. */
static int begin_locked(struct kupdev_softc *id, int number, size_t bytes, struct call *call)
{
	struct softc *sc = find(id);

	if (!sc)
		return -ESHUTDOWN;
	call->sc = sc;
	call->slot = slot_of(sc, number);
	if (!call->slot)
		return -EINVAL;
	if (call->slot->now)
		call->slot->now->user = kup_thread_self();
	if (bytes > sc->max_bytes)
		return -EMSGSIZE;
	if (sc->ending) {
		/* This call fails, so it is the last one for this process. */
		empty(&call->slot->now);
		if (sc->ended)
			free_ended(sc);
		return -ESHUTDOWN;
	}
	call->seat = call->slot->now;
	if (!call->seat)
		return -EPIPE;
	call->seat->refs++;
	sc->calls++;
	return 0;
}

static int begin(struct kupdev_softc *id, int number, size_t bytes, struct call *call)
{
	int error;

	kup_monitor_lock(lock);
	error = begin_locked(id, number, bytes, call);
	unlock();
	return error;
}

static int is_end(int error)
{
	return error == -EPIPE || error == -ESHUTDOWN || error == -EPROTO;
}

/* Ends a call; `error` is what the call returns. */
static void end(struct call *call, int error)
{
	kup_monitor_lock(lock);
	if (is_end(error) && call->slot->now == call->seat) {
		empty(&call->slot->now);
		if (call->slot->next)
			kup_monitor_wake(lock);
	}
	seat_put(call->seat);
	leave(call->sc);
	unlock();
}

/*
 * Sends a message. The data may be what kupdev_receive has returned, which stays unchanged until it
 * is copied.
 */
static int send(struct seat *seat, const void *data, kup_u32 length)
{
	struct kup_reservation reservation;
	int error = kup_turn_reserve(&seat->turn, length, KUP_TURN_DROP, KUP_FOREVER, &reservation);

	if (error)
		return error;
	if (length > 0)
		__builtin_memcpy(reservation.data, data, length);
	kup_behind_restore(&seat->behind);
	error = kup_turn_commit(&seat->turn, &reservation, 0, length);
	if (!error)
		seat->data = NULL;
	return error;
}

int kupdev_send(struct kupdev_softc *id, void *data, size_t len, int chan_id)
{
	struct call call;
	int error = begin(id, chan_id, len, &call);

	if (error)
		return error;
	error = send(call.seat, data, (kup_u32)len);
	end(&call, error);
	return error;
}

static int receive(struct seat *seat)
{
	struct kup_record record = { 0 };
	int error = kup_turn_peek(&seat->turn, &record, KUP_FOREVER);

	if (error && error != -EDEADLK)
		return error;
	if (!error && !record.control) {
		seat->data = (void *)record.data;
		kup_behind_keep(&seat->behind, seat->data, record.length,
				kup_max_received(seat->channel));
	} else if (!error || !seat->data) {
		seat->data = seat->zeros;
	}
	/* Zeroed each time, because the client may have written there. */
	if (seat->data == seat->zeros)
		__builtin_memset(seat->zeros, 0, KUPDEV_NOTHING);
	return 0;
}

void *kupdev_receive(struct kupdev_softc *id, int chan_id)
{
	struct call call;
	void *data;
	int error;

	if (begin(id, chan_id, 0, &call))
		return NULL;
	error = receive(call.seat);
	data = error ? NULL : call.seat->data;
	end(&call, error);
	return data;
}

void kupdev_unlock_channel(struct kupdev_softc *id, int chan_id)
{
	struct call call;

	if (begin(id, chan_id, 0, &call))
		return;
	call.seat->data = NULL;
	end(&call, 0);
}

void kupdev_pass(struct kupdev_softc *id, int chan_id)
{
	struct call call;

	if (begin(id, chan_id, 0, &call))
		return;
	kup_behind_restore(&call.seat->behind);
	if (!kup_turn_pass(&call.seat->turn, KUP_TURN_DROP, KUP_FOREVER))
		call.seat->data = NULL;
	/*
	 * The thread does not learn from this call that the process is gone, so its next call has
	 * to fail.
	 */
	end(&call, 0);
}

/* ---- Unloading ---- */

static int begin_unload(struct kupdev_softc *id, struct softc **sc)
{
	int error = 0;

	kup_monitor_lock(lock);
	*sc = find(id);
	if (!*sc || (*sc)->ended)
		error = -ESHUTDOWN;
	else if ((*sc)->ending)
		error = -EBUSY;
	else
		(*sc)->ending = 1;
	kup_monitor_wake(lock);
	unlock();
	return error;
}

/*
 * Waits for the running calls. Between two calls a thread may still read what kupdev_receive has
 * returned; its next call fails, and ends that.
 */
static void end_unload(struct softc *sc)
{
	kup_monitor_lock(lock);
	while (sc->calls > 0)
		kup_monitor_wait_always(lock);
	sc->ended = 1;
	free_all_ended();
	unlock();
}

int kupdev_unload(struct kupdev_softc *id)
{
	struct softc *sc;
	int error;

	if (!id)
		return 0;
	error = begin_unload(id, &sc);
	if (error)
		return error;
	/* Ends the processes' channels, and the calls of our threads that wait for a process. */
	kup_device_destroy(sc->device);
	end_unload(sc);
	return 0;
}

/* ---- Loading and unloading KUP ---- */

int kup_layers_init(void)
{
	return kup_monitor_create(&lock);
}

/* All clients and their threads are gone. This frees what they did not give back. */
void kup_layers_exit(void)
{
	kup_monitor_lock(lock);
	while (softcs) {
		struct softc *sc = softcs;
		kup_u32 i;

		for (i = 0; i < sc->channels; i++)
			empty(&sc->slots[i].now);
		free_ended(sc);
	}
	unlock();
	kup_monitor_destroy(lock);
}
