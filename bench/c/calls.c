/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers that make system calls: pipes and a pair of Unix sockets. Their other side is a thread. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rounds.h"

__attribute__((visibility("default"))) int32_t
bench_echo_start(int32_t sockets, uint32_t length, uint32_t count, int32_t theirs, int32_t *ends);
__attribute__((visibility("default"))) void bench_echo_end(void);

#define LONGEST 4096

/* Two ways: [0] is read, [1] is written. */
static int there[2] = { -1, -1 }, back[2] = { -1, -1 };

static int open_both(int sockets)
{
	if (sockets)
		return socketpair(AF_UNIX, SOCK_STREAM, 0, there) ||
		       socketpair(AF_UNIX, SOCK_STREAM, 0, back);
	return pipe(there) || pipe(back);
}

static void close_all(void)
{
	int *ends[] = { &there[0], &there[1], &back[0], &back[1] };
	uint32_t i;

	for (i = 0; i < 4; i++) {
		if (*ends[i] >= 0)
			close(*ends[i]);
		*ends[i] = -1;
	}
}

static int read_whole(int fd, void *data, uint32_t length)
{
	uint32_t got = 0;
	ssize_t n;

	while (got < length) {
		n = read(fd, (char *)data + got, length - got);
		if (n <= 0)
			return n < 0 ? errno : EPIPE;
		got += (uint32_t)n;
	}
	return 0;
}

static int write_whole(int fd, const void *data, uint32_t length)
{
	return write(fd, data, length) == (ssize_t)length ? 0 : errno;
}

/* Ends the other side, which may be waiting for this one. */
static void hang_up(void)
{
	close(there[1]);
	close(back[0]);
	there[1] = back[0] = -1;
}

static void echo_main(const struct round *round)
{
	unsigned char data[LONGEST];
	uint32_t i;
	int error = 0;

	for (i = 0; i < round->count + WARM_UP && !error; i++) {
		error = read_whole(there[0], data, round->length);
		if (!error)
			error = write_whole(back[1], data, round->length);
	}
}

static double echo(const struct round *round)
{
	struct helper helper = { .round = round, .main = echo_main };
	struct stopwatch watch = { 0, 0 };
	unsigned char data[LONGEST] = { 0 };
	uint32_t i;
	int error = round->length <= LONGEST ? helper_start(&helper) : EMSGSIZE;

	if (error)
		return -error;
	for (i = 0; i < round->count + WARM_UP && !error; i++) {
		if (i >= WARM_UP)
			stopwatch_item(&watch, round, i - WARM_UP);
		put_word(data, i);
		error = write_whole(there[1], data, round->length);
		if (!error)
			error = read_whole(back[0], data, round->length);
		if (!error && get_word(data) != i)
			error = EILSEQ;
	}
	if (error)
		hang_up();
	helper_join(&helper);
	return error ? -error : stopwatch_end(&watch, round);
}

static void stream_main(const struct round *round)
{
	unsigned char data[LONGEST] = { 0 };
	uint32_t i;
	int error = 0;

	for (i = 0; i < round->count && !error; i++) {
		put_word(data, i);
		error = write_whole(there[1], data, round->length);
	}
}

static double stream(const struct round *round)
{
	struct helper helper = { .round = round, .main = stream_main };
	unsigned char data[LONGEST];
	double start = now_ns(), end;
	uint64_t sum = 0;
	uint32_t i;
	int error = round->length <= LONGEST ? helper_start(&helper) : EMSGSIZE;

	if (error)
		return -error;
	for (i = 0; i < round->count && !error; i++) {
		error = read_whole(there[0], data, round->length);
		sum += error ? 0 : get_word(data);
	}
	end = now_ns();
	if (error)
		hang_up();
	helper_join(&helper);
	if (error)
		return -error;
	return sum == sum_below(round->count) ? (end - start) / round->count : -EILSEQ;
}

/* ---- The same between TypeScript, which reads and writes by itself, and a thread ---- */

static struct round open_round;
static struct helper open_helper;

/*
 * Makes pipes or (sockets != 0) pairs of sockets, and a thread that sends `count` messages back.
 * Stores the end to read and the end to write. Returns 0 or a negative errno.
 */
int32_t bench_echo_start(int32_t sockets, uint32_t length, uint32_t count, int32_t theirs,
			 int32_t *ends)
{
	int error = open_both(sockets) ? errno : 0;

	open_round = (struct round){ .theirs = theirs, .length = length, .count = count };
	open_helper = (struct helper){ .round = &open_round, .main = echo_main };
	if (!error)
		error = length <= LONGEST ? helper_start(&open_helper) : EMSGSIZE;
	if (error)
		close_all();
	ends[0] = back[0];
	ends[1] = there[1];
	return -error;
}

/* Call it once after each bench_echo_start that returned 0. */
void bench_echo_end(void)
{
	hang_up();
	helper_join(&open_helper);
	close_all();
}

static double run_over(int sockets, const struct round *round, round_fn run)
{
	double ns = open_both(sockets) ? -errno : run(round);

	close_all();
	return ns;
}

static double pipe_echo(const struct round *round)
{
	return run_over(0, round, echo);
}

static double pipe_stream(const struct round *round)
{
	return run_over(0, round, stream);
}

static double socket_echo(const struct round *round)
{
	return run_over(1, round, echo);
}

const struct round_entry call_rounds[] = {
	{ "pipe echo", pipe_echo, NULL },
	{ "pipe stream", pipe_stream, NULL },
	{ "socket echo", socket_echo, NULL },
	{ NULL, NULL, NULL },
};
