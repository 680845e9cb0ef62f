/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Gives the checker records of all lengths and of random content, each in an allocation of exactly
 * its length, so that AddressSanitizer sees each read beyond it. The seed is the argument.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "every_check.h"

#define LONGEST 300

static unsigned long long state;

static unsigned int any(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(state >> 33);
}

/* What the kernel's side may rely on after the check. */
static int holds(const struct every_order *order)
{
	const unsigned char *flags = (const unsigned char *)order->flags;

	if (order->mode > EVERY_ON && order->mode != EVERY_AUTO)
		return 0;
	if ((int)order->sign < -1 || (int)order->sign > 1)
		return 0;
	if (order->small != EVERY_RED && order->small != EVERY_BLUE)
		return 0;
	if (!memchr(order->name, 0, sizeof(order->name)))
		return 0;
	for (int i = 0; i < 4; i++)
		if (flags[i] > 1 || order->pad[i])
			return 0;
	if ((unsigned int)order->tag > EVERY_TAG_POINT)
		return 0;
	if (order->tag == EVERY_TAG_NUMBER && order->value.number > EVERY_ON &&
	    order->value.number != EVERY_AUTO)
		return 0;
	return *(const unsigned char *)&order->on <= 1;
}

/* Small values are more often valid than random ones. */
static void fill(unsigned char *data, unsigned int length)
{
	const unsigned int share = any() % 4;

	for (unsigned int i = 0; i < length; i++) {
		data[i] = any() % 4 < share ? 0 : (unsigned char)(any() % 3);
		if (any() % 64 == 0)
			data[i] = (unsigned char)any();
	}
	if (length > 8 && any() % 2)
		data[8] = EVERY_RED;
}

static int try(unsigned int type, unsigned int length, unsigned long *accepted)
{
	unsigned char *data = malloc(length);
	union every_from_user *copy = malloc(sizeof(*copy));
	int wrong = 0;
	int result;

	fill(data, length);
	result = every_take(type, data, length, copy);
	if (result != every_check(type, data, length))
		wrong = 1;
	if (!result && type == EVERY_ORDER) {
		*accepted += 1;
		wrong |= length != sizeof(struct every_order) || !holds(&copy->every_order);
	}
	free(copy);
	free(data);
	return wrong;
}

int main(int count, char **arguments)
{
	static const unsigned int types[] = { 0,	  EVERY_FIELD, EVERY_ORDER,
					      EVERY_STOP, EVERY_ECHO,  0xffffffffu };
	unsigned long accepted = 0;
	int wrong = 0;

	state = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (unsigned int length = 0; length < LONGEST; length++)
			wrong |= try(types[i], length, &accepted);
	for (int i = 0; i < 200000; i++)
		wrong |= try(EVERY_ORDER, sizeof(struct every_order), &accepted);
	printf("%lu accepted\n", accepted);
	return wrong || !accepted;
}
