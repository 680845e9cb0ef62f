/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Counts the closed channels of a device that each user keeps in memory. A device's number of
 * channels limits how many are attached. But pages live as long as a process has them mapped, and a
 * process may map, close, and attach again as often as it likes.
 */
#include "core.h"

struct kup_account {
	struct kup_account *next;  /* under device->lock, as `refs` and `kept` are */
	struct kup_device *device; /* a reference */
	kup_u32 user;
	kup_u32 refs; /* one for each channel, and one for each of `kept` */
	kup_u32 kept; /* channels that are closed, but still mapped */
};

/* Under the lock. */
static struct kup_account *find(struct kup_device *device, kup_u32 user)
{
	struct kup_account *account = device->accounts;

	while (account && account->user != user)
		account = account->next;
	return account;
}

static int may_have_more(const struct kup_account *account)
{
	kup_u32 channels = account->device->config.channels;

	return account->kept < (channels > KUP_KEPT_LEAST ? channels : KUP_KEPT_LEAST);
}

int kup_account_get(struct kup_device *device, struct kup_account **got)
{
	struct kup_account *fresh = os_alloc(sizeof(*fresh)), *account;
	int error = 0;

	if (!fresh)
		return -ENOMEM;
	fresh->user = os_user();
	os_mutex_lock(&device->lock);
	account = find(device, fresh->user);
	if (!account) {
		account = fresh;
		fresh = NULL;
		account->device = device;
		kup_device_get(device);
		account->next = device->accounts;
		device->accounts = account;
	}
	if (may_have_more(account))
		account->refs++;
	else
		error = -ENOMEM;
	os_mutex_unlock(&device->lock);
	os_free(fresh);
	if (!error)
		*got = account;
	return error;
}

void kup_account_keep(struct kup_account *account)
{
	os_mutex_lock(&account->device->lock);
	account->refs++;
	account->kept++;
	os_mutex_unlock(&account->device->lock);
}

static void put(struct kup_account *account, kup_u32 kept)
{
	struct kup_device *device = account->device;
	struct kup_account **link;
	int last;

	os_mutex_lock(&device->lock);
	account->kept -= kept;
	last = --account->refs == 0;
	if (last) {
		for (link = &device->accounts; *link != account;)
			link = &(*link)->next;
		*link = account->next;
	}
	os_mutex_unlock(&device->lock);
	if (!last)
		return;
	os_free(account);
	kup_device_put(device);
}

void kup_account_put(struct kup_account *account)
{
	put(account, 0);
}

void kup_account_release(struct kup_account *account)
{
	put(account, 1);
}
