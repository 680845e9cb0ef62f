/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The predecessor's kernel API over the client API. A slot per channel number (slot.h) keeps a reference to the
 * channel that is attached there, so that a call that is under way outlives the process that it talks to.
 */
#include "slot.h"

/*
 * Clients have an `id` in place of its address: that of a device which is gone would be another's by and by, and
 * a thread may come with it that is late.
 */
struct softc {
	kup_u32 refs;		   /* its owner's, and of each call */
	struct softc *next;	   /* under softcs_lock */
	unsigned long id;	   /* a multiple of ID_STEP */
	struct kup_device *device; /* a reference beside the creator's; NULL until it is made */
	size_t max_bytes;
	kup_u32 channels;
	kup_u32 calls; /* threads inside; atomic */
	struct os_mutex lock;
	struct os_waitq waitq; /* for an attachment, or the end of calls */
	kup_u32 attached;      /* under lock */
	kup_u32 unannounced;   /* of these; changed under lock, read anywhere */
	kup_u32 unloading;     /* the same */
	kup_u32 first;	       /* under lock: where the search for these begins */
	struct slot slots[];
};

/* No error code, and no address either: the first page is nobody's. */
#define ID_STEP 32ul

/* All that are not unloaded. */
static struct os_mutex softcs_lock;
static struct softc *softcs;  /* under softcs_lock */
static unsigned long last_id; /* the same */

/*
 * Messages of devices that are unloaded, while the threads that received them may still look at
 * them: until a call with that device, which fails, or the thread's end.
 */
static struct use *left; /* under softcs_lock */

void kup_softcs_init(void)
{
	os_mutex_init(&softcs_lock);
}

/* Clients are gone, and so are their threads. */
void kup_softcs_destroy(void)
{
	uses_free(left);
	left = NULL;
	os_mutex_destroy(&softcs_lock);
}

/* Frees those of the calling thread and this device (0: none), and of threads that have ended. */
static void sweep_left(unsigned long device)
{
	struct use **link, *use, *over = NULL;

	os_mutex_lock(&softcs_lock);
	for (link = &left; *link;) {
		use = *link;
		if (!(use->thread == os_thread_self() && use->device == device) &&
		    !os_thread_ended(use->thread)) {
			link = &use->next;
			continue;
		}
		*link = use->next;
		use->next = over;
		over = use;
	}
	os_mutex_unlock(&softcs_lock);
	uses_free(over);
}

static void leave_held(struct use *held, unsigned long device)
{
	while (held) {
		struct use *next = held->next;

		held->device = device;
		os_mutex_lock(&softcs_lock);
		held->next = left;
		left = held;
		os_mutex_unlock(&softcs_lock);
		held = next;
	}
}

/* ---- Attaching and detaching ---- */

static struct softc *softc_of(struct kup_channel *channel)
{
	return kup_device_context(kup_channel_device(channel));
}

static int attach(struct kup_channel *channel)
{
	struct softc *sc = softc_of(channel);
	struct use *use = use_create(channel, (kup_u32)sc->max_bytes), *forgotten;

	if (!use)
		return -ENOMEM;
	os_mutex_lock(&sc->lock);
	if (sc->unloading) {
		os_mutex_unlock(&sc->lock);
		uses_free(use);
		return -ENODEV;
	}
	forgotten = slot_attach(&sc->slots[kup_channel_number(channel)], use);
	sc->attached++;
	kup_store(&sc->unannounced, sc->unannounced + 1);
	os_mutex_unlock(&sc->lock);
	uses_free(forgotten);
	os_wake(&sc->waitq);
	return 0;
}

static void detach(struct kup_channel *channel)
{
	struct softc *sc = softc_of(channel);
	struct slot *slot = &sc->slots[kup_channel_number(channel)];
	struct use *over;

	os_mutex_lock(&sc->lock);
	sc->attached--;
	if (!slot->announced)
		kup_store(&sc->unannounced, sc->unannounced - 1);
	over = slot_detach(slot);
	os_mutex_unlock(&sc->lock);
	uses_free(over);
}

static const struct kup_ops ops = { .attach = attach, .detach = detach };

/* ---- Devices ---- */

static void put(struct softc *sc)
{
	kup_u32 i;

	if (!kup_ref_put(&sc->refs))
		return;
	for (i = 0; i < sc->channels; i++)
		leave_held(slot_empty(&sc->slots[i]), sc->id);
	if (sc->device)
		kup_device_put(sc->device);
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

/* From here on clients know it. */
static struct kupdev_softc *announce(struct softc *sc)
{
	os_mutex_lock(&softcs_lock);
	last_id += ID_STEP;
	sc->id = last_id;
	sc->next = softcs;
	softcs = sc;
	os_mutex_unlock(&softcs_lock);
	return (struct kupdev_softc *)sc->id;
}

/* To kup_device_create zeros are defaults, and its numbers have fewer bits. */
static int arguments_valid(const char *name, size_t size, size_t chan_cnt)
{
	const unsigned long most = KUP_MAX_RING / 2 / os_page_size();

	if (kup_name_check(name))
		return 0;
	if (size == 0 || size > most)
		os_log("%s: size is %lu, not 1 to %lu pages", name, (unsigned long)size, most);
	else if (chan_cnt == 0 || chan_cnt > KUP_MAX_CHANNELS)
		os_log("%s: chan_cnt is %lu, not 1 to %u", name, (unsigned long)chan_cnt,
		       KUP_MAX_CHANNELS);
	else
		return 1;
	return 0;
}

struct kupdev_softc *kupdev_create(const char *name, size_t size, size_t chan_cnt)
{
	struct kup_config config = { .name = name, .mode = KUP_MODE_TURN };
	struct softc *sc;
	kup_u32 i;

	if (!arguments_valid(name, size, chan_cnt))
		return NULL;
	sweep_left(0);
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
	for (i = 0; i < sc->channels; i++)
		sc->slots[i].lock = &sc->lock;
	if (kup_device_create(&config, &ops, sc, &sc->device)) {
		put(sc);
		return NULL;
	}
	kup_device_get(sc->device);
	return announce(sc);
}

/* ---- Calls: none outlives the device, and none begins after it ---- */

/* NULL: it is unloaded, or never was. */
static struct softc *enter(const struct kupdev_softc *id)
{
	struct softc *sc;

	os_mutex_lock(&softcs_lock);
	for (sc = softcs; sc && sc->id != (unsigned long)id; sc = sc->next)
		;
	if (sc) {
		kup_ref_get(&sc->refs);
		kup_ref_get(&sc->calls);
	}
	os_mutex_unlock(&softcs_lock);
	if (!sc)
		sweep_left((unsigned long)id);
	return sc;
}

static void leave(struct softc *sc)
{
	if (kup_ref_put(&sc->calls))
		os_wake(&sc->waitq);
	put(sc);
}

static struct slot *slot_of(struct softc *sc, int chan_id)
{
	return chan_id >= 0 && (kup_u32)chan_id < sc->channels ? &sc->slots[chan_id] : NULL;
}

void kupdev_notify(struct kupdev_softc *id)
{
	struct softc *sc = enter(id);

	if (!sc)
		return;
	kup_handles_wake(sc->device);
	leave(sc);
}

/* ---- Waiting for a process ---- */

/*
 * Under the lock: the next attachment that was not returned yet, or -1; and what this thread is done with. Each
 * number in turn, or one that comes again and again would keep the others waiting.
 */
static int next_channel(struct softc *sc, struct use **over)
{
	kup_u32 i;

	for (i = 0; i < sc->channels; i++) {
		kup_u32 number = (sc->first + i) % sc->channels;
		struct slot *slot = &sc->slots[number];

		if (!slot->attached || slot->announced)
			continue;
		slot->announced = 1;
		kup_store(&sc->unannounced, sc->unannounced - 1);
		sc->first = number + 1;
		*over = slot_tell(slot);
		return (int)number;
	}
	return -1;
}

/* Without the lock: whoever changes what is looked at wakes afterwards. */
static int worth_a_look(void *argument)
{
	const struct softc *sc = argument;

	return kup_load_acquire(&sc->unloading) || kup_load_acquire(&sc->unannounced) > 0;
}

static int wait_channel(struct softc *sc)
{
	for (;;) {
		struct use *over = NULL;
		int number;

		os_mutex_lock(&sc->lock);
		number = sc->unloading ? -ESHUTDOWN : next_channel(sc, &over);
		os_mutex_unlock(&sc->lock);
		uses_free(over);
		if (number != -1)
			return number;
		number = os_wait(&sc->waitq, worth_a_look, sc, OS_FOREVER);
		if (number)
			return number;
	}
}

int kupdev_wait_channel(struct kupdev_softc *id)
{
	struct softc *sc = enter(id);
	int number;

	if (!sc)
		return -ESHUTDOWN;
	number = wait_channel(sc);
	leave(sc);
	return number;
}

/* ---- Messages ---- */

static int send(struct softc *sc, const void *data, size_t len, int chan_id)
{
	struct slot *slot = slot_of(sc, chan_id);
	struct kup_channel *channel;
	struct kup_turn *turn;
	int error;

	if (!slot)
		return -EINVAL;
	if (len > sc->max_bytes)
		return -EMSGSIZE;
	channel = slot_get(slot, &turn);
	if (!channel)
		return -EPIPE;
	error = kup_turn_send(turn, 0, data, (kup_u32)len, KUP_TURN_DROP, KUP_FOREVER);
	if (!error)
		slot_unlock(slot);
	slot_done(slot, channel, error);
	return error;
}

int kupdev_send(struct kupdev_softc *id, void *data, size_t len, int chan_id)
{
	struct softc *sc = enter(id);
	int error;

	if (!sc)
		return -ESHUTDOWN;
	error = send(sc, data, len, chan_id);
	leave(sc);
	return error;
}

static int receive_on(struct slot *slot, struct kup_channel *channel, struct kup_turn *turn,
		      void **data)
{
	struct kup_record record;
	int error;

	*data = slot_held(slot, channel);
	if (*data)
		return 0;
	slot_unlock(slot);
	error = kup_turn_peek(turn, &record, KUP_FOREVER);
	if (!error || error == -EDEADLK)
		*data = slot_hold(slot, channel, error ? NULL : &record);
	return error == -EDEADLK ? 0 : error;
}

static void *receive(struct softc *sc, int chan_id)
{
	struct slot *slot = slot_of(sc, chan_id);
	struct kup_turn *turn;
	struct kup_channel *channel = slot ? slot_get(slot, &turn) : NULL;
	void *data;
	int error;

	if (!channel)
		return NULL;
	error = receive_on(slot, channel, turn, &data);
	slot_done(slot, channel, error);
	return data;
}

void *kupdev_receive(struct kupdev_softc *id, int chan_id)
{
	struct softc *sc = enter(id);
	void *data;

	if (!sc)
		return NULL;
	data = receive(sc, chan_id);
	leave(sc);
	return data;
}

void kupdev_unlock_channel(struct kupdev_softc *id, int chan_id)
{
	struct softc *sc = enter(id);

	if (!sc)
		return;
	if (slot_of(sc, chan_id))
		slot_unlock(slot_of(sc, chan_id));
	leave(sc);
}

static void pass(struct softc *sc, int chan_id)
{
	struct slot *slot = slot_of(sc, chan_id);
	struct kup_turn *turn;
	struct kup_channel *channel = slot ? slot_get(slot, &turn) : NULL;

	if (!channel)
		return;
	if (!kup_turn_pass(turn, KUP_TURN_DROP, KUP_FOREVER))
		slot_unlock(slot);
	/* The thread does not learn of an end by this call, so its next one has to fail. */
	slot_done(slot, channel, 0);
}

void kupdev_pass(struct kupdev_softc *id, int chan_id)
{
	struct softc *sc = enter(id);

	if (!sc)
		return;
	pass(sc, chan_id);
	leave(sc);
}

/* ---- Unloading ---- */

/*
 * Threads that this unload has driven out of their calls go on in their module, whose memory may be the next thing
 * to go: modules that were written for the predecessor don't wait for theirs. They get the time to end.
 */
#define LEAVING_MS 100

static int no_calls(void *argument)
{
	const struct softc *sc = argument;

	return kup_load_acquire(&sc->calls) == 0;
}

/* From here on no process attaches. -EBUSY: another thread is at it. */
static int begin_unload(struct softc *sc)
{
	int busy;

	os_mutex_lock(&sc->lock);
	busy = sc->unloading != 0;
	if (!busy)
		kup_store_release(&sc->unloading, 1);
	os_mutex_unlock(&sc->lock);
	return busy ? -EBUSY : 0;
}

static void retire(struct softc *sc)
{
	struct softc **link = &softcs;

	os_mutex_lock(&softcs_lock);
	while (*link != sc)
		link = &(*link)->next;
	*link = sc->next;
	os_mutex_unlock(&softcs_lock);
}

int kupdev_unload(struct kupdev_softc *id)
{
	struct softc *sc = enter(id);
	int error, calls;

	if (!id)
		return 0;
	if (!sc)
		return -ESHUTDOWN;
	/* Not only this one. */
	calls = kup_load(&sc->calls) > 1;
	error = begin_unload(sc);
	leave(sc);
	if (error)
		return error;
	/* The owner's reference is ours now. */
	retire(sc);
	os_wake(&sc->waitq);
	/* Ends the calls of processes, and those of our own threads that wait for one. */
	kup_device_destroy(sc->device);
	os_wait_always(&sc->waitq, no_calls, sc);
	if (calls)
		kup_sleep_ms(LEAVING_MS);
	put(sc);
	return 0;
}
