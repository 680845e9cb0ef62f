/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * All that a system supplies. Each os/NAME/ implements exactly this, in files of the same names:
 *
 *   os_types.h      the structs below, whose fields the engine does not use; the (positive) errno
 *                   constants
 *   memory.c, sync.c, node.c   the functions below
 *   kup_system.h    for clients: NULL, errno constants, memcpy and the like; KUP_MODULE,
 *                   KUP_PARAM_NUMBER, KUP_PARAM_STRING
 *   kup_log, kup_sleep_ms, kup_spinlock_*   of kup_client.h
 *   module.c        loading: calls kup_registry_init, kup_layers_init and the system's own set-up,
 *                   and exports the symbols of kup.h and of the layers to clients. Unloading:
 *                   calls kup_layers_exit and kup_registry_destroy. It calls kup_devices_end for a
 *                   client that is unloaded without destroying its devices. (The host driver has
 *                   all this in native/host.)
 *
 * "Any context" includes interrupt handlers, but not NMI handlers. "May sleep" means: call it in a
 * thread, with no spinlock held. Each call returns 0 or a negative errno.
 */
#ifndef KUP_OS_H
#define KUP_OS_H

#include "kup_abi.h"
#include "os_types.h"

struct kup_account;
struct kup_device;

/* ---- Memory ---- */

/* Zeroed memory, or NULL. May sleep. Charged to the calling process if the system can do that. */
void *os_alloc(unsigned long bytes);
/* May sleep, unless the memory has at most KUP_SMALL bytes. */
void os_free(void *memory);

/*
 * Allocates a channel's pages: zeroed, not contiguous, and mapped into the kernel in one range with
 * the layout of the contract (kernel page, user page, to_user twice, to_kernel twice). So an area
 * has the same offset here and in a process's mmap. The pages are charged to the calling process.
 * The system's node.c maps the same pages into processes. They are kept until the engine has put
 * its reference and the last such mapping is gone. May sleep. -ENOMEM; -EINTR: the caller was
 * killed meanwhile.
 */
int os_memory_create(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes, struct os_memory **memory);

/*
 * Puts the engine's reference. An area that no process has mapped is freed now. If mappings are
 * left, and the system does not itself count their pages against a process, kup_account_keep is
 * called before this returns, and kup_account_release when the last mapping is gone. May sleep.
 */
void os_memory_put(struct os_memory *memory, struct kup_account *account);

/* The calling process's user: a number that can be compared. */
kup_u32 os_user(void);

/*
 * Remembers the calling process. os_process_put follows. The number is the one that the process has
 * for the caller; 0 if it has ended, or is not in the caller's namespace (Linux) or jail (FreeBSD).
 * Neither sleeps.
 */
void os_process_get(struct os_process *process);
void os_process_put(struct os_process *process);
kup_u32 os_process_number(const struct os_process *process);

/*
 * Returns `index`, which the caller has already found to be below `count`. A processor that
 * speculates past that check gets an index below `count` too, so a process's number never leads it
 * to other memory.
 */
kup_u32 os_index(kup_u32 index, kup_u32 count);

/* The kernel's address of the first byte of the layout. */
kup_u8 *os_memory_address(const struct os_memory *memory);
kup_u32 os_page_size(void);

/* ---- Locks ---- */

/* A spinlock for any context. It is held for some dozen instructions at most. */
void os_spin_init(struct os_spin *spin);
void os_spin_destroy(struct os_spin *spin);
unsigned long os_spin_lock(struct os_spin *spin);
void os_spin_unlock(struct os_spin *spin, unsigned long state);

/* A lock that a thread sleeps for. */
void os_mutex_init(struct os_mutex *mutex);
void os_mutex_destroy(struct os_mutex *mutex);
void os_mutex_lock(struct os_mutex *mutex);
void os_mutex_unlock(struct os_mutex *mutex);

/* ---- Waiting and waking ---- */

#define OS_FOREVER (~0ull)

/* A queue in which kernel threads, and processes inside a call, sleep. */
void os_waitq_init(struct os_waitq *waitq);
void os_waitq_destroy(struct os_waitq *waitq);

/*
 * Sleeps until ready(argument) is nonzero. It calls ready before the first sleep and after each
 * wake-up, when the sleep is already announced; so a wake-up after the condition became true is
 * never lost. ready must not sleep. Returns 0, -ETIMEDOUT, or -EINTR if the calling process has a
 * signal. May sleep.
 */
int os_wait(struct os_waitq *waitq, int (*ready)(void *argument), void *argument,
	    kup_u64 timeout_ns);

/* The same without a limit, and ignoring signals: for waits that must not be cut short. */
void os_wait_always(struct os_waitq *waitq, int (*ready)(void *argument), void *argument);

/* Wakes all threads that sleep there. Any context. */
void os_wake(struct os_waitq *waitq);

/* A queue in which processes wait by poll, epoll or kqueue. */
void os_pollq_init(struct os_pollq *pollq);
void os_pollq_destroy(struct os_pollq *pollq);
void os_poll_wake(struct os_pollq *pollq); /* any context */

/* ---- Time and the processor ---- */

/* A monotonic clock. Any context. */
kup_u64 os_now_ns(void);

/* The time of CLOCK_MONOTONIC, which never goes back between processors either. Any context. */
kup_u64 os_stamp_ns(void);

/* The number of the processor that the caller runs on; it may be another one soon. Any context. */
kup_u32 os_cpu(void);

/*
 * One step of a busy wait. Returns 0 if another thread wants this processor; then stop spinning. A
 * system that can't find that out gives the processor to such a thread if `yield` is nonzero.
 */
int os_relax(int yield);

/* Lets other threads run if they have to. For loops that may find work without end. May sleep. */
void os_breathe(void);

/* ---- Timers ---- */

/* -ENOMEM. May sleep. os_timer_end follows. */
int os_timer_init(struct os_timer *timer, void (*expired)(void *argument), void *argument);

/*
 * expired(argument) is called once, as soon as os_now_ns() has reached this time; OS_FOREVER: not
 * at all. This replaces the time that was set before, but a call that has begun may still run.
 * The calls of one timer never overlap. They come in a context that may not sleep, but where
 * kup_try_send is allowed. Any context, and one context at a time.
 */
void os_timer_set(struct os_timer *timer, kup_u64 at_ns);

/*
 * Waits until the call has returned, and after that the timer makes none. It is not set meanwhile.
 * May sleep.
 */
void os_timer_end(struct os_timer *timer);

/* ---- Threads ---- */

/*
 * Starts a kernel thread that runs main(argument). The system's code keeps itself loaded until the
 * thread has left it. No thread joins this one: main itself reports its end to the engine. With
 * `for_caller`, the thread works for the calling process, and its processor time counts as that
 * process's if the system can do that. May sleep.
 */
int os_thread_start(void (*main)(void *argument), void *argument, const char *name, kup_u32 number,
		    int for_caller);

/*
 * The number of the calling thread, whatever started the thread. It is not 0, and not the number of
 * an earlier thread. (FreeBSD may use a number again after a thousand other threads have ended.)
 */
kup_u64 os_thread_self(void);

/*
 * Nonzero if the thread with this number has ended; for a short time after the end it may still
 * return 0. It may have to visit each thread of the system. May sleep.
 */
int os_thread_ended(kup_u64 thread);

/* ---- The device node ---- */

/*
 * Makes /dev/NAME, which opens handles of this device until os_node_destroy returns. The node holds
 * a reference to the device (kup_device_get/put), as every open handle does. May sleep. -EEXIST:
 * the system already has a device of this name.
 */
int os_node_create(struct kup_device *device, const char *name, kup_u32 mode, kup_u32 group,
		   struct os_node **node);
void os_node_destroy(struct os_node *node);

#endif
