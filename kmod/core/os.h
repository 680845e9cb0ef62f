/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * All that the engine needs of an operating system. Each os/NAME/ implements exactly this, in files
 * of the same names, and defines the structs in its os_types.h; the engine looks into none of them
 * but the addresses in os_memory. errno constants (positive) come from os_types.h too.
 *
 * "Any context" includes interrupt handlers (not NMI). "May sleep" means: thread context, no
 * spinlock held. Results are 0 or a negative errno.
 */
#ifndef KUP_OS_H
#define KUP_OS_H

#include "kup_abi.h"
#include "os_types.h"

struct kup_account;
struct kup_device;

/* ---- Memory ---- */

/* Zeroed, or NULL. May sleep. Charged to the calling process where the system can. */
void *os_alloc(unsigned long bytes);
void os_free(void *memory);

/*
 * A channel's pages: zeroed, not contiguous, mapped into the kernel in one range with the layout of
 * the contract (kernel page, user page, to_user twice, to_kernel twice), so an area is at the same
 * offset here and in a process's mmap. Charged to the calling process. The backend maps the same
 * pages into processes and keeps them until the engine has put its reference and the last such
 * mapping is gone. May sleep; -ENOMEM, or -EINTR when the caller was killed meanwhile.
 */
int os_memory_create(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes, struct os_memory **memory);

/*
 * The engine's end. An area that no process has mapped goes now. If mappings are left, and the
 * system does not count their pages against a process itself, kup_account_keep is called before
 * this returns, and kup_account_release when the last one is gone. May sleep.
 */
void os_memory_put(struct os_memory *memory, struct kup_account *account);

/* The calling process's user: a number for comparing. */
kup_u32 os_user(void);

/*
 * `index`, which the caller has found to be below `count`; also for a processor that runs ahead of
 * that check, so that a number from a process never leads it to other memory.
 */
kup_u32 os_index(kup_u32 index, kup_u32 count);

/* The kernel's address of the first byte of the layout. */
kup_u8 *os_memory_address(const struct os_memory *memory);
kup_u32 os_page_size(void);

/* ---- Locks ---- */

/* A spinlock that is good in any context; it is held for some dozen instructions at most. */
void os_spin_init(struct os_spin *spin);
void os_spin_destroy(struct os_spin *spin);
unsigned long os_spin_lock(struct os_spin *spin);
void os_spin_unlock(struct os_spin *spin, unsigned long state);

/* A lock to sleep for. */
void os_mutex_init(struct os_mutex *mutex);
void os_mutex_destroy(struct os_mutex *mutex);
void os_mutex_lock(struct os_mutex *mutex);
void os_mutex_unlock(struct os_mutex *mutex);

/* ---- Waiting and waking ---- */

#define OS_FOREVER (~0ull)

/* Where kernel threads (and processes inside a call) sleep. */
void os_waitq_init(struct os_waitq *waitq);
void os_waitq_destroy(struct os_waitq *waitq);

/*
 * Sleeps until ready(argument) is nonzero: looked at before the first sleep and after each wake-up,
 * with the sleep already announced, so a wake after the condition became true is never lost.
 * ready() must not sleep. Returns 0, -ETIMEDOUT, or -EINTR when a process has a signal. May sleep.
 */
int os_wait(struct os_waitq *waitq, int (*ready)(void *argument), void *argument,
	    kup_u64 timeout_ns);

/* The same for as long as it takes, whatever signals come: for waits that must not be cut short. */
void os_wait_always(struct os_waitq *waitq, int (*ready)(void *argument), void *argument);

/* Wakes all who sleep there. Any context. */
void os_wake(struct os_waitq *waitq);

/* Where processes wait by poll, epoll or kqueue. */
void os_pollq_init(struct os_pollq *pollq);
void os_pollq_destroy(struct os_pollq *pollq);
void os_poll_wake(struct os_pollq *pollq); /* any context */

/* ---- Time and the processor ---- */

/* Monotonic. Any context. */
kup_u64 os_now_ns(void);

/* One step of a busy wait. Zero when somebody else wants this processor: stop spinning. */
int os_relax(void);

/* Lets others run if they have to. In loops that may find work for ever. May sleep. */
void os_breathe(void);

/* ---- Threads ---- */

/*
 * Starts a kernel thread that runs main(argument). The backend keeps its own code loaded until the
 * thread has left it; no thread joins it: the engine learns of the end from main itself. With
 * `for_caller` the thread works for the calling process, and its processor time counts as that
 * process's where the system can do that. May sleep.
 */
int os_thread_start(void (*main)(void *argument), void *argument, const char *name, kup_u32 number,
		    int for_caller);

/*
 * The calling thread's number, whatever has started it: not 0, and not that of an earlier thread.
 * (FreeBSD may give a number again when a thousand threads have ended meanwhile.)
 */
kup_u64 os_thread_self(void);

/*
 * Nonzero: the thread with this number has ended. Soon after its end it may still be 0. May sleep,
 * and takes a look at each thread of the system where that has no better way.
 */
int os_thread_ended(kup_u64 thread);

/* ---- The device node ---- */

/*
 * Makes /dev/NAME, which opens handles of this device until os_node_destroy returns. The node holds
 * a reference of the device (kup_device_get/put), as every open handle does. May sleep. -EEXIST
 * when the system knows such a device.
 */
int os_node_create(struct kup_device *device, const char *name, kup_u32 mode, kup_u32 group,
		   struct os_node **node);
void os_node_destroy(struct os_node *node);

#endif
