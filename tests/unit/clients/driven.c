/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client that does nothing by itself. A test finds these functions in the same file, takes the
 * channels that are attached, and makes the kernel's calls on them.
 *
 * It includes the engine's own header for what no client may see: where the pages are, and which
 * files are open.
 */
#include "core/core.h"

KUP_PARAM_NUMBER(channels, 1, "number of channels");
KUP_PARAM_NUMBER(pages, 1, "size of each ring");
KUP_PARAM_NUMBER(mode, 0, "as in kup_config; the kernel's calls are those of streams");
KUP_PARAM_NUMBER(stamps, 0, "as in kup_config");
KUP_PARAM_NUMBER(hold, 0, "not 0: a channel stays taken until driven_let_go, also without a user");

static struct kup_device *device;
static kup_u32 released; /* atomic */

/* Each with a reference, until a test takes it or its user goes. */
static struct kup_channel *attached[KUP_MAX_CHANNELS];

/* The channels that a test took; it keeps their references until the device goes. */
static const struct kup_channel *taken[KUP_MAX_CHANNELS];
static kup_u32 takings;

struct kup_channel *driven_take(kup_u32 number);
kup_u64 driven_pages(const struct kup_channel *channel);
kup_u32 driven_kicks(const struct kup_channel *channel);
kup_u32 driven_files(void);
void driven_let_go(void);

static struct kup_channel *take(kup_u32 number)
{
	return __atomic_exchange_n(&attached[number], NULL, __ATOMIC_ACQ_REL);
}

/* The channel that was attached last under this number, with its reference; or NULL. */
struct kup_channel *driven_take(kup_u32 number)
{
	struct kup_channel *channel = take(number);

	if (channel && takings < KUP_MAX_CHANNELS)
		taken[takings++] = channel;
	return channel;
}

/* The kernel's mapping of all pages, in the order of the contract. */
kup_u64 driven_pages(const struct kup_channel *channel)
{
	return (kup_u64)(__UINTPTR_TYPE__)channel->page;
}

/* How often the user has made the call that wakes the kernel's side. */
kup_u32 driven_kicks(const struct kup_channel *channel)
{
	return (kup_u32)kup_load64(&channel->counters.kicks);
}

static int was_taken(const struct kup_channel *channel)
{
	kup_u32 i;

	for (i = 0; i < takings; i++)
		if (taken[i] == channel)
			return 1;
	return 0;
}

/*
 * How many files of the device are open: each has a reference to the device. The other references
 * are its creator's, its node's, and those of channels and of their users' accounts. Call it only
 * while no other thread opens or closes a file.
 */
kup_u32 driven_files(void)
{
	kup_u32 i, others = 2 + takings;

	for (i = 0; i < channels; i++)
		others += device->slots[i].channel && !was_taken(device->slots[i].channel);
	/* A process is one user. */
	others += device->accounts != NULL;
	return kup_load(&device->refs) - others;
}

/* Lets channels become free without their users. */
void driven_let_go(void)
{
	kup_store_release(&released, 1);
}

static int attach(struct kup_channel *channel)
{
	kup_channel_get(channel);
	__atomic_store_n(&attached[kup_channel_number(channel)], channel, __ATOMIC_RELEASE);
	return 0;
}

static int serve(struct kup_channel *channel)
{
	(void)channel;
	while (!kup_load_acquire(&released))
		kup_sleep_ms(1);
	return 0;
}

static void detach(struct kup_channel *channel)
{
	struct kup_channel *left = take(kup_channel_number(channel));

	if (left)
		kup_channel_put(left);
}

static const struct kup_ops driven = { .attach = attach, .detach = detach };
static const struct kup_ops holding = { .attach = attach, .serve = serve, .detach = detach };

static int load(void)
{
	const struct kup_config config = {
		.name = "driven",
		.channels = channels,
		.to_user_pages = pages,
		.to_kernel_pages = pages,
		.mode = mode,
		.spin_us = KUP_NO_SPIN,
		.stamps = stamps,
	};

	kup_store_release(&released, 0);
	takings = 0;
	return kup_device_create(&config, hold ? &holding : &driven, NULL, &device);
}

static void unload(void)
{
	driven_let_go();
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "a client that a test drives");
