/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What poll reports for a handle, and what wakes it. */
#include "core.h"

/*
 * ---- Handles that wait for a free channel ----
 *
 * A handle is in the device's list from its look in poll until it is woken. Each look enters it
 * again, so a handle that no process waits with costs other processes nothing.
 */

/* Under waiting_lock. */
static void waiting_link(struct kup_handle **list, struct kup_handle *handle)
{
	handle->next = *list;
	handle->link = list;
	if (handle->next)
		handle->next->link = &handle->next;
	*list = handle;
}

/* Under waiting_lock. */
static void waiting_unlink(struct kup_handle *handle)
{
	*handle->link = handle->next;
	if (handle->next)
		handle->next->link = handle->link;
	handle->link = NULL;
}

static void waiting_add(struct kup_handle *handle)
{
	struct kup_device *device = handle->device;
	unsigned long state = os_spin_lock(&device->waiting_lock);

	if (!handle->link)
		waiting_link(&device->waiting, handle);
	os_spin_unlock(&device->waiting_lock, state);
}

void kup_handle_stop_waiting(struct kup_handle *handle)
{
	struct kup_device *device = handle->device;
	unsigned long state = os_spin_lock(&device->waiting_lock);

	if (handle->link)
		waiting_unlink(handle);
	os_spin_unlock(&device->waiting_lock, state);
}

/* Removes the first handle of the list, and returns it with a reference; or NULL. */
static struct kup_handle *waiting_take(struct kup_device *device, struct kup_handle **list)
{
	unsigned long state = os_spin_lock(&device->waiting_lock);
	struct kup_handle *handle = *list;

	if (handle) {
		waiting_unlink(handle);
		kup_ref_get(&handle->refs);
	}
	os_spin_unlock(&device->waiting_lock, state);
	return handle;
}

/*
 * Wakes the handles that wait now. It does not wake those that look and wait again meanwhile: with
 * enough handles that would never end. The caller has already changed what the handles look at,
 * without waiting_lock; this pairs with poll_unattached, which enters the list and then looks.
 */
void kup_handles_wake(struct kup_device *device)
{
	unsigned long state = os_spin_lock(&device->waiting_lock);
	struct kup_handle *list = device->waiting, *handle;

	device->waiting = NULL;
	if (list)
		list->link = &list;
	os_spin_unlock(&device->waiting_lock, state);
	while ((handle = waiting_take(device, &list)) != NULL) {
		os_poll_wake(&handle->pollq);
		kup_handle_put(handle);
		os_breathe();
	}
}

int kup_slot_is_free(struct kup_device *device, kup_u32 wanted)
{
	kup_u32 i, channels = device->config.channels;

	/*
	 * Pairs with the releases in claim and kup_channel_finish, which change the slot and then
	 * wake.
	 */
	if (wanted != KUP_CHANNEL_ANY)
		return !kup_load_pointer(&device->slots[os_index(wanted, channels)].channel);
	for (i = 0; i < channels; i++)
		if (!kup_load_pointer(&device->slots[i].channel))
			return 1;
	return 0;
}

static kup_u32 poll_unattached(struct kup_handle *handle)
{
	/* Pairs with kup_handles_wake. */
	waiting_add(handle);
	/* Pairs with the release in set_dead. */
	if (kup_load_acquire(&handle->device->dead))
		return KUP_POLL_HANGUP;
	return kup_slot_is_free(handle->device, kup_load(&handle->wanted)) ? KUP_POLL_IN : 0;
}

/*
 * ---- Handles with a channel ----
 *
 * Each look answers two questions: does the condition hold that the user waits for? If not, has the
 * user announced its sleep, so that the ring's own event wakes it?
 */

/*
 * Whether the user announced this event long ago. Positions come again after 4 GiB, so an event
 * that was passed seems to lie ahead again later. A user that only polls, and announces nothing,
 * would then sleep for it. So an event that a look has found behind the tail is old until the user
 * stores another one. `*old` is that event.
 */
static int is_old(kup_u32 *old, kup_u32 event, kup_u32 tail, kup_u32 bytes)
{
	if (event - tail > bytes)
		kup_store(old, event);
	return event == kup_load(old);
}

/* Under send_lock: whether the user sleeps until `end` has passed its event, and it has not. */
static int sleeps_for_more(const struct kup_channel *channel, kup_u32 event)
{
	const struct kup_producer *out = &channel->out;
	kup_u32 ahead = event - out->tail;

	return ahead - 1 < out->bytes - 1 && out->end - out->tail <= ahead &&
	       !kup_channel_must_hurry(channel);
}

static int is_readable(struct kup_channel *channel, int *announced)
{
	unsigned long state = os_spin_lock(&channel->send_lock);
	const struct kup_producer *out = &channel->out;
	/*
	 * Pairs with B: the tail that is loaded after it is not older than the event. See is_old.
	 */
	kup_u32 event = kup_load_acquire(out->peer_event);
	int readable, old, result = kup_producer_refresh(&channel->out);

	old = is_old(&channel->old_consumer_event, event, out->tail, out->bytes);
	readable = out->end != out->tail && (old || !sleeps_for_more(channel, event));
	/* In this case a record that moves the end over the event wakes. */
	*announced = !old && kup_sleeps_ahead(out, event);
	os_spin_unlock(&channel->send_lock, state);
	if (result != KUP_RING_OK)
		kup_channel_result(channel, result, KUP_ERROR_TAIL);
	return readable;
}

static int is_writable(struct kup_channel *channel, int *announced)
{
	/*
	 * All three words are only read. A lie makes this process's own poll wrong, and nothing
	 * else. The receiver may change the tail meanwhile; the wake-up that follows each change
	 * corrects that.
	 */
	kup_u32 event = kup_load_acquire(channel->in.peer_event); /* as above */
	kup_u32 tail = kup_load(&channel->in.tail);
	kup_u32 used = kup_load(channel->in.head_word) - tail, ahead = event - tail;
	int old = is_old(&channel->old_producer_event, event, tail, channel->in.bytes);

	*announced = !old && ahead != 0 && ahead <= channel->in.bytes;
	/* There must be room for the smallest record and the sentinel. */
	return used + 2 * KUP_RECORD_HEADER <= channel->in.bytes && !*announced;
}

/* *arm: the conditions of `events` that do not hold, and for which no event of the rings wakes. */
static kup_u32 poll_attached(struct kup_channel *channel, kup_u32 events, kup_u32 *arm)
{
	/* Pairs with the changes in kup_channel_publish_close and kup_channel_break. */
	kup_u32 state = kup_load_acquire(&channel->state);
	kup_u32 ready = 0;
	int announced;

	*arm = 0;
	if (state & CHANNEL_BROKEN)
		return KUP_POLL_IN | KUP_POLL_OUT | KUP_POLL_HANGUP | KUP_POLL_ERROR;
	if (state & CHANNEL_ENDED)
		return KUP_POLL_IN | KUP_POLL_OUT | KUP_POLL_HANGUP;
	/* This also wakes the other threads that sleep for a record. */
	if (events & KUP_POLL_IN && kup_load64(&channel->lost.records))
		kup_channel_put_gap(channel);
	if (is_readable(channel, &announced))
		ready |= KUP_POLL_IN;
	else if (events & KUP_POLL_IN && !announced)
		*arm |= POLL_DATA;
	if (is_writable(channel, &announced))
		ready |= KUP_POLL_OUT;
	else if (events & KUP_POLL_OUT && !announced)
		*arm |= POLL_ROOM;
	return ready;
}

kup_u32 kup_handle_poll(struct kup_handle *handle, kup_u32 events)
{
	struct kup_channel *channel = kup_handle_channel(handle);
	kup_u32 ready, arm, ignored;

	if (!channel)
		return poll_unattached(handle);
	kup_add64(&channel->counters.polls, 1);
	ready = poll_attached(channel, events, &arm);
	if ((ready & events & (KUP_POLL_IN | KUP_POLL_OUT)) ==
	    (events & (KUP_POLL_IN | KUP_POLL_OUT)))
		return ready;
	/*
	 * Arm, or rely on what the user has announced; fence; look again. Pairs with B and D of the
	 * rings, and with kup_channel_wake_user, whose caller has published and fenced.
	 */
	if (arm)
		kup_fetch_or(&channel->poll_armed, arm);
	kup_fence();
	return poll_attached(channel, events, &ignored);
}
