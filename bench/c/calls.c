/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers that make system calls: pipes and a pair of Unix sockets. Their other side is a thread. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rounds.h"

#define LONGEST 4096

/* Two ways: [0] is read, [1] is written. */
static int there[2] = { -1, -1 }, back[2] = { -1, -1 };

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

static double over_pipes(const struct round *round, round_fn run)
{
	double ns = pipe(there) || pipe(back) ? -errno : run(round);

	close_all();
	return ns;
}

static double over_sockets(const struct round *round, round_fn run)
{
	int error = socketpair(AF_UNIX, SOCK_STREAM, 0, there) ||
				    socketpair(AF_UNIX, SOCK_STREAM, 0, back)
			    ? errno
			    : 0;
	double ns = error ? -error : run(round);

	close_all();
	return ns;
}

static double pipe_echo(const struct round *round)
{
	return over_pipes(round, echo);
}

static double pipe_stream(const struct round *round)
{
	return over_pipes(round, stream);
}

static double socket_echo(const struct round *round)
{
	return over_sockets(round, echo);
}

const struct round_entry call_rounds[] = {
	{ "pipe echo", pipe_echo },
	{ "pipe stream", pipe_stream },
	{ "socket echo", socket_echo },
	{ NULL, NULL },
};
