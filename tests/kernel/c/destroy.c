/* SPDX-License-Identifier: BSD-3-Clause */
/* Unloading the modules while they are in use. Argument: kup_echo.ko's path, if it is elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "peer.h"

static const char *module = "/lib/modules/kup_echo.ko";

static int unload(const char *name)
{
	return (int)syscall(SYS_delete_module, name, O_NONBLOCK);
}

static int load_with(const char *parameters)
{
	int file = open(module, O_RDONLY | O_CLOEXEC);
	int result;
	int error;

	if (file == -1)
		return -1;
	result = (int)syscall(SYS_finit_module, file, parameters, 0);
	error = errno;
	close(file);
	errno = error;
	return result;
}

static void reload(void)
{
	need(load_with("") == 0, "kup_echo can be loaded again");
	need(EVENTUALLY(5000, access(ECHO_DEVICE, R_OK | W_OK) == 0), "and its device is there");
}

/* Time that unloading took, or UINT64_MAX. */
static uint64_t timed_unload(void)
{
	uint64_t start = now_ms();

	if (unload("kup_echo") != 0) {
		printf("# unloading: %s\n", strerrorname_np(errno));
		return UINT64_MAX;
	}
	return now_ms() - start;
}

/* ---- Handles that live on ---- */

static void test_idle_handles(void)
{
	struct peer peer, unmapped;
	struct kup_info info;
	struct kup_stats stats;
	struct pollfd entry = { .events = POLLIN };
	int bare = echo_open();

	peer_need(&peer, ANY);
	peer_need(&unmapped, ANY);
	check(timed_unload() < 3000, "kup_echo can be unloaded while handles are attached", "no");
	check(EVENTUALLY(1000, open(ECHO_DEVICE, O_RDWR) == -1), "its device is gone", "it isn't");
	check(peer_state(&peer) == KUP_STATE_CLOSED, "an attached handle's channel is closed",
	      "state %u", peer_state(&peer));
	check((peer_poll(&peer, POLLIN, 0) & (POLLIN | POLLHUP)) == (POLLIN | POLLHUP),
	      "poll of it reports POLLIN and POLLHUP", "%x", peer_poll(&peer, POLLIN, 0));
	refused(peer_kick(&peer), EPIPE, "KICK of it is refused with EPIPE");
	refused(ioctl(peer.fd, KUP_IOC_INFO, &info), ENODEV, "INFO of it is refused with ENODEV");
	refused(stats_get(peer.fd, 0, &stats), ENODEV, "STATS of it is refused with ENODEV");
	refused(attach_fd(peer.fd, ANY, 0, NULL), ENODEV, "ATTACH of it is refused with ENODEV");
	peer_unmap(&unmapped);
	refused(peer_map(&unmapped) == 0 ? 0 : -1, ENODEV, "mmap of it is refused with ENODEV");
	close(unmapped.fd);
	entry.fd = bare;
	check(poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP),
	      "a handle without a channel reports POLLHUP", "%x", entry.revents);
	refused(attach_fd(bare, ANY, 0, NULL), ENODEV, "ATTACH of a handle without a channel, too");
	refused(ioctl(bare, KUP_IOC_INFO, &info), ENODEV, "and INFO");
	refused(ioctl(bare, KUP_IOC_KICK), ENODEV, "and KICK");
	refused(unload("kup"), EAGAIN, "kup can't be unloaded while handles are open");
	close(bare);
	close(peer.fd);
	refused(unload("kup"), EAGAIN, "nor while a mapping lives");
	check(peer.kernel->magic == KUP_MAGIC, "which keeps its bytes", "no");
	memset(peer.out, 1, peer.info.to_kernel_bytes);
	peer_unmap(&peer);
	reload();
	peer_need(&peer, ANY);
	check(peer_echo(&peer, 1, 1000) == NULL, "a device that is created again works", "no");
	peer_stop_wait(&peer);
}

/* ---- Users in the middle of something ---- */

static struct peer victim;
static int victim_error;
static uint64_t victim_records;

static void *in_poll(void *unused)
{
	struct record record;

	victim_error = peer_receive(&victim, &record);
	return unused;
}

static void *in_traffic(void *unused)
{
	uint32_t seed = 1234567;

	while (peer_echo(&victim, 1, random_next(&seed) % 5000) == NULL)
		victim_records++;
	victim_error = peer_state(&victim) == KUP_STATE_CLOSED ? EPIPE : 0;
	return unused;
}

static void *on_full_ring(void *unused)
{
	static const uint8_t bytes[9000];

	while ((victim_error = peer_send(&victim, 1, bytes, sizeof(bytes))) == 0)
		victim_records++;
	return unused;
}

/* The kernel's side waits for room that never comes. */
static void *kernel_on_full_ring(void *unused)
{
	const struct echo_produce produce = { .count = 1000000,
					      .length = 1000,
					      .context = ECHO_WAITING };
	struct record record;
	uint64_t number = 0;

	peer_send(&victim, ECHO_PRODUCE, &produce, sizeof(produce));
	EVENTUALLY(60000, peer_state(&victim) == KUP_STATE_CLOSED);
	while ((victim_error = peer_receive(&victim, &record)) == 0) {
		if (record.type == ECHO_SAMPLE && *(const kup_u64 *)record.data != number++)
			break;
		victim_records++;
		peer_release(&victim, &record);
	}
	return unused;
}

static void *in_pause(void *unused)
{
	const struct echo_pause pause = { .milliseconds = 1500 };

	peer_send(&victim, ECHO_PAUSE, &pause, sizeof(pause));
	return in_poll(unused);
}

static void unload_under(void *(*user)(void *), const char *sentence)
{
	pthread_t thread;
	uint64_t took;

	trying(sentence);
	peer_need(&victim, ANY);
	victim_error = 0;
	victim_records = 0;
	pthread_create(&thread, NULL, user, NULL);
	sleep_ms(200);
	took = timed_unload();
	pthread_join(thread, NULL);
	check(victim_error == EPIPE && took < 5000, sentence,
	      "%s after %llu records, unloading took %lld ms", strerrorname_np(victim_error),
	      (long long)victim_records, (long long)took);
	peer_stop(&victim);
	reload();
}

/* The process that unloads is killed meanwhile: it must go on waiting, but not by running. */
static void test_killed_unload(void)
{
	const struct echo_pause pause = { .milliseconds = 1500 };
	struct rusage usage = { 0 };
	struct peer peer;
	uint64_t spent;
	pid_t child;

	peer_need(&peer, ANY);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(100);
	child = fork();
	if (child == 0)
		_exit(unload("kup_echo") != 0);
	sleep_ms(200);
	kill(child, SIGKILL);
	wait4(child, NULL, 0, &usage);
	spent = (uint64_t)usage.ru_stime.tv_sec * 1000 + (uint64_t)usage.ru_stime.tv_usec / 1000;
	check(EVENTUALLY(5000, open(ECHO_DEVICE, O_RDWR) == -1) &&
		      peer_state(&peer) == KUP_STATE_CLOSED,
	      "unloading goes on when its process is killed", "state %u", peer_state(&peer));
	check(spent < 300, "without keeping a processor busy", "%llu ms of system time",
	      (long long)spent);
	peer_stop(&peer);
	need(EVENTUALLY(5000, access("/sys/module/kup_echo", F_OK) != 0), "kup_echo is gone");
	reload();
}

/* What was committed before the end can be read after it. */
static void test_drained(void)
{
	struct peer peer;
	struct record record;
	uint32_t count = 0;

	peer_need(&peer, ANY);
	for (uint32_t i = 0; i < 50; i++)
		peer_send(&peer, i, &i, sizeof(i));
	EVENTUALLY(5000, peer.kernel->to_user_records == 50);
	need(unload("kup_echo") == 0, "kup_echo can be unloaded");
	while (peer_receive(&peer, &record) == 0) {
		count += record.type == count;
		peer_release(&peer, &record);
	}
	check(count == 50, "what was sent before the device went can be read after it", "%u of 50",
	      count);
	peer_stop(&peer);
	reload();
}

/* A handle waiting for a channel, in poll and in an epoll. */
static void *wait_for_free(void *entry)
{
	poll(entry, 1, 20000);
	return NULL;
}

static void test_waiting_for_channel(void)
{
	struct pollfd entry = { .fd = echo_open(), .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int held[8];
	int epoll = epoll_create1(0);
	pthread_t thread;

	for (int i = 0; i < 8; i++) {
		held[i] = echo_open();
		attach_fd(held[i], ANY, 0, NULL);
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, entry.fd, &event);
	while (epoll_wait(epoll, &event, 1, 50) == 1)
		;
	pthread_create(&thread, NULL, wait_for_free, &entry);
	sleep_ms(100);
	need(unload("kup_echo") == 0, "kup_echo can be unloaded");
	pthread_join(thread, NULL);
	check(entry.revents & POLLHUP, "who waits for a channel is told that the device is gone",
	      "%x", entry.revents);
	check(epoll_wait(epoll, &event, 1, 5000) == 1 && (event.events & EPOLLHUP), "by epoll, too",
	      "%x", event.events);
	close(epoll);
	close(entry.fd);
	for (int i = 0; i < 8; i++)
		close(held[i]);
	reload();
}

/* An epoll that outlives the handle and the device. */
static void test_epoll_stays(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	struct peer peer;

	peer_need(&peer, ANY);
	epoll_ctl(epoll, EPOLL_CTL_ADD, peer.fd, &event);
	epoll_wait(epoll, &event, 1, 10);
	peer_stop(&peer);
	check(unload("kup_echo") == 0 && epoll_wait(epoll, &event, 1, 10) == 0,
	      "an epoll that outlives its handle knows nothing of it", "it does");
	close(epoll);
	reload();
}

/* ---- Unloading against everything ---- */

static void test_unload_storm(int rounds)
{
	pid_t children[4];
	int done = 0;

	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		signal(SIGALRM, SIG_DFL);
		alarm(60);
		for (uint32_t seed = 17 + (uint32_t)i;;) {
			struct peer peer;

			if (peer_start(&peer, ANY) != 0)
				continue;
			for (int j = 0; j < 20; j++)
				if (peer_echo(&peer, random_next(&seed),
					      random_next(&seed) % 3000) != NULL)
					break;
			peer_stop(&peer);
		}
	}
	for (uint32_t seed = 5; done < rounds; done++) {
		sleep_us(random_next(&seed) % 60000);
		if (!EVENTUALLY(5000, unload("kup_echo") == 0) || load_with("") != 0)
			break;
	}
	for (int i = 0; i < 4; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	check(done == rounds, "unloading and loading under traffic works again and again",
	      "round %d: %s", done, strerrorname_np(errno));
	EVENTUALLY(5000, access(ECHO_DEVICE, R_OK) == 0);
}

/* ---- Parameters ---- */

static void bad_parameters(const char *parameters)
{
	int result = load_with(parameters);
	char sentence[160];

	snprintf(sentence, sizeof(sentence), "kup_echo refuses to be loaded with %.80s",
		 parameters);
	check(result == -1 && errno != EEXIST && errno != ENOENT, sentence, "%s",
	      result == 0 ? "it was loaded" : strerrorname_np(errno));
	if (result == 0)
		unload("kup_echo");
}

static void good_parameters(const char *parameters)
{
	char sentence[160];

	snprintf(sentence, sizeof(sentence), "kup_echo can be loaded with %.80s", parameters);
	worked(load_with(parameters), sentence);
	worked(unload("kup_echo"), "and unloaded");
}

static void test_parameters(void)
{
	need(unload("kup_echo") == 0, "kup_echo can be unloaded");
	bad_parameters("to_user_pages=3");
	bad_parameters("to_kernel_pages=3");
	bad_parameters("to_user_pages=131072");
	bad_parameters("to_kernel_pages=1048576");
	bad_parameters("channels=1025");
	bad_parameters("channels=4294967295");
	bad_parameters("name=..");
	bad_parameters("name=../echo");
	bad_parameters("name=/echo");
	bad_parameters("name=kup//echo");
	bad_parameters("name=kup/");
	bad_parameters("name=kup/..");
	bad_parameters("name=\"kup/e cho\"");
	bad_parameters(
		"name=kup/0123456789012345678901234567890123456789012345678901234567890123456789");
	good_parameters("to_user_pages=1 to_kernel_pages=1");
	good_parameters("channels=1024");
	good_parameters("to_user_pages=65536 channels=1");
	good_parameters("name=kup/other");
	reload();
}

int main(int count, char **arguments)
{
	begin(90);
	if (count > 1)
		module = arguments[1];
	if (access(module, R_OK) != 0)
		module = "/lib/kup_echo.ko";
	test_idle_handles();
	unload_under(in_poll, "who sleeps in poll is woken when the device goes");
	unload_under(in_traffic, "who is in traffic sees the end when the device goes");
	unload_under(on_full_ring, "who waits for room is woken when the device goes");
	unload_under(kernel_on_full_ring,
		     "a kernel side that waits for room ends, and its records can be read");
	unload_under(in_pause,
		     "a kernel side that pauses delays unloading by its pause and no more");
	test_killed_unload();
	test_drained();
	test_waiting_for_channel();
	test_epoll_stays();
	test_unload_storm(30);
	test_parameters();
	return finish();
}
