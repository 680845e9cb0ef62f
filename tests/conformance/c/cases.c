/* SPDX-License-Identifier: BSD-3-Clause */
#include "cases.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef __linux__
/* A function of glibc. Elsewhere the number has to do. */
static const char *strerrorname_np(int error)
{
	static _Thread_local char texts[4][16]; /* one line may need more than one */
	static _Thread_local unsigned int next;
	char *text = texts[next++ % 4];

	snprintf(text, sizeof(texts[0]), "errno %d", error);
	return text;
}
#endif

static int failures;
static FILE *kept; /* the lines of a test that may be late; otherwise NULL */
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

void begin_cases(unsigned int seconds)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, stuck);
	signal(SIGPIPE, SIG_IGN);
	alarm(patience(5 * seconds));
}

void trying(const char *what)
{
	current = what;
}

bool check(bool good, const char *sentence, const char *why, ...)
{
	FILE *out = kept != NULL ? kept : stdout;
	va_list list;

	current = sentence;
	if (good) {
		fprintf(out, "ok %s\n", sentence);
		return true;
	}
	failures++;
	fprintf(out, "not ok %s: ", sentence);
	va_start(list, why);
	vfprintf(out, why, list);
	va_end(list);
	fprintf(out, "\n");
	return false;
}

const char *error_name(long result)
{
	const char *name = result < 0 ? strerrorname_np((int)-result) : "nothing";

	return name != NULL ? name : "no errno";
}

bool refused(long result, int wanted, const char *sentence)
{
	if (result >= 0)
		return check(false, sentence, "it returned %ld", result);
	return check(result == -wanted, sentence, "%s, not %s", error_name(result),
		     error_name(-wanted));
}

bool worked(long result, const char *sentence)
{
	return check(result == 0, sentence, "%ld, %s", result, error_name(result));
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
	printf("not ok %s: without it the rest makes no sense\n", what);
	exit(1);
}

/* Runs the test once. */
static bool is_in_time(uint32_t milliseconds, bool (*test)(uint32_t milliseconds))
{
	const bool is_last = milliseconds > LONGEST_PAUSE_MS / 4;
	int failures_before = failures;
	char *lines = NULL;
	size_t length;
	bool in_time;

	kept = open_memstream(&lines, &length);
	in_time = test(milliseconds);
	fclose(kept);
	kept = NULL;
	if (in_time || is_last)
		fputs(lines, stdout);
	else
		failures = failures_before;
	free(lines);
	need(in_time || !is_last, "the test is in time for a longer pause");
	return in_time;
}

void test_in_pause(uint32_t milliseconds, bool (*test)(uint32_t milliseconds))
{
	while (!is_in_time(milliseconds, test)) {
		printf("# late for a pause of %u ms\n", milliseconds);
		milliseconds *= 4;
	}
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

static uint32_t seed = 2463534242u;

uint32_t dice(uint32_t sides)
{
	return random_next(&seed) % sides;
}

void dawdle(void)
{
	switch (dice(8)) {
	case 0:
		sleep_us(dice(400));
		break;
	case 1:
	case 2:
		for (volatile uint32_t i = 0; i < seed % 20000; i++)
			;
		break;
	default:
		break;
	}
}
