/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process's side of KUP's predecessor: ping-pong over turn channels, for programs that were
 * written for it. docs/from-kup-1.md describes what changes. New programs find more in kup_user.h.
 *
 * Calls return NULL or a nonzero number on failure; kernproxy_error returns why, for the handle
 * that the call was given, and kernproxy_errno for the calling thread's last failure: EKU_*, or a
 * plain errno. Nothing is printed, nothing ends the process. A channel is one thread's at a time;
 * a device may be used by several, each of which has its own channels.
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
 * How many bytes of a pass without data are zeros; the others are what the program has left
 * there.
 */
#define KP_NOTHING 64

/* Errors of its own, above all errno values. */
#define EKU_SHUTDOWN 1001 /* the kernel's side is closing, or has closed */
#define EKU_NOTREADY 1002 /* with KP_NB: it would have to wait */

extern __thread int kernproxy_errno;

/*
 * Opens /dev/NAME; a name that begins with "/", or with "host:" (the driver in this process), is
 * taken as it is. The handle is the caller's to close. NULL, and kernproxy_errno: whatever
 * open(2) failed with; ENOTTY, it is no KUP device; EINVAL, it is one without turns.
 */
void *kernproxy_open(const char *name);

/*
 * Attaches channel `chan_id`, waiting until it can be had; if this handle has that one already,
 * any other. `size`, in pages, is the longest message that the caller will send, at most the
 * device's. The channel is a handle of its own, which ends with the device's, or earlier by
 * kernproxy_close. NULL: EKU_SHUTDOWN, the device goes; EINVAL, it has no such channel, or its
 * messages are shorter.
 */
void *kernproxy_channel(void *handle, size_t chan_id, size_t size);

/*
 * Waits until the kernel has sent, and returns its message in place: `size` pages may be read and
 * written there, until the next kernproxy_send on this channel, or its close. While it is this
 * side's turn, the same message again. A pass without data begins with KP_NOTHING bytes of zero.
 * NULL: EKU_NOTREADY, EKU_SHUTDOWN; EPROTO, the channel is broken.
 */
void *kernproxy_receive(void *channel, int flags);

/*
 * Waits for the turn, sends `len` bytes, and passes the turn. A message that was not received is
 * gone then. 0 bytes only pass the turn, for programs that have nothing to say. 0, or -1:
 * EKU_NOTREADY, EKU_SHUTDOWN, EPROTO; EMSGSIZE, longer than the channel's size, and then nothing
 * was sent.
 */
int kernproxy_send(void *channel, void *data, size_t len, int flags);

/*
 * Closes a channel, which is given back; or a device and all its channels, whose handles are
 * gone, too.
 */
void kernproxy_close(void *handle);

/*
 * Why the last call with this channel failed, or 0 if it didn't; why the last call that failed,
 * with this device or one of its channels, did so. NULL: kernproxy_errno.
 */
int kernproxy_error(void *handle);

#ifdef __cplusplus
}
#endif

#endif
