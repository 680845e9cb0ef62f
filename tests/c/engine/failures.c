/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failing requests: each request that a use of a device makes of the system fails in its turn, and
 * then random ones fail while other threads work. A call that fails leaves nothing behind, and the
 * next one works.
 */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user.h"

#define PARAMETERS "name=visited channels=2 to_user_pages=1 to_kernel_pages=1"

/* Load, open, attach, watch, exchange a message. Records how far it came. */
struct visit {
	struct user user;
	const char *step;
	int pipe[2];
	int id;
	int loaded, attached, piped;
};

static int exchange(struct visit *visit)
{
	struct pollfd event = { .fd = visit->pipe[0], .events = POLLIN };
	struct kup_record record;
	int error = kup_user_waiter_arm(visit->user.file, visit->id, POLLIN);

	if (!error)
		error = user_send(&visit->user, 3, "hello", 5);
	if (!error && poll(&event, 1, PATIENCE_MS) != 1)
		error = -ETIMEDOUT;
	if (!error)
		error = user_receive(&visit->user, &record);
	if (!error && (record.type != 3 || record.length != 5))
		error = -EIO;
	if (!error)
		user_release(&visit->user, &record);
	return error;
}

static int begin(struct visit *visit, int load)
{
	int error;

	memset(visit, 0, sizeof(*visit));
	visit->step = "load";
	if (load) {
		error = kup_user_host_load("echo", PARAMETERS);
		if (error)
			return error;
		visit->loaded = 1;
	}
	visit->step = "open, attach or map";
	error = user_attach(&visit->user, "visited", KUP_CHANNEL_ANY);
	if (error)
		return error;
	visit->attached = 1;
	visit->step = "pipe";
	error = kup_user_pipe(visit->pipe);
	if (error)
		return error;
	visit->piped = 1;
	visit->step = "waiter_add";
	visit->id = kup_user_waiter_add(visit->user.file, visit->pipe[1]);
	if (visit->id < 0)
		return visit->id;
	visit->step = "exchange";
	return exchange(visit);
}

/* Everything except the unmapping of a page can be undone without memory. */
static int end(struct visit *visit)
{
	int error = 0;

	if (visit->id > 0)
		error |= kup_user_waiter_remove(visit->user.file, visit->id);
	if (visit->piped) {
		close(visit->pipe[0]);
		close(visit->pipe[1]);
	}
	if (visit->attached)
		user_close(&visit->user);
	if (visit->loaded)
		error |= kup_user_host_unload("echo");
	return error;
}

/* No sanitizer counts descriptors. */
static int open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

/* How many more there are than before, when the last channel's thread has released its pages. */
static int lost_descriptors(int before)
{
	kup_u32 i;

	for (i = 0; i < PATIENCE_MS && open_descriptors() > before; i++)
		sleep_ms(1);
	return open_descriptors() - before;
}

/* ---- Each request in its turn ---- */

/* The waiter starts only once. Until it does, all that it takes is freed again. */
static void test_start(void)
{
	struct visit visit = { 0 };
	kup_u32 n = 0, wrong = 0;
	int before, id, started = 0;

	kup_user_host_load("echo", PARAMETERS);
	kup_user_pipe(visit.pipe);
	visit.user.file = user_open("visited");
	before = open_descriptors();
	do {
		fail_request(++n);
		id = kup_user_waiter_add(visit.user.file, visit.pipe[1]);
		fail_request(0);
		wrong += id < 0 && id != -ENOMEM && id != -EAGAIN;
		/* The waiter has started, and what failed came after that. */
		if (open_descriptors() == before + 2 && !started++)
			before += 2;
		wrong += id < 0 && open_descriptors() != before;
	} while (id < 0 && n < 100);
	kup_user_waiter_remove(visit.user.file, id);
	kup_user_close(visit.user.file);
	close(visit.pipe[0]);
	close(visit.pipe[1]);
	kup_user_host_unload("echo");
	check(id > 0 && !wrong && n > 5, "kup_user_waiter_add() starts the waiter when it can",
	      "%d at %u, %u wrong", id, n, wrong);
}

#define MOST_FAILURES 200 /* more requests than a visit makes */

/*
 * `fail(n)` makes the n-th request fail, and `made` returns how many there were. In the waiter a
 * thread that can't be made is -EAGAIN, since no caller ran out of memory.
 */
static void sweep(void (*fail)(kup_u32 n), kup_u32 (*made)(void), const char *sentence)
{
	struct visit visit;
	const char *step = "";
	kup_u32 n, needed;
	int error, undone = 0, again = 0, memory = 0, lost = 0;
	const int before = open_descriptors();

	for (n = 1; n < MOST_FAILURES; n++) {
		fail(n);
		error = begin(&visit, 1);
		needed = made();
		fail(0);
		if (!error && needed < n) {
			undone |= end(&visit);
			break;
		}
		step = visit.step;
		memory += error != 0;
		undone |= end(&visit);
		if (error && error != -ENOMEM && error != -EAGAIN)
			break;
		again = begin(&visit, 1);
		undone |= end(&visit);
		lost = lost_descriptors(before) > 0;
		if (again || undone || lost)
			break;
	}
	check(!error && n < MOST_FAILURES && !undone && !again && !lost && memory > 5, sentence,
	      "%s at %s, %u of %u; again %d, undone %d, %d failed, %d descriptors lost",
	      strerror(-error), step, n, needed, again, undone, memory, lost);
	fprintf(stderr, "# %d of %u failed\n", memory, n - 1);
}

/* The tables of open files and of the waiter grow by the second of these. */
#define MANY 40

static int open_many(struct visit *visits, kup_u32 *opened, const int *pipe)
{
	int error = 0;

	for (*opened = 0; *opened < MANY; ++*opened) {
		struct visit *visit = &visits[*opened];

		visit->user.file = user_open("visited");
		if (visit->user.file < 0)
			return visit->user.file;
		visit->id = kup_user_waiter_add(visit->user.file, pipe[1]);
		if (visit->id < 0) {
			error = visit->id;
			kup_user_close(visit->user.file);
			return error;
		}
	}
	return 0;
}

static void test_tables(void)
{
	struct visit visits[MANY] = { 0 };
	kup_u32 n = 0, i, opened, needed, wrong = 0;
	int error, pipe[2];

	kup_user_host_load("echo", PARAMETERS);
	kup_user_pipe(pipe);
	do {
		fail_request(++n);
		error = open_many(visits, &opened, pipe);
		needed = requests();
		fail_request(0);
		for (i = 0; i < opened; i++) {
			wrong += kup_user_waiter_remove(visits[i].user.file, visits[i].id) != 0;
			wrong += kup_user_close(visits[i].user.file) != 0;
		}
		wrong += error && error != -ENOMEM;
	} while (needed >= n && n < 1000 && !wrong);
	close(pipe[0]);
	close(pipe[1]);
	wrong += kup_user_host_unload("echo") != 0;
	check(!error && !wrong && n > MANY,
	      "kup_user_open() and _waiter_add() leave a table that can't grow as it was",
	      "%s at %u of %u, %u wrong", strerror(-error), n, needed, wrong);
}

/*
 * A range that a channel left behind is used again: all of it is mapped, or all of it still has
 * zeros.
 */
static void test_used_again(void)
{
	struct visit visit;
	kup_u32 n = 0, needed = 0, i, wrong = 0;
	uint64_t address;
	int error = begin(&visit, 1);
	const struct kup_attach attach = visit.user.attach;
	const kup_u32 page = visit.user.info.page_size;

	address = (uintptr_t)visit.user.memory;
	while (!error && !ONE_MAPPING) {
		kup_user_unmap(address, attach.map_bytes);
		fail_request(++n);
		error = kup_user_map(visit.user.file, page, attach.to_user_bytes,
				     attach.to_kernel_bytes, &address);
		needed = requests();
		fail_request(0);
		if (!error || error != -ENOMEM)
			break;
		for (i = 0; i < attach.map_bytes; i++)
			wrong += visit.user.memory[i] != 0;
		error = 0;
	}
	wrong += address != (uintptr_t)visit.user.memory;
	check(!error && !wrong && (n > 3 || ONE_MAPPING) && !end(&visit),
	      "kup_user_map() that fails half-way leaves zeros", "%s, %u at %u of %u",
	      strerror(-error), wrong, n, needed);
}

/* ---- At random ---- */

static kup_u32 over;

struct visitor {
	pthread_t thread;
	kup_u32 number, went_well, failed;
	int wrong;
	const char *step;
};

static int may(int error)
{
	return error == -ENOMEM || error == -ENODEV || error == -ENXIO || error == -ENOENT ||
	       error == -EPIPE || error == -EBUSY;
}

static void *visit_often(void *argument)
{
	struct visitor *visitor = argument;
	kup_u32 state = dice_seed(700 + visitor->number);
	struct visit visit;

	while (!kup_load(&over) && !visitor->wrong) {
		int error;

		if (dice(&state) % 4 == 0)
			fail_request(dice(&state) % 12);
		error = begin(&visit, 0);
		/* The waiter's event may be that the device has gone. */
		if (!error)
			storm_step();
		visitor->went_well += !error;
		visitor->failed += error != 0;
		/* Nothing is loaded now; the loading thread needs the processor. */
		if (error == -ENOENT)
			sleep_ms(1);
		fail_request(0);
		if (end(&visit) || (error && !may(error))) {
			visitor->wrong = error ? error : -1;
			visitor->step = visit.step;
		}
	}
	return NULL;
}

static void *come_and_go(void *argument)
{
	struct visitor *visitor = argument;

	while (!kup_load(&over) && !visitor->wrong) {
		int error = kup_user_host_load("echo", PARAMETERS);

		visitor->went_well += !error;
		visitor->failed += error != 0;
		if (error && error != -ENOMEM)
			visitor->wrong = error;
		sleep_ms(20);
		if (!error)
			visitor->wrong = kup_user_host_unload("echo");
		visitor->step = "load or unload";
	}
	return NULL;
}

#define VISITORS 4

static void test_random(void)
{
	struct visitor visitors[VISITORS] = { 0 };
	kup_u32 i, went_well = 0, failed = 0;
	const char *step = "";
	struct visit visit;
	int wrong = 0, after;

	storm_begin();
	kup_store(&over, 0);
	host_fail_allocations(8, run.seed);
	for (i = 0; i < VISITORS; i++) {
		visitors[i].number = i;
		pthread_create(&visitors[i].thread, NULL, i ? visit_often : come_and_go,
			       &visitors[i]);
	}
	storm_wait(30);
	kup_store(&over, 1);
	for (i = 0; i < VISITORS; i++) {
		pthread_join(visitors[i].thread, NULL);
		went_well += visitors[i].went_well;
		failed += visitors[i].failed;
		if (!visitors[i].wrong)
			continue;
		wrong = visitors[i].wrong;
		step = visitors[i].step;
	}
	host_fail_allocations(0, 0);
	after = begin(&visit, 1);
	after |= end(&visit);
	check(!wrong && !after && went_well > 10 && failed > 3,
	      "kup_user_attach() and other calls work or fail cleanly while requests fail at "
	      "random",
	      "%s at %s, after it %d, %u went well, %u failed", strerror(-wrong), step, after,
	      went_well, failed);
	fprintf(stderr, "# %u visits went well, %u failed\n", went_well, failed);
}

void failure_cases(void)
{
	if (!run.delays)
		test_start();
	sweep(fail_request, requests,
	      "kup_user_host_load() and other calls work again after each request of the system "
	      "that failed");
	sweep(host_fail_allocation, host_allocations,
	      "kup_user_host_load() and other calls work again after each allocation that failed");
	test_tables();
	test_used_again();
	test_random();
}
