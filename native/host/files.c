/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files of the host driver (kmod/os/host), which have no descriptors, by numbers of their own.
 * As with descriptors, a call that is running keeps its file: a close in another thread removes the
 * number at once, and the file when the last call has returned.
 *
 * files.lock guards the table; it is held for a few instructions only.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host/files.h"
#include "host/module.h"
#include "host.h"

/*
 * A number consists of an index into the table and, above it, a count of the place's uses, so that
 * a stale number matches no file.
 */
#define PLACE_BITS 16
#define MAX_PLACES (1 << PLACE_BITS)
#define USE_MASK 0x3fff
#define NO_PLACE (-1)

struct place {
	struct host_file *file; /* NULL: free */
	int32_t number;		/* of the current file, or of the next one */
	uint32_t users;		/* running calls, and one for the number itself */
	int next_free;
};

static struct {
	pthread_mutex_t lock;
	struct place *places;
	int count;
	int first_free;
} files = { .lock = PTHREAD_MUTEX_INITIALIZER, .first_free = NO_PLACE };

/* ---- The table ---- */

/* Under the lock. */
static int grow(void)
{
	int count = files.count ? 2 * files.count : 16, i;
	struct place *places;

	if (count > MAX_PLACES)
		return -EMFILE;
	places = realloc(files.places, (size_t)count * sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (i = count - 1; i >= files.count; i--) {
		places[i] = (struct place){ .number = KUP_USER_HOST_FILES | i,
					    .next_free = files.first_free };
		files.first_free = i;
	}
	files.places = places;
	files.count = count;
	return 0;
}

/* A number for this file, or a negative errno. */
static int32_t enter(struct host_file *file)
{
	struct place *place;
	int32_t result = 0;

	pthread_mutex_lock(&files.lock);
	if (files.first_free == NO_PLACE)
		result = grow();
	if (!result) {
		place = &files.places[files.first_free];
		files.first_free = place->next_free;
		place->file = file;
		place->users = 1;
		result = place->number;
	}
	pthread_mutex_unlock(&files.lock);
	return result;
}

/* Under the lock. */
static struct place *find(int32_t number)
{
	int index = number & (MAX_PLACES - 1);

	if (!is_host_file(number) || index >= files.count || !files.places[index].file ||
	    files.places[index].number != number)
		return NULL;
	return &files.places[index];
}

/* Returns the file for a call, which gives it back by its index; or NULL. */
static struct host_file *take(int32_t number, int *index)
{
	struct host_file *file = NULL;
	struct place *place;

	pthread_mutex_lock(&files.lock);
	place = find(number);
	if (place) {
		place->users++;
		file = place->file;
		*index = (int)(place - files.places);
	}
	pthread_mutex_unlock(&files.lock);
	return file;
}

static int is_open(int32_t number)
{
	int there;

	pthread_mutex_lock(&files.lock);
	there = find(number) != NULL;
	pthread_mutex_unlock(&files.lock);
	return there;
}

/* Under the lock: removes one user. Returns the file if that was the last one. */
static struct host_file *drop(struct place *place)
{
	struct host_file *file = place->file;

	if (--place->users > 0)
		return NULL;
	place->file = NULL;
	place->next_free = files.first_free;
	files.first_free = (int)(place - files.places);
	return file;
}

static void give_back(int index)
{
	struct host_file *last;

	pthread_mutex_lock(&files.lock);
	last = drop(&files.places[index]);
	pthread_mutex_unlock(&files.lock);
	if (last)
		host_close(last);
}

/* ---- Open and close ---- */

int32_t host_number_open(const char *name)
{
	struct host_file *file;
	int32_t number = host_open_client(name, &file);

	if (number)
		return number;
	number = enter(file);
	if (number < 0)
		host_close(file);
	return number;
}

int32_t host_number_open_again(int32_t number)
{
	struct host_file *other;
	int index, error = -EBADF;
	struct host_file *file = take(number, &index);

	if (!file)
		return error;
	error = host_open_again(file, &other);
	give_back(index);
	if (error)
		return error;
	number = enter(other);
	if (number < 0)
		host_close(other);
	return number;
}

int32_t host_number_close(int32_t number)
{
	struct host_file *last = NULL;
	struct place *place;

	pthread_mutex_lock(&files.lock);
	place = find(number);
	if (place) {
		int32_t uses = ((number >> PLACE_BITS) + 1) & USE_MASK;

		place->number = KUP_USER_HOST_FILES | uses << PLACE_BITS |
				(number & (MAX_PLACES - 1));
		last = drop(place);
	}
	pthread_mutex_unlock(&files.lock);
	if (last)
		host_close(last);
	return place ? 0 : -EBADF;
}

/* ---- Calls ---- */

int32_t host_number_info(int32_t number, struct kup_info *info)
{
	int index, error = -EBADF;
	struct host_file *file = take(number, &index);

	if (!file)
		return error;
	error = host_info(file, info);
	give_back(index);
	return error;
}

int32_t host_number_stats(int32_t number, struct kup_stats *stats)
{
	int index, error = -EBADF;
	struct host_file *file = take(number, &index);

	if (!file)
		return error;
	error = host_stats(file, stats);
	give_back(index);
	return error;
}

int32_t host_number_attach(int32_t number, struct kup_attach *attach)
{
	int index, error = -EBADF;
	struct host_file *file = take(number, &index);

	if (!file)
		return error;
	error = host_attach(file, attach);
	give_back(index);
	return error;
}

int32_t host_number_kick(int32_t number)
{
	int index, error = -EBADF;
	struct host_file *file = take(number, &index);

	if (!file)
		return error;
	error = host_kick(file);
	give_back(index);
	return error;
}

int32_t host_number_map(int32_t number, uint32_t page_size, uint32_t to_user_bytes,
			uint32_t to_kernel_bytes, uint64_t *address)
{
	kup_u8 *base = (kup_u8 *)(uintptr_t)*address;
	int index, error = -EBADF;
	struct host_file *file = take(number, &index);

	if (!file)
		return error;
	error = host_map(file, page_size, to_user_bytes, to_kernel_bytes, &base);
	give_back(index);
	if (!error)
		*address = (uintptr_t)base;
	return error;
}

/* ---- Waiting ---- */

static uint32_t from_poll(uint32_t events)
{
	return (events & POLLIN ? KUP_POLL_IN : 0) | (events & POLLOUT ? KUP_POLL_OUT : 0);
}

static int32_t to_poll(uint32_t ready)
{
	return (ready & KUP_POLL_IN ? POLLIN : 0) | (ready & KUP_POLL_OUT ? POLLOUT : 0) |
	       (ready & KUP_POLL_HANGUP ? POLLHUP : 0) | (ready & KUP_POLL_ERROR ? POLLERR : 0);
}

int32_t host_number_wait(int32_t number, uint32_t events, double timeout_ms)
{
	/*
	 * 1e12 ms is longer than any machine runs, and far from overflow. NaN means no limit, too.
	 */
	const double limit_ms = 1e12;
	int forever = !(timeout_ms >= 0 && timeout_ms <= limit_ms);
	uint64_t timeout_ns = forever ? OS_FOREVER : (uint64_t)(timeout_ms * 1e6);
	int index, ready;
	struct host_file *file = take(number, &index);

	if (!file)
		return -EBADF;
	ready = host_wait(file, from_poll(events), timeout_ns);
	give_back(index);
	/* poll(2) also looks the number up again when it wakes. */
	return is_open(number) ? to_poll((uint32_t)ready) : -EBADF;
}

struct host_watch {
	struct host_poller poller; /* first, so that a pointer to it points to the watch */
	struct host_file *file;
	int index; /* of the file, which the watch holds until its end */
	int32_t id;
	void (*wake)(int32_t id);
};

static void wake_watch(struct host_poller *poller)
{
	struct host_watch *watch = (struct host_watch *)poller;

	watch->wake(watch->id);
}

int host_watch_begin(int32_t number, int32_t id, void (*wake)(int32_t id),
		     struct host_watch **begun)
{
	struct host_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->file = take(number, &watch->index);
	if (!watch->file) {
		free(watch);
		return -EBADF;
	}
	watch->id = id;
	watch->wake = wake;
	watch->poller.wake = wake_watch;
	host_poll_add(watch->file, &watch->poller);
	*begun = watch;
	return 0;
}

void host_watch_end(struct host_watch *watch)
{
	host_poll_remove(watch->file, &watch->poller);
	give_back(watch->index);
	free(watch);
}

int host_watch_look(struct host_watch *watch, uint32_t events)
{
	return host_poll(watch->file, from_poll(events)) != 0;
}

/* ---- Client modules ---- */

int32_t kup_user_host_load(const char *module, const char *parameters)
{
	return host_load(module, parameters);
}

int32_t kup_user_host_unload(const char *module)
{
	return host_unload(module);
}

int32_t kup_user_host_mistakes(const char *name, char *text, uint32_t bytes)
{
	return host_module_mistakes(name, text, bytes);
}

int32_t kup_user_host_error(char *text, uint32_t bytes)
{
	uint32_t length = (uint32_t)strlen(host_error());

	if (bytes > 0) {
		uint32_t shown = length < bytes ? length : bytes - 1;

		memcpy(text, host_error(), shown);
		text[shown] = '\0';
	}
	return (int32_t)length;
}
