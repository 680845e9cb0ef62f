/* SPDX-License-Identifier: BSD-3-Clause */
/* The peer in a real kernel: read(2) and write(2) of the devices of client/bench_proxy.c. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "rounds.h"

#define SLOT 64

static double proxy_echo(const struct round *round)
{
	struct stopwatch watch = { 0, 0 };
	unsigned char data[SLOT] = { 0 };
	ssize_t length = SLOT;
	uint32_t i;
	int fd = open("/dev/bench_proxy", O_RDWR), error = fd < 0 ? errno : 0;

	for (i = 0; i < round->count + WARM_UP && !error; i++) {
		if (i >= WARM_UP)
			stopwatch_item(&watch, round, i - WARM_UP);
		put_word(data, i);
		if (write(fd, data, SLOT) != length || read(fd, data, SLOT) != length)
			error = errno ? errno : EIO;
		else if (get_word(data) != i)
			error = EILSEQ;
	}
	if (fd >= 0)
		close(fd);
	return error ? -error : stopwatch_end(&watch, round);
}

static double proxy_stream(const struct round *round)
{
	unsigned char data[SLOT];
	double start = 0, end;
	uint64_t sum = 0;
	uint32_t i;
	int fd = open("/dev/bench_source", O_RDONLY), error = fd < 0 ? errno : 0;

	for (i = 0; i < round->count && !error; i++) {
		if (read(fd, data, SLOT) != SLOT)
			error = errno ? errno : EIO;
		else if (i == 0)
			start = now_ns();
		sum += error ? 0 : get_word(data);
	}
	end = now_ns();
	if (fd >= 0)
		close(fd);
	if (!error && sum != sum_below(round->count))
		error = EILSEQ;
	return error ? -error : (end - start) / (round->count - 1);
}

const struct round_entry kernel_rounds[] = {
	{ "proxy echo", proxy_echo, NULL },
	{ "proxy stream", proxy_stream, NULL },
	{ NULL, NULL, NULL },
};
