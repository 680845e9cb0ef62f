/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Talks to the echo client from C. After `make install`:
 *
 *     cc examples/echo.c $(pkg-config --cflags --libs kup) -o echo && ./echo host:echo
 *
 * host:echo is the driver in this process; /dev/kup/echo is the kernel's, where the modules are
 * loaded.
 */
#include <kup_user.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 5000
#define TYPE 7

static const char usage[] = "usage: echo [DEVICE]\n"
			    "\n"
			    "Talks to the echo client, which sends every message back.\n"
			    "\n"
			    "  DEVICE   host:echo if not given; /dev/kup/echo is the kernel's\n";

static const char *const words[] = { "hello, kernel", "grüße aus C", "" };

/* Sends a message as a copy, and receives the answer in place. */
static int send_and_receive(struct kup_user_channel *channel, const char *text)
{
	struct kup_user_message message;
	int error = kup_user_send(channel, TYPE, text, (uint32_t)strlen(text), TIMEOUT_MS);

	if (!error)
		error = kup_user_receive(channel, &message, TIMEOUT_MS);
	if (error)
		return error;
	printf("%u bytes of type %u: %.*s\n", message.length, message.type, (int)message.length,
	       (const char *)message.data);
	kup_user_release(channel);
	return 0;
}

/* The same without a copy: the message is written where the kernel will read it. */
static int write_in_place(struct kup_user_channel *channel)
{
	struct kup_user_reservation room;
	struct kup_user_message message;
	int error = kup_user_reserve(channel, 64, TIMEOUT_MS, &room);
	int length;

	if (error)
		return error;
	length = snprintf(room.data, room.length, "written in place");
	kup_user_commit(channel, &room, TYPE, (uint32_t)length);
	error = kup_user_receive(channel, &message, TIMEOUT_MS);
	if (!error)
		printf("%.*s\n", (int)message.length, (const char *)message.data);
	return error;
}

static int talk(const char *path)
{
	struct kup_user_channel *channel;
	int error = kup_user_channel_open(path, KUP_CHANNEL_ANY, TIMEOUT_MS, &channel);

	if (error) {
		fprintf(stderr, "%s: %s\n", path, strerror(-error));
		return 1;
	}
	for (size_t i = 0; !error && i < sizeof(words) / sizeof(*words); i++)
		error = send_and_receive(channel, words[i]);
	if (!error)
		error = write_in_place(channel);
	kup_user_channel_close(channel);
	if (error)
		fprintf(stderr, "%s: %s\n", path, strerror(-error));
	return error != 0;
}

static int refuse(const char *what, const char *argument)
{
	fprintf(stderr, "error: %s: \"%s\"\n\n%s", what, argument, usage);
	return 2;
}

int main(int count, char **arguments)
{
	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) {
			fputs(usage, stdout);
			return 0;
		}
	}
	for (int i = 1; i < count; i++) {
		if (arguments[i][0] == '-')
			return refuse("There is no such option", arguments[i]);
	}
	if (count > 1 && arguments[1][0] == '\0')
		return refuse("DEVICE is empty", arguments[1]);
	if (count > 2)
		return refuse("This is one argument too many", arguments[2]);
	return talk(count > 1 ? arguments[1] : "host:echo");
}
