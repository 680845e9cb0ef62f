/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that broadcasts numbers from a timer's interrupt, until it is unloaded. */
#include <linux/hrtimer.h>
#include <linux/version.h>

#include "kup.h"

KUP_PARAM_NUMBER(interval_us, 50, "microseconds between two numbers");

static struct kup_device *device;
static struct hrtimer timer;
static kup_u64 number;

static enum hrtimer_restart send_number(struct hrtimer *expired)
{
	number++;
	kup_broadcast(device, 0, &number, sizeof(number));
	hrtimer_forward_now(expired, ns_to_ktime(interval_us * KUP_US));
	return HRTIMER_RESTART;
}

static const struct kup_ops ops;

/* Not a hard timer: with PREEMPT_RT, its callback could not send. */
static int load(void)
{
	const struct kup_config config = { .name = "beacon", .channels = 4, .to_user_pages = 1 };
	int error = kup_device_create(&config, &ops, NULL, &device);

	if (error)
		return error;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer.function = send_number;
#else
	hrtimer_setup(&timer, send_number, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
#endif
	hrtimer_start(&timer, ns_to_ktime(interval_us * KUP_US), HRTIMER_MODE_REL);
	return 0;
}

static void unload(void)
{
	hrtimer_cancel(&timer);
	kup_device_destroy(device);
}

KUP_MODULE(load, unload, "broadcasts numbers from an interrupt");
