/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that end with the isolate that opened them. An isolate (the main one or a worker of a
 * JavaScript engine) runs in one thread, and may end without running any code of its own: a worker
 * is terminated, a watched program fails and is started again. So its files are closed here, at
 * the latest when its thread ends, or when the thread runs another isolate. Programs in C that own
 * nothing are not concerned.
 *
 * The table also knows which files have a channel, so that a refused attach can say how many of
 * them are this process's own.
 *
 * owners.lock guards the table. It comes before all other locks, and no file is closed under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "host/files.h"
#include "owners.h"

/* A thread that owns files. Freed when it ends. */
struct owner {
	int32_t isolate; /* which one it runs now */
};

struct entry {
	struct entry *next;
	struct owner *owner; /* NULL: a file of a program in C */
	int32_t fd;
	struct stat file;	 /* what an owned descriptor stands for */
	uint64_t address, bytes; /* of its mapping; 0: none */
};

static struct {
	pthread_mutex_t lock;
	struct entry *entries;
	pthread_key_t key; /* each thread's struct owner */
	int has_key;
} owners = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- The lock ---- */

static void lock_owners(void)
{
	/* Without memory a forked child may find it taken, and nothing else. */
	(void)watch_forks();
	pthread_mutex_lock(&owners.lock);
}

static void unlock_owners(void)
{
	pthread_mutex_unlock(&owners.lock);
}

void owners_before_fork(void)
{
	pthread_mutex_lock(&owners.lock);
}

void owners_after_fork(void)
{
	unlock_owners();
}

/* ---- The table; all under the lock ---- */

static struct entry *find(int32_t fd)
{
	struct entry *entry = owners.entries;

	while (entry && entry->fd != fd)
		entry = entry->next;
	return entry;
}

static struct entry *find_or_add(int32_t fd)
{
	struct entry *entry = find(fd);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->fd = fd;
	entry->next = owners.entries;
	owners.entries = entry;
	return entry;
}

/* All entries of this owner, as a list of their own. */
static struct entry *take_all(const struct owner *owner)
{
	struct entry **link = &owners.entries, *taken = NULL;

	while (*link) {
		struct entry *entry = *link;

		if (entry->owner != owner) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		entry->next = taken;
		taken = entry;
	}
	return taken;
}

/* ---- The end of an isolate ---- */

static void look(int32_t fd, struct stat *file)
{
	if (is_host_file(fd) || fstat(fd, file) < 0)
		*file = (struct stat){ 0 };
}

/*
 * A descriptor that the isolate's own end has closed may be another file's by now, and not ours to
 * close.
 */
static int is_same(const struct entry *entry)
{
	struct stat now;

	look(entry->fd, &now);
	return now.st_dev == entry->file.st_dev && now.st_ino == entry->file.st_ino;
}

/*
 * As its own code would have done it: first the waiter forgets all files, since one of them is its
 * pipe.
 */
static void close_all(const struct owner *owner)
{
	struct entry *list, *entry;

	lock_owners();
	list = take_all(owner);
	unlock_owners();
	for (entry = list; entry; entry = entry->next)
		waiter_forget(entry->fd);
	while ((entry = list)) {
		list = entry->next;
		/* Another isolate may have been given a view: the addresses stay, as zeros. */
		if (entry->bytes)
			kup_user_unmap(entry->address, entry->bytes);
		if (is_same(entry))
			kup_user_close(entry->fd);
		free(entry);
	}
}

static void on_thread_end(void *value)
{
	close_all(value);
	free(value);
}

/* Different from those before it in this thread. */
static int32_t new_isolate(const struct owner *owner)
{
	struct timespec now;
	int32_t number;

	clock_gettime(CLOCK_MONOTONIC, &now);
	number = (int32_t)(((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000) &
			   0x7fffffff);
	while (number == 0 || number == owner->isolate)
		number = (number + 1) & 0x7fffffff;
	return number;
}

/* The calling thread's, or NULL: there is no memory. */
static struct owner *this_owner(void)
{
	struct owner *owner = NULL;
	int error = 0;

	lock_owners();
	if (!owners.has_key)
		error = pthread_key_create(&owners.key, on_thread_end);
	if (!error)
		owners.has_key = 1;
	unlock_owners();
	if (error)
		return NULL;
	owner = pthread_getspecific(owners.key);
	if (owner)
		return owner;
	owner = calloc(1, sizeof(*owner));
	if (owner && pthread_setspecific(owners.key, owner)) {
		free(owner);
		return NULL;
	}
	return owner;
}

/* ---- Calls ---- */

int32_t kup_user_own(int32_t fd, int32_t isolate)
{
	struct owner *owner = this_owner();
	struct entry *entry;

	if (!owner)
		return -ENOMEM;
	if (isolate <= 0)
		isolate = new_isolate(owner);
	/* The one that was here before is over: a thread runs one at a time. */
	if (owner->isolate != isolate)
		close_all(owner);
	owner->isolate = isolate;
	lock_owners();
	entry = find_or_add(fd);
	if (entry) {
		entry->owner = owner;
		look(fd, &entry->file);
	}
	unlock_owners();
	return entry ? isolate : -ENOMEM;
}

int32_t kup_user_disown(int32_t fd)
{
	struct entry **link = &owners.entries, *entry;

	lock_owners();
	while (*link && (*link)->fd != fd)
		link = &(*link)->next;
	entry = *link;
	if (entry)
		*link = entry->next;
	unlock_owners();
	free(entry);
	return entry ? 0 : -ENOENT;
}

/*
 * Has this file a channel of that device? The system knows best: the program may have closed it by
 * other means.
 */
static int has_channel(int32_t fd, uint64_t instance)
{
	struct kup_info info;

	return kup_user_info(fd, &info) == 0 && info.attached != KUP_CHANNEL_ANY &&
	       info.instance == instance;
}

int32_t kup_user_held(int32_t fd)
{
	const struct entry *entry;
	struct kup_info info;
	int32_t count = kup_user_info(fd, &info);

	if (count < 0)
		return count;
	lock_owners();
	for (entry = owners.entries; entry; entry = entry->next)
		count += has_channel(entry->fd, info.instance);
	unlock_owners();
	return count;
}

/* ---- What the other calls have to say ---- */

void owners_attached(int32_t fd)
{
	lock_owners();
	/* Without memory a count is too small, and nothing else. */
	(void)find_or_add(fd);
	unlock_owners();
}

void owners_mapped(int32_t fd, uint64_t address, uint64_t bytes)
{
	struct entry *entry;

	lock_owners();
	entry = find(fd);
	if (entry) {
		entry->address = address;
		entry->bytes = bytes;
	}
	unlock_owners();
}
