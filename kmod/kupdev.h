/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The kernel API of KUP's predecessor, as a layer on turns (layers/turn.h): for modules that were
 * written for it, and for modules that need one message at a time. docs/from-kup-1.md describes
 * what changes. This file needs no other file of KUP, so it may lie beside a file of the same name
 * as one of KUP's.
 *
 * A channel number belongs to no process until kupdev_wait_channel returns it. From then on, all
 * calls with this number go to that process, until one of them has failed because the process has
 * left. So a late call still receives what the process had sent. Meanwhile another process can
 * attach the number; kupdev_wait_channel returns it after that failed call.
 *
 * The predecessor's modules may make no call that fails; by that rule alone, their numbers would
 * never be returned again. So, when the process has left, kupdev_wait_channel also returns the
 * number to the thread that made the last call with it, and to any thread after that thread has
 * ended. A thread that is alive and does something else keeps the number: its next call fails. A
 * thread that only gives numbers to other threads makes no call with them itself.
 *
 * The kernel has the first turn; sending passes it. Any number of threads may use different
 * channels at once. On one channel, one thread sends and receives. Calls with a device that was
 * unloaded fail with -ESHUTDOWN. All calls may sleep. If the calling process has a signal, calls
 * that wait end with -EINTR (or NULL), and nothing has happened.
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

/*
 * A turn without data begins with this many zeros; the bytes behind them are what the client has
 * left there.
 */
#define KUPDEV_NOTHING 64

/*
 * Makes /dev/NAME with `chan_cnt` channels; `size` is the longest message in either direction, in
 * pages. The pointer that it returns is an opaque handle. NULL: there is no memory; or the name or
 * a number makes no sense, or the name is taken, which a line of the kernel's log explains.
 */
struct kupdev_softc *kupdev_create(const char *name, size_t size, size_t chan_cnt);

/*
 * Waits until a process has attached a channel, and returns the channel's number. Each attachment
 * is returned once, unless the process has left before that. Negative: -ESHUTDOWN, the device is
 * being unloaded; -EINTR, the calling process has a signal.
 */
int kupdev_wait_channel(struct kupdev_softc *sc);

/* Does nothing: when a channel becomes free, KUP itself wakes the processes that wait for one. */
void kupdev_notify(struct kupdev_softc *sc);

/*
 * Waits for the turn, sends `len` bytes, and passes the turn. A message that was not received is
 * dropped. 0, or: -EPIPE, the process is gone, or the number has no process; -EMSGSIZE, longer than
 * the device's size; -ESHUTDOWN; -EPROTO, the process broke the protocol; -EINVAL, no such channel;
 * -EINTR.
 */
int kupdev_send(struct kupdev_softc *sc, void *data, size_t len, int chan_id);

/*
 * Waits for the next message, which gives the kernel the turn, and returns its bytes in place. The
 * client may read and write the device's size there until kupdev_unlock_channel, the next send or
 * pass on this channel, a call that fails, or until kupdev_wait_channel returns the number. The
 * process can still change the bytes: copy what a decision depends on. While it is the kernel's
 * turn, it returns the same message again. A pass without data, or a turn without any message,
 * begins with KUPDEV_NOTHING bytes of zero. NULL: the errors of kupdev_send.
 */
void *kupdev_receive(struct kupdev_softc *sc, int chan_id);

/* Gives back the bytes of the last kupdev_receive. The kernel keeps the turn. */
void kupdev_unlock_channel(struct kupdev_softc *sc, int chan_id);

/*
 * Waits for the turn, and passes it without data. A message that was not received is dropped. (It
 * returns no error, so it is never the failed call after which the number gets its next process.)
 */
void kupdev_pass(struct kupdev_softc *sc, int chan_id);

/*
 * Ends the device. A process that is attached receives what was sent to it before, and then
 * EKU_SHUTDOWN; calls of threads end with -ESHUTDOWN (or NULL). Returns 0 when the device is gone
 * and all threads have left its calls. It does not wait for processes, and no signal cuts it short.
 * What kupdev_receive has returned to a thread stays valid until that thread ends, or makes its next
 * call with this number, which fails; until then KUP's module can't be unloaded. The module has to
 * wait for its own threads before its code is unloaded.
 * -EBUSY: another thread is unloading it. -ESHUTDOWN: it is unloaded already. NULL does nothing and
 * returns 0.
 */
int kupdev_unload(struct kupdev_softc *sc);

#endif
