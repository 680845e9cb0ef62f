/* SPDX-License-Identifier: BSD-3-Clause */
/* Unloading the modules while they are in use. Argument: kup_echo.ko's path. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/linker.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "peer.h"

static const char *module = "/boot/modules/kup_echo.ko";

static int unload(const char *file)
{
	int id = kldfind(file);

	return id == -1 ? -1 : kldunload(id);
}

static void reload(void)
{
	need(kldload(module) != -1, "kup_echo can be loaded again");
}

/* devfs forgets the file's vnode when somebody looks into the directory. */
static void look_into_devfs(void)
{
	struct stat status;

	stat("/dev/kup", &status);
	stat(ECHO_DEVICE, &status);
}

static struct kevent next_event(int queue, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	struct kevent event = { 0 };

	if (kevent(queue, NULL, 0, &event, 1, &timeout) != 1)
		event.filter = 0;
	return event;
}

static int watch(int queue, int fd, unsigned int flags)
{
	struct kevent event;

	EV_SET(&event, fd, EVFILT_READ, flags, 0, 0, NULL);
	return kevent(queue, &event, 1, NULL, 0, NULL);
}

/* ---- Handles that live on ---- */

static void check_gone(struct peer *peer, struct peer *unmapped, int bare)
{
	struct kup_info info;
	struct kup_stats stats;
	struct stat status;
	struct pollfd entry = { .fd = bare, .events = POLLIN };

	check((peer_poll(peer, POLLIN, 0) & (POLLIN | POLLHUP)) == (POLLIN | POLLHUP),
	      "poll of it reports POLLIN and POLLHUP", "%x", peer_poll(peer, POLLIN, 0));
	refused(peer_kick(peer), EPIPE, "KICK of it is refused with EPIPE");
	refused(ioctl(peer->fd, KUP_IOC_INFO, &info), ENODEV, "INFO of it is refused with ENODEV");
	refused(stats_get(peer->fd, 0, &stats), ENODEV, "STATS of it is refused with ENODEV");
	refused(attach_fd(peer->fd, ANY, 0, NULL), ENODEV, "ATTACH of it is refused with ENODEV");
	refused(peer_map(unmapped) == 0 ? 0 : -1, ENODEV, "mmap of it is refused with ENODEV");
	check(poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP),
	      "a handle without a channel reports POLLHUP", "%x", entry.revents);
	refused(attach_fd(bare, ANY, 0, NULL), ENODEV, "ATTACH of a handle without a channel, too");
	refused(ioctl(bare, KUP_IOC_KICK), ENODEV, "and KICK");
	check(fstat(bare, &status) == 0 || errno == EBADF || errno == ENOENT,
	      "fstat of it does no harm", "%s", strerrorname_np(errno));
}

static void test_idle_handles(void)
{
	struct peer peer, unmapped, next;
	int bare = echo_open();

	peer_need(&peer, ANY);
	peer_need(&unmapped, ANY);
	peer_unmap(&unmapped);
	worked(unload("kup_echo.ko"), "kup_echo can be unloaded while handles are attached");
	check(peer_state(&peer) == KUP_STATE_CLOSED, "an attached handle's channel is closed",
	      "state %u", peer_state(&peer));
	check_gone(&peer, &unmapped, bare);
	look_into_devfs();
	check(open(ECHO_DEVICE, O_RDWR) == -1, "its device is gone", "it isn't");
	check_gone(&peer, &unmapped, bare);
	reload();
	peer_need(&next, ANY);
	check(peer_echo(&next, 1, 1000) == NULL, "a new device of that name works beside them",
	      "no");
	check(peer.kernel->magic == KUP_MAGIC, "mappings keep their bytes", "no");
	check_gone(&peer, &unmapped, bare);
	peer_stop_wait(&next);
	close(bare);
	close(unmapped.fd);
	close(peer.fd);
	memset(peer.out, 1, peer.info.to_kernel_bytes);
	peer_unmap(&peer);
}

/* kup was loaded by its user, and kup_echo holds it: the first kldunload only takes the user's hold away. */
static void test_kup_stays(const char *kup)
{
	struct peer peer;
	int id;

	peer_need(&peer, ANY);
	need(unload("kup_echo.ko") == 0, "kup_echo can be unloaded");
	refused(unload("kup.ko"), EBUSY, "kup can't be unloaded while a handle is open");
	id = kldfind("kup.ko");
	refused(kldunloadf(id, LINKER_UNLOAD_FORCE), EBUSY, "nor by force");
	close(peer.fd);
	worked(unload("kup.ko"), "it can when none is");
	check(peer.kernel->magic == KUP_MAGIC && (memset(peer.in, 7, 4096), peer.in[9] == 7),
	      "and a mapping lives on without it", "no");
	peer_unmap(&peer);
	need(kldload(kup) != -1, "kup can be loaded again");
	reload();
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

static void *in_kevent(void *unused)
{
	int queue = kqueue();
	struct kevent event;

	watch(queue, victim.fd, EV_ADD | EV_CLEAR);
	event = next_event(queue, PATIENCE_MS);
	victim_error = event.flags & EV_EOF ? EPIPE : ETIMEDOUT;
	close(queue);
	return unused;
}

/* Sleeps in the kernel's wait for a channel that is drained, while the device goes. */
static void *in_attach(void *unused)
{
	const struct echo_pause pause = { .milliseconds = 1500 };
	uint32_t channel = victim.attach.channel;
	int fd = echo_open();

	peer_send(&victim, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(50);
	close(victim.fd);
	victim_error = attach_fd(fd, channel, 0, NULL) == 0 ? 0 : errno;
	if (victim_error == ENODEV || victim_error == EBUSY)
		victim_error = EPIPE;
	victim.fd = fd;
	return unused;
}

static void unload_under(void *(*user)(void *), const char *sentence)
{
	pthread_t thread;
	uint64_t took = now_ms();
	bool done;

	trying(sentence);
	peer_need(&victim, ANY);
	victim_error = 0;
	victim_records = 0;
	pthread_create(&thread, NULL, user, NULL);
	sleep_ms(200);
	done = unload("kup_echo.ko") == 0;
	took = now_ms() - took;
	pthread_join(thread, NULL);
	check(victim_error == EPIPE && done && took < 6000, sentence,
	      "error %d after %llu records, unloading took %lld ms", victim_error,
	      (long long)victim_records, (long long)took);
	peer_stop(&victim);
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
	need(unload("kup_echo.ko") == 0, "kup_echo can be unloaded");
	while (peer_receive(&peer, &record) == 0) {
		count += record.type == count;
		peer_release(&peer, &record);
	}
	check(count == 50, "what was sent before the device went can be read after it", "%u of 50",
	      count);
	peer_stop(&peer);
	reload();
}

/* ---- Knotes of a device that is gone ---- */

/* One that nobody looks at until later, one that is disabled, one of a handle that waits for a channel. */
static void test_knotes_stay(void)
{
	int queue = kqueue(), disabled = kqueue(), waiting = kqueue();
	int bare = echo_open();
	int held[8];
	struct peer peer;

	peer_need(&peer, ANY);
	for (int i = 0; i < 8; i++) {
		held[i] = echo_open();
		attach_fd(held[i], ANY, 0, NULL);
	}
	watch(queue, peer.fd, EV_ADD | EV_CLEAR);
	watch(disabled, peer.fd, EV_ADD | EV_DISPATCH | EV_DISABLE);
	watch(waiting, bare, EV_ADD | EV_CLEAR);
	need(next_event(waiting, 0).filter == 0, "no channel is free");
	need(unload("kup_echo.ko") == 0, "kup_echo can be unloaded");
	look_into_devfs();
	check(next_event(queue, 0).flags & EV_EOF, "a knote tells later that the device went",
	      "no");
	watch(disabled, peer.fd, EV_ENABLE | EV_DISPATCH);
	check(next_event(disabled, 0).flags & EV_EOF,
	      "one that was disabled tells when it is enabled", "no");
	check(next_event(waiting, 0).flags & EV_EOF, "and one that waits for a channel", "no");
	check(watch(queue, bare, EV_ADD) == 0 && next_event(queue, 0).flags & EV_EOF,
	      "a new knote tells it at once", "no");
	reload();
	for (int i = 0; i < 8; i++)
		close(held[i]);
	close(disabled);
	close(bare);
	peer_stop(&peer);
	check(next_event(queue, 0).filter == 0, "a knote goes with its handle", "no");
	close(queue);
	close(waiting);
}

/* ---- Unloading against everything ---- */

static void hammer(uint32_t seed)
{
	alarm(100);
	signal(SIGALRM, SIG_DFL);
	for (;;) {
		struct peer peer;
		int queue = kqueue();

		if (peer_start(&peer, ANY) == 0) {
			watch(queue, peer.fd, EV_ADD | EV_CLEAR);
			for (int i = 0; i < 20; i++)
				if (peer_echo(&peer, random_next(&seed),
					      random_next(&seed) % 3000) != NULL)
					break;
			if (random_next(&seed) & 1)
				close(queue);
			peer_stop(&peer);
		}
		close(queue);
	}
}

static void test_unload_storm(int rounds)
{
	pid_t children[4];
	uint32_t seed = 5;
	int done;

	for (uint32_t i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0)
			hammer(17 + i);
	}
	for (done = 0; done < rounds; done++) {
		int dies = (int)(random_next(&seed) % 4);

		sleep_us(random_next(&seed) % 100000);
		kill(children[dies], SIGKILL);
		if (!EVENTUALLY(5000, unload("kup_echo.ko") == 0) || kldload(module) == -1)
			break;
		waitpid(children[dies], NULL, 0);
		children[dies] = fork();
		if (children[dies] == 0)
			hammer(100 + (uint32_t)done);
	}
	for (int i = 0; i < 4; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	check(done == rounds, "unloading and loading under traffic works again and again",
	      "round %d: %s", done, strerrorname_np(errno));
}

int main(int count, char **arguments)
{
	begin(200);
	if (count > 1)
		module = arguments[1];
	test_idle_handles();
	if (count > 2)
		test_kup_stays(arguments[2]);
	unload_under(in_poll, "who sleeps in poll is woken when the device goes");
	unload_under(in_kevent, "who sleeps in kevent is woken when the device goes");
	unload_under(in_traffic, "who is in traffic sees the end when the device goes");
	unload_under(on_full_ring, "who waits for room is woken when the device goes");
	unload_under(kernel_on_full_ring,
		     "a kernel side that waits for room ends, and its records can be read");
	unload_under(in_pause,
		     "a kernel side that pauses delays unloading by its pause and no more");
	unload_under(in_attach, "who waits for a channel inside ATTACH gets an answer");
	test_drained();
	test_knotes_stay();
	test_unload_storm(40);
	return finish();
}
