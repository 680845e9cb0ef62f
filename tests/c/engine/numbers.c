/* SPDX-License-Identifier: BSD-3-Clause */
/* A file's number is closed in one thread while other threads are in the middle of calls on it. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user.h"

static const struct kup_config config = {
	.name = "numbers", .channels = 2, .to_user_pages = 1, .to_kernel_pages = 1
};

/* ---- One close, one call ---- */

struct waiting {
	pthread_t thread;
	int file;
	double timeout_ms;
	kup_u32 begun;
	int result;
};

static void *wait_for_data(void *argument)
{
	struct waiting *waiting = argument;

	kup_store(&waiting->begun, 1);
	waiting->result = kup_user_wait(waiting->file, POLLIN, waiting->timeout_ms);
	return NULL;
}

static void start_waiting(struct waiting *waiting, int file, double timeout_ms)
{
	waiting->file = file;
	waiting->timeout_ms = timeout_ms;
	waiting->begun = 0;
	pthread_create(&waiting->thread, NULL, wait_for_data, waiting);
	while (!kup_load(&waiting->begun))
		sleep_ms(1);
	/* From here to the wait itself it is a few instructions. */
	sleep_ms(100);
}

static void test_close_in_wait(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct waiting waiting;
	struct kup_info info;
	struct user user;
	int error = user_attach(&user, "numbers", 0), once, again, gone, busy;

	/* The user has to last until all of this thread's calls have returned. */
	start_waiting(&waiting, user.file, 1500);
	user_unmap(&user);
	once = kup_user_close(user.file);
	again = kup_user_close(user.file);
	gone = kup_user_info(user.file, &info);
	busy = kup_load(&device->refs) != 2;
	pthread_join(waiting.thread, NULL);
	check(!error && once == 0 && again == -EBADF && gone == -EBADF && busy &&
		      waiting.result == -EBADF && all_files_closed(device),
	      "kup_user_close() frees the number at once, and the file when the last call returns",
	      "%d, close %d %d, info %d, %s, wait %d", error, once, again, gone,
	      busy ? "busy" : "free", waiting.result);
	kup_device_destroy(device);
}

static void test_destroy_in_wait(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct waiting attached, unattached;
	int fresh = user_open("numbers");
	struct user user, other;
	int error = user_attach(&user, "numbers", 0) | user_attach(&other, "numbers", 1);

	start_waiting(&attached, user.file, -1);
	start_waiting(&unattached, fresh, -1);
	user_unmap(&user);
	kup_user_close(user.file);
	kup_user_close(fresh);
	kup_device_destroy(device);
	pthread_join(attached.thread, NULL);
	pthread_join(unattached.thread, NULL);
	user_close(&other);
	check(!error && attached.result == -EBADF && unattached.result == -EBADF,
	      "kup_user_wait() without a limit on a closed number is woken when the device goes",
	      "%d, %d %d", error, attached.result, unattached.result);
}

/* ---- All at once ---- */

#define SHARED 4
static kup_u32 numbers[SHARED]; /* 0: none at the moment */
static kup_u32 over;

struct caller {
	pthread_t thread;
	int pipe[2];
	kup_u32 number;
	kup_u32 calls, succeeded;
	int wrong; /* a result that a call may not return */
	const char *where;
};

static void *close_and_open(void *argument)
{
	struct caller *caller = argument;
	kup_u32 state = dice_seed(100);

	while (!kup_load(&over)) {
		int file = user_open("numbers"), error = file < 0 ? file : 0;
		kup_u32 old =
			kup_exchange(&numbers[dice(&state) % SHARED], file < 0 ? 0 : (kup_u32)file);

		if (old && !error)
			error = kup_user_close((int)old);
		if (error)
			caller->wrong = error;
		caller->calls++;
		sched_yield();
	}
	return NULL;
}

static int call_attach(int file)
{
	struct kup_attach attach = { .abi_version = KUP_ABI_VERSION,
				     .flags = KUP_ATTACH_NOWAIT,
				     .channel = KUP_CHANNEL_ANY };
	int error = kup_user_attach(file, &attach);

	return error == -EBUSY || error == -EISCONN ? 0 : error;
}

static int call_map(int file)
{
	const kup_u32 page = os_page_size();
	uint64_t address = 0;
	int error = kup_user_map(file, page, page, page, &address), wrong;

	if (error || ONE_MAPPING)
		return error == -ENOTCONN ? 0 : error;
	/* The mapping is the caller's own, also when another thread closes the file. */
	wrong = ((struct kup_kernel_page *)(uintptr_t)address)->magic != KUP_MAGIC;
	kup_user_unmap(address, 6 * page);
	wrong |= *(kup_u64 *)(uintptr_t)address != 0;
	munmap((void *)(uintptr_t)address, 6 * page);
	return wrong ? -EINVAL : 0;
}

/* An event of the file may come or not: other threads have the same file. */
static int call_watch(struct caller *caller, int file)
{
	int id = kup_user_waiter_add(file, caller->pipe[1]), error, removed, ids[16];

	if (id < 0)
		return id == -EEXIST ? 0 : id;
	error = kup_user_waiter_arm(file, id, POLLIN);
	removed = kup_user_waiter_remove(file, id);
	while (read(caller->pipe[0], ids, sizeof(ids)) > 0)
		;
	return error ? error : removed;
}

static int call_wait(int file, kup_u32 random)
{
	int so = kup_user_wait(file, random & (POLLIN | POLLOUT), random % 1000 / 1000.0);

	return so < 0 ? so : 0;
}

static int call_one(struct caller *caller, int file, kup_u32 random)
{
	struct kup_stats stats = { 0 };
	struct kup_info info;
	int error;

	switch (random % 7) {
	case 0:
		caller->where = "info";
		return kup_user_info(file, &info);
	case 1:
		caller->where = "stats";
		return kup_user_stats(file, &stats);
	case 2:
		caller->where = "attach";
		return call_attach(file);
	case 3:
		caller->where = "map";
		return call_map(file);
	case 4:
		caller->where = "watch";
		return call_watch(caller, file);
	case 5:
		caller->where = "wait";
		return call_wait(file, random >> 8);
	default:
		caller->where = "kick";
		error = kup_user_kick(file);
		return error == -ENOTCONN ? 0 : error;
	}
}

static void *call(void *argument)
{
	struct caller *caller = argument;
	kup_u32 state = dice_seed(caller->number);

	while (!kup_load(&over) && !caller->wrong) {
		kup_u32 file = kup_load(&numbers[dice(&state) % SHARED]);
		int error = file ? call_one(caller, (int)file, dice(&state)) : 0;

		caller->calls++;
		if (file && !error) {
			caller->succeeded++;
			storm_step();
		}
		if (error && error != -EBADF)
			caller->wrong = error;
	}
	return NULL;
}

static void test_storm(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	struct caller closer = { 0 }, callers[4] = { 0 };
	int wrong = 0, alone;
	kup_u32 i, calls = 0;
	const char *where = "close";

	storm_begin();
	kup_store(&over, 0);
	pthread_create(&closer.thread, NULL, close_and_open, &closer);
	for (i = 0; i < 4; i++) {
		callers[i].number = i;
		kup_user_pipe(callers[i].pipe);
		pthread_create(&callers[i].thread, NULL, call, &callers[i]);
	}
	storm_wait(200);
	kup_store(&over, 1);
	pthread_join(closer.thread, NULL);
	wrong = closer.wrong;
	for (i = 0; i < 4; i++) {
		pthread_join(callers[i].thread, NULL);
		close(callers[i].pipe[0]);
		close(callers[i].pipe[1]);
		calls += callers[i].succeeded;
		if (!callers[i].wrong)
			continue;
		wrong = callers[i].wrong;
		where = callers[i].where;
	}
	for (i = 0; i < SHARED; i++)
		if (numbers[i])
			kup_user_close((int)kup_exchange(&numbers[i], 0));
	alone = all_files_closed(device);
	check(!wrong && calls > 100 && closer.calls > 5 && alone,
	      "kup_user_close() and open in one thread leave four threads' calls on the files "
	      "correct",
	      "%s %s, %u calls went well, %u closes, %u references at the end", where,
	      strerror(-wrong), calls, closer.calls, kup_load(&device->refs));
	fprintf(stderr, "# %u calls, %u closes\n", calls, closer.calls);
	kup_device_destroy(device);
}

/* ---- Memory that is in use ---- */

/*
 * Reads the whole range, and writes all but the kernel page, whatever is mapped there at the
 * moment.
 */
static void *use(void *argument)
{
	const struct user *user = argument;
	kup_u32 state = dice_seed(900), page = user->info.page_size;
	kup_u32 bytes = (kup_u32)user->attach.map_bytes;

	while (!kup_load(&over)) {
		kup_u32 at = dice(&state) % (bytes / 4) * 4;
		kup_u32 *word = (void *)(user->memory + at);

		if (at < 2 * page)
			kup_load(word);
		else
			kup_store(word, state);
	}
	return NULL;
}

static void test_unmap_in_use(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	uint64_t address = 0;
	struct user user;
	struct kup_attach attach;
	pthread_t thread;
	kup_u32 rounds = 0;
	int error = user_attach(&user, "numbers", 0), alone;

	storm_begin();
	kup_store(&over, 0);
	pthread_create(&thread, NULL, use, &user);
	address = (uintptr_t)user.memory;
	while (!error && storm_goes_on(20)) {
		error = kup_user_unmap(address, user.attach.map_bytes);
		if (!error)
			error = kup_user_close(user.file);
		if (!error)
			error = user.file = user_open("numbers");
		attach = (struct kup_attach){ .abi_version = KUP_ABI_VERSION };
		if (error > 0)
			error = kup_user_attach(user.file, &attach);
		if (!error)
			error = kup_user_map(user.file, user.info.page_size, attach.to_user_bytes,
					     attach.to_kernel_bytes, &address);
		rounds++;
		storm_step();
	}
	kup_store(&over, 1);
	pthread_join(thread, NULL);
	user_close(&user);
	alone = all_files_closed(device);
	check(!error && rounds > 10 && address == (uintptr_t)user.memory && alone,
	      "kup_user_map() and _unmap() leave a range that other threads use accessible",
	      "%s after %u rounds, %u references at the end", strerror(-error), rounds,
	      kup_load(&device->refs));
	kup_device_destroy(device);
}

/* ---- Many ---- */

static void test_many(void)
{
	struct kup_device *device = make_device(&config, &echo_ops);
	int files[100], bad = 0, same = 0, stale = 0, i, j;
	struct kup_info info;

	for (i = 0; i < 100; i++) {
		files[i] = user_open("numbers");
		bad += files[i] < KUP_USER_HOST_FILES;
		for (j = 0; j < i; j++)
			same += files[j] == files[i];
	}
	for (i = 0; i < 100; i++)
		bad += kup_user_close(files[i]) != 0;
	/* Their places are used again, under other numbers. */
	j = user_open("numbers");
	for (i = 0; i < 100; i++)
		stale += kup_user_info(files[i], &info) != -EBADF;
	kup_user_close(j);
	check(!bad && !same && !stale && all_files_closed(device),
	      "kup_user_open() returns a number of its own each time",
	      "%d bad, %d the same, %d stale", bad, same, stale);
	kup_device_destroy(device);
}

void number_cases(void)
{
	test_many();
	test_close_in_wait();
	test_destroy_in_wait();
	/* With one mapping nothing can be taken away. */
	if (!ONE_MAPPING)
		test_unmap_in_use();
	test_storm();
}
