/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of the host driver, by their numbers; the calls of kup_user.h use them. */
#ifndef KUP_HOST_FILES_H
#define KUP_HOST_FILES_H

#include "kup_user.h"

static inline int is_host_file(int32_t fd)
{
	return fd >= KUP_USER_HOST_FILES;
}

/* Each works as the call of kup_user.h. -EBADF: there is no such file. */
int32_t host_number_open(const char *name);
int32_t host_number_open_again(int32_t number);
int32_t host_number_close(int32_t number);
int32_t host_number_info(int32_t number, struct kup_info *info);
int32_t host_number_stats(int32_t number, struct kup_stats *stats);
int32_t host_number_attach(int32_t number, struct kup_attach *attach);
int32_t host_number_kick(int32_t number);
int32_t host_number_wait(int32_t number, uint32_t events, double timeout_ms);
int32_t host_number_map(int32_t number, uint32_t page_size, uint32_t to_user_bytes,
			uint32_t to_kernel_bytes, uint64_t *address);

/*
 * Calls `wake` with `id`, in any thread, each time something may have happened to the file, until
 * host_watch_end has returned. `wake` must not call into the engine.
 */
struct host_watch;
int host_watch_begin(int32_t number, int32_t id, void (*wake)(int32_t id),
		     struct host_watch **watch);
void host_watch_end(struct host_watch *watch);
/*
 * Nonzero if one of these poll(2) events, a hangup or an error holds. If not, the watch calls
 * `wake` when one may hold.
 */
int host_watch_look(struct host_watch *watch, uint32_t events);

#endif
