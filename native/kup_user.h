/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The native library: what a process needs of the operating system to use a KUP channel. It
 * contains no protocol; the caller works on the rings (src/ring.ts in TypeScript, native/channel.c
 * in C).
 *
 * There are two kinds of devices: /dev/NAME in the kernel, and host:NAME, which is the same engine
 * in threads of this process (the host driver, see native/host/files.c). All calls take both. A
 * number stands for an open file. It is a descriptor; or, from KUP_USER_HOST_FILES on, a file of
 * the host driver, which is no descriptor and can't be passed to a system call.
 *
 * Every call returns 0, or what its comment states, on success, and a negative errno on failure; it
 * does not set errno. Sizes are in bytes. Where nothing else is stated, any thread may make a call,
 * also while others do. No call keeps a pointer that it was given.
 */
#ifndef KUP_USER_H
#define KUP_USER_H

#include <stdint.h>

#include "kup_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KUP_USER_CALL __attribute__((visibility("default")))

/* A call that TypeScript makes too. `make bindings` generates src/symbols.ts from these. */
#define KUP_USER_DENO_CALL KUP_USER_CALL

/* Counts the changes of this file that break an older caller. */
#define KUP_USER_INTERFACE 5

/* The numbers of the host driver's files begin here; no descriptor is that large. */
#define KUP_USER_HOST_FILES 0x40000000

/* KUP_ABI_VERSION and KUP_USER_INTERFACE, as this library was built with them. */
KUP_USER_DENO_CALL int32_t kup_user_abi_version(void);
KUP_USER_DENO_CALL int32_t kup_user_interface(void);

/* ---- device.c: an open file ---- */

/*
 * Opens a device for reading and writing, and returns the file's number.
 *
 *   /dev/NAME       fails with the errno of open(2)
 *   host:NAME       a device of this process; or a built-in client ("echo"), which is loaded if it
 *                   isn't yet, and then its first device. -ENOENT: neither exists
 *   host:FILE.so    the first device of this client module, which is loaded if it isn't yet; fails
 *                   as kup_user_host_load does. -ENOENT also: the module has no device
 */
KUP_USER_DENO_CALL int32_t kup_user_open(const char *path);

/*
 * Opens another file of the same device as `fd`, a file of the host driver, for one more channel.
 * It loads no module, even if the name belongs to another device by now. -ENODEV: the device is
 * gone. (For a kernel's device, open its path, and let ATTACH compare the instance.)
 */
KUP_USER_DENO_CALL int32_t kup_user_host_open_again(int32_t fd);

/*
 * Closes a file that kup_user_open has opened; an attached channel is given back. Remove the file
 * from the waiter first.
 */
KUP_USER_DENO_CALL int32_t kup_user_close(int32_t fd);

/* The ioctls of the same names. -ENOTTY: this file is not a KUP device. */
KUP_USER_DENO_CALL int32_t kup_user_info(int32_t fd, struct kup_info *info);
/* The caller sets the channel's number, and zeroes the other fields. */
KUP_USER_DENO_CALL int32_t kup_user_stats(int32_t fd, struct kup_stats *stats);

/*
 * ATTACH. The caller sets version, flags, channel, sizes and instance (0 for any). On success,
 * *attach contains the channel's number.
 */
KUP_USER_DENO_CALL int32_t kup_user_attach(int32_t fd, struct kup_attach *attach);

/* Wakes the kernel's side. It takes and returns numbers only, so a JIT can call it directly. */
KUP_USER_DENO_CALL int32_t kup_user_kick(int32_t fd);

/*
 * Blocks the calling thread until poll(2) reports one of `events`, an error or a hangup, or until
 * `timeout_ms` have passed. A negative or infinite timeout is no limit; fractions count. Returns
 * the revents, or 0 after the timeout. A signal does not end the wait. -EBADF: fd is closed; a
 * thread that sleeps in this call finds that out when it wakes up.
 */
KUP_USER_DENO_CALL int32_t kup_user_wait(int32_t fd, uint32_t events, double timeout_ms);

/* ---- host/files.c: client modules in this process ---- */

/*
 * Loads a client module into this process, as insmod does into a kernel: "echo", or a shared object
 * that was built with KUP_MODULE. A path without a slash is looked up in the working directory.
 * `parameters` is NULL, or "name=value ..." for the module's KUP_PARAMs.
 *
 * -EEXIST: the module is loaded already. -ENOENT: no such file. -ENOEXEC: the file can't be loaded,
 * is not a client module, or was built for another version. -EINVAL: a parameter that the module
 * doesn't have, or a bad value. -ERANGE: a number of 2^32 or more. Otherwise what the module's own
 * load function returned.
 *
 * With the word "kup.checks=0", the mistakes of this module are not looked for; with "kup.checks=1"
 * they are. Without it, the environment variable KUP_HOST_CHECKS decides (0, 1 or abort), and
 * without that they are. See docs/mistakes.md.
 */
KUP_USER_DENO_CALL int32_t kup_user_host_load(const char *module, const char *parameters);

/*
 * Unloads a client module, as rmmod does: its devices are destroyed, even if they are open. Waits
 * until the client has let go of every channel. Returns the number of mistakes that were found in
 * the module since it was loaded; kup_user_host_mistakes has them. -ENOENT: the module isn't
 * loaded. -EBUSY: the module has left a device behind, or a serve doesn't return; it stays in
 * memory.
 */
KUP_USER_DENO_CALL int32_t kup_user_host_unload(const char *module);

/*
 * Stores the mistakes that were found in a client module since it was last loaded, a line each, as
 * a C string that is cut off at `bytes`. `module` is what kup_user_host_load was given, or the name
 * of a device that the module has made; the module may be unloaded by now. Returns the length of
 * all lines.
 */
KUP_USER_DENO_CALL int32_t kup_user_host_mistakes(const char *module, char *text, uint32_t bytes);

/*
 * Stores a sentence about why the calling thread's last open, load, unload or attach on the host
 * driver failed, as a C string that is cut off at `bytes`. The string is empty if the errno is the
 * whole explanation. It does not name the module. Returns its length.
 */
KUP_USER_DENO_CALL int32_t kup_user_host_error(char *text, uint32_t bytes);

/* ---- owners.c: files that end with an isolate ---- */

/*
 * Makes a file, or any descriptor, the property of an isolate that runs in the calling thread. The
 * file is closed when the thread ends, or when the thread runs another isolate and this is called
 * there, unless kup_user_close or kup_user_disown comes first. Its place in the waiter, and what
 * kup_user_map has mapped since, are given back with it.
 *
 * `isolate` is 0 for an isolate that has no number yet, or what an earlier call in it has returned.
 * Returns the isolate's number, which is positive. -ENOMEM: there is no memory, and the file is not
 * owned.
 */
KUP_USER_DENO_CALL int32_t kup_user_own(int32_t fd, int32_t isolate);

/* Ends the ownership; the caller closes the file. -ENOENT: the file is not owned. */
KUP_USER_DENO_CALL int32_t kup_user_disown(int32_t fd);

/*
 * Returns how many channels of fd's device this process has attached through this library, or the
 * errno with which INFO fails.
 */
KUP_USER_DENO_CALL int32_t kup_user_held(int32_t fd);

/* ---- memory.c: address ranges ---- */

/*
 * Maps the four areas of an attached channel into one range of addresses, at the contract's
 * offsets. *address is 0, or the start of a range of the same size that kup_user_unmap has left,
 * which is then used again. On success, *address is the start of the range. On failure, nothing has
 * changed.
 */
KUP_USER_DENO_CALL int32_t kup_user_map(int32_t fd, uint32_t page_size, uint32_t to_user_bytes,
					uint32_t to_kernel_bytes, uint64_t *address);

/*
 * Replaces what is mapped at [address, address + bytes) by private pages of zeros, in one step: a
 * thread that reads or writes there at the same time never faults. The range stays the caller's.
 */
KUP_USER_DENO_CALL int32_t kup_user_unmap(uint64_t address, uint64_t bytes);

/* Gives a range back to the system. The caller must know that no thread accesses it any more. */
KUP_USER_CALL int32_t kup_user_release_range(uint64_t address, uint64_t bytes);

/* ---- waiter.c: one thread that waits for all channels of the process ---- */

/*
 * Makes a pipe on which the waiter reports events to an isolate: fds[0] is the reading end, fds[1]
 * the waiter's end. Both belong to the caller, and neither blocks. A caller that closes the reading
 * end first should ignore SIGPIPE: the calls that arm and close files of the host driver may write
 * to the pipe in the calling thread.
 */
KUP_USER_DENO_CALL int32_t kup_user_pipe(int32_t *fds);

/*
 * Adds fd to the waiter, which the first call starts, and returns fd's id, a positive number. The
 * waiter reports an event of fd by writing the id to `pipe`, as 4 bytes. fd and pipe must stay open
 * until kup_user_waiter_remove has returned. One spurious event is possible before the first arm.
 * -EEXIST: fd was added already.
 */
KUP_USER_DENO_CALL int32_t kup_user_waiter_add(int32_t fd, int32_t pipe);

/*
 * Asks for one event: the next time that poll(2) would report one of `events` for fd, or at once if
 * it does already. Replaces what was asked for before. Must not run at the same time as the removal
 * of this id. On the host driver, any wake-up of the file is reported as that event: look, and ask
 * again.
 */
KUP_USER_DENO_CALL int32_t kup_user_waiter_arm(int32_t fd, int32_t id, uint32_t events);

/*
 * Sets the alarm of fd: the waiter also reports the id when kup_user_now() has reached `at_ms`,
 * once. Replaces the alarm that was set before. 0 or an infinite time removes it; a report may be
 * on its way then.
 */
KUP_USER_DENO_CALL int32_t kup_user_waiter_alarm(int32_t fd, int32_t id, double at_ms);

/*
 * Removes fd from the waiter. After the return, the waiter writes nothing more for this id to the
 * pipe.
 */
KUP_USER_DENO_CALL int32_t kup_user_waiter_remove(int32_t fd, int32_t id);

/* ---- clock.c: time ---- */

/*
 * Milliseconds of a clock that never goes backwards. The coarse clock moves with the system's tick,
 * every 1 to 10 ms, and takes a few nanoseconds to read.
 */
KUP_USER_DENO_CALL double kup_user_now(void);
KUP_USER_DENO_CALL double kup_user_now_coarse(void);

/*
 * Lets another thread have the processor, if one waits for it, as sched_yield(2) does. Returns 1 if
 * the coarse clock has moved meanwhile, as it does in a slice of another thread; else 0.
 */
KUP_USER_DENO_CALL int32_t kup_user_yield(void);

/*
 * ---- channel.c: a whole channel, for programs in C ----
 *
 * One thread at a time may use a channel. After kup_user_channel_split, one thread may send while
 * another one receives. Timeouts are in milliseconds; fractions count. 0 doesn't wait; a negative
 * or infinite timeout is no limit. Calls that wait spin for a while before they sleep. They fail
 * with:
 *
 *   -EAGAIN    (a timeout of 0) no room, or nothing to read
 *   -EBUSY     64 reservations are open, counted from the first one that is not finished
 *   -ETIMEDOUT the timeout passed
 *   -EPIPE     the kernel's side has closed and, for receiving, everything was read
 *   -ENODATA   (receiving, once; -ENOATTR on FreeBSD) the kernel's side has ended its direction,
 *              and everything was read; this side may still send. Later calls wait until the
 *              kernel's side closes
 *   -ESHUTDOWN (sending) this side has ended its direction by kup_user_end
 *   -EPROTO    the channel is broken: one of the sides found a lie in its memory
 *   -EMSGSIZE  the message is longer than kup_user_max_message
 */

struct kup_user_channel;

/* A message in place. For a gap (KUP_CONTROL_GAP), data is a struct kup_gap. */
struct kup_user_message {
	const void *data; /* the kernel does not write there again until the release */
	uint32_t length;  /* bytes */
	uint32_t type;
	uint32_t control; /* 0: a message; otherwise KUP_CONTROL_* */
};

/*
 * Room for a message, to be written in place. The kernel stops at it until the commit or the
 * discard.
 */
struct kup_user_reservation {
	void *data; /* `length` contiguous bytes, not zeroed */
	uint32_t length;
	uint32_t position;
};

/*
 * Opens a device (see kup_user_open) and attaches the channel of this number, or any free one
 * (KUP_CHANNEL_ANY). Waits while other processes have it. On success, the caller closes the
 * channel. Fails as open, INFO, ATTACH and mmap do (see kup_abi.h). -EBUSY: the channel was taken
 * until the timeout.
 */
KUP_USER_CALL int32_t kup_user_channel_open(const char *path, uint32_t number, double timeout_ms,
					    struct kup_user_channel **channel);

/* What a channel is opened with. Zeroes are the defaults, but for `number` and `timeout_ms`. */
struct kup_user_open_options {
	uint32_t number;	  /* the channel's number, or KUP_CHANNEL_ANY */
	double timeout_ms;	  /* how long to wait while other processes have it */
	uint64_t to_user_bytes;	  /* the ring from the kernel; 0: the device's default */
	uint64_t to_kernel_bytes; /* the ring to the kernel */
};

/*
 * The same with ring sizes of the caller's choice, which are rounded up to a power of two of at
 * least a page. The memory is charged to this process. -EINVAL also: a size is above the device's
 * maximum, or there is no such channel.
 */
KUP_USER_CALL int32_t kup_user_channel_open_with(const char *path,
						 const struct kup_user_open_options *options,
						 struct kup_user_channel **channel);

/* Closes the channel; all its messages and reservations become invalid. NULL does nothing. */
KUP_USER_CALL void kup_user_channel_close(struct kup_user_channel *channel);

/*
 * How long to spin before sleeping, at most. A channel spins less while its waits take longer than
 * that. The default is 100.
 */
KUP_USER_CALL void kup_user_channel_set_spin(struct kup_user_channel *channel, double microseconds);

/* Allows one thread to send while another one receives. Call it before they do. */
KUP_USER_CALL void kup_user_channel_split(struct kup_user_channel *channel);

/* The file's number. For a kernel's device it is a descriptor; kup_abi.h explains its poll(2). */
KUP_USER_CALL int32_t kup_user_channel_file(const struct kup_user_channel *channel);
KUP_USER_CALL uint32_t kup_user_channel_number(const struct kup_user_channel *channel);
/* KUP_MODE_* */
KUP_USER_CALL uint32_t kup_user_channel_mode(const struct kup_user_channel *channel);
/* The real sizes of the channel's rings, in bytes. */
KUP_USER_CALL uint32_t kup_user_to_user_bytes(const struct kup_user_channel *channel);
KUP_USER_CALL uint32_t kup_user_to_kernel_bytes(const struct kup_user_channel *channel);
/* Bytes. */
KUP_USER_CALL uint32_t kup_user_max_message(const struct kup_user_channel *channel);

/*
 * 0 while messages can be sent; otherwise the reason why they can't: -EPIPE, -EPROTO. Messages that
 * have come before the end can still be received.
 */
KUP_USER_CALL int32_t kup_user_ended(const struct kup_user_channel *channel);

/*
 * Receives the next message, in place. It is valid until kup_user_release, the next receive, or
 * close. This call releases the message before it. A message that is not released keeps all later
 * ones in the ring.
 */
KUP_USER_CALL int32_t kup_user_receive(struct kup_user_channel *channel,
				       struct kup_user_message *message, double timeout_ms);
/*
 * As kup_user_receive, but sleeps longer, so that messages which come often cause few wake-ups: it
 * waits until `min_bytes` can be read, or until `within_ms` have passed since the call and there is
 * a message. Receive the others with kup_user_receive and a timeout of 0, until that is -EAGAIN. A
 * message counts with its header and padding: KUP_RECORD_SPACE(length). The wait ends earlier if
 * the kernel's side lacks room, has lost messages or has sent END, if the channel ends, and at the
 * timeout, which is an error only if there is no message. It does not spin. A negative or infinite
 * `within_ms` is no limit.
 *
 *   -EINVAL  min_bytes is more than half the ring to the user
 */
KUP_USER_CALL int32_t kup_user_receive_watermark(struct kup_user_channel *channel,
						 struct kup_user_message *message,
						 uint32_t min_bytes, double within_ms,
						 double timeout_ms);

/*
 * The time, the processor and the number of a message that was received, or of a gap; valid as long
 * as the message is. NULL: this device has no stamps (kup_config.stamps).
 */
KUP_USER_CALL const struct kup_stamp *
kup_user_message_stamp(const struct kup_user_channel *channel,
		       const struct kup_user_message *message);

/* Gives the last message's room back. Does nothing if no message is held. */
KUP_USER_CALL void kup_user_release(struct kup_user_channel *channel);

/* Copies one message into the ring. */
KUP_USER_CALL int32_t kup_user_send(struct kup_user_channel *channel, uint32_t type,
				    const void *data, uint32_t length, double timeout_ms);

/*
 * Ends this side's direction of a stream: after all that was sent, and reservations that are open,
 * the kernel's side sees the end. Receiving goes on. Waits for room for one record. Later sends,
 * and a second kup_user_end, return -ESHUTDOWN. -EINVAL: the device is not in stream mode.
 * -EOPNOTSUPP: the kernel's module is too old for this.
 */
KUP_USER_CALL int32_t kup_user_end(struct kup_user_channel *channel, double timeout_ms);

/* A message that is sent with others. */
struct kup_user_outgoing {
	const void *data;
	uint32_t length; /* bytes */
	uint32_t type;
};

/*
 * Copies several messages into the ring, in order; waits for room. Up to 64 messages cost one full
 * fence and one look for a sleeping kernel.
 *
 * Returns how many messages it has sent, from the first one on. That is less than `count` if the
 * timeout passed, the channel ended or a message is too long. The messages that were not sent are
 * not lost: the caller may send them again. If the first one was not sent, the result is the
 * negative errno that kup_user_send returns for it. 0: `count` is 0. `timeout_ms` limits the whole
 * call.
 */
KUP_USER_CALL int32_t kup_user_send_batch(struct kup_user_channel *channel,
					  const struct kup_user_outgoing *messages, uint32_t count,
					  double timeout_ms);

/*
 * Commit or discard each reservation, once. Commit sends the first `length` bytes. For layers:
 * commit_control sends a control record of this kind instead of a message.
 */
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
 * For programs with an event loop of their own: call it each time before the loop sleeps, since the
 * kernel's side wakes only a program that has announced its sleep. It announces a sleep for POLLIN,
 * a message (and releases the last one); for POLLOUT, room for a message of `length` bytes; or for
 * both. It returns those of the two whose calls would not wait; if there are any, don't sleep. The
 * loop sleeps in poll, epoll (edge-triggered too) or kqueue on the channel's file. A file of the
 * host driver is no descriptor: use kup_user_waiter_arm.
 *
 *   -EMSGSIZE  as for kup_user_send
 *   -EINVAL    other events than these
 */
KUP_USER_CALL int32_t kup_user_prepare_wait(struct kup_user_channel *channel, uint32_t events,
					    uint32_t length);

/*
 * The same for a loop that is to be woken when `min_bytes` can be read (see
 * kup_user_receive_watermark): it releases the last message, and announces that sleep. Returns
 * POLLIN if the sleep would end at once, or 0. If the loop does not want to sleep any longer, it
 * receives with a timeout of 0; if there is nothing, it calls kup_user_prepare_wait.
 *
 *   -EINVAL  min_bytes is more than half the ring to the user
 */
KUP_USER_CALL int32_t kup_user_prepare_watermark(struct kup_user_channel *channel,
						 uint32_t min_bytes);

#ifdef __cplusplus
}
#endif

#endif
