/* SPDX-License-Identifier: BSD-3-Clause */
/* A process's side of a channel, written from the texts of kup_abi.h and kup_user.h alone. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kup_echo.h"
#include "kup_user.h"

#define CHANNELS 8 /* of the echo device, unless a test opens another */
#define ANY KUP_CHANNEL_ANY

struct peer {
	int fd;
	struct kup_info info;
	struct kup_attach attach; /* as the kernel filled it in: the rings' actual sizes */
	uint64_t address;	  /* the address of the range that has all four areas */
	const struct kup_kernel_page *kernel;
	struct kup_user_page *user;
	uint8_t *in;	    /* to_user */
	uint8_t *out;	    /* to_kernel */
	uint32_t head;	    /* of to_kernel: where this side produces */
	uint32_t tail;	    /* of to_user: how far this side has consumed */
	unsigned int spins; /* looks at the ring before a sleep */
	uint64_t kicks;	    /* KICK calls and poll calls made for this peer */
	uint64_t polls;
	uint64_t announced;  /* event positions that were published */
	uint64_t idle_wakes; /* polls that returned although nothing was there */
};

struct record {
	uint32_t type; /* for a control record: its kind */
	uint32_t length;
	uint32_t flags;
	const uint8_t *data;
	uint32_t space;
};

/* Whether this is a control record of this kind (KUP_CONTROL_*). */
bool record_is(const struct record *record, uint32_t kind);

/* Results are 0 or a negative errno. */

/* A fresh handle of the echo device. Never loads the echo client. */
int echo_open(void);

/* ATTACH of a handle without a channel. */
int attach_to(int fd, uint32_t channel, uint32_t flags, struct kup_attach *out);

/* open, INFO, ATTACH and the mapping. A failure leaves nothing open. */
int peer_start(struct peer *peer, uint32_t channel);
/* The same with the device at another path. */
int peer_start_at(struct peer *peer, const char *path, uint32_t channel);

/*
 * The same with rings of these sizes, in bytes; 0: the device's own. Ends the program on failure.
 */
void peer_need_sized(struct peer *peer, uint32_t to_user_bytes, uint32_t to_kernel_bytes);

/* peer_start; ends the program on failure. */
void peer_need(struct peer *peer, uint32_t channel);

/* The mapping of a handle that is attached already, and whose INFO the peer has. */
int peer_map(struct peer *peer);
void peer_unmap(struct peer *peer);

/* Unmaps and closes. */
void peer_stop(struct peer *peer);

/* peer_stop, then waits until the kernel client has drained the channel. */
void peer_stop_wait(struct peer *peer);

uint32_t word_get(const kup_u32 *word);
void word_set(kup_u32 *word, uint32_t value);

int peer_kick(struct peer *peer);
uint32_t peer_state(const struct peer *peer);

/* One wait for the handle. Returns poll(2)'s revents, or 0 after the time-out. */
int peer_poll(struct peer *peer, uint32_t events, double timeout_ms);

/*
 * Sends a record, and sleeps for room. Returns 0, -ETIMEDOUT, or -EPIPE when the channel is over.
 */
int peer_send(struct peer *peer, uint32_t type, const void *data, uint32_t length);

/*
 * The parts of peer_send, for tests that lie.
 *   peer_room    whether there is room for a record of this space
 *   peer_write   puts a record behind head: sentinel, head, payload, header. Returns its position.
 *                It makes no wake-up, so the kernel's side reads the record now or when it is
 *                woken.
 *                With UNFINISHED among the flags the record is not READY, and the kernel stops
 *                there.
 *   peer_finish  makes such a record READY, with the wake-up
 *   peer_wake    the wake-up alone, if the kernel sleeps for what is finished from a position on
 *
 * Records that must become readable at once: the first one is UNFINISHED until the others are
 * written.
 */
#define UNFINISHED KUP_RECORD_READY
bool peer_room(const struct peer *peer, uint32_t space);
uint32_t peer_write(struct peer *peer, uint32_t flags, uint32_t type, const void *data,
		    uint32_t length);
void peer_wake(struct peer *peer, uint32_t from);
void peer_finish(struct peer *peer, uint32_t from);

/* The header of the record at a position, and the user's head: words to lie with. */
kup_u32 *peer_header(const struct peer *peer, uint32_t position);
void peer_set_head(struct peer *peer, uint32_t head);

/* The next record, if one is readable now. */
bool peer_look(struct peer *peer, struct record *record);

/* The same, but waits a moment: poll may report a record just before it is finished. */
bool peer_soon(struct peer *peer, struct record *record);

/*
 * The next record. Sleeps for it. Returns 0, -ETIMEDOUT, or -EPIPE when the channel is over and
 * drained.
 */
int peer_receive(struct peer *peer, struct record *record);
void peer_release(struct peer *peer, const struct record *record);

/* A round trip of one record with a payload of its own. Returns NULL, or what went wrong. */
const char *peer_echo(struct peer *peer, uint32_t seed, uint32_t length);

int stats_get(int fd, uint32_t channel, struct kup_stats *stats);
uint32_t channels_free(int fd);

/* Waits until all of the device's channels are free. Returns whether they are. */
bool all_free(int fd);

#endif
