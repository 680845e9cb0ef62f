/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A module as it was written for KUP's predecessor, on its kernel API alone: `devices` devices with
 * `channels` channels, and for each process that attaches one a thread that plays with it.
 *
 * The game: the kernel sends "hello N". It sends each message back with 1 added to each byte. It
 * answers "pass" by a pass. "bye" ends the game, and the thread with it.
 */
#include "kup.h"
#include "kupdev.h"

KUP_PARAM_NUMBER(devices, 2, "number of devices: pingpong0, ...");
KUP_PARAM_NUMBER(channels, 3, "channels of each");
KUP_PARAM_NUMBER(pages, 4, "the longest message, in pages");

#define MAX_DEVICES 4
#define MAX_CHANNELS 8
#define SMALLEST_PAGE 4096

struct game {
	struct kupdev_softc *sc;
	int channel;
};

struct table {
	struct kupdev_softc *sc;
	struct kup_thread *referee;
	struct kup_thread *players[MAX_CHANNELS];
	struct game games[MAX_CHANNELS];
};

static struct table tables[MAX_DEVICES];

static int is(const char *message, const char *word)
{
	while (*word && *message == *word) {
		message++;
		word++;
	}
	return !*word;
}

/* Messages begin with their length, since the API does not return it. */
struct message {
	unsigned int length;
	char text[];
};

static int answer(struct kupdev_softc *sc, int channel, struct message *message)
{
	/* Loaded once: the process can change it at any time. */
	unsigned int i, length = __atomic_load_n(&message->length, __ATOMIC_RELAXED);

	if (is(message->text, "pass")) {
		kupdev_unlock_channel(sc, channel);
		kupdev_pass(sc, channel);
		return 0;
	}
	if (length > pages * SMALLEST_PAGE - sizeof(*message))
		return -EMSGSIZE;
	for (i = 0; i < length; i++)
		message->text[i]++;
	/* In place: the message is read before its bytes are released. */
	return kupdev_send(sc, message, sizeof(*message) + length, channel);
}

static void play(void *argument)
{
	const struct game *game = argument;
	struct {
		unsigned int length; /* as a struct message */
		char text[8];
	} hello = { 7, "hello 0" };
	struct message *message;
	int error;

	hello.text[6] = (char)('0' + game->channel);
	error = kupdev_send(game->sc, &hello, sizeof(hello), game->channel);
	while (!error && (message = kupdev_receive(game->sc, game->channel)))
		error = is(message->text, "bye") || answer(game->sc, game->channel, message);
}

static void start_game(struct table *table, int channel)
{
	struct game *game = &table->games[channel];

	*game = (struct game){ table->sc, channel };
	if (kup_thread_start(play, game, "player", &table->players[channel]))
		play(game);
}

/* Waits for users, and starts a player for each. */
static void referee(void *argument)
{
	struct table *table = argument;
	int channel;

	while ((channel = kupdev_wait_channel(table->sc)) >= 0) {
		kup_thread_join(table->players[channel]);
		table->players[channel] = NULL;
		start_game(table, channel);
		kupdev_notify(table->sc);
	}
}

static void close_table(struct table *table)
{
	unsigned int i;

	kupdev_unload(table->sc);
	kup_thread_join(table->referee);
	for (i = 0; i < MAX_CHANNELS; i++)
		kup_thread_join(table->players[i]);
}

static void unload(void)
{
	unsigned int i;

	for (i = 0; i < MAX_DEVICES; i++)
		close_table(&tables[i]);
}

static int open_table(unsigned int number)
{
	struct table *table = &tables[number];
	char name[] = "pingpong0";

	name[8] = (char)('0' + number);
	table->sc = kupdev_create(name, pages, channels);
	if (!table->sc)
		return -EINVAL;
	return kup_thread_start(referee, table, "referee", &table->referee);
}

static int load(void)
{
	unsigned int i;
	int error = devices > MAX_DEVICES || channels > MAX_CHANNELS ? -EINVAL : 0;

	__builtin_memset(tables, 0, sizeof(tables));
	for (i = 0; i < devices && !error; i++)
		error = open_table(i);
	if (error)
		unload();
	return error;
}

KUP_MODULE(load, unload, "ping-pong over the predecessor's kernel API");
