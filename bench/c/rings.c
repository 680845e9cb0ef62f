/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peers in plain memory, between two threads: the limit of the machine, the protocol of KUP's
 * predecessor, and a queue of one producer and one consumer. Their sides never sleep, and validate
 * nothing.
 */
#include <errno.h>

#include "rounds.h"

#define LINE 64
#define LONGEST 4096

static uint32_t trips_of(const struct round *round)
{
	return round->count + WARM_UP;
}

/* ---- Ping-pong of a cache line: the least time of a round trip between two processors ---- */

static struct {
	_Alignas(2 * LINE) uint32_t ping; /* atomic, as are all words that both sides use here */
	_Alignas(2 * LINE) uint32_t pong;
} lines;

static void ping_pong_main(const struct round *round)
{
	uint32_t i;

	for (i = 1; i <= trips_of(round); i++) {
		while (__atomic_load_n(&lines.ping, __ATOMIC_ACQUIRE) != i)
			;
		__atomic_store_n(&lines.pong, i, __ATOMIC_RELEASE);
	}
}

static double ping_pong(const struct round *round)
{
	struct helper helper = { .round = round, .main = ping_pong_main };
	struct stopwatch watch = { 0, 0 };
	uint32_t i;
	int error;

	lines.ping = lines.pong = 0;
	error = helper_start(&helper);
	if (error)
		return -error;
	for (i = 1; i <= trips_of(round); i++) {
		if (i > WARM_UP)
			stopwatch_item(&watch, round, i - WARM_UP - 1);
		__atomic_store_n(&lines.ping, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&lines.pong, __ATOMIC_ACQUIRE) != i)
			;
	}
	helper_join(&helper);
	return stopwatch_end(&watch, round);
}

/*
 * ---- Bare records: the least time of a round trip of messages in a ring ----
 *
 * Each message is copied behind a word that the other side polls, and copied out again. There are
 * no positions, no checks, and nothing that could sleep.
 */

#define RECORD_RING 65536
#define HEADER 8

static struct {
	_Alignas(LINE) unsigned char there[RECORD_RING];
	_Alignas(LINE) unsigned char back[RECORD_RING];
} records;

/* Between two looks: without it, these trips take a twelfth longer. */
static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static unsigned char *record_at(unsigned char *ring, uint32_t number, uint32_t length)
{
	uint32_t space = HEADER + ((length + 7) & ~7u);

	return ring + number % (RECORD_RING / space) * space;
}

static void record_send(unsigned char *ring, uint32_t number, const void *data, uint32_t length)
{
	unsigned char *record = record_at(ring, number, length);

	memcpy(record + HEADER, data, length);
	__atomic_store_n((uint32_t *)record, number, __ATOMIC_RELEASE);
}

static void record_receive(unsigned char *ring, uint32_t number, void *data, uint32_t length)
{
	unsigned char *record = record_at(ring, number, length);

	while (__atomic_load_n((uint32_t *)record, __ATOMIC_ACQUIRE) != number)
		relax();
	memcpy(data, record + HEADER, length);
}

static void records_main(const struct round *round)
{
	unsigned char data[LONGEST];
	uint32_t i;

	for (i = 1; i <= trips_of(round); i++) {
		record_receive(records.there, i, data, round->length);
		record_send(records.back, i, data, round->length);
	}
}

static double records_echo(const struct round *round)
{
	struct helper helper = { .round = round, .main = records_main };
	struct stopwatch watch = { 0, 0 };
	unsigned char data[LONGEST] = { 0 };
	uint32_t i;
	int error;

	memset(&records, 0, sizeof(records));
	error = round->length <= LONGEST ? helper_start(&helper) : EMSGSIZE;
	if (error)
		return -error;
	for (i = 1; i <= trips_of(round); i++) {
		if (i > WARM_UP)
			stopwatch_item(&watch, round, i - WARM_UP - 1);
		put_word(data, i);
		record_send(records.there, i, data, round->length);
		record_receive(records.back, i, data, round->length);
	}
	helper_join(&helper);
	if (get_word(data) != i - 1)
		return -EILSEQ;
	return stopwatch_end(&watch, round);
}

/* ---- The predecessor's protocol: one page, a word that names whose turn it is, two copies ---- */

enum {
	USERS_TURN,
	KERNELS_TURN
};

static struct {
	_Alignas(LINE) uint32_t turn;
	_Alignas(LINE) uint32_t length;
	_Alignas(LINE) unsigned char data[LONGEST];
} page;

static void page_send(const void *data, uint32_t length, uint32_t next)
{
	memcpy(page.data, data, length);
	page.length = length;
	__atomic_store_n(&page.turn, next, __ATOMIC_SEQ_CST);
}

static uint32_t page_receive(void *data, uint32_t turn)
{
	while (__atomic_load_n(&page.turn, __ATOMIC_ACQUIRE) != turn)
		;
	memcpy(data, page.data, page.length);
	return page.length;
}

static void page_main(const struct round *round)
{
	unsigned char data[LONGEST];
	uint32_t i;

	for (i = 0; i < trips_of(round); i++)
		page_send(data, page_receive(data, KERNELS_TURN), USERS_TURN);
}

static double page_echo(const struct round *round)
{
	struct helper helper = { .round = round, .main = page_main };
	struct stopwatch watch = { 0, 0 };
	unsigned char data[LONGEST] = { 0 };
	uint32_t i, length = 0;
	int error;

	page.turn = USERS_TURN;
	error = round->length <= LONGEST ? helper_start(&helper) : EMSGSIZE;
	if (error)
		return -error;
	for (i = 0; i < trips_of(round); i++) {
		if (i >= WARM_UP)
			stopwatch_item(&watch, round, i - WARM_UP);
		put_word(data, i);
		page_send(data, round->length, KERNELS_TURN);
		length = page_receive(data, USERS_TURN);
	}
	helper_join(&helper);
	if (length != round->length || get_word(data) != i - 1)
		return -EILSEQ;
	return stopwatch_end(&watch, round);
}

/*
 * ---- A queue of one producer and one consumer, in the manner of rigtorp's SPSCQueue ----
 *
 * Slots of a fixed size; an index for each side, and the other side's index as it was last seen,
 * each with a line of its own. The slots lie where malloc puts them: 16 bytes behind the start of a
 * line. As a peer of its own, they lie on lines.
 */

#define SLOTS 1024
#define MALLOC_OFFSET 16

struct queue {
	_Alignas(LINE) uint32_t write;
	_Alignas(LINE) uint32_t read_seen; /* the producer's */
	_Alignas(LINE) uint32_t read;
	_Alignas(LINE) uint32_t write_seen; /* the consumer's */
	_Alignas(LINE) unsigned char *slots;
	_Alignas(LINE) unsigned char memory[MALLOC_OFFSET + SLOTS * LINE];
};

static struct queue there, back;

static void set_up(struct queue *queue, uint32_t offset)
{
	memset(queue, 0, sizeof(*queue));
	queue->slots = queue->memory + offset;
}

static uint32_t next_slot(uint32_t slot)
{
	return slot + 1 == SLOTS ? 0 : slot + 1;
}

/* Inlined with a constant length, as a template of C++ is. */
__attribute__((always_inline)) static inline void push(struct queue *queue, const void *data,
						       uint32_t length)
{
	uint32_t write = queue->write, next = next_slot(write);

	while (next == queue->read_seen)
		queue->read_seen = __atomic_load_n(&queue->read, __ATOMIC_ACQUIRE);
	memcpy(queue->slots + write * length, data, length);
	__atomic_store_n(&queue->write, next, __ATOMIC_RELEASE);
}

__attribute__((always_inline)) static inline void *front(struct queue *queue, uint32_t length)
{
	while (queue->read == queue->write_seen)
		queue->write_seen = __atomic_load_n(&queue->write, __ATOMIC_ACQUIRE);
	return queue->slots + queue->read * length;
}

static void pop(struct queue *queue)
{
	__atomic_store_n(&queue->read, next_slot(queue->read), __ATOMIC_RELEASE);
}

__attribute__((always_inline)) static inline void echo_all(const struct round *round,
							   uint32_t length)
{
	unsigned char data[LINE];
	uint32_t i;

	for (i = 0; i < trips_of(round); i++) {
		memcpy(data, front(&there, length), length);
		pop(&there);
		push(&back, data, length);
	}
}

static void queue_echo_main(const struct round *round)
{
	if (round->length == 64)
		echo_all(round, 64);
	else
		echo_all(round, 32);
}

__attribute__((always_inline)) static inline double trips(const struct round *round,
							  uint32_t length)
{
	struct stopwatch watch = { 0, 0 };
	unsigned char data[LINE] = { 0 };
	uint32_t i;
	int wrong = 0;

	for (i = 0; i < trips_of(round); i++) {
		if (i >= WARM_UP)
			stopwatch_item(&watch, round, i - WARM_UP);
		put_word(data, i);
		push(&there, data, length);
		wrong |= get_word(front(&back, length)) != i;
		pop(&back);
	}
	return wrong ? -EILSEQ : stopwatch_end(&watch, round);
}

static double queue_echo_at(const struct round *round, uint32_t offset)
{
	struct helper helper = { .round = round, .main = queue_echo_main };
	double ns;
	int error;

	set_up(&there, offset);
	set_up(&back, offset);
	error = round->length == 64 || round->length == 32 ? helper_start(&helper) : EMSGSIZE;
	if (error)
		return -error;
	ns = round->length == 64 ? trips(round, 64) : trips(round, 32);
	helper_join(&helper);
	return ns;
}

static double queue_echo(const struct round *round)
{
	return queue_echo_at(round, MALLOC_OFFSET);
}

static double aligned_echo(const struct round *round)
{
	return queue_echo_at(round, 0);
}

static void queue_stream_main(const struct round *round)
{
	unsigned char data[LINE] = { 0 };
	uint32_t i;

	for (i = 0; i < round->count; i++) {
		put_word(data, i);
		push(&there, data, LINE);
	}
}

static double queue_stream(const struct round *round)
{
	struct helper helper = { .round = round, .main = queue_stream_main };
	double start = 0, end;
	uint64_t sum = 0;
	uint32_t i;
	int error;

	set_up(&there, MALLOC_OFFSET);
	error = round->length == LINE ? helper_start(&helper) : EMSGSIZE;
	if (error)
		return -error;
	for (i = 0; i < round->count; i++) {
		const void *data = front(&there, LINE);

		if (i == 0)
			start = now_ns();
		sum += get_word(data);
		pop(&there);
	}
	end = now_ns();
	helper_join(&helper);
	return sum == sum_below(round->count) ? (end - start) / (round->count - 1) : -EILSEQ;
}

const struct round_entry ring_rounds[] = {
	{ "ping-pong", ping_pong, NULL },
	{ "records echo", records_echo, NULL },
	{ "predecessor echo", page_echo, NULL },
	{ "spsc echo", queue_echo, NULL },
	{ "spsc aligned echo", aligned_echo, NULL },
	{ "spsc stream", queue_stream, NULL },
	{ NULL, NULL, NULL },
};
