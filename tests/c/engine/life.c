/* SPDX-License-Identifier: BSD-3-Clause */
/* Attaching, closing and destroying, against each other and without memory. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "user.h"

static const struct kup_config config = {
	.name = "life", .channels = 2, .to_user_pages = 1, .to_kernel_pages = 1
};

/* ---- No memory ---- */

static void test_no_memory(void)
{
	struct kup_device *device;
	struct user user;
	kup_u32 n, needed = 0;
	int error;

	/* Each allocation that creating, opening and attaching make fails in its turn. */
	for (n = 1;; n++) {
		host_fail_allocation(n);
		error = kup_device_create(&config, &echo_ops, NULL, &device);
		if (!error) {
			error = user_attach(&user, "life", KUP_CHANNEL_ANY);
			needed = host_allocations();
			host_fail_allocation(0);
			if (!error)
				user_close(&user);
			kup_device_destroy(device);
		}
		if (!error)
			break;
		if (error != -ENOMEM)
			break;
	}
	host_fail_allocation(0);
	check(!error && n > 5 && n > needed,
	      "kup_device_create() and ATTACH work again after each allocation that failed",
	      "%s at allocation %u of %u", strerror(-error), n, needed);
}

/* ---- All at once ---- */

static kup_u32 stop;

static void *come_and_go(void *argument)
{
	kup_u32 *rounds = argument;
	struct kup_record record;
	struct user user;

	while (!kup_load(&stop)) {
		if (user_attach(&user, "life", KUP_CHANNEL_ANY)) {
			sched_yield();
			continue;
		}
		(*rounds)++;
		storm_step();
		/* Leaves before or after its answer. */
		if (!user_send(&user, 1, "hello", 5) && *rounds % 3 &&
		    !user_receive(&user, &record))
			user_release(&user, &record);
		user_close(&user);
	}
	return NULL;
}

static void test_storm(void)
{
	kup_u32 rounds[3] = { 0 }, i, devices = 0;
	pthread_t threads[3];

	storm_begin();
	kup_store(&stop, 0);
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, come_and_go, &rounds[i]);
	while (storm_goes_on(30)) {
		struct kup_device *device = make_device(&config, &echo_ops);

		storm_pause(20);
		kup_device_destroy(device);
		devices++;
	}
	kup_store(&stop, 1);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	check(rounds[0] + rounds[1] + rounds[2] >= 30 && devices > 1,
	      "ATTACH and close work in threads while their device comes and goes",
	      "%u %u %u rounds", rounds[0], rounds[1], rounds[2]);
	fprintf(stderr, "# %u rounds on %u devices\n", rounds[0] + rounds[1] + rounds[2], devices);
}

/* ---- What remains after the device ---- */

static void test_destroyed(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct kup_info info;
	struct kup_record record;
	struct user user;
	kup_u32 i, received = 0;
	int error = user_attach(&user, "life", KUP_CHANNEL_ANY);

	for (i = 0; i < 20 && !error; i++)
		error = user_send(&user, i, "x", 1);
	while (!error && kup_load64(&user.kernel->to_user_records) < 20)
		sched_yield();
	kup_device_destroy(device);
	while (!error && !(error = user_receive(&user, &record))) {
		received++;
		user_release(&user, &record);
	}
	check(error == -EPIPE && received == 20,
	      "kup_user_receive() returns what is left of a destroyed device", "%s after %u",
	      strerror(-error), received);
	check(kup_user_info(user.file, &info) == -ENODEV && kup_user_kick(user.file) == -EPIPE,
	      "INFO and KICK fail after kup_device_destroy()", "no");
	user_close(&user);
	check(user_attach(&user, "life", KUP_CHANNEL_ANY) == -ENOENT,
	      "kup_user_open() fails after kup_device_destroy()", "no");
}

static void test_names(void)
{
	const char *bad[] = { "", "/x", "x/", "a//b", ".", "..", "a/..", "a b", "kup\n", NULL };
	struct kup_config named = config;
	struct kup_device *device = NULL, *other = NULL;
	kup_u32 i, taken = 0;
	int first, folder, inside;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		named.name = bad[i];
		taken += kup_device_create(&named, &echo_ops, NULL, &other) != -EINVAL;
	}
	check(taken == 0, "kup_device_create() refuses names that are no plain file names",
	      "%u were not", taken);
	named.name = "a/b";
	first = kup_device_create(&named, &echo_ops, NULL, &device);
	named.name = "a";
	folder = kup_device_create(&named, &echo_ops, NULL, &other);
	named.name = "a/b/c";
	inside = kup_device_create(&named, &echo_ops, NULL, &other);
	check(!first && folder == -EEXIST && inside == -EEXIST,
	      "kup_device_create() refuses a name that would have to be a file and a folder",
	      "%d %d %d", first, folder, inside);
	kup_device_destroy(device);
}

void life_cases(void)
{
	test_names();
	test_no_memory();
	test_destroyed();
	test_storm();
}
