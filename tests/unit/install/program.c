/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Another project's program, with what `make install` has installed. The same text is also compiled
 * as C++.
 */
#include <kup.h>
#include <kup_user.h>
#include <kup_user_turn.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what, int error)
{
	printf("%s: %d\n", what, error);
	return 1;
}

int main(void)
{
	struct kup_user_channel *channel = NULL;
	struct kup_user_message message;
	struct kup_user_turn turn;
	int error = kup_user_channel_open("host:echo", KUP_CHANNEL_ANY, 1000, &channel);

	if (error)
		return fail("open", error);
	error = kup_user_send(channel, 7, "installed", 9, 1000);
	if (!error)
		error = kup_user_receive(channel, &message, 5000);
	if (error || message.type != 7 || message.length != 9 ||
	    memcmp(message.data, "installed", 9) != 0)
		return fail("echo", error);
	if (kup_user_turn_begin(&turn, channel) == 0)
		return fail("turns on a stream channel", 0);
	kup_user_channel_close(channel);
	if (kernproxy_open("host:kup/echo") || kernproxy_error(NULL) == 0)
		return fail("a stream device has no turns", kernproxy_errno);
	printf("well installed\n");
	return 0;
}
