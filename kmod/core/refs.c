/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* References to devices and handles. The put of the last reference frees the object. */
#include "core.h"

void kup_device_get(struct kup_device *device)
{
	kup_ref_get(&device->refs);
}

void kup_device_put(struct kup_device *device)
{
	if (!kup_ref_put(&device->refs))
		return;
	os_waitq_destroy(&device->idle);
	os_spin_destroy(&device->live_lock);
	os_spin_destroy(&device->waiting_lock);
	os_mutex_destroy(&device->lock);
	os_free(device);
}

void kup_handle_put(struct kup_handle *handle)
{
	if (!kup_ref_put(&handle->refs))
		return;
	os_pollq_destroy(&handle->pollq);
	os_free(handle);
}
