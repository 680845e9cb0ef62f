/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The predecessor's kernel API over the client API. A slot per channel number keeps a reference to the channel
 * that is attached there, so that a call that is under way outlives the process that it talks to.
 */
#include "core.h"
#include "kupdev.h"

struct slot {
	struct kup_channel *channel; /* under lock; a reference; NULL: nobody is attached */
	int announced;		     /* under lock: kupdev_wait_channel has returned it */
	kup_u64 user;		     /* under lock: the thread that uses it */
	kup_u64 stale; /* under lock: one that has not noticed that its process left */
	/* Of the channel's one thread: what kupdev_receive returned, in a channel that is kept for it. */
	struct kup_channel *holder;
	struct kup_record held;
	char nothing; /* what a pass without data carries */
};

struct kupdev_softc {
	kup_u32 refs; /* its owner's, and of each call */
	struct kup_device *device;
	size_t max_bytes;
	kup_u32 channels;
	struct os_mutex lock;
	struct os_waitq waitq; /* for an attachment, or the end of calls */
	int attached;	       /* under lock */
	int calls;	       /* under lock: threads inside */
	int unloading;	       /* under lock */
	struct slot slots[];
};

/* ---- Attaching and detaching ---- */

static struct kupdev_softc *softc_of(struct kup_channel *channel)
{
	return kup_device_context(kup_channel_device(channel));
}

static int attach(struct kup_channel *channel)
{
	struct kupdev_softc *sc = softc_of(channel);
	struct slot *slot = &sc->slots[kup_channel_number(channel)];
	int error = 0;

	os_mutex_lock(&sc->lock);
	if (sc->unloading) {
		error = -ENODEV;
	} else {
		kup_channel_get(channel);
		slot->channel = channel;
		slot->announced = 0;
		slot->stale = slot->user;
		slot->user = 0;
		sc->attached++;
	}
	os_mutex_unlock(&sc->lock);
	if (!error)
		os_wake(&sc->waitq);
	return error;
}

static void detach(struct kup_channel *channel)
{
	struct kupdev_softc *sc = softc_of(channel);
	struct slot *slot = &sc->slots[kup_channel_number(channel)];

	os_mutex_lock(&sc->lock);
	slot->channel = NULL;
	sc->attached--;
	os_mutex_unlock(&sc->lock);
	kup_channel_put(channel);
}

static const struct kup_ops ops = { .attach = attach, .detach = detach };

/* ---- Devices ---- */

static void unlock_slot(struct slot *slot)
{
	if (!slot->holder)
		return;
	kup_release(slot->holder, &slot->held);
	kup_channel_put(slot->holder);
	slot->holder = NULL;
}

static void put(struct kupdev_softc *sc)
{
	kup_u32 i;

	if (!kup_ref_put(&sc->refs))
		return;
	for (i = 0; i < sc->channels; i++)
		unlock_slot(&sc->slots[i]);
	os_waitq_destroy(&sc->waitq);
	os_mutex_destroy(&sc->lock);
	os_free(sc);
}

/* Rings that take one message of `size` pages at the least. */
static kup_u32 ring_pages(size_t size)
{
	kup_u32 pages = 1;

	while (pages * (size_t)os_page_size() < size * os_page_size() + KUP_RECORD_RESERVE)
		pages *= 2;
	return pages;
}

struct kupdev_softc *kupdev_create(const char *name, size_t size, size_t chan_cnt)
{
	struct kup_config config = { .name = name, .mode = KUP_MODE_TURN };
	struct kupdev_softc *sc;

	if (size == 0 || size > KUP_MAX_RING / 2 / os_page_size() || chan_cnt == 0 ||
	    chan_cnt > KUP_MAX_CHANNELS)
		return NULL;
	sc = os_alloc(sizeof(*sc) + chan_cnt * sizeof(struct slot));
	if (!sc)
		return NULL;
	config.channels = (kup_u32)chan_cnt;
	config.to_user_pages = ring_pages(size);
	config.to_kernel_pages = config.to_user_pages;
	sc->refs = 1;
	sc->channels = config.channels;
	sc->max_bytes = size * os_page_size();
	os_mutex_init(&sc->lock);
	os_waitq_init(&sc->waitq);
	if (kup_device_create(&config, &ops, sc, &sc->device) == 0)
		return sc;
	put(sc);
	return NULL;
}

void kupdev_notify(struct kupdev_softc *sc)
{
	kup_device_wake(sc->device);
}

/* ---- Calls: none outlives the device ---- */

static void enter(struct kupdev_softc *sc)
{
	kup_ref_get(&sc->refs);
	os_mutex_lock(&sc->lock);
	sc->calls++;
	os_mutex_unlock(&sc->lock);
}

static void leave(struct kupdev_softc *sc)
{
	int last;

	os_mutex_lock(&sc->lock);
	last = --sc->calls == 0;
	os_mutex_unlock(&sc->lock);
	if (last)
		os_wake(&sc->waitq);
	put(sc);
}

/*
 * The channel that is attached there, as a reference, or NULL. A number says nothing about whose channel it
 * was: a thread that has played with an earlier process hears of its end first.
 */
static struct kup_channel *get(struct kupdev_softc *sc, int chan_id)
{
	kup_u64 self = os_thread_self();
	struct kup_channel *channel = NULL;
	struct slot *slot;

	if (chan_id < 0 || (kup_u32)chan_id >= sc->channels)
		return NULL;
	slot = &sc->slots[chan_id];
	os_mutex_lock(&sc->lock);
	if (slot->stale == self) {
		slot->stale = 0;
	} else if (slot->channel) {
		channel = slot->channel;
		slot->user = self;
		kup_channel_get(channel);
	} else if (slot->user == self) {
		slot->user = 0;
	}
	os_mutex_unlock(&sc->lock);
	return channel;
}

/* ---- Waiting for a process ---- */

/* Under the lock: the next attachment that was not returned yet, or -1. */
static int next_channel(struct kupdev_softc *sc)
{
	kup_u32 i;

	for (i = 0; i < sc->channels; i++) {
		struct slot *slot = &sc->slots[i];

		if (slot->channel && !slot->announced) {
			slot->announced = 1;
			if (slot->stale == os_thread_self())
				slot->stale = 0;
			return (int)i;
		}
	}
	return -1;
}

/* Without the lock: whoever changes what is looked at wakes afterwards. */
static int worth_a_look(void *argument)
{
	struct kupdev_softc *sc = argument;
	kup_u32 i;

	if (__atomic_load_n(&sc->unloading, __ATOMIC_ACQUIRE))
		return 1;
	for (i = 0; i < sc->channels; i++)
		if (__atomic_load_n(&sc->slots[i].channel, __ATOMIC_ACQUIRE) &&
		    !__atomic_load_n(&sc->slots[i].announced, __ATOMIC_RELAXED))
			return 1;
	return 0;
}

int kupdev_wait_channel(struct kupdev_softc *sc)
{
	int number, error = 0;

	enter(sc);
	for (;;) {
		os_mutex_lock(&sc->lock);
		number = sc->unloading ? -ESHUTDOWN : next_channel(sc);
		os_mutex_unlock(&sc->lock);
		if (number != -1)
			break;
		error = os_wait(&sc->waitq, worth_a_look, sc, OS_FOREVER);
		if (error)
			break;
	}
	leave(sc);
	return error ? error : number;
}

/* ---- Messages ---- */

static int send(struct kupdev_softc *sc, void *data, size_t len, int chan_id)
{
	struct kup_channel *channel;
	int error;

	if (chan_id < 0 || (kup_u32)chan_id >= sc->channels)
		return -EINVAL;
	if (len > sc->max_bytes)
		return -EMSGSIZE;
	unlock_slot(&sc->slots[chan_id]);
	channel = get(sc, chan_id);
	if (!channel)
		return -EPIPE;
	error = kup_send(channel, 0, data, (kup_u32)len, KUP_FOREVER);
	kup_channel_put(channel);
	return error;
}

int kupdev_send(struct kupdev_softc *sc, void *data, size_t len, int chan_id)
{
	int error;

	enter(sc);
	error = send(sc, data, len, chan_id);
	leave(sc);
	return error;
}

static void *held_data(struct slot *slot)
{
	slot->nothing = 0;
	return slot->held.flags & KUP_RECORD_PASS ? &slot->nothing : (void *)slot->held.data;
}

static void *receive(struct kupdev_softc *sc, int chan_id)
{
	struct kup_channel *channel = get(sc, chan_id);
	struct slot *slot;
	int error;

	if (!channel)
		return NULL;
	slot = &sc->slots[chan_id];
	if (slot->holder == channel && kup_turn(channel) > 0) {
		kup_channel_put(channel);
		return held_data(slot);
	}
	unlock_slot(slot);
	error = kup_peek(channel, &slot->held, KUP_FOREVER);
	if (!error) {
		slot->holder = channel;
		return held_data(slot);
	}
	kup_channel_put(channel);
	slot->nothing = 0;
	return error == -EDEADLK ? &slot->nothing : NULL;
}

void *kupdev_receive(struct kupdev_softc *sc, int chan_id)
{
	void *data;

	enter(sc);
	data = receive(sc, chan_id);
	leave(sc);
	return data;
}

void kupdev_unlock_channel(struct kupdev_softc *sc, int chan_id)
{
	if (chan_id < 0 || (kup_u32)chan_id >= sc->channels)
		return;
	enter(sc);
	unlock_slot(&sc->slots[chan_id]);
	leave(sc);
}

void kupdev_pass(struct kupdev_softc *sc, int chan_id)
{
	struct kup_channel *channel;

	enter(sc);
	channel = get(sc, chan_id);
	if (channel) {
		unlock_slot(&sc->slots[chan_id]);
		kup_pass(channel, KUP_FOREVER);
		kup_channel_put(channel);
	}
	leave(sc);
}

/* ---- Unloading ---- */

static int no_calls(void *argument)
{
	struct kupdev_softc *sc = argument;

	return __atomic_load_n(&sc->calls, __ATOMIC_ACQUIRE) == 0;
}

int kupdev_unload(struct kupdev_softc *sc)
{
	os_mutex_lock(&sc->lock);
	if (sc->attached || sc->unloading) {
		os_mutex_unlock(&sc->lock);
		return -EBUSY;
	}
	__atomic_store_n(&sc->unloading, 1, __ATOMIC_RELEASE);
	os_mutex_unlock(&sc->lock);
	os_wake(&sc->waitq);
	kup_device_destroy(sc->device);
	os_wait_always(&sc->waitq, no_calls, sc);
	put(sc);
	return 0;
}
