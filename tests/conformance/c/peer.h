/* SPDX-License-Identifier: BSD-3-Clause */
/* A process's side of a channel, written from the texts of kup_abi.h and kup_user.h alone. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kup_echo.h"
#include "kup_user.h"

#define CHANNELS 8 /* of the echo device, unless a test says otherwise */
#define ANY KUP_CHANNEL_ANY

struct peer {
	int fd;
	struct kup_info info;
	struct kup_attach attach; /* as the kernel filled it in: the rings' real sizes */
	uint64_t address;	  /* of the range that has all four areas */
	const struct kup_kernel_page *kernel;
	struct kup_user_page *user;
	uint8_t *in;	    /* to_user */
	uint8_t *out;	    /* to_kernel */
	uint32_t head;	    /* of to_kernel: what we produced */
	uint32_t tail;	    /* of to_user: what we consumed */
	unsigned int spins; /* looks before going to sleep */
	uint64_t kicks;	    /* KICK calls, and poll calls, made for this peer */
	uint64_t polls;
	uint64_t announced;  /* event positions written down */
	uint64_t idle_wakes; /* polls that returned with nothing to be seen */
};

struct record {
	uint32_t type; /* of a control record: its kind */
	uint32_t length;
	uint32_t flags;
	const uint8_t *data;
	uint32_t space;
};

/* A control record of this kind (KUP_CONTROL_*). */
bool record_is(const struct record *record, uint32_t kind);

/* Results are 0 or a negative errno. */

/* A fresh handle of the echo device, which is never loaded by this. */
int echo_open(void);

/* ATTACH of a bare handle. */
int attach_to(int fd, uint32_t channel, uint32_t flags, struct kup_attach *out);

/* open, INFO, ATTACH and the mapping; after a failure nothing is left open. */
int peer_start(struct peer *peer, uint32_t channel);
/* The same with a device of another path. */
int peer_start_at(struct peer *peer, const char *path, uint32_t channel);

/* The same with rings of these sizes, in bytes; 0: the device's own. Or the end of the program. */
void peer_need_sized(struct peer *peer, uint32_t to_user_bytes, uint32_t to_kernel_bytes);

/* peer_start, or the end of the program. */
void peer_need(struct peer *peer, uint32_t channel);

/* The mapping of a handle that is attached already, and whose INFO the peer has. */
int peer_map(struct peer *peer);
void peer_unmap(struct peer *peer);

/* Unmaps and closes. */
void peer_stop(struct peer *peer);

/* peer_stop, then waits until the kernel client is done with the channel too. */
void peer_stop_wait(struct peer *peer);

uint32_t word_get(const kup_u32 *word);
void word_set(kup_u32 *word, uint32_t value);

int peer_kick(struct peer *peer);
uint32_t peer_state(const struct peer *peer);

/* One wait for the handle: poll(2)'s revents, 0 at the end of the time. */
int peer_poll(struct peer *peer, uint32_t events, double timeout_ms);

/* Sends a record, sleeping for room: 0, -ETIMEDOUT, or -EPIPE once the channel is over. */
int peer_send(struct peer *peer, uint32_t type, const void *data, uint32_t length);

/*
 * The parts of it, for tests that lie.
 *
 *   peer_room    is there room for a record of this space?
 *   peer_write   puts a record behind head: sentinel, head, payload, header. Returns its position.
 *                Without a wake-up; so the kernel's side reads it now or when it is woken. With
 *                UNFINISHED among the flags it is not READY, and the kernel stops there.
 *   peer_finish  makes such a record READY, with the wake-up
 *   peer_wake    the wake-up alone, if the kernel sleeps for what is finished from a position on
 *
 * Records that must be there at once: the first one is UNFINISHED until the others are written.
 */
#define UNFINISHED KUP_RECORD_READY
bool peer_room(const struct peer *peer, uint32_t space);
uint32_t peer_write(struct peer *peer, uint32_t flags, uint32_t type, const void *data,
		    uint32_t length);
void peer_wake(struct peer *peer, uint32_t from);
void peer_finish(struct peer *peer, uint32_t from);

/* The header of the record at a position, and the user's head: words for lies. */
kup_u32 *peer_header(const struct peer *peer, uint32_t position);
void peer_set_head(struct peer *peer, uint32_t head);

/* The next record, if one is readable now. */
bool peer_look(struct peer *peer, struct record *record);

/* The same, soon: poll may report a record at the moment in which it is being finished. */
bool peer_soon(struct peer *peer, struct record *record);

/* The next record, sleeping for it: 0, -ETIMEDOUT, or -EPIPE: the channel is over and drained. */
int peer_receive(struct peer *peer, struct record *record);
void peer_release(struct peer *peer, const struct record *record);

/* A round trip of one record with a payload of its own: NULL, or what went wrong. */
const char *peer_echo(struct peer *peer, uint32_t seed, uint32_t length);

int stats_get(int fd, uint32_t channel, struct kup_stats *stats);
uint32_t channels_free(int fd);

/* Waits until all of the device's channels are free, and says whether they are. */
bool all_free(int fd);

#endif
