/* SPDX-License-Identifier: BSD-3-Clause */
#include "cases.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;
static const char *volatile current = "the start";

static void put(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(3);
}

static void stuck(int signal)
{
	(void)signal;
	put("not ok the program ends in time: stuck after or in \"");
	put(current);
	put("\"\n");
	_exit(2);
}

void begin(unsigned int seconds)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, stuck);
	signal(SIGPIPE, SIG_IGN);
	alarm(seconds);
}

void trying(const char *what)
{
	current = what;
}

bool check(bool good, const char *sentence, const char *why, ...)
{
	va_list list;

	current = sentence;
	if (good) {
		printf("ok %s\n", sentence);
		return true;
	}
	failures++;
	printf("not ok %s: ", sentence);
	va_start(list, why);
	vprintf(why, list);
	va_end(list);
	printf("\n");
	return false;
}

bool refused(long result, int wanted, const char *sentence)
{
	int error = errno;

	if (result != -1)
		return check(false, sentence, "it returned %ld", result);
	return check(error == wanted, sentence, "%s, not %s", strerrorname_np(error),
		     strerrorname_np(wanted));
}

bool worked(long result, const char *sentence)
{
	int error = errno;

	return check(result == 0, sentence, "%ld, %s", result, strerrorname_np(error));
}

void skip(const char *sentence, const char *why)
{
	printf("skip %s: %s\n", sentence, why);
}

int finish(void)
{
	alarm(0);
	return failures == 0 ? 0 : 1;
}

void need(bool good, const char *what)
{
	if (good)
		return;
	printf("not ok %s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_us(unsigned int microseconds)
{
	struct timespec time = { microseconds / 1000000, microseconds % 1000000 * 1000L };

	while (nanosleep(&time, &time) == -1 && errno == EINTR)
		;
}

void sleep_ms(unsigned int milliseconds)
{
	sleep_us(milliseconds * 1000);
}

uint32_t random_next(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}
