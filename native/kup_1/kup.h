/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process's side of KUP's predecessor: one message at a time over turn channels, for programs
 * that were written for it. docs/from-kup-1.md describes what changes. kup_user.h has more for new
 * programs.
 *
 * Calls return NULL or a nonzero number on failure. kernproxy_error returns the reason for the
 * handle that the call was given, and kernproxy_errno is the reason for the calling thread's last
 * failure: EKU_*, or a plain errno. No call prints anything or ends the process. One thread at a
 * time may use a channel. Several threads may use a device, each with channels of its own.
 */
#ifndef KUP_KERNPROXY_H
#define KUP_KERNPROXY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags. */
#define KP_EMPTY 0 /* none: wait */
#define KP_NB 1	   /* don't wait */

/*
 * A pass without data begins with this many zeros; the bytes behind them are what the program has
 * left there.
 */
#define KP_NOTHING 64

/* Errors of this interface, above all errno values. */
#define EKU_SHUTDOWN 1001 /* the kernel's side is closing, or has closed */
#define EKU_NOTREADY 1002 /* with KP_NB: the call would have to wait */

extern __thread int kernproxy_errno;

/*
 * Opens /dev/NAME. A name that begins with "/", or with "host:" (the driver in this process), is
 * taken as it is. The caller closes the handle. NULL: kernproxy_errno is the errno of open(2);
 * ENOTTY, it is not a KUP device; EINVAL, the device has no turns.
 */
void *kernproxy_open(const char *name);

/*
 * Attaches channel `chan_id`, and waits until that channel is free. If this handle has that channel
 * already, it attaches any other one. `size`, in pages, is the longest message that the caller will
 * send; it is at most the device's. The channel is a handle of its own, which ends with the
 * device's handle, or earlier by kernproxy_close. NULL: EKU_SHUTDOWN, the device is being unloaded;
 * EINVAL, the device has no such channel, or its messages are shorter.
 */
void *kernproxy_channel(void *handle, size_t chan_id, size_t size);

/*
 * Waits until the kernel has sent, and returns its message in place. The program may read and write
 * `size` pages there, until the next kernproxy_send on this channel, or its close. While it is this
 * side's turn, it returns the same message again. A pass without data begins with KP_NOTHING bytes
 * of zero. NULL: EKU_NOTREADY; EKU_SHUTDOWN; EPROTO, the channel is broken.
 */
void *kernproxy_receive(void *channel, int flags);

/*
 * Waits for the turn, sends `len` bytes, and passes the turn. A message that was not received is
 * dropped. 0 bytes only pass the turn, for programs that have nothing to send. 0, or -1:
 * EKU_NOTREADY; EKU_SHUTDOWN; EPROTO; EMSGSIZE, longer than the channel's size, and then nothing
 * was sent.
 */
int kernproxy_send(void *channel, void *data, size_t len, int flags);

/* Closes a channel; or closes a device and all its channels, whose handles are invalid then too. */
void kernproxy_close(void *handle);

/*
 * For a channel: why the last call with it failed, or 0 if that call succeeded. For a device: why
 * the last call that failed did so, with the device or one of its channels. For NULL:
 * kernproxy_errno.
 */
int kernproxy_error(void *handle);

#ifdef __cplusplus
}
#endif

#endif
