/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each allocation of the modules fails in turn. The kernel has to be built with fault injection:
 * the number that is written to a thread's `fail-nth` selects the allocation that fails, counted
 * from now. Reading the file returns what is left of that number. Only the allocations that the
 * modules' code makes are counted. kmemleak finds what leaks here, after all tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "raw.h"

/* Where x86's kernel puts the code of modules. */
#define MODULES_START "0xffffffffa0000000"
#define MODULES_END "0xffffffffff000000"

#define MOST_FAULTS 2000 /* more allocations than any call makes */

static int fail_nth;

/* ---- The kernel's part ---- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd != -1)
		close(fd);
	return done;
}

static void set_fault(const char *kind, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kind, name);
	need(write_file(path, value), path);
}

static void prepare_faults(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

	for (int i = 0; i < 3; i++) {
		set_fault(kinds[i], "verbose", "0");
		set_fault(kinds[i], "require-start", MODULES_START);
		set_fault(kinds[i], "require-end", MODULES_END);
		if (i < 2) /* Also the allocations that may sleep. */
			set_fault(kinds[i], "ignore-gfp-wait", "N");
	}
	set_fault("fail_page_alloc", "ignore-gfp-highmem", "N");
	set_fault("fail_page_alloc", "min-order", "0");
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	need(fail_nth != -1, "the kernel can make allocations fail");
}

static void arm(int number)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", number);

	need(pwrite(fail_nth, text, (size_t)length, 0) == length, "a fault can be planned");
}

/* Plans nothing any more, and returns whether the fault was still to come. */
static bool disarm(void)
{
	char text[16] = "";
	ssize_t length = pread(fail_nth, text, sizeof(text) - 1, 0);

	need(length > 0, "what is left of a plan can be read");
	arm(0);
	return atoi(text) > 0;
}

/* ---- One call ---- */

struct call {
	const char *name;
	/* Makes the call, and returns 0 or a negative errno. */
	long (*run)(void);
	/* Runs before each call, and after each call that worked. */
	void (*before)(void);
	void (*undo)(void);
	/* Runs after each call that failed. */
	void (*recover)(void);
	/*
	 * How many of the echo device's channels have to be free after a failure; 0 if there is no
	 * device.
	 */
	uint32_t free_channels;
	/* What the call may return besides ENOMEM and EFAULT; 0 if nothing else. */
	int other_errno;
};

static bool is_documented(const struct call *call, long result)
{
	return result == 0 || result == -ENOMEM || result == -EFAULT ||
	       result == -call->other_errno;
}

/* Checks that the device is as it was before a call that failed. */
static bool is_unchanged(const struct call *call)
{
	int fd;
	bool same;

	if (call->free_channels == 0)
		return true;
	fd = echo_open();
	if (fd < 0)
		return false;
	same = EVENTUALLY(PATIENCE_MS, channels_free(fd) == call->free_channels);
	kup_user_close(fd);
	return same;
}

static void nothing(void)
{
}

/* Makes one call in which the given allocation fails. Returns whether it made fewer allocations. */
static bool try_call(const struct call *call, int number, int *refusals)
{
	long result;
	bool unused;

	call->before();
	arm(number);
	result = call->run();
	unused = disarm();
	if (result == 0) {
		call->undo();
	} else {
		(*refusals)++;
		call->recover();
	}
	if (!is_documented(call, result) || (unused && result != 0)) {
		check(false, call->name, "allocation %d: %s", number, error_name(result));
		return true;
	}
	if (!is_unchanged(call)) {
		check(false, call->name, "after allocation %d has failed, channels are not free",
		      number);
		return true;
	}
	if (unused)
		check(*refusals > 0, call->name, "no allocation of %d had an effect", number - 1);
	return unused;
}

/* Ends when a call makes fewer allocations than the one that should fail: that call has to work. */
static void try_all(const struct call *call)
{
	uint64_t start = now_ms();
	int refusals = 0;
	int number = 1;

	trying(call->name);
	while (number < MOST_FAULTS && !try_call(call, number, &refusals))
		number++;
	need(number < MOST_FAULTS, call->name);
	printf("# %s: %d allocations, %d refusals, %llu ms\n", call->name, number - 1, refusals,
	       (long long)(now_ms() - start));
}

/* ---- A process's calls ---- */

static int handle;
static struct kup_info info;
static void *area;
static int epoll;

static void open_handle(void)
{
	handle = echo_open();
	need(handle >= 0 && kup_user_info(handle, &info) == 0, "the echo device can be opened");
}

static void close_handle(void)
{
	close(handle);
}

static void open_attached(void)
{
	open_handle();
	need(attach_to(handle, 3, 0, NULL) == 0, "a channel can be attached");
}

static void open_polling(void)
{
	open_attached();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	need(epoll != -1, "an epoll instance can be made");
}

static void close_polling(void)
{
	close(epoll);
	close(handle);
}

static long run_open(void)
{
	handle = (int)sys(open(echo_path(), O_RDWR | O_CLOEXEC));
	return handle < 0 ? handle : 0;
}

static long run_attach(void)
{
	return attach_to(handle, 3, 0, NULL);
}

/* Where nothing else lies, so that the mapping needs page tables of its own. */
#define ALONE ((void *)0x500000000000)

static long run_map(void)
{
	area = mmap(ALONE, area_length(&info, AREA_IN), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED_NOREPLACE, handle, area_offset(&info, AREA_IN));
	return sys_map(area);
}

/* Without memory for a page table, the pages are mapped later, when they are touched. */
static void touch_and_unmap(void)
{
	const size_t half = area_length(&info, AREA_IN) / 2;
	uint8_t *bytes = area;
	size_t wrong = 0;

	for (size_t at = 0; at < half; at += info.page_size)
		bytes[at] = (uint8_t)(at / info.page_size + 1);
	for (size_t at = 0; at < half; at += info.page_size)
		wrong += bytes[half + at] != (uint8_t)(at / info.page_size + 1);
	need(wrong == 0, "each page of a ring is where it belongs");
	munmap(area, 2 * half);
	close(handle);
}

static long run_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	return sys(epoll_ctl(epoll, EPOLL_CTL_ADD, handle, &event));
}

static void test_calls(void)
{
	const struct call calls[] = {
		{ "open() frees all that it took when an allocation fails", run_open, nothing,
		  close_handle, nothing, CHANNELS, 0 },
		{ "ATTACH frees all that it took when an allocation fails", run_attach, open_handle,
		  close_handle, close_handle, CHANNELS, 0 },
		{ "mmap() frees all that it took when an allocation fails", run_map, open_attached,
		  touch_and_unmap, close_handle, CHANNELS, 0 },
		{ "epoll_ctl() frees all that it took when an allocation fails", run_epoll,
		  open_polling, close_polling, close_polling, CHANNELS, 0 },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		try_all(&calls[i]);
}

/* ---- Loading ---- */

static const char *module;

static long run_load(void)
{
	char path[64];
	long result;
	int file;

	snprintf(path, sizeof(path), "/lib/modules/%s.ko", module);
	file = open(path, O_RDONLY | O_CLOEXEC);
	result = sys(syscall(SYS_finit_module, file, "", 0));
	close(file);
	return result;
}

/* The users of a device may hold its module for a moment. */
static void unload(void)
{
	need(EVENTUALLY(PATIENCE_MS, syscall(SYS_delete_module, module, O_NONBLOCK) == 0), module);
}

#define SECOND_NODE "/tmp/kup-second"
#define USERS 2

static pid_t users[USERS];

/* Attaches by a node that exists before and after the device. */
static void attach_again_and_again(void)
{
	for (;;) {
		int fd = open(SECOND_NODE, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (attach_to(fd, ANY, 0, NULL) == 0)
			sched_yield();
		close(fd);
	}
}

/* Processes that open a device as soon as its number leads to it, also one that is not complete. */
static void start_users(void)
{
	struct stat node;

	need(stat(echo_path(), &node) == 0, "the device has a number");
	unlink(SECOND_NODE);
	need(mknod(SECOND_NODE, S_IFCHR | 0600, node.st_rdev) == 0, "a second node can be made");
	for (int i = 0; i < USERS; i++) {
		users[i] = fork();
		if (users[i] == 0)
			attach_again_and_again();
	}
}

static void end_users(void)
{
	for (int i = 0; i < USERS; i++) {
		kill(users[i], SIGKILL);
		waitpid(users[i], NULL, 0);
	}
	unlink(SECOND_NODE);
}

/* Loads the echo client, then a client on the predecessor's API, then kup.ko alone. */
static void test_loads(void)
{
	struct call call = { NULL, run_load, nothing, unload, nothing, 0, 0 };

	start_users();
	need(EVENTUALLY(PATIENCE_MS, module_unload() == 0), "the echo client can be unloaded");
	module = "kup_echo";
	call.name = "kup_device_create() frees all that it took when an allocation fails, while "
		    "users open the device";
	try_all(&call);
	end_users();
	module = "pingpong";
	call.name = "kupdev_create() frees all that it took when an allocation fails";
	/* The predecessor's kupdev_create() can't return an errno. */
	call.other_errno = EINVAL;
	try_all(&call);
	call.other_errno = 0;
	module = "kup";
	unload();
	call.name = "insmod of kup.ko frees all that it took when an allocation fails";
	try_all(&call);
	need(run_load() == 0, "kup can be loaded again");
	reload();
}

int main(int count, char **arguments)
{
	begin(count, arguments, 300);
	prepare_faults();
	test_calls();
	test_loads();
	return finish();
}
