/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that end with the isolate that opened them. An isolate (the main one, or a worker, of a
 * JavaScript engine) runs in one thread. It may end without running any code of its own: a worker
 * is terminated, or a watched program fails and is restarted. So its files are closed here: at the
 * latest when its thread ends, or when the thread runs another isolate. This does not affect
 * programs in C, which own no files.
 *
 * The table also records which files have a channel, so that the error of a refused attach can say
 * how many of the channels this process has.
 *
 * owners.lock guards the table. It is taken before all other locks, and no file is closed under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "host/files.h"
#include "owners.h"

/* A thread that owns files. It is freed when the thread ends. */
struct owner {
	int32_t isolate; /* the isolate that the thread runs now */
};

struct entry {
	struct entry *next;
	struct owner *owner; /* NULL: a file of a program in C */
	int32_t fd;
	struct stat file;	 /* identifies the file that an owned descriptor stands for */
	uint64_t address, bytes; /* of the file's mapping; 0: there is none */
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
	/* If there is no memory, the only effect is that a forked child may find the lock taken. */
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

/* ---- The table; all of this under the lock ---- */

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

/* Removes all entries of this owner, and returns them as a list. */
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
 * Whether the descriptor still stands for the same file. The isolate's own end may have closed it;
 * then it may be another file's by now, and must not be closed here.
 */
static int is_same(const struct entry *entry)
{
	struct stat now;

	look(entry->fd, &now);
	return now.st_dev == entry->file.st_dev && now.st_ino == entry->file.st_ino;
}

/*
 * Closes an owner's files, in the order in which the isolate's own code would have: first the
 * waiter removes all of them, since one of them is the isolate's pipe.
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
		/* Another isolate may have been given a view, so the addresses stay, as zeros. */
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

/* A number that differs from those of the earlier isolates in this thread. */
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

/* The calling thread's owner, or NULL if there is no memory. */
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
	/* The isolate that was here before is over: a thread runs one at a time. */
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
 * Whether this file has a channel of that device. The table alone can't answer this: the program
 * may have closed the file by other means.
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

/* ---- What the other calls report ---- */

void owners_attached(int32_t fd)
{
	lock_owners();
	/* If there is no memory, the only effect is that a count is too small. */
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
