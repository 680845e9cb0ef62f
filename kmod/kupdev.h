/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The kernel API of KUP's predecessor, on turn channels (see kup.h): for modules that were written for it, and
 * for those who like ping-pong. docs/from-kup-1.md tells what changes. This file needs no other of KUP's: it may
 * lie beside one of theirs that has a name of ours.
 *
 * A device's channels belong to nobody until a process attaches one; kupdev_wait_channel tells which.
 * The kernel has the first turn; sending passes it. Any number of threads may use different channels at
 * once; on one channel, one thread sends and receives. When its process leaves, that thread receives what the
 * process has sent before, and then a call of it fails, also if another process has attached the channel
 * meanwhile. Calls with a device that is unloaded fail with -ESHUTDOWN. All calls may sleep; where the calling
 * process has a signal, those that wait end with -EINTR (or NULL), and nothing has happened.
 */
#ifndef KUPDEV_H
#define KUPDEV_H

#if defined(__linux__) && defined(__KERNEL__)
#include <linux/types.h>
#elif defined(_KERNEL)
#include <sys/types.h>
#else
#include <stddef.h>
#endif

struct kupdev_softc;

/* How many bytes of a turn without data are zeros; the others are what the client has left there. */
#define KUPDEV_NOTHING 64

/*
 * Makes /dev/NAME with `chan_cnt` channels; `size` is the longest message in either direction, in pages.
 * NULL: the name or a number makes no sense, or the name is taken, which a line of the kernel's
 * log says; or there is no memory. (What is returned is no address of anything.)
 */
struct kupdev_softc *kupdev_create(const char *name, size_t size, size_t chan_cnt);

/*
 * Waits until a process attaches a channel, and returns its number; each attachment is returned once. Negative:
 * -ESHUTDOWN, the device is being unloaded; -EINTR, the calling process has a signal.
 */
int kupdev_wait_channel(struct kupdev_softc *sc);

/* Wakes processes that wait for a channel, to look again. (KUP does so by itself when one becomes free.) */
void kupdev_notify(struct kupdev_softc *sc);

/*
 * Waits for the turn, sends `len` bytes, and passes the turn. A message that was not received is gone then. 0, or:
 * -EPIPE, the process is gone or nobody is attached; -EMSGSIZE, longer than the device's size; -ESHUTDOWN;
 * -EPROTO, the process broke the protocol; -EINVAL, no such channel; -EINTR.
 */
int kupdev_send(struct kupdev_softc *sc, void *data, size_t len, int chan_id);

/*
 * Waits for the next message, which gives the kernel the turn, and returns its bytes in place: the device's size may be
 * read and written there until kupdev_unlock_channel, the next send or pass on this channel, or a call that fails.
 * The process can still change them: copy what you decide by. While it is the kernel's turn, the same message
 * again; a pass without data, or a turn without any message, begins with KUPDEV_NOTHING bytes of zero.
 * NULL: as kupdev_send's errors.
 */
void *kupdev_receive(struct kupdev_softc *sc, int chan_id);

/* Gives the bytes of the last kupdev_receive back. The turn stays. */
void kupdev_unlock_channel(struct kupdev_softc *sc, int chan_id);

/* Waits for the turn, and passes it without data. A message that was not received is gone then. */
void kupdev_pass(struct kupdev_softc *sc, int chan_id);

/*
 * Ends the device. A process that is attached receives what was sent to it before, and then
 * EKU_SHUTDOWN; calls of threads end with -ESHUTDOWN (or NULL). Returns 0 when the device is gone
 * and the threads have left its calls. A message that a thread has received stays valid until its
 * next call with this device, or its end. Threads have a tenth of a second more to end, but a
 * module that has threads should wait for them before its code goes. Does not wait for processes,
 * and no signal cuts it short. -EBUSY: another thread unloads it; -ESHUTDOWN: it is unloaded
 * already. NULL does nothing, and is 0.
 */
int kupdev_unload(struct kupdev_softc *sc);

#endif
