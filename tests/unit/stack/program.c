/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program with BYTES of thread-local data: a round trip on the device of its argument, which the
 * waiter reports.
 */
#include <kup_user.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static __thread char data[BYTES];

static int fail(const char *what, int error)
{
	printf("%s: %d\n", what, error);
	return 1;
}

int main(int count, char **arguments)
{
	struct kup_user_channel *channel = NULL;
	struct kup_user_message message;
	int32_t pipe[2], file, id, reported = 0;
	int error = kup_user_pipe(pipe);

	memset(data, 1, sizeof(data));
	if (!error)
		error = kup_user_channel_open(arguments[count - 1], KUP_CHANNEL_ANY, -1, &channel);
	if (error)
		return fail("open", error);
	file = kup_user_channel_file(channel);
	id = kup_user_waiter_add(file, pipe[1]);
	if (id < 0)
		return fail("waiter_add", id);
	kup_user_prepare_wait(channel, POLLIN, 0);
	error = kup_user_send(channel, 1, "there and back", 14, -1);
	while (!error && kup_user_prepare_wait(channel, POLLIN, 0) == 0) {
		error = kup_user_waiter_arm(file, id, POLLIN);
		kup_user_wait(pipe[0], POLLIN, -1);
		if (read(pipe[0], &reported, sizeof(reported)) != sizeof(reported) ||
		    reported != id)
			return fail("the waiter reported", reported);
	}
	if (!error)
		error = kup_user_receive(channel, &message, -1);
	if (error || message.length != 14)
		return fail("round trip", error);
	kup_user_waiter_remove(file, id);
	kup_user_channel_close(channel);
	printf("there and back\n");
	return 0;
}
