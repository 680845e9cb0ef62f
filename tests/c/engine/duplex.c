/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One channel, both of its rings, both sides of each: all at full speed, with every way of sending
 * that a client has.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "user.h"

#define RECORDS 3000
#define MAX_LENGTH 2000

/*
 * The record's number is its type. Length and bytes follow from it, so each can be checked alone.
 */
static kup_u32 length_of(kup_u32 number)
{
	kup_u32 random = number * 2654435761u >> 7;

	/* Most records are small, so that many lie in the ring; some fill half of it. */
	return random % 16 ? random % 60 : random % MAX_LENGTH;
}

static void fill(kup_u8 *bytes, kup_u32 number, kup_u32 length)
{
	kup_u32 i;

	for (i = 0; i < length; i++)
		bytes[i] = (kup_u8)(number + i * 7);
}

static int good(const struct kup_record *record, kup_u32 number)
{
	const kup_u8 *bytes = record->data;
	kup_u32 i;

	if (record->type != number || record->length != length_of(number))
		return 0;
	for (i = 0; i < record->length; i++)
		if (bytes[i] != (kup_u8)(number + i * 7))
			return 0;
	return 1;
}

/* ---- The kernel's side ---- */

/* What the kernel's side found. The user's side reports it. */
static struct {
	kup_u32 received, wrong;
	int error;
} client;

static int send_copied(struct kup_channel *channel, kup_u32 number)
{
	kup_u8 bytes[MAX_LENGTH];

	fill(bytes, number, length_of(number));
	return kup_send(channel, number, bytes, length_of(number), KUP_FOREVER);
}

/*
 * Reserved with more room than needed, with a discarded reservation behind it, and finished in the
 * wrong order.
 */
static int send_in_place(struct kup_channel *channel, kup_u32 number)
{
	kup_u32 length = length_of(number);
	struct kup_reservation first, second;
	int error = kup_reserve(channel, length + 24, KUP_FOREVER, &first), two;

	if (error)
		return error;
	two = kup_reserve(channel, number % 100, 0, &second) == 0;
	if (two)
		kup_discard(channel, &second);
	fill(first.data, number, length);
	kup_commit(channel, &first, number, length);
	return 0;
}

static int serve_sending(struct kup_channel *channel)
{
	kup_u32 i;
	int error = 0;

	for (i = 0; i < RECORDS && !error; i++)
		error = i % 3 ? send_copied(channel, i) : send_in_place(channel, i);
	return error;
}

static int receive_one(struct kup_channel *channel, kup_u32 number)
{
	struct kup_record record;
	kup_u8 bytes[MAX_LENGTH];
	int error;

	if (number % 2) {
		error = kup_receive(channel, bytes, sizeof(bytes), &record, KUP_FOREVER);
		client.wrong += !error && !good(&record, number);
		return error;
	}
	error = number % 4 ? kup_peek(channel, &record, KUP_MS) : kup_try_peek(channel, &record);
	if (error == -EAGAIN || error == -ETIMEDOUT)
		error = kup_peek(channel, &record, KUP_FOREVER);
	if (error)
		return error;
	client.wrong += !good(&record, number);
	kup_release(channel, &record);
	return 0;
}

static void *receive_all(void *argument)
{
	for (client.received = 0; client.received < RECORDS; client.received++) {
		client.error = receive_one(argument, client.received);
		if (client.error)
			break;
	}
	return NULL;
}

static int serve_both(struct kup_channel *channel)
{
	pthread_t receiver;
	int error;

	pthread_create(&receiver, NULL, receive_all, channel);
	error = serve_sending(channel);
	pthread_join(receiver, NULL);
	return error;
}

/* ---- The user's side ---- */

struct sending {
	struct user *user;
	int error;
};

static void *send_all(void *argument)
{
	struct sending *sending = argument;
	kup_u8 bytes[MAX_LENGTH];
	kup_u32 i;

	for (i = 0; i < RECORDS && !sending->error; i++) {
		fill(bytes, i, length_of(i));
		sending->error = user_send(sending->user, i, bytes, length_of(i));
	}
	return NULL;
}

static void test_duplex(kup_u32 spin_us, const char *sentence)
{
	const struct kup_ops ops = { .serve = serve_both };
	const struct kup_config config = {
		.name = "duplex", .to_user_pages = 1, .to_kernel_pages = 1, .spin_us = spin_us
	};
	struct kup_device *device = make_device(&config, &ops);
	kup_u32 received = 0, wrong = 0;
	struct kup_record record;
	struct user user;
	struct sending sending = { .user = &user };
	pthread_t thread;
	int error = user_attach(&user, "duplex", 0);

	memset(&client, 0, sizeof(client));
	user.split = 1;
	pthread_create(&thread, NULL, send_all, &sending);
	while (!error && !(error = user_receive(&user, &record))) {
		wrong += !good(&record, received++);
		user_release(&user, &record);
	}
	pthread_join(thread, NULL);
	user_close(&user);
	kup_device_destroy(device);
	check(error == -EPIPE && received == RECORDS && !wrong && !sending.error && !client.error &&
		      client.received == RECORDS && !client.wrong,
	      sentence, "user %s, %u and %u wrong, %s; client %s, %u and %u wrong",
	      strerror(-error), received, wrong, strerror(-sending.error), strerror(-client.error),
	      client.received, client.wrong);
}

void duplex_cases(void)
{
	test_duplex(KUP_NO_SPIN,
		    "kup_send() and kup_user_send() at once, sleeping, lose and damage no record");
	test_duplex(500,
		    "kup_send() and kup_user_send() at once, spinning, lose and damage no record");
}
