/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The messages of the benchmarks' client module, shared with the programs in C. bench/protocol.ts
 * has the same numbers. Numbers are in the machine's byte order.
 *
 *   to the kernel   BENCH_COMMAND, a bench_command. The kernel's side then does this work, and
 *                   reads the next command afterwards.
 *   to the user     BENCH_DATA: a message of `length` bytes that begins with a 64-bit word.
 *                   BENCH_DONE, a bench_done: the work is done. Echoes and answers have no such
 *                   message.
 */
#ifndef BENCH_H
#define BENCH_H

#define BENCH_COMMAND 1
#define BENCH_DATA 2
#define BENCH_DONE 3

/* Receives `count` messages, and sends each back. */
#define BENCH_ECHO 1
/* Sends `count` messages, `batch` in each call. Their words count from 0, in each thread. */
#define BENCH_PRODUCE 2
/* The same, reserved and committed one by one. Only the word is written. */
#define BENCH_PRODUCE_IN_PLACE 3
/*
 * Sends one message, so that the user knows that this side runs. Then it receives `count` messages
 * in place, after a sleep of `pause_us`.
 */
#define BENCH_CONSUME 4
/* Sends `count` messages, each after a sleep of `pause_us`. Their word is the time in ns. */
#define BENCH_WAKE 5
/* The same, each on another channel of the device "bench_many". */
#define BENCH_WAKE_MANY 6
/*
 * Receives `count` messages, and answers each with one that is reserved and committed. Only its
 * word is written, the word of the question.
 */
#define BENCH_ANSWER_IN_PLACE 7
/*
 * Sends `count` messages with kup_try_send: `batch` of them, then it sleeps until the next multiple
 * of `pause_us`, and so on. A message without room is lost. The time is that of the calls alone.
 */
#define BENCH_PACED 8

struct bench_command {
	unsigned int work;
	unsigned int length;  /* bytes, at least 8 */
	unsigned int batch;   /* at least 1 */
	unsigned int threads; /* of BENCH_PRODUCE, 1 to BENCH_MOST_THREADS; a divisor of `count` */
	unsigned int pause_us;
	unsigned int reserved;
	unsigned long long count;
};

#define BENCH_MOST_THREADS 16

struct bench_done {
	unsigned long long count; /* messages that were sent or received */
	unsigned long long sum;	  /* of their words, if they were received */
	unsigned long long ns;	  /* the time from the first one to the last one */
};

#endif
