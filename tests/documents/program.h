/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names that a block of C in a document may use without declaring them, if it is a part of a
 * program. The check of documents includes this file before such a block.
 */
#include <stdio.h>
#include <kup_user.h>
#include <kup_user_call.h>
#include <kup_user_turn.h>

#define use(...) ((void)(__VA_ARGS__))

static struct kup_user_channel *channel;
static struct kup_user_message message;
static int error;
