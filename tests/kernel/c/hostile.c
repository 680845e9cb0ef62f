/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The most that a process can do to the machine's memory and processors, to the unloading of
 * modules, and to other users. docs/security.md has the limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "proc.h"
#include "raw.h"

#define USER 1000

static void become_user(void)
{
	need(setgid(USER) == 0 && setuid(USER) == 0, "a user that is not root");
}

/* The exit status of a child, or the negative of the signal that ended it. */
static int ended(pid_t child)
{
	int status = 0;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void load_with(const char *parameters)
{
	need_unload();
	need(module_load(parameters) == 0, "the echo client can be loaded with other parameters");
	need(EVENTUALLY(PATIENCE_MS, access(echo_path(), F_OK) == 0), "and its device is there");
}

static void load_usual(void)
{
	need(EVENTUALLY(PATIENCE_MS, module_unload() == 0), "the echo client can be unloaded");
	reload();
}

/* A child stops here until the parent lets it continue. */
struct meeting {
	int here[2], go_on[2];
};

static void arrange(struct meeting *meeting)
{
	need(pipe(meeting->here) == 0 && pipe(meeting->go_on) == 0, "pipes");
}

static void arrive(struct meeting *meeting)
{
	char byte = 0;

	need(write(meeting->here[1], &byte, 1) == 1 && read(meeting->go_on[0], &byte, 1) == 1,
	     "the parent is there");
}

static bool await(struct meeting *meeting)
{
	struct pollfd child = { .fd = meeting->here[0], .events = POLLIN };
	char byte;

	return poll(&child, 1, PATIENCE_MS) == 1 && read(meeting->here[0], &byte, 1) == 1;
}

static void send_on(struct meeting *meeting)
{
	char byte = 0;

	need(write(meeting->go_on[1], &byte, 1) == 1, "the child is there");
}

/* ---- Memory beyond the channels ---- */

/* As many as the device has channels, plus those that are still closing when the last one comes. */
#define KEPT_LEAST CHANNELS
#define KEPT_MOST (2 * CHANNELS)

/* Attaches, maps one page, closes, and keeps the page mapped. Returns 0 or a negative errno. */
static int keep_one(void **page)
{
	int fd = echo_open(), error;

	if (fd < 0)
		return fd;
	error = attach_to(fd, ANY, 0, NULL);
	if (error == 0) {
		*page = mmap(NULL, (size_t)getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
		error = (int)sys_map(*page);
	}
	close(fd);
	return error;
}

/* Runs in a child, as a user that is not root. */
static int keep_many(struct meeting *meeting)
{
	void *pages[100];
	int kept = 0, error = 0;

	become_user();
	while (kept < 100 && (error = keep_one(&pages[kept])) == 0)
		kept++;
	if (kept < KEPT_LEAST || kept > KEPT_MOST || error != -ENOMEM) {
		printf("# %d kept, then %s\n", kept, error_name(error));
		return 1;
	}
	for (int i = 0; i < kept; i++)
		if (*(volatile uint64_t *)pages[i] != KUP_MAGIC)
			return 2;
	arrive(meeting);
	while (kept >= KEPT_LEAST)
		munmap(pages[--kept], (size_t)getpagesize());
	error = keep_one(&pages[kept]);
	if (error != 0)
		printf("# after some are unmapped: %s\n", error_name(error));
	return error == 0 ? 0 : 3;
}

static void test_kept_memory(void)
{
	struct meeting meeting;
	struct kup_info info;
	int64_t before, pages, rings;
	pid_t child;
	int fd, others;

	load_with("permissions=438");
	fd = echo_open();
	kup_user_info(fd, &info);
	rings = KEPT_LEAST * (int64_t)(info.to_user_bytes + info.to_kernel_bytes) / info.page_size;
	arrange(&meeting);
	before = pages_in_use();
	child = fork();
	if (child == 0)
		_exit(keep_many(&meeting));
	check(await(&meeting), "ATTACH limits how many closed channels a user keeps mapped", "no");
	check(EVENTUALLY(PATIENCE_MS, (pages = pages_in_use() - before) < rings / 2),
	      "close() frees the areas of a channel that are not mapped",
	      "%lld pages are gone, the rings had %lld", (long long)pages, (long long)rings);
	others = attach_to(fd, ANY, 0, NULL);
	worked(others, "ATTACH works for other users when one user has reached its limit");
	send_on(&meeting);
	check(ended(child) == 0, "munmap() of closed channels makes room under the user's limit",
	      "no");
	kup_user_close(fd);
	load_usual();
}

/* Parts of an area, in children's and moved mappings, keep the whole area and nothing else. */
static void test_kept_parts(void)
{
	struct peer peer;
	uint8_t *ring, *moved;
	size_t length, page;
	int64_t pages;

	peer_need(&peer, ANY);
	page = peer.info.page_size;
	length = area_length(&peer.info, AREA_IN);
	ring = area_map(peer.fd, &peer.info, AREA_IN);
	memset(ring, 0x5a, length / 2);
	peer_stop_wait(&peer);
	munmap(ring, page);
	munmap(ring + 3 * page, length - 4 * page);
	moved = mremap(ring + length - page, page, page, MREMAP_MAYMOVE);
	check(ring[page] == 0x5a && moved[page - 1] == 0x5a,
	      "close() keeps the bytes of an area whose parts are still mapped", "no");
	pages = pages_in_use();
	munmap(ring + page, 2 * page);
	check(moved[0] == 0x5a, "munmap() of all parts but one keeps the area's bytes", "no");
	munmap(moved, page);
	check(EVENTUALLY(PATIENCE_MS, pages - pages_in_use() >= (int64_t)(length / 2 / page / 2)),
	      "munmap() of the last part frees the area", "%lld pages are back",
	      (long long)(pages - pages_in_use()));
}

/* ---- Mappings that every process makes executable ---- */

static int map_with_personality(void)
{
	char line[300];
	struct peer peer;
	FILE *maps;
	int executable = 0, seen = 0;

	if (personality(READ_IMPLIES_EXEC) == -1 || peer_start(&peer, ANY) != 0)
		return 1;
	maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, "[kup]") == NULL)
			continue;
		seen++;
		executable += strchr(strchr(line, ' '), 'x') != NULL;
	}
	fclose(maps);
	if (seen == 0 || executable > 0 || peer_echo(&peer, 1, 1000) != NULL)
		return 2;
	return mprotect(peer.in, peer.info.page_size, PROT_READ | PROT_EXEC) == -1 ? 0 : 3;
}

static void test_personality(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(map_with_personality());
	status = ended(child);
	check(status == 0, "mmap() makes no area executable in a process with READ_IMPLIES_EXEC",
	      "%d", status);
}

/* ---- Unloading while an ATTACH waits for memory ---- */

static void test_throttled_attach(void)
{
	static const char sentence[] =
		"delete_module() does not wait for an ATTACH in a throttled cgroup";
	const uint64_t ring = 8192 * (uint64_t)getpagesize();
	struct kup_info info = { 0 };
	pid_t child;
	int fd;

	if (!cgroup_make("memory.high", "1000000")) {
		skip(sentence, "no cgroup can be made");
		return;
	}
	/* 64 MiB a channel. */
	load_with("to_user_pages=8192 to_kernel_pages=8192");
	fd = echo_open();
	child = fork();
	if (child == 0)
		_exit(cgroup_enter() ? -attach_to(fd, ANY, 0, NULL) : 255);
	/* The process has a channel's number, and no pages yet. */
	need(EVENTUALLY(PATIENCE_MS,
			kup_user_info(fd, &info) == 0 && info.channels_free < CHANNELS),
	     "a process is in ATTACH");
	worked(module_unload(), sentence);
	check(cgroup_peak() < ring / 2,
	      "delete_module() returns before that ATTACH has all of its memory",
	      "it has got %llu bytes", (long long)cgroup_peak());
	refused(kup_user_info(fd, &info), ENODEV,
		"INFO is refused with ENODEV when the device has gone during ATTACH");
	kill(child, SIGKILL);
	ended(child);
	close(fd);
	check(EVENTUALLY(PATIENCE_MS, cgroup_remove() == 0),
	      "kill -9 ends an ATTACH in a throttled cgroup", "it is still there");
	reload();
}

/* ---- Processor time ---- */

static void serve_in_cgroup(struct meeting *meeting)
{
	struct peer peer;

	if (!cgroup_enter() || peer_start(&peer, 4) != 0)
		_exit(1);
	arrive(meeting);
	peer_stop(&peer);
	_exit(0);
}

static void test_thread_cgroup(void)
{
	static const char sentence[] =
		"ATTACH puts the channel's kernel thread into the cgroup of its process";
	struct meeting meeting;
	char path[64];
	pid_t child, thread;

	if (!cgroup_make("memory.max", "max")) {
		skip(sentence, "no cgroup can be made");
		return;
	}
	arrange(&meeting);
	child = fork();
	if (child == 0)
		serve_in_cgroup(&meeting);
	need(await(&meeting), "a process attaches in a cgroup");
	thread = thread_named("kup/echo:4");
	snprintf(path, sizeof(path), "/proc/%d/cgroup", thread);
	check(thread != 0 && strstr(first_line(path), "/kup") != NULL, sentence, "thread %d: %s",
	      thread, first_line(path));
	send_on(&meeting);
	ended(child);
	check(EVENTUALLY(PATIENCE_MS, cgroup_remove() == 0),
	      "close() takes the channel's kernel thread out of the cgroup", "it is still there");
}

/* The time of a process and of its channel's kernel thread. */
struct spent {
	uint64_t process, thread; /* ticks of 10 ms */
	uint64_t charged;	  /* microseconds */
};

static struct spent spent_by(pid_t thread)
{
	return (struct spent){ ticks_of(getpid()), ticks_of(thread), cgroup_time() };
}

/*
 * Prepares records in each place of the ring. All places before head are finished, and the same in
 * each round, so three stores give the kernel's side a whole ring to read.
 */
static void prepare_ring(struct peer *peer, uint32_t header, uint32_t space)
{
	for (uint32_t at = space; at < peer->attach.to_kernel_bytes; at += space) {
		peer_header(peer, at)[1] = ECHO_SAMPLE;
		word_set(peer_header(peer, at), header);
	}
	peer_header(peer, 0)[1] = ECHO_SAMPLE;
}

/* Moves head: writes the sentinel, head, and then the header that was the sentinel. */
static void show(struct peer *peer, uint32_t header, uint32_t head)
{
	uint32_t from = peer->head;

	peer->head = head;
	word_set(peer_header(peer, head), 0);
	peer_set_head(peer, head);
	word_set(peer_header(peer, from), header);
	peer_wake(peer, from);
}

#define DISCARDED (KUP_RECORD_READY | KUP_RECORD_DISCARD)

/* Sends records that cost their user no time. */
static bool send_discarded_ring(struct peer *peer)
{
	uint32_t head = peer->head + peer->attach.to_kernel_bytes - KUP_RECORD_HEADER;

	word_set(&peer->user->to_kernel_producer_event.value, head);
	show(peer, DISCARDED, head);
	return peer_poll(peer, POLLOUT, PATIENCE_MS) == POLLOUT;
}

static void flood(struct spent *spent)
{
	struct spent before;
	struct peer peer;
	pid_t thread;

	need(cgroup_enter(), "a process can enter a cgroup");
	peer_need(&peer, 6);
	thread = thread_named("kup/echo:6");
	need(thread != 0, "the channel has a thread");
	prepare_ring(&peer, DISCARDED, KUP_RECORD_HEADER);
	before = spent_by(thread);
	do {
		for (int i = 0; i < 16; i++)
			need(send_discarded_ring(&peer), "discarded records are skipped");
		*spent = spent_by(thread);
		spent->process -= before.process;
		spent->thread -= before.thread;
		spent->charged -= before.charged;
	} while (spent->thread < 100);
	_exit(0);
}

/*
 * Compares the processors' time for a process with what its cgroup is charged for. If the kernel
 * thread were in another cgroup, the time would be several times the charge.
 */
static void test_discarded_time(void)
{
	static const char sentence[] =
		"the kernel thread's time for discarded records is charged to its user";
	struct spent *spent = mmap(NULL, sizeof(*spent), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t all;
	pid_t child;

	if (!cgroup_make("memory.max", "max")) {
		skip(sentence, "no cgroup can be made");
		return;
	}
	trying(sentence);
	child = fork();
	if (child == 0)
		flood(spent);
	need(ended(child) == 0, "a process sends discarded records");
	all = 10000 * (spent->process + spent->thread);
	check(spent->charged >= all * 9 / 10, sentence, "%llu us of %llu",
	      (long long)spent->charged, (long long)all);
	printf("# %llu ticks of the process, %llu of the kernel thread\n",
	       (long long)spent->process, (long long)spent->thread);
	need(EVENTUALLY(PATIENCE_MS, cgroup_remove() == 0), "the cgroup is empty again");
	munmap(spent, sizeof(*spent));
}

static void move_to_processor(pid_t task, int number)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(number, &one);
	need(sched_setaffinity(task, sizeof(one), &one) == 0, "a thread can be moved");
}

/* Attaches channel 5, and moves its thread to the processor that this program runs on. */
static void share_processor(struct peer *peer)
{
	pid_t thread;

	peer_need(peer, 5);
	thread = thread_named("kup/echo:5");
	need(thread != 0, "the channel has a thread");
	move_to_processor(thread, 0);
	move_to_processor(0, 0);
}

/* In milliseconds, of sleeps of 10 ms. A kernel without preemption may end a sleep late. */
static uint64_t slowest_sleep(void)
{
	uint64_t slowest = 0;

	for (int i = 0; i < 20; i++) {
		uint64_t start = now_ms();

		sleep_ms(10);
		if (now_ms() - start > slowest)
			slowest = now_ms() - start;
	}
	return slowest;
}

/* The kernel itself reports longer stalls, and stops. */
#define SLOWEST_MS (1000 * patience(10))

/* Records from interrupts, as fast as they come, on the processor that this program runs on. */
static void test_breathing(uint32_t context, const char *sentence)
{
	const struct echo_produce produce = { .count = ~0ull >> 1,
					      .length = 64,
					      .context = context };
	struct peer peer;
	uint64_t slowest;
	cpu_set_t all;

	trying(sentence);
	sched_getaffinity(0, sizeof(all), &all);
	share_processor(&peer);
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	EVENTUALLY(PATIENCE_MS, peer.kernel->dropped_no_space > 0);
	slowest = slowest_sleep();
	/* A machine may stand still once. */
	if (slowest >= SLOWEST_MS)
		slowest = slowest_sleep();
	check(peer.kernel->dropped_no_space > 0 && slowest < SLOWEST_MS, sentence,
	      "%llu lost, a sleep took %llu ms", (long long)peer.kernel->dropped_no_space,
	      (long long)slowest);
	sched_setaffinity(0, sizeof(all), &all);
	peer_stop_wait(&peer);
}

/* A thread on another processor that keeps the ring full. */
struct flood {
	struct peer peer;
	const char *sentence;
	uint32_t
		header; /* how many of its records cost the kernel's side more time than this side */
	bool over;
};

static uint32_t flood_space(const struct flood *flood)
{
	return KUP_RECORD_SPACE(flood->header & KUP_RECORD_LENGTH);
}

/* Ends by itself, before the kernel's watchdog reports a stall. */
static void *keep_ring_full(void *argument)
{
	const uint64_t end = now_ms() + SLOWEST_MS + SLOWEST_MS / 2;
	struct flood *flood = argument;
	struct peer *peer = &flood->peer;
	uint32_t head;

	move_to_processor(0, 1);
	while (!__atomic_load_n(&flood->over, __ATOMIC_RELAXED) && now_ms() < end) {
		head = word_get(&peer->kernel->to_kernel_tail.value) +
		       peer->attach.to_kernel_bytes - flood_space(flood);
		if (head != peer->head)
			show(peer, flood->header, head);
	}
	return NULL;
}

/* The slowest sleep beside the flood. */
static uint64_t slowest_in_flood(struct flood flood, int *state)
{
	uint64_t slowest = 0, slow;
	pthread_t thread;
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	share_processor(&flood.peer);
	prepare_ring(&flood.peer, flood.header, flood_space(&flood));
	need(pthread_create(&thread, NULL, keep_ring_full, &flood) == 0, "a thread");
	do {
		slow = slowest_sleep();
		slowest = slow > slowest ? slow : slowest;
	} while (word_get(&flood.peer.kernel->to_kernel_tail.value) == 0);
	*state = (int)peer_state(&flood.peer);
	__atomic_store_n(&flood.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(all), &all);
	peer_stop_wait(&flood.peer);
	return slowest;
}

static void test_busy_thread(struct flood flood)
{
	uint64_t slowest;
	int state;

	trying(flood.sentence);
	slowest = slowest_in_flood(flood, &state);
	/* A machine may stand still once. */
	if (slowest >= SLOWEST_MS)
		slowest = slowest_in_flood(flood, &state);
	check(state == KUP_STATE_OPEN && slowest < SLOWEST_MS, flood.sentence,
	      "state %d, a sleep took %llu ms", state, (long long)slowest);
}

static void test_busy_threads(void)
{
	/* Long enough that the ring stays full while another process has the other processor. */
	load_with("to_kernel_pages=8192");
	test_busy_thread((struct flood){
		.sentence = "the kernel thread of a ring that is never empty lets others have the "
			    "processor",
		.header = KUP_RECORD_READY | (4096 - KUP_RECORD_HEADER),
	});
	test_busy_thread((struct flood){
		.sentence = "the kernel thread of a ring of discarded records lets others have the "
			    "processor",
		.header = DISCARDED,
	});
	load_usual();
}

/* ---- Killed with a ring full of work ---- */

static void test_killed_with_pauses(void)
{
	const struct echo_pause pause = { .milliseconds = 60000 };
	struct meeting meeting;
	struct peer peer;
	int fd = echo_open();

	for (int i = 0; i < CHANNELS; i++) {
		pid_t child;

		arrange(&meeting);
		child = fork();
		if (child == 0) {
			peer_need(&peer, ANY);
			while (peer_room(&peer, KUP_RECORD_SPACE(sizeof(pause))))
				peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
			arrive(&meeting);
		}
		need(await(&meeting), "a process fills its ring");
		kill(child, SIGKILL);
		ended(child);
	}
	check(EVENTUALLY(PATIENCE_MS, channels_free(fd) == CHANNELS),
	      "kill -9 of processes with rings full of pauses leaves all channels free", "%u are",
	      channels_free(fd));
	close(fd);
}

/* ---- Clients that leave a device behind ---- */

static long load_deserter(const char *parameters)
{
	int file = open("/lib/modules/deserter.ko", O_RDONLY | O_CLOEXEC);
	long result = sys(syscall(SYS_finit_module, file, parameters, 0));

	close(file);
	return result;
}

static void test_deserter(void)
{
	struct kup_info info;
	struct peer peer;

	need(load_deserter("") == 0, "the deserter can be loaded");
	need(peer_start_at(&peer, "/dev/deserter", 0) == 0, "its channel can be attached");
	check(peer_echo(&peer, 1, 30) == NULL,
	      "the kernel thread of the deserter's channel answers", "no");
	worked(sys(syscall(SYS_delete_module, "deserter", O_NONBLOCK)),
	       "delete_module() unloads a client that leaves its device behind");
	refused(kup_user_open("/dev/deserter"), ENOENT,
		"open() is refused with ENOENT when the device has gone with its client");
	refused(kup_user_info(peer.fd, &info), ENODEV,
		"INFO is refused with ENODEV when the device has gone with its client");
	check(peer_state(&peer) == KUP_STATE_CLOSED,
	      "delete_module() closes the channels of a device that was left behind", "state %u",
	      peer_state(&peer));
	peer_stop(&peer);
	refused(load_deserter("refuse=1"), ENODEV,
		"insmod of a client that fails and leaves its device behind is refused with "
		"ENODEV");
	refused(kup_user_open("/dev/deserter"), ENOENT,
		"open() is refused with ENOENT when the device has gone with a client that failed");
}

int main(int count, char **arguments)
{
	begin(count, arguments, 240);
	test_kept_memory();
	test_kept_parts();
	test_personality();
	test_throttled_attach();
	test_thread_cgroup();
	test_discarded_time();
	test_breathing(ECHO_INTERRUPT,
		       "kup_try_send() in interrupts lets others have the processor");
	test_breathing(ECHO_DEFERRED, "kup_try_send() in softirqs lets others have the processor");
	test_breathing(
		ECHO_TRYING,
		"kup_try_send() in a thread that never waits lets others have the processor");
	test_busy_threads();
	test_killed_with_pauses();
	test_deserter();
	return finish();
}
