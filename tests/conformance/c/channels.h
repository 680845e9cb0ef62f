/* SPDX-License-Identifier: BSD-3-Clause */
/* For programs that use channels by kup_user.h's calls. */
#ifndef CHANNELS_H
#define CHANNELS_H

#include "cases.h"
#include "driver.h"
#include "kup_echo.h"
#include "kup_user.h"

#define FOREVER -1.0
#define PATIENCE ((double)PATIENCE_MS)

typedef struct kup_user_channel channel_t;
typedef struct kup_user_message message_t;
typedef struct kup_user_reservation room_t;

/* Opens any channel of the echo device, or ends the program. */
static inline channel_t *open_channel(void)
{
	channel_t *channel = NULL;
	int error = kup_user_channel_open(path_of(ECHO_NAME), KUP_CHANNEL_ANY, PATIENCE, &channel);

	if (error)
		check(false, "a channel can be opened", "%s", error_name(error));
	need(error == 0, "a channel can be opened");
	return channel;
}

#endif
