/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Clients, and the mistakes that were found in them. A client's record stays until the process
 * ends, so that its mistakes can be read after it was unloaded. The environment variable
 * KUP_HOST_CHECKS sets what is done without another setting:
 *
 *   KUP_HOST_CHECKS=0      nothing is checked
 *   KUP_HOST_CHECKS=1      mistakes are reported; the default
 *   KUP_HOST_CHECKS=abort  the first mistake ends the process, for a debugger or a test
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks/checks.h"

#define SENTENCE 640
#define MOST_SENTENCES 64

struct sentence {
	struct sentence *next;
	char text[];
};

struct device_name {
	struct device_name *next;
	struct host_client *client; /* that has made such a device last */
	char name[];
};

struct host_client {
	struct host_client *next;
	int is_checked;
	kup_u32 count; /* of mistakes, with repeated ones */
	kup_u32 kept;  /* of sentences */
	kup_u64 stuck_ns;
	struct sentence *first, **end;
	char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct host_client *clients; /* under lock, as all fields but the names are */
static struct device_name *devices; /* under lock */
static struct host_client *program; /* for code that belongs to no module */
static int is_on = 1, aborts;

__attribute__((constructor)) static void read_environment(void)
{
	const char *value = getenv("KUP_HOST_CHECKS");

	if (!value || !*value || strcmp(value, "1") == 0)
		return;
	if (strcmp(value, "0") == 0)
		is_on = 0;
	else if (strcmp(value, "abort") == 0)
		aborts = 1;
	else
		fprintf(stderr, "kup: KUP_HOST_CHECKS must be 0, 1 or abort\n");
}

int host_checks_wanted(void)
{
	return is_on;
}

int check_client_is_on(const struct host_client *client)
{
	return client ? client->is_checked : is_on;
}

int host_client_is_checked(const struct host_client *client)
{
	return client->is_checked;
}

/* ---- Records ---- */

/* Under the lock. */
static struct host_client *find(const char *name)
{
	struct host_client *client;

	for (client = clients; client && strcmp(client->name, name) != 0;)
		client = client->next;
	return client;
}

/* Under the lock. */
static struct host_client *find_or_make(const char *name)
{
	struct host_client *client = find(name);

	if (client)
		return client;
	client = malloc(sizeof(*client) + strlen(name) + 1);
	if (!client)
		return NULL;
	memset(client, 0, sizeof(*client));
	client->is_checked = is_on;
	client->end = &client->first;
	strcpy(client->name, name);
	client->next = clients;
	clients = client;
	return client;
}

static void forget(struct host_client *client)
{
	struct sentence *sentence, *next;

	for (sentence = client->first; sentence; sentence = next) {
		next = sentence->next;
		free(sentence);
	}
	client->first = NULL;
	client->end = &client->first;
	client->count = 0;
	client->kept = 0;
	client->stuck_ns = 0;
}

struct host_client *host_client_begin(const char *name, int is_checked)
{
	struct host_client *client;

	pthread_mutex_lock(&lock);
	client = find_or_make(name);
	if (client) {
		forget(client);
		client->is_checked = is_checked;
	}
	pthread_mutex_unlock(&lock);
	return client;
}

struct host_client *check_client(void)
{
	struct host_client *client = check_self()->client;

	if (client)
		return client;
	pthread_mutex_lock(&lock);
	if (!program)
		program = find_or_make("this program");
	client = program;
	pthread_mutex_unlock(&lock);
	return client;
}

/* Under the lock. */
static struct device_name *find_device(const char *name)
{
	struct device_name *device;

	for (device = devices; device && strcmp(device->name, name) != 0;)
		device = device->next;
	return device;
}

void check_add_device(struct host_client *client, const char *name)
{
	struct device_name *device;

	pthread_mutex_lock(&lock);
	device = find_device(name);
	if (!device) {
		device = malloc(sizeof(*device) + strlen(name) + 1);
		if (device) {
			strcpy(device->name, name);
			device->next = devices;
			devices = device;
		}
	}
	if (device)
		device->client = client;
	pthread_mutex_unlock(&lock);
}

/* ---- Mistakes ---- */

/* Under the lock. Nonzero: the sentence is new. */
static int keep(struct host_client *client, const char *text)
{
	struct sentence *sentence;

	client->count++;
	for (sentence = client->first; sentence; sentence = sentence->next)
		if (strcmp(sentence->text, text) == 0)
			return 0;
	if (client->kept == MOST_SENTENCES)
		return 0;
	client->kept++;
	sentence = malloc(sizeof(*sentence) + strlen(text) + 1);
	if (!sentence)
		return 1;
	strcpy(sentence->text, text);
	sentence->next = NULL;
	*client->end = sentence;
	client->end = &sentence->next;
	return 1;
}

/* "my.so" for a module's path. */
static const char *short_name(const struct host_client *client)
{
	const char *slash = strrchr(client->name, '/');

	return slash ? slash + 1 : client->name;
}

static void report(struct host_client *client, const struct kup_channel *channel,
		   const char *format, va_list arguments, const char *where)
{
	char text[SENTENCE];
	int is_new, used = snprintf(text, sizeof(text), "%s: ", short_name(client));

	if (channel)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
				 "%s, channel %u: ", channel->device->name, channel->number);
	used += vsnprintf(text + used, sizeof(text) - (size_t)used, format, arguments);
	if (used < (int)sizeof(text))
		snprintf(text + used, sizeof(text) - (size_t)used, "%s", where);
	pthread_mutex_lock(&lock);
	is_new = keep(client, text);
	pthread_mutex_unlock(&lock);
	if (is_new)
		fprintf(stderr, "kup: mistake in %s\n", text);
	if (aborts)
		abort();
}

void check_report(const struct kup_channel *channel, const void *caller, const char *format, ...)
{
	struct check_channel *checks;
	struct host_client *client;
	char place[CHECK_PLACE], where[CHECK_PLACE + 16] = "";
	va_list arguments;

	if (!channel)
		channel = check_self()->channel;
	checks = channel ? check_of(channel) : NULL;
	client = checks ? checks->client : check_client();
	if (!client)
		return;
	if (caller)
		snprintf(where, sizeof(where), "; called at %s", check_place(caller, place));
	va_start(arguments, format);
	report(client, channel, format, arguments, where);
	va_end(arguments);
}

void check_report_of(struct host_client *client, const struct kup_channel *channel,
		     const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(client, channel, format, arguments, "");
	va_end(arguments);
}

void check_stuck(struct host_client *client)
{
	pthread_mutex_lock(&lock);
	client->stuck_ns = os_now_ns();
	pthread_mutex_unlock(&lock);
}

kup_u64 host_client_stuck_ns(struct host_client *client)
{
	kup_u64 at;

	pthread_mutex_lock(&lock);
	at = client->stuck_ns;
	pthread_mutex_unlock(&lock);
	return at;
}

kup_u32 host_client_count(struct host_client *client)
{
	kup_u32 count;

	pthread_mutex_lock(&lock);
	count = client->count;
	pthread_mutex_unlock(&lock);
	return count;
}

kup_u32 host_mistakes(const char *module, const char *device, char *text, kup_u32 bytes)
{
	const struct sentence *sentence;
	const struct device_name *made;
	struct host_client *client;
	kup_u32 length = 0;

	if (bytes > 0)
		text[0] = '\0';
	pthread_mutex_lock(&lock);
	client = find(module);
	made = find_device(device);
	if (!client && made)
		client = made->client;
	for (sentence = client ? client->first : NULL; sentence; sentence = sentence->next) {
		if (length < bytes)
			snprintf(text + length, bytes - length, "%s\n", sentence->text);
		length += (kup_u32)strlen(sentence->text) + 1;
	}
	pthread_mutex_unlock(&lock);
	return length;
}
