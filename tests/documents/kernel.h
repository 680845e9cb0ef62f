/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names that a block of C in a document may use without declaring them, if it is a part of a
 * kernel module. The check of documents includes this file before such a block.
 */
#include "kup.h"
#include "layers/call.h"
#include "layers/turn.h"

#include "../../examples/typed/messages_check.h"

#define use(...) ((void)(__VA_ARGS__))

static struct kup_device *device;
static struct kup_channel *channel;
static struct kup_record *record;
static struct kup_calls *calls;
static struct kup_answer answer;
static int error;

static const kup_u32 DECIDE;
static const struct visitor {
	char name[16];
} visitor;

static int refuse(kup_u32 type)
{
	return -(int)type;
}

struct circle {
	int radius;
};

struct box {
	int width, height;
};
