/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replays tests/vectors/ring.txt on kmod/core/ring.c. The vectors come from TypeScript's ring, so
 * this fails if the two rings differ. The top of that file explains its lines. Each case prints one
 * "ok" or "not ok" line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define MAX_RING 4096
#define LINE_BYTES 16384

struct bench {
	kup_u32 head, tail, producer_event, consumer_event; /* the shared words */
	kup_u32 size;
	kup_u32 stamp; /* what each payload begins with, in bytes */
	struct kup_producer producer;
	struct kup_consumer consumer;
	struct kup_record record; /* what peek has found */
	_Alignas(8) kup_u8 data[2 * MAX_RING];
	kup_u8 shadow[MAX_RING];
};

static struct bench bench;

/* ---- One operation ---- */

static kup_u32 number(const char *word)
{
	return (kup_u32)strtoul(word, NULL, 10);
}

static kup_u32 from_hex(const char *hex, kup_u8 *bytes)
{
	kup_u32 length = 0;

	if (hex[0] == '-')
		return 0;
	for (; hex[0] && hex[1]; hex += 2) {
		const char pair[] = { hex[0], hex[1], 0 };

		bytes[length++] = (kup_u8)strtoul(pair, NULL, 16);
	}
	return length;
}

static void put(char **words, char *out)
{
	kup_u8 payload[MAX_RING];
	kup_u32 position, length = from_hex(words[2], payload);
	int wakes, result = kup_producer_reserve(&bench.producer, length, &position);

	if (result != KUP_RING_OK) {
		sprintf(out, "%d", result);
		return;
	}
	memcpy(kup_producer_payload(&bench.producer, position), payload, length);
	wakes = kup_producer_commit(&bench.producer, position, length, length, number(words[1]),
				    words[3] ? number(words[3]) : 0);
	sprintf(out, "%d %d", result, wakes);
}

/* As the engine sends a short message on a channel with stamps. */
static void put_stamped(char **words, char *out)
{
	struct kup_stamp stamp = { strtoull(words[1], NULL, 10), number(words[2]),
				   number(words[3]) };
	kup_u8 payload[MAX_RING];
	kup_u32 length = from_hex(words[5], payload);
	int result = kup_producer_append_stamped(&bench.producer, number(words[4]), &stamp, payload,
						 length);

	out += sprintf(out, "%d", result);
	if (result == KUP_RING_OK)
		sprintf(out, " %d", kup_producer_publish(&bench.producer));
}

static void reserve(char **words, char *out)
{
	kup_u32 position;
	int result = kup_producer_reserve(&bench.producer, number(words[1]), &position);

	if (result == KUP_RING_OK)
		sprintf(out, "%d %u", result, position);
	else
		sprintf(out, "%d", result);
}

static void fill(char **words, char *out)
{
	from_hex(words[2], kup_producer_payload(&bench.producer, number(words[1])));
	strcpy(out, "0");
}

static void commit(char **words, char *out)
{
	sprintf(out, "%d",
		kup_producer_commit(&bench.producer, number(words[1]), number(words[2]),
				    number(words[3]), number(words[4]), number(words[5])));
}

static void room(char **words, char *out)
{
	sprintf(out, "%d", kup_producer_room(&bench.producer, number(words[1])));
}

static void refresh(char **words, char *out)
{
	(void)words;
	sprintf(out, "%d", kup_producer_refresh(&bench.producer));
}

static void announce_room(char **words, char *out)
{
	kup_producer_announce(&bench.producer, number(words[1]));
	strcpy(out, "0");
}

static void peek(char **words, char *out)
{
	struct kup_record *record = &bench.record;
	int result = kup_consumer_peek(&bench.consumer, record);
	const kup_u8 *data = (const kup_u8 *)record->data + bench.stamp;
	kup_u32 i, length = record->length - bench.stamp;

	(void)words;
	/* The ring has no stamps, so its callers check this. */
	if (result == KUP_RING_OK && record->length < bench.stamp)
		result = KUP_RING_LIE_LENGTH;
	out += sprintf(out, "%d", result);
	if (result != KUP_RING_OK)
		return;
	out += sprintf(out, " %u %u %u %u ", (kup_u32)(data - bench.data), length, record->type,
		       record->control);
	if (length == 0)
		strcpy(out, "-");
	for (i = 0; i < length; i++)
		out += sprintf(out, "%02x", data[i]);
}

static void release(char **words, char *out)
{
	(void)words;
	sprintf(out, "%d", kup_consumer_release(&bench.consumer, &bench.record));
}

static void publish(char **words, char *out)
{
	(void)words;
	sprintf(out, "%d", kup_consumer_publish(&bench.consumer));
}

static void settle(char **words, char *out)
{
	(void)words;
	sprintf(out, "%d", kup_consumer_settle(&bench.consumer));
}

static void announce_record(char **words, char *out)
{
	kup_u32 position = words[1] ? number(words[1]) : bench.consumer.cursor;

	kup_consumer_announce(&bench.consumer, position);
	strcpy(out, "0");
}

static void ready(char **words, char *out)
{
	(void)words;
	sprintf(out, "%d", kup_consumer_ready(&bench.consumer));
}

static void poke(char **words, char *out)
{
	const struct {
		const char *name;
		kup_u32 *word;
	} names[] = { { "head", &bench.head },
		      { "tail", &bench.tail },
		      { "producer_event", &bench.producer_event },
		      { "consumer_event", &bench.consumer_event } };
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i].name, words[1]))
			*names[i].word = number(words[2]);
	strcpy(out, "0");
}

static void poke_data(char **words, char *out)
{
	kup_u32 value = number(words[2]);

	memcpy(bench.data + number(words[1]), &value, sizeof(value));
	strcpy(out, "0");
}

static const struct {
	const char *name;
	void (*run)(char **words, char *out);
} operations[] = {
	{ "put", put },
	{ "put_stamped", put_stamped },
	{ "reserve", reserve },
	{ "fill", fill },
	{ "commit", commit },
	{ "room", room },
	{ "refresh", refresh },
	{ "announce_room", announce_room },
	{ "peek", peek },
	{ "release", release },
	{ "publish", publish },
	{ "settle", settle },
	{ "announce_record", announce_record },
	{ "ready", ready },
	{ "poke", poke },
	{ "poke_data", poke_data },
};

/* ---- The bench ---- */

static void begin(char **words)
{
	struct bench *b = &bench;
	kup_u32 position = number(words[2]);

	memset(b, 0, sizeof(*b));
	b->size = number(words[1]);
	b->stamp = words[4] ? sizeof(struct kup_stamp) : 0;
	b->head = b->tail = position;
	b->producer = (struct kup_producer){ .data = b->data,
					     .bytes = b->size,
					     .head = position,
					     .end = position,
					     .tail = position,
					     .head_word = &b->head,
					     .event_word = &b->producer_event,
					     .tail_word = &b->tail,
					     .peer_event = &b->consumer_event };
	b->consumer = (struct kup_consumer){ .data = b->data,
					     .bytes = b->size,
					     .cursor = position,
					     .tail = position,
					     .checked = position,
					     .controls = number(words[3]),
					     .skips_unknown = 1,
					     .tail_word = &b->tail,
					     .event_word = &b->consumer_event,
					     .head_word = &b->head,
					     .peer_event = &b->producer_event };
}

/* Stands in for the double mapping: copies what was written to one half to the other. */
static void mirror(void)
{
	kup_u8 *low = bench.data, *high = bench.data + bench.size;
	kup_u32 i;

	for (i = 0; i < bench.size; i++) {
		if (high[i] == bench.shadow[i])
			high[i] = low[i];
		else
			low[i] = high[i];
		bench.shadow[i] = low[i];
	}
}

static void add_state(char *out)
{
	kup_u32 i, hash = 0x811c9dc5u;

	for (i = 0; i < bench.size; i++)
		hash = (hash ^ bench.data[i]) * 0x01000193u;
	sprintf(out, " | %u %u %u %u %u %08x", bench.head, bench.tail, bench.producer_event,
		bench.consumer_event, bench.consumer.owes_wake, hash);
	bench.consumer.owes_wake = 0;
}

/* Splits at blanks, up to the first '|'. */
static void split(char *text, char **words, int most)
{
	char *word = strtok(text, " ");
	int count = 0;

	while (word && word[0] != '|' && count < most - 1) {
		words[count++] = word;
		word = strtok(NULL, " ");
	}
	words[count] = NULL;
}

/* Returns nonzero if the line's operation has the line's result. */
static int check(const char *line)
{
	static char text[LINE_BYTES], got[LINE_BYTES];
	char *words[8];
	unsigned int i;
	const char *expected = strstr(line, " | ");

	if (!expected)
		return 0;
	strcpy(text, line);
	split(text, words, 8);
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(operations[i].name, words[0]) != 0)
			continue;
		operations[i].run(words, got);
		mirror();
		add_state(got + strlen(got));
		if (!strcmp(got, expected + 3))
			return 1;
		printf("# %s\n# here: %s\n", line, got);
		return 0;
	}
	printf("# no such operation: %s\n", words[0]);
	return 0;
}

struct tally {
	char name[256];
	int good, cases, failed;
};

static void end_case(struct tally *tally)
{
	if (!tally->name[0])
		return;
	printf("%s ring.c does what ring.txt says: %s\n", tally->good ? "ok" : "not ok",
	       tally->name);
	tally->cases++;
	tally->failed += !tally->good;
}

static void read_line(struct tally *tally, char *line)
{
	char *words[8];

	line[strcspn(line, "\n")] = 0;
	if (line[0] == '#' || line[0] == 0)
		return;
	if (!strncmp(line, "case ", 5)) {
		end_case(tally);
		snprintf(tally->name, sizeof(tally->name), "%.200s", line + 5);
		tally->good = 1;
	} else if (!strncmp(line, "new ", 4)) {
		split(line, words, 8);
		begin(words);
	} else if (tally->good) {
		tally->good = check(line);
	}
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES];
	struct tally tally = { .good = 1 };
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!file) {
		fprintf(stderr, "usage: ring_vectors ring.txt\n");
		return 2;
	}
	while (fgets(line, sizeof(line), file))
		read_line(&tally, line);
	fclose(file);
	end_case(&tally);
	return tally.cases == 0 || tally.failed > 0;
}
