/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rounds in C without TypeScript, for a profiler:
 *
 *     bench/build/rounds bench/build/bench.so two 300 "kup echo" "spsc echo" "kup to user:16"
 *
 * The words are the client module, `two` or `one` (processors), the number of rounds, and names of
 * rounds. A name may end in :BATCH, or in :BATCH:THREADS, or in :BATCH:THREADS:LENGTH.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "rounds.h"

int32_t bench_open(const char *path, uint32_t number);
void bench_close(int32_t handle);
double bench_run(const char *name, int32_t handle, int32_t theirs, uint32_t length, uint32_t batch,
		 uint32_t threads, uint32_t count, double *each);

#define MOST_WORDS 32

static int by_size(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* A millisecond or less, so that a busy machine leaves many of them alone. */
static uint32_t count_of(const char *name, unsigned int batch, int one)
{
	if (strstr(name, "pipe") || strstr(name, "socket"))
		return 100;
	if (strstr(name, "echo") || strstr(name, "ping"))
		return one ? 400 : 800;
	if (strstr(name, "alone"))
		return 10000;
	return batch > 1 && !one ? 32000 : 9600;
}

static double run_one(const char *word, int32_t handle, int one)
{
	char name[64] = "";
	unsigned int batch = 1, threads = 1, length = 64;

	sscanf(word, "%63[^:]:%u:%u:%u", name, &batch, &threads, &length);
	nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	return bench_run(name, handle, !one, length, batch, threads, count_of(name, batch, one),
			 NULL);
}

static void report(const char *word, double *ns, int rounds)
{
	qsort(ns, (size_t)rounds, sizeof(*ns), by_size);
	printf("%-28s best quarter %9.1f  median %9.1f ns  (%7.2f M/s)\n", word, ns[rounds / 4],
	       ns[rounds / 2], 1e3 / ns[rounds / 4]);
}

static int run_all(char **words, int count, int rounds, int32_t handle, int one)
{
	double *ns = calloc((size_t)rounds * (size_t)count, sizeof(*ns));
	int round, i;

	for (round = 0; ns && round < rounds; round++)
		for (i = 0; i < count; i++) {
			double result = run_one(words[i], handle, one);

			if (result < 0) {
				fprintf(stderr, "%s: error %.0f\n", words[i], result);
				free(ns);
				return 1;
			}
			ns[i * rounds + round] = result;
		}
	for (i = 0; ns && i < count; i++)
		report(words[i], ns + i * rounds, rounds);
	free(ns);
	return ns == NULL;
}

int main(int argc, char **argv)
{
	char path[4096];
	int one, rounds, failed;
	int32_t handle;

	if (argc < 5 || argc > MOST_WORDS) {
		fprintf(stderr, "usage: rounds CLIENT.so|/dev/NAME two|one ROUNDS NAME...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	one = strcmp(argv[2], "one") == 0;
	rounds = atoi(argv[3]);
	if (rounds < 4)
		rounds = 4;
	snprintf(path, sizeof(path), "%s%s",
		 strncmp(argv[1], "/dev/", 5) == 0 ? "" : "host:", argv[1]);
	bench_pin(one ? 0 : 1);
	handle = bench_open(path, 0xffffffffu);
	if (handle < 0) {
		fprintf(stderr, "%s: error %d\n", path, handle);
		return 1;
	}
	bench_pin(0);
	failed = run_all(argv + 4, argc - 4, rounds, handle, one);
	bench_close(handle);
	return failed;
}
