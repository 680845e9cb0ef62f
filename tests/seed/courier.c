/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second module on the predecessor's kernel API: one device, and a thread for each channel. All
 * threads wait for the next channel. It only sends or only receives, as the order says (courier.h).
 */
#include "courier.h"
#include "kup.h"
#include "kupdev.h"

KUP_PARAM_STRING(name, "courier", "the device");
KUP_PARAM_NUMBER(channels, 4, "its channels, and its threads");

#define MAX_CHANNELS 8

static struct kupdev_softc *sc;
static struct kup_thread *threads[MAX_CHANNELS];
static unsigned int totals[MAX_CHANNELS]; /* a process may leave before its items are taken */

static int send_items(int channel, unsigned int count)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < count && !error; i++) {
		struct item item = { i, i * COURIER_FACTOR };

		error = kupdev_send(sc, &item, sizeof(item), channel);
	}
	return error;
}

static int take_items(int channel, unsigned int count)
{
	struct answer answer = { 0 };
	unsigned int i;

	kupdev_pass(sc, channel);
	for (i = 0; i < count; i++) {
		const struct item *item = kupdev_receive(sc, channel);

		if (!item)
			return -EPIPE;
		answer.items++;
		answer.wrong += item->number != i || item->check != i * COURIER_FACTOR;
		__atomic_fetch_add(&totals[channel], 1, __ATOMIC_RELAXED);
		if (i < count - 1)
			kupdev_pass(sc, channel);
	}
	return kupdev_send(sc, &answer, sizeof(answer), channel);
}

/* The message is the first item of the page. The rest looks like headers that are finished. */
static int fill_items(int channel, unsigned int count)
{
	unsigned int i;
	int error = 0;

	kupdev_pass(sc, channel);
	for (i = 0; i < count && !error; i++) {
		struct item *item = kupdev_receive(sc, channel);
		struct item copy;

		if (!item)
			return -EPIPE;
		copy = *item;
		memset(item, (int)(0xff - i % 0x80), kup_page_size());
		*item = copy;
		error = kupdev_send(sc, item, sizeof(*item), channel);
	}
	return error;
}

static int nap(int channel, unsigned int milliseconds)
{
	/* The message stays where it is. */
	kup_sleep_ms(milliseconds < 10000 ? milliseconds : 10000);
	kupdev_pass(sc, channel);
	return 0;
}

static int carry_out(int channel, const struct order *order)
{
	struct answer answer = { __atomic_load_n(&totals[channel], __ATOMIC_RELAXED), 0 };

	switch (order->what) {
	case COURIER_SEND:
		return send_items(channel, order->count);
	case COURIER_SINK:
		return take_items(channel, order->count);
	case COURIER_FILL:
		return fill_items(channel, order->count);
	case COURIER_NAP:
		return nap(channel, order->count);
	case COURIER_TOTAL:
		return kupdev_send(sc, &answer, sizeof(answer), channel);
	default:
		kupdev_pass(sc, channel);
		return 0;
	}
}

static void work_for(int channel)
{
	const struct order *received;
	struct order order;
	int error = 0;

	kupdev_pass(sc, channel);
	while (!error && (received = kupdev_receive(sc, channel))) {
		order = *received;
		error = carry_out(channel, &order);
	}
}

static void worker(void *argument)
{
	int channel;

	(void)argument;
	while ((channel = kupdev_wait_channel(sc)) >= 0)
		work_for(channel);
}

static void unload(void)
{
	unsigned int i;

	kupdev_unload(sc);
	for (i = 0; i < MAX_CHANNELS; i++)
		kup_thread_join(threads[i]);
}

static int load(void)
{
	unsigned int i;
	int error = 0;

	/* In a process, the module may be loaded many times. */
	__builtin_memset(threads, 0, sizeof(threads));
	__builtin_memset(totals, 0, sizeof(totals));
	sc = channels > MAX_CHANNELS ? NULL : kupdev_create(name, 1, channels);
	if (!sc)
		return -EINVAL;
	for (i = 0; i < channels && !error; i++)
		error = kup_thread_start(worker, NULL, "courier", &threads[i]);
	if (error)
		unload();
	return error;
}

KUP_MODULE(load, unload, "one direction at a time, over the predecessor's kernel API");
