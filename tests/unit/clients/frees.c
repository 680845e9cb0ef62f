/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that frees memory of `bytes` bytes while it holds a spinlock. */
#include "kup.h"

KUP_PARAM_NUMBER(bytes, 1, "how many bytes are freed");

static int load(void)
{
	struct kup_spinlock *spinlock;
	void *memory = kup_alloc(bytes);
	int error = kup_spinlock_create(&spinlock);

	if (error)
		return error;
	kup_spinlock_lock(spinlock);
	kup_free(memory);
	kup_spinlock_unlock(spinlock);
	kup_spinlock_destroy(spinlock);
	return -ENOTTY;
}

static void unload(void)
{
}

KUP_MODULE(load, unload, "one that frees memory under a spinlock");
