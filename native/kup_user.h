/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The native library: what a process needs of the operating system to use a KUP channel. It holds no
 * protocol; rings are worked on by the caller (TypeScript's is src/ring.ts).
 *
 * There are two kinds of devices: those of the kernel, /dev/NAME, and those of the host driver, which is
 * the same engine in threads of this process (see host/files.c). All calls take both. An open file is known by a
 * number: a descriptor, or from KUP_USER_HOST_FILES on a file of the host driver, which no
 * system call knows.
 *
 * Every call returns 0 (or what is told there) on success and a negative errno otherwise; errno
 * itself means nothing. Sizes are in bytes. Calls may be made from any thread, concurrently, unless told
 * otherwise. No call keeps a pointer that it was given.
 */
#ifndef KUP_USER_H
#define KUP_USER_H

#include <stdint.h>

#include "kup_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KUP_USER_CALL __attribute__((visibility("default")))

/* A call that TypeScript makes, too. `make bindings` generates src/symbols.ts from these. */
#define KUP_USER_DENO_CALL KUP_USER_CALL

/* Counts the changes of this file that an older caller would not survive. */
#define KUP_USER_INTERFACE 5

/* Numbers of the host driver's files begin here: descriptors never get so far. */
#define KUP_USER_HOST_FILES 0x40000000

/* KUP_ABI_VERSION and KUP_USER_INTERFACE that this library was built with. */
KUP_USER_DENO_CALL int32_t kup_user_abi_version(void);
KUP_USER_DENO_CALL int32_t kup_user_interface(void);

/* ---- device.c: an open file ---- */

/*
 * Opens a device for reading and writing, and returns the file's number.
 *
 *   /dev/NAME       whatever open(2) fails with
 *   host:NAME       a device of this process; or one of the clients that are built in ("echo"), which is
 *                   loaded if it isn't yet, and then its first device. -ENOENT: neither
 *   host:FILE.so    the first device of this client module, which is loaded if it isn't yet; see
 *                   kup_user_host_load for what that fails with. -ENOENT also: it has no device
 */
KUP_USER_DENO_CALL int32_t kup_user_open(const char *path);

/*
 * Another file of the device that `fd`, a file of the host driver, belongs to: for one more
 * channel. It loads no module, whatever the name leads to by now. -ENODEV: the device is gone.
 * (For a kernel's device, open its path, and let ATTACH compare the instance.)
 */
KUP_USER_DENO_CALL int32_t kup_user_host_open_again(int32_t fd);

/* Closes a file of kup_user_open's; an attached channel is given back. Not before the waiter let it go. */
KUP_USER_DENO_CALL int32_t kup_user_close(int32_t fd);

/* The ioctls of the same names. -ENOTTY: this file is no KUP device. */
KUP_USER_DENO_CALL int32_t kup_user_info(int32_t fd, struct kup_info *info);
/* The caller fills in the channel's number, and zeros. */
KUP_USER_DENO_CALL int32_t kup_user_stats(int32_t fd, struct kup_stats *stats);

/*
 * ATTACH; the caller fills in version, flags, channel and instance (0: any), and on success finds
 * which channel it is.
 */
KUP_USER_DENO_CALL int32_t kup_user_attach(int32_t fd, struct kup_attach *attach);

/* Wakes the kernel's side. Numbers only, so that a JIT can call it directly. */
KUP_USER_DENO_CALL int32_t kup_user_kick(int32_t fd);

/*
 * Blocks the calling thread until poll(2) reports one of `events` (or an error, or a hangup), for
 * `timeout_ms` at most; negative or infinite is for ever, fractions count. Returns the revents,
 * and 0 after the timeout. A signal does not end it. -EBADF: somebody has closed fd;
 * a wait that sleeps says so when it wakes.
 */
KUP_USER_DENO_CALL int32_t kup_user_wait(int32_t fd, uint32_t events, double timeout_ms);

/* ---- host/files.c: client modules in this process ---- */

/*
 * Loads a client module into this process, as insmod does into a kernel: "echo", or a shared object that was
 * built with KUP_MODULE. A path without a slash is looked up in the working directory. `parameters`
 * is NULL or "name=value ..." for its KUP_PARAMs.
 *
 * -EEXIST: it is loaded already. -ENOENT: no such file. -ENOEXEC: it can't be loaded, or is no client module,
 * or was built for another version. -EINVAL: a parameter that it doesn't have, or a bad value. -ERANGE: a
 * number of 2^32 or more. Otherwise what its own load function returned.
 */
KUP_USER_DENO_CALL int32_t kup_user_host_load(const char *module, const char *parameters);

/*
 * Unloads it, as rmmod does: its devices go, whoever has them open; waits until the client has let go of every
 * channel. -ENOENT: it isn't loaded. -EBUSY: it left a device behind, and stays in memory.
 */
KUP_USER_DENO_CALL int32_t kup_user_host_unload(const char *module);

/*
 * A sentence about why the calling thread's last open, load, unload or attach on the host driver
 * failed, or nothing where the errno says it all, as a C string that is cut off at `bytes`. It
 * does not name the module. Returns its length.
 */
KUP_USER_DENO_CALL int32_t kup_user_host_error(char *text, uint32_t bytes);

/* ---- owners.c: files that end with an isolate ---- */

/*
 * Makes a file (or any descriptor) the property of an isolate that runs in the calling thread.
 * Unless kup_user_close or kup_user_disown comes first, it is closed, together with its place in
 * the waiter and what kup_user_map has mapped since, when the thread ends, or when the thread runs
 * another isolate and this is called there.
 *
 * `isolate` is 0 for an isolate that has none yet, or what an earlier call in it has returned.
 * Returns the isolate's number, which is positive. -ENOMEM: there is no memory, and the file is
 * not owned.
 */
KUP_USER_DENO_CALL int32_t kup_user_own(int32_t fd, int32_t isolate);

/* Forgets the file, which others close. -ENOENT: nothing is known of it. */
KUP_USER_DENO_CALL int32_t kup_user_disown(int32_t fd);

/* How many channels of fd's device this process has attached by this library, or why INFO fails. */
KUP_USER_DENO_CALL int32_t kup_user_held(int32_t fd);

/* ---- memory.c: address ranges ---- */

/*
 * Maps an attached channel's four areas into one range of addresses, at the offsets that the contract
 * gives them. *address is 0, or the start of a range of the same size that kup_user_unmap left:
 * then that is used again. On success *address tells where it is; on failure all is as it was before.
 */
KUP_USER_DENO_CALL int32_t kup_user_map(int32_t fd, uint32_t page_size, uint32_t to_user_bytes,
					uint32_t to_kernel_bytes, uint64_t *address);

/*
 * Puts private pages of zeros in the place of what is mapped at [address, address + bytes), in one step: a
 * thread that reads or writes there meanwhile never faults. The range stays the caller's.
 */
KUP_USER_DENO_CALL int32_t kup_user_unmap(uint64_t address, uint64_t bytes);

/* Gives a range back to the system, for those who know that nobody looks there any more. */
KUP_USER_CALL int32_t kup_user_release_range(uint64_t address, uint64_t bytes);

/* ---- waiter.c: one thread that waits for all channels of the process ---- */

/*
 * Makes a pipe on which the waiter tells an isolate what happened: fds[0] is for reading, fds[1] for
 * the waiter. Both belong to the caller, neither blocks. Who closes the reading end first should ignore
 * SIGPIPE: arming and closing files of the host driver may write to it in the calling thread.
 */
KUP_USER_DENO_CALL int32_t kup_user_pipe(int32_t *fds);

/*
 * Makes fd known to the waiter (which is started by the first call) and returns its id, a positive
 * number. Events of it will be told on `pipe`, by writing the id as 4 bytes. fd and pipe must stay open until
 * kup_user_waiter_remove has returned. One spurious event is possible before the first arm. -EEXIST: it is
 * known already.
 */
KUP_USER_DENO_CALL int32_t kup_user_waiter_add(int32_t fd, int32_t pipe);

/*
 * Asks for one event: the next time that poll(2) would report one of `events` for fd, at once if it
 * does so already. Replaces what was asked for before. Not concurrently with the removal of the same id. On
 * the host driver any wake-up of the file is told as that event: look, and ask again.
 */
KUP_USER_DENO_CALL int32_t kup_user_waiter_arm(int32_t fd, int32_t id, uint32_t events);

/* Forgets fd. After the return the waiter writes nothing more to its pipe on its behalf. */
KUP_USER_DENO_CALL int32_t kup_user_waiter_remove(int32_t fd, int32_t id);

/* ---- clock.c: time ---- */

/*
 * Milliseconds of a clock that never goes back. The coarse one moves with the system's tick, every 1 to 10 ms,
 * and takes a few nanoseconds to read.
 */
KUP_USER_DENO_CALL double kup_user_now(void);
KUP_USER_DENO_CALL double kup_user_now_coarse(void);

/*
 * ---- channel.c: a whole channel, for programs in C ----
 *
 * A channel is one thread's at a time; after kup_user_channel_split one thread may send while another
 * receives.
 * Timeouts are in milliseconds, fractions count; 0 doesn't wait at all, negative or infinite is for ever.
 * Waiting calls look for a while before they sleep. What they fail with:
 *
 *   -EAGAIN    (a timeout of 0) no room, or nothing to read
 *   -EBUSY     64 reservations are open, counted from the first one that is not finished
 *   -ETIMEDOUT the timeout passed
 *   -EPIPE     the kernel's side has closed and, for receiving, everything was read
 *   -EPROTO    the channel is broken: its memory made no sense to one of the sides
 *   -EMSGSIZE  longer than kup_user_max_message
 */

struct kup_user_channel;

/* A message in place. On a gap (KUP_CONTROL_GAP) data is a struct kup_gap. */
struct kup_user_message {
	const void *data; /* in memory that the kernel writes no more until the release */
	uint32_t length;  /* bytes */
	uint32_t type;
	uint32_t control; /* 0: a message; otherwise KUP_CONTROL_* */
};

/* Room for a message, to be written in place. From reserve to commit the kernel stops at it. */
struct kup_user_reservation {
	void *data; /* `length` contiguous bytes, not zeroed */
	uint32_t length;
	uint32_t position;
};

/*
 * Opens a device (see kup_user_open) and attaches the channel of this number, or any (KUP_CHANNEL_ANY), waiting
 * for it while others have it. On success the channel is the caller's to close. What open, INFO, ATTACH
 * and mmap fail with (see kup_abi.h); -EBUSY: it was taken until the timeout.
 */
KUP_USER_CALL int32_t kup_user_channel_open(const char *path, uint32_t number, double timeout_ms,
					    struct kup_user_channel **channel);

/* Gives the channel back, and all messages and reservations of it. NULL does nothing. */
KUP_USER_CALL void kup_user_channel_close(struct kup_user_channel *channel);

/* How long to look before sleeping, at most; less while waits are longer than that. 100 at first. */
KUP_USER_CALL void kup_user_channel_set_spin(struct kup_user_channel *channel, double microseconds);

/* From now on one thread may send while another one receives. Before that. */
KUP_USER_CALL void kup_user_channel_split(struct kup_user_channel *channel);

/* The file's number: of a kernel's device a descriptor, whose poll(2) kup_abi.h explains. */
KUP_USER_CALL int32_t kup_user_channel_file(const struct kup_user_channel *channel);
KUP_USER_CALL uint32_t kup_user_channel_number(const struct kup_user_channel *channel);
/* KUP_MODE_* */
KUP_USER_CALL uint32_t kup_user_channel_mode(const struct kup_user_channel *channel);
/* Bytes. */
KUP_USER_CALL uint32_t kup_user_max_message(const struct kup_user_channel *channel);

/* 0, or why nothing can be sent any more: -EPIPE, -EPROTO. What has come before can still be received. */
KUP_USER_CALL int32_t kup_user_ended(const struct kup_user_channel *channel);

/*
 * The next message, in place; it is valid until kup_user_release, the next receive, or close. Releases the one
 * before it. What is kept keeps all that comes behind it in the ring, too.
 */
KUP_USER_CALL int32_t kup_user_receive(struct kup_user_channel *channel,
				       struct kup_user_message *message, double timeout_ms);
/* Gives the last message's room back. Nothing is held: does nothing. */
KUP_USER_CALL void kup_user_release(struct kup_user_channel *channel);

/* Copies one message into the ring. */
KUP_USER_CALL int32_t kup_user_send(struct kup_user_channel *channel, uint32_t type,
				    const void *data, uint32_t length, double timeout_ms);

/* Each reservation is committed or discarded, once. Commit sends the first `length` bytes. (For
 * layers: commit_control sends a control record of this kind instead of a message.) */
KUP_USER_CALL int32_t kup_user_reserve(struct kup_user_channel *channel, uint32_t length,
				       double timeout_ms, struct kup_user_reservation *reservation);
KUP_USER_CALL void kup_user_commit(struct kup_user_channel *channel,
				   struct kup_user_reservation *reservation, uint32_t type,
				   uint32_t length);
KUP_USER_CALL void kup_user_commit_control(struct kup_user_channel *channel,
					   struct kup_user_reservation *reservation, uint32_t kind,
					   uint32_t length);
KUP_USER_CALL void kup_user_discard(struct kup_user_channel *channel,
				    struct kup_user_reservation *reservation);

/*
 * For programs with an event loop of their own, each time before they sleep in it: the kernel's side wakes only who
 * has announced to sleep. Announces it for POLLIN, a message (and releases the last one); for POLLOUT, room for
 * one of `length` bytes; or for both. Returns those of them whose calls would not
 * wait: then don't sleep. The loop sleeps in poll, epoll (also edge-triggered) or kqueue on the channel's
 * file; with the host driver, where that is no descriptor, see kup_user_waiter_arm.
 *
 *   -EMSGSIZE  as for kup_user_send
 *   -EINVAL    other events than these
 */
KUP_USER_CALL int32_t kup_user_prepare_wait(struct kup_user_channel *channel, uint32_t events,
					    uint32_t length);

#ifdef __cplusplus
}
#endif

#endif
