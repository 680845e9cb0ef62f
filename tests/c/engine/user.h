/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The user's side of a channel of the host driver, by the native library's calls, and how a case reports.
 */
#ifndef USER_H
#define USER_H

#include <poll.h>

#include "host.h"
#include "kup_user.h"
#include "ring.h"

/* Then the user's mapping is the kernel's own; see kmod/os/host/memory.c. */
#ifdef __SANITIZE_THREAD__
#define ONE_MAPPING 1
#else
#define ONE_MAPPING 0
#endif

/* An attached channel. One thread. */
struct user {
	int file;
	struct kup_info info;
	struct kup_attach attach;
	kup_u8 *memory;
	struct kup_kernel_page *kernel;
	struct kup_user_page *page;
	struct kup_producer out;
	struct kup_consumer in;
};

/* Opens "host:NAME". */
int user_open(const char *name);
/* Maps what is attached; file and info are set. */
int user_map(struct user *user);
void user_unmap(struct user *user);

/* 0 or a negative errno; nothing is left open after a failure. */
int user_attach(struct user *user, const char *name, kup_u32 channel);
void user_close(struct user *user);

/* Each sleeps as the contract says; 0, -ETIMEDOUT after PATIENCE_MS, -EPIPE, -EPROTO. */
int user_send(struct user *user, kup_u32 type, const void *data, kup_u32 length);
/* The record stays in the ring until user_release. */
int user_receive(struct user *user, struct kup_record *record);
void user_release(struct user *user, const struct kup_record *record);

#define PATIENCE_MS 20000

/* Prints "ok SENTENCE" or "not ok SENTENCE: why"; the process's exit status is `failures`. */
extern int failures;
void check(int good, const char *sentence, const char *why, ...)
	__attribute__((format(printf, 3, 4)));

/* A device with this client; ends the process when it can't be made. */
struct kup_device *make_device(const struct kup_config *config, const struct kup_ops *ops);

/* engine_life.c, engine_flow.c */
void life_cases(void);
void flow_cases(void);

#endif
