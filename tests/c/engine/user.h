/* SPDX-License-Identifier: BSD-3-Clause */
/* The user's side of a channel of the host driver, by the native library's calls. */
#ifndef USER_H
#define USER_H

#include <poll.h>

#include "kup_user.h"
#include "ring.h"
#include "tests.h"

/* With this, the user's mapping is the kernel's own; see kmod/os/host/memory.c. */
#ifdef __SANITIZE_THREAD__
#define ONE_MAPPING 1
#else
#define ONE_MAPPING 0
#endif

/*
 * An attached channel, for one thread; or, if `split` is set, for one that sends and one that
 * receives.
 */
struct user {
	int file;
	struct kup_info info;
	struct kup_attach attach;
	kup_u8 *memory;
	struct kup_kernel_page *kernel;
	struct kup_user_page *page;
	struct kup_producer out;
	struct kup_consumer in;
	int split;
};

/* Opens "host:NAME". */
int user_open(const char *name);
/* Maps the channel that is attached; file and info are set. */
int user_map(struct user *user);
void user_unmap(struct user *user);

/* Returns 0 or a negative errno. A failure leaves nothing open. */
int user_attach(struct user *user, const char *name, kup_u32 channel);
void user_close(struct user *user);

/*
 * Writes a record by hand, with any flags, whether there is room or not, and wakes no thread.
 * Returns its position. With UNFINISHED the record is not READY until user_finish.
 */
#define UNFINISHED KUP_RECORD_READY
kup_u32 user_put(struct user *user, kup_u32 flags, kup_u32 type, kup_u32 length);
void user_finish(struct user *user, kup_u32 position);
/* Kicks if the kernel sleeps for one of the records from this position on. */
int user_is_asked(struct user *user, kup_u32 from);

/*
 * These sleep as the contract says. They return 0, -ETIMEDOUT after PATIENCE_MS, -EPIPE, or
 * -EPROTO.
 */
int user_send(struct user *user, kup_u32 type, const void *data, kup_u32 length);
/* The parts of a send. */
int user_reserve(struct user *user, kup_u32 length, kup_u32 *position);
void user_commit(struct user *user, kup_u32 position, kup_u32 length, kup_u32 type);
/* The record stays in the ring until user_release. */
int user_receive(struct user *user, struct kup_record *record);
void user_release(struct user *user, const struct kup_record *record);
/* After a call on `in`: wakes the kernel's side if it sleeps for room that was released. */
void user_wake_kernel(struct user *user);

#endif
