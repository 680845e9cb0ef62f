/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program, in C or C++, that loads the client module of its argument, and has a parameter of the
 * echo client refused. Prints the result of both.
 */
#include <kup_user.h>
#include <stdio.h>

static int fail(const char *what, int error)
{
	char text[512];

	kup_user_host_error(text, sizeof(text));
	printf("%s: %d: %s\n", what, error, text);
	return 1;
}

int main(int count, char **arguments)
{
	struct kup_user_channel *channel = NULL;
	struct kup_user_message message;
	int error = kup_user_channel_open(arguments[count - 1], KUP_CHANNEL_ANY, -1, &channel);

	if (error)
		return fail("open", error);
	error = kup_user_send(channel, 7, "linked", 6, -1);
	if (!error)
		error = kup_user_receive(channel, &message, -1);
	if (error)
		return fail("round trip", error);
	printf("%.*s\n", (int)message.length, (const char *)message.data);
	kup_user_channel_close(channel);
	return fail("echo", kup_user_host_load("echo", "channels=many"));
}
