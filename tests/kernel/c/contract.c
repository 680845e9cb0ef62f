/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle's calls: INFO, ATTACH, STATS, KICK, poll, close, and what each refuses. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "peer.h"

/* An address that no call can read or write. */
#define NOWHERE ((void *)8)

static bool all_zero(const void *bytes, size_t length)
{
	const uint8_t *byte = bytes;

	while (length > 0 && *byte == 0) {
		byte++;
		length--;
	}
	return length == 0;
}

static bool good_ring(uint32_t bytes)
{
	return bytes >= KUP_MIN_RING && bytes >= (uint32_t)getpagesize() && bytes <= KUP_MAX_RING &&
	       (bytes & (bytes - 1)) == 0;
}

static void test_info(void)
{
	struct kup_info info;
	int fd = echo_open();

	need(fd >= 0, "the device can be opened");
	memset(&info, 0xff, sizeof(info));
	worked(ioctl(fd, KUP_IOC_INFO, &info), "INFO works before ATTACH");
	check(info.abi_version == KUP_ABI_VERSION && info.mode == KUP_MODE_STREAM,
	      "INFO tells version and mode", "%u, %u", info.abi_version, info.mode);
	check(info.attached == ANY, "INFO tells that nothing is attached", "%u", info.attached);
	check(info.features == KUP_FEATURES, "INFO tells the features", "%llx",
	      (long long)info.features);
	check(info.page_size == (uint32_t)getpagesize(), "INFO tells the page size", "%u",
	      info.page_size);
	check(info.channels == 8 && info.channels_free == 8, "INFO counts eight free channels",
	      "%u of %u", info.channels_free, info.channels);
	check(good_ring(info.to_user_bytes) && good_ring(info.to_kernel_bytes),
	      "INFO tells both rings' sizes", "%u, %u", info.to_user_bytes, info.to_kernel_bytes);
	check(info.map_bytes == 2ull * info.page_size + 2ull * info.to_user_bytes +
					2ull * info.to_kernel_bytes,
	      "INFO tells where the last area ends", "%llu", (long long)info.map_bytes);
	check(strnlen(info.name, KUP_NAME_MAX) < KUP_NAME_MAX && strcmp(info.name, "kup/echo") == 0,
	      "INFO tells the device's name", "%.64s", info.name);
	check(info.reserved0 == 0 && all_zero(info.reserved, sizeof(info.reserved)) &&
		      all_zero(info.name + strlen(info.name), KUP_NAME_MAX - strlen(info.name)),
	      "INFO leaves no byte of its own unset", "a reserved byte isn't zero");
	refused(ioctl(fd, KUP_IOC_INFO, NOWHERE), EFAULT, "INFO to nowhere is refused with EFAULT");
	close(fd);
}

static void test_unknown_calls(void)
{
	uint8_t bytes[512] = { 0 };
	struct iovec part = { bytes, 8 };
	int fd = echo_open();

	refused(ioctl(fd, _IO(0xe7, 0), bytes), ENOTTY, "command 0 is refused with ENOTTY");
	refused(ioctl(fd, _IO(0xe7, 99), bytes), ENOTTY, "command 99 is refused with ENOTTY");
	refused(ioctl(fd, _IOR(0xe7, 1, kup_u64), bytes), ENOTTY,
		"INFO with another size is refused with ENOTTY");
	refused(ioctl(fd, _IOWR(0xe7, 2, struct kup_info), bytes), ENOTTY,
		"ATTACH with another size is refused with ENOTTY");
	refused(ioctl(fd, _IOR(0xe7, 2, struct kup_attach), bytes), ENOTTY,
		"ATTACH in another direction is refused with ENOTTY");
	refused(ioctl(fd, _IOWR(0xe6, 2, struct kup_attach), bytes), ENOTTY,
		"another device's command is refused with ENOTTY");
	refused(read(fd, bytes, 8), EINVAL, "read is refused with EINVAL");
	refused(write(fd, bytes, 8), EINVAL, "write is refused with EINVAL");
	refused(readv(fd, &part, 1), EINVAL, "readv is refused with EINVAL");
	refused(lseek(fd, 0, SEEK_SET), ESPIPE, "lseek is refused with ESPIPE");
	refused(lseek(fd, 0, SEEK_END), ESPIPE, "lseek to the end is refused with ESPIPE");
	refused(pread(fd, bytes, 8, 0), ESPIPE, "pread is refused with ESPIPE");
	refused(ftruncate(fd, 4096), EINVAL, "ftruncate is refused with EINVAL");
	close(fd);
}

/* One refusal of ATTACH, on a fresh handle, which stays usable. */
static void bad_attach(struct kup_attach attach, int wanted, const char *sentence)
{
	int fd = echo_open();

	refused(ioctl(fd, KUP_IOC_ATTACH, &attach), wanted, sentence);
	if (attach_fd(fd, ANY, 0, NULL) != 0)
		check(false, sentence, "the handle can't be attached afterwards: %s",
		      strerrorname_np(errno));
	close(fd);
}

static void test_attach_refusals(void)
{
	const struct kup_attach good = { .abi_version = KUP_ABI_VERSION, .channel = ANY };
	struct kup_attach bad = good;
	int fd;

	bad.abi_version = KUP_ABI_VERSION + 1;
	bad_attach(bad, EPROTONOSUPPORT,
		   "ATTACH with a newer version is refused with EPROTONOSUPPORT");
	bad.abi_version = 0;
	bad_attach(bad, EPROTONOSUPPORT, "ATTACH with version 0 is refused with EPROTONOSUPPORT");
	bad = good;
	bad.flags = 2;
	bad_attach(bad, EINVAL, "ATTACH with an unknown flag is refused with EINVAL");
	bad.flags = 0x80000001u;
	bad_attach(bad, EINVAL, "ATTACH with the highest flag is refused with EINVAL");
	bad = good;
	bad.features = KUP_FEATURE_GAP | 1ull << 63;
	bad_attach(bad, EOPNOTSUPP, "ATTACH with an unknown feature is refused with EOPNOTSUPP");
	bad = good;
	bad.channel = 8;
	bad_attach(bad, EINVAL, "ATTACH of a channel behind the last is refused with EINVAL");
	bad.channel = ANY - 1;
	bad_attach(bad, EINVAL, "ATTACH of channel 0xfffffffe is refused with EINVAL");
	bad = good;
	bad.generation = 1;
	bad_attach(bad, EINVAL, "ATTACH with a generation is refused with EINVAL");
	bad = good;
	bad.reserved[39] = 1;
	bad_attach(bad, EINVAL, "ATTACH with a reserved byte set is refused with EINVAL");
	fd = echo_open();
	refused(ioctl(fd, KUP_IOC_ATTACH, NOWHERE), EFAULT,
		"ATTACH from nowhere is refused with EFAULT");
	check(EVENTUALLY(3000, channels_free(fd) == 8), "refused ATTACHes leave every channel free",
	      "%u are", channels_free(fd));
	close(fd);
}

static void test_read_only_handles(void)
{
	static const int ways[] = { O_RDONLY, O_WRONLY };
	static const char *const attach_cases[] = {
		"ATTACH of a handle that is open for reading only is refused with EBADF",
		"ATTACH of a handle that is open for writing only is refused with EBADF",
	};
	static const char *const kick_cases[] = {
		"KICK of a handle that is open for reading only is refused with EBADF",
		"KICK of a handle that is open for writing only is refused with EBADF",
	};
	struct kup_info info;
	struct kup_stats stats;

	for (int way = 0; way < 2; way++) {
		int fd = open(ECHO_DEVICE, ways[way]);

		refused(attach_fd(fd, ANY, 0, NULL), EBADF, attach_cases[way]);
		refused(ioctl(fd, KUP_IOC_KICK), EBADF, kick_cases[way]);
		check(ioctl(fd, KUP_IOC_INFO, &info) == 0 && stats_get(fd, 0, &stats) == 0,
		      "INFO and STATS work on any handle", "%s", strerrorname_np(errno));
		close(fd);
	}
}

/* ATTACH's result can't be written back: the channel must not be lost with it. */
static void test_attach_output(void)
{
	static const struct kup_attach constant __attribute__((section(".rodata"))) = {
		.abi_version = KUP_ABI_VERSION,
		.channel = 3,
	};
	struct kup_info info;
	int fd = echo_open();

	refused(ioctl(fd, KUP_IOC_ATTACH, &constant), EFAULT,
		"ATTACH whose result can't be written is refused with EFAULT");
	ioctl(fd, KUP_IOC_INFO, &info);
	check((info.attached == ANY) == (info.channels_free == 8),
	      "after it INFO agrees with itself", "attached %u, %u free", info.attached,
	      info.channels_free);
	close(fd);
	fd = echo_open();
	check(EVENTUALLY(2000, channels_free(fd) == 8), "after it and close every channel is free",
	      "%u are", channels_free(fd));
	close(fd);
}

static void test_attach(void)
{
	struct peer peer;
	struct kup_info info;
	struct kup_stats before, after;
	int fd = echo_open();

	stats_get(fd, 5, &before);
	peer_need(&peer, 5);
	check(peer.attach.channel == 5 && peer.attach.generation == before.generation + 1,
	      "ATTACH tells channel and generation", "%u, %u", peer.attach.channel,
	      peer.attach.generation);
	check(all_zero(peer.attach.reserved, sizeof(peer.attach.reserved)),
	      "ATTACH leaves the reserved bytes zero", "they aren't");
	ioctl(peer.fd, KUP_IOC_INFO, &info);
	check(info.attached == 5 && info.channels_free == 7 &&
		      info.attaches == peer.info.attaches + 1,
	      "INFO tells the attached channel, one free channel less and one attach more",
	      "%u, %u, %llu", info.attached, info.channels_free, (long long)info.attaches);
	stats_get(fd, 5, &after);
	check(after.state == KUP_STATE_OPEN && after.generation == peer.attach.generation &&
		      after.error == KUP_ERROR_NONE,
	      "STATS tells that the channel is open", "%u, %u", after.state, after.generation);
	refused(attach_fd(peer.fd, ANY, 0, NULL), EISCONN,
		"a second ATTACH is refused with EISCONN");
	refused(attach_fd(peer.fd, 5, 0, NULL), EISCONN,
		"a second ATTACH of the same channel is refused with EISCONN");
	refused(attach_fd(fd, 5, 0, NULL), EBUSY,
		"ATTACH of a taken channel is refused with EBUSY");
	refused(attach_fd(fd, 5, KUP_ATTACH_NOWAIT, NULL), EBUSY,
		"ATTACH of a taken channel without waiting is refused with EBUSY");
	check(peer_echo(&peer, 77, 1000) == NULL, "the channel echoes", "no");
	peer_stop_wait(&peer);
	stats_get(fd, 5, &after);
	check(after.state == KUP_STATE_FREE &&
		      after.to_user_records == before.to_user_records + 1 &&
		      after.to_kernel_records == before.to_kernel_records + 1 &&
		      after.to_kernel_payload == before.to_kernel_payload + 1000,
	      "after close STATS tells a free channel and the sums of all users", "state %u",
	      after.state);
	close(fd);
}

static void test_kernel_page(void)
{
	struct peer peer;
	const struct kup_kernel_page *page;

	peer_need(&peer, ANY);
	page = peer.kernel;
	check(page->magic == KUP_MAGIC && page->abi_version == KUP_ABI_VERSION &&
		      page->mode == KUP_MODE_STREAM && page->features == KUP_FEATURES &&
		      page->page_size == peer.info.page_size &&
		      page->channel == peer.attach.channel &&
		      page->generation == peer.attach.generation &&
		      page->to_user_bytes == peer.info.to_user_bytes &&
		      page->to_kernel_bytes == peer.info.to_kernel_bytes &&
		      page->spin_us == peer.info.spin_us,
	      "the kernel page says what INFO and ATTACH said", "magic %llx",
	      (long long)page->magic);
	check(page->state == KUP_STATE_OPEN && page->error == KUP_ERROR_NONE,
	      "a fresh kernel page is open", "%u, %u", page->state, page->error);
	check(page->to_user_head.value == 0 && page->to_kernel_tail.value == 0,
	      "a fresh channel begins at position 0", "%u, %u", page->to_user_head.value,
	      page->to_kernel_tail.value);
	check(all_zero((const uint8_t *)page + 0x400, peer.info.page_size - 0x400),
	      "the rest of the kernel page is zero", "it isn't");
	for (uint32_t i = 0; i < 10; i++)
		check(peer_echo(&peer, i, i * 100) == NULL || i > 9, "an echo of some length works",
		      "%u", i);
	check(EVENTUALLY(1000, page->to_user_records == 10 && page->to_kernel_records == 10) &&
		      page->to_user_payload == 4500 && page->to_kernel_payload == 4500,
	      "the kernel page counts records and payload", "%llu, %llu, %llu, %llu",
	      (long long)page->to_user_records, (long long)page->to_kernel_records,
	      (long long)page->to_user_payload, (long long)page->to_kernel_payload);
	peer_stop_wait(&peer);
}

static void test_stats(void)
{
	struct kup_stats stats = { .channel = 8 };
	struct peer peer;
	uint64_t ioctls;
	int fd = echo_open();

	refused(ioctl(fd, KUP_IOC_STATS, &stats), EINVAL,
		"STATS of no channel is refused with EINVAL");
	stats.channel = ANY;
	refused(ioctl(fd, KUP_IOC_STATS, &stats), EINVAL,
		"STATS of any channel is refused with EINVAL");
	stats = (struct kup_stats){ .channel = 1 };
	stats.reserved[23] = 1;
	refused(ioctl(fd, KUP_IOC_STATS, &stats), EINVAL,
		"STATS with a reserved byte set is refused with EINVAL");
	refused(ioctl(fd, KUP_IOC_STATS, NOWHERE), EFAULT,
		"STATS to nowhere is refused with EFAULT");
	peer_need(&peer, 1);
	stats_get(fd, 1, &stats);
	ioctls = stats.ioctls;
	for (int i = 0; i < 5; i++)
		peer_kick(&peer);
	peer_poll(&peer, POLLIN, 0);
	refused(ioctl(peer.fd, _IO(0xe7, 99)), ENOTTY,
		"an attached handle knows no command 99 either");
	stats_get(peer.fd, 1, &stats);
	check(stats.kicks >= 5 && stats.ioctls >= ioctls + 6 && stats.ioctls <= ioctls + 7,
	      "STATS counts an attached handle's KICKs and ioctls", "%llu kicks, %llu ioctls since",
	      (long long)stats.kicks, (long long)(stats.ioctls - ioctls));
	check(stats.polls >= 1, "STATS counts an attached handle's polls", "%llu",
	      (long long)stats.polls);
	check(all_zero(stats.reserved, sizeof(stats.reserved)), "STATS leaves reserved bytes zero",
	      "no");
	peer_stop_wait(&peer);
	close(fd);
}

static void test_kick(void)
{
	struct peer peer;
	int fd = echo_open();

	refused(ioctl(fd, KUP_IOC_KICK), ENOTCONN, "KICK before ATTACH is refused with ENOTCONN");
	close(fd);
	peer_need(&peer, ANY);
	worked(peer_kick(&peer), "KICK of an idle channel works");
	worked(ioctl(peer.fd, KUP_IOC_KICK, 12345), "KICK looks at no argument");
	peer_send(&peer, ECHO_CLOSE, NULL, 0);
	check(EVENTUALLY(5000, peer_state(&peer) == KUP_STATE_CLOSED),
	      "the kernel's side can close a channel", "state %u", peer_state(&peer));
	refused(peer_kick(&peer), EPIPE, "KICK of a closed channel is refused with EPIPE");
	check(peer_poll(&peer, POLLIN, 0) == (POLLIN | POLLHUP),
	      "poll of a closed channel reports POLLIN and POLLHUP", "%x",
	      peer_poll(&peer, POLLIN, 0));
	refused(attach_fd(peer.fd, ANY, 0, NULL), EISCONN,
		"ATTACH after the kernel's side closed is refused with EISCONN");
	check(peer_poll(&peer, 0, 0) & POLLHUP, "POLLHUP needs not be asked for", "it's missing");
	peer_stop_wait(&peer);
}

static void test_closed_is_drained(void)
{
	struct peer peer;
	struct record record;
	int records = 0;

	peer_need(&peer, ANY);
	for (uint32_t i = 0; i < 20; i++)
		peer_send(&peer, i, &i, sizeof(i));
	peer_send(&peer, ECHO_CLOSE, NULL, 0);
	EVENTUALLY(5000, peer_state(&peer) == KUP_STATE_CLOSED);
	while (peer_receive(&peer, &record) == 0) {
		records += record.type == (uint32_t)records;
		peer_release(&peer, &record);
	}
	check(records == 20, "what was sent before the kernel's side closed can be read after it",
	      "%d of 20 records", records);
	peer_stop_wait(&peer);
}

static void test_all_taken(void)
{
	struct peer peers[8];
	struct pollfd entry = { .fd = echo_open(), .events = POLLIN };
	struct pollfd named = { .fd = echo_open(), .events = POLLIN };

	check(poll(&entry, 1, 0) == 1 && entry.revents == POLLIN,
	      "before ATTACH poll reports POLLIN while a channel is free", "%x", entry.revents);
	for (uint32_t i = 0; i < 8; i++)
		peer_need(&peers[i], ANY);
	check(channels_free(entry.fd) == 0, "INFO counts no free channel", "%u",
	      channels_free(entry.fd));
	check(poll(&entry, 1, 50) == 0, "poll reports nothing while no channel is free", "%x",
	      entry.revents);
	refused(attach_fd(entry.fd, ANY, 0, NULL), EBUSY,
		"ATTACH while every channel is taken is refused with EBUSY");
	refused(attach_fd(named.fd, peers[4].attach.channel, 0, NULL), EBUSY,
		"ATTACH of one of them is refused with EBUSY");
	peer_stop_wait(&peers[2]);
	check(poll(&entry, 1, 3000) == 1 && entry.revents == POLLIN,
	      "poll tells when a channel is free", "%x", entry.revents);
	check(poll(&named, 1, 50) == 0,
	      "a poll for one channel does not report another that is free", "%x", named.revents);
	peer_stop_wait(&peers[4]);
	check(poll(&named, 1, 3000) == 1 && named.revents == POLLIN,
	      "a poll for one channel tells when that one is free", "%x", named.revents);
	worked(attach_fd(named.fd, peers[4].attach.channel, KUP_ATTACH_NOWAIT, NULL),
	       "then it can be attached");
	close(entry.fd);
	close(named.fd);
	for (uint32_t i = 0; i < 8; i++)
		if (i != 2 && i != 4)
			peer_stop_wait(&peers[i]);
}

/* The kernel client pauses while the user goes: the channel drains for so long. */
static void test_draining(void)
{
	const struct echo_pause pause = { .milliseconds = 400 };
	struct peer peer;
	struct kup_stats stats;
	uint32_t channel;
	uint64_t start;
	int fd = echo_open();
	int other = open(ECHO_DEVICE, O_RDWR | O_NONBLOCK);

	peer_need(&peer, ANY);
	channel = peer.attach.channel;
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(50);
	peer_send(&peer, 1, "x", 1);
	peer_stop(&peer);
	stats_get(fd, channel, &stats);
	check(stats.state == KUP_STATE_DRAINING, "STATS tells a channel that is still drained",
	      "%u", stats.state);
	refused(attach_fd(fd, channel, KUP_ATTACH_NOWAIT, NULL), EBUSY,
		"ATTACH of it with NOWAIT is refused with EBUSY");
	refused(attach_fd(other, channel, 0, NULL), EBUSY,
		"ATTACH of it with O_NONBLOCK is refused with EBUSY");
	start = now_ms();
	worked(attach_fd(fd, channel, 0, NULL),
	       "ATTACH of it waits until the kernel client is done");
	check(now_ms() - start < KUP_ATTACH_DRAIN_MS, "that takes as long as the pause", "%llu ms",
	      (long long)(now_ms() - start));
	close(other);
	close(fd);
}

static void on_signal(int signal)
{
	(void)signal;
}

/* A pause that is longer than ATTACH's patience; a signal ends the wait early. */
static void test_draining_too_long(void)
{
	const struct echo_pause pause = { .milliseconds = 1800 };
	struct sigaction action = { .sa_handler = on_signal };
	struct peer peer;
	pid_t child;
	uint64_t start;
	int fd = echo_open();

	peer_need(&peer, ANY);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(50);
	peer_stop(&peer);
	sigaction(SIGUSR1, &action, NULL);
	child = fork();
	if (child == 0) {
		sleep_ms(100);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	start = now_ms();
	refused(attach_fd(fd, peer.attach.channel, 0, NULL), EINTR,
		"a signal ends ATTACH's wait with EINTR");
	check(now_ms() - start < 900, "and at once", "%llu ms", (long long)(now_ms() - start));
	waitpid(child, NULL, 0);
	start = now_ms();
	refused(attach_fd(fd, peer.attach.channel, 0, NULL), EBUSY,
		"ATTACH's wait ends with EBUSY");
	start = now_ms() - start;
	check(start > 900 && start < 1500, "after a second", "%llu ms", (long long)start);
	check(EVENTUALLY(5000, channels_free(fd) == 8),
	      "a client that ends late frees the channel late", "%u free", channels_free(fd));
	worked(attach_fd(fd, peer.attach.channel, 0, NULL), "then it can be attached");
	close(fd);
}

static void test_dup_and_fork(void)
{
	struct peer peer;
	struct kup_stats stats;
	int fd = echo_open();
	int copy;
	pid_t child;
	int status;

	peer_need(&peer, 2);
	copy = dup(peer.fd);
	close(peer.fd);
	stats_get(fd, 2, &stats);
	check(stats.state == KUP_STATE_OPEN, "a dup keeps the channel", "%u", stats.state);
	peer.fd = copy;
	check(peer_echo(&peer, 3, 30) == NULL, "and serves it", "no echo");
	child = fork();
	if (child == 0) {
		peer.spins = 0;
		if (peer_map(&peer) != 0)
			_exit(1);
		_exit(peer_echo(&peer, 4, 40) == NULL ? 0 : 2);
	}
	waitpid(child, &status, 0);
	check(status == 0, "a child may map and use the inherited handle", "status %x", status);
	stats_get(fd, 2, &stats);
	check(stats.state == KUP_STATE_OPEN, "its exit leaves the channel to the parent", "%u",
	      stats.state);
	peer_stop_wait(&peer);
	stats_get(fd, 2, &stats);
	check(stats.state == KUP_STATE_FREE, "the last close gives it back", "%u", stats.state);
	close(fd);
}

static void test_killed(void)
{
	struct kup_stats stats;
	struct peer peer;
	int pipes[2];
	char byte;
	int fd = echo_open();
	pid_t child;

	need(pipe(pipes) == 0, "a pipe");
	child = fork();
	if (child == 0) {
		peer_need(&peer, 6);
		if (write(pipes[1], "x", 1) == 1)
			for (;;)
				peer_echo(&peer, 1, 5000);
	}
	if (read(pipes[0], &byte, 1) == 1)
		sleep_ms(20);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	check(EVENTUALLY(3000, stats_get(fd, 6, &stats) == 0 && stats.state == KUP_STATE_FREE),
	      "kill -9 in full traffic gives the channel back", "%u", stats.state);
	worked(attach_fd(fd, 6, 0, NULL), "then it can be attached again");
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	begin(60);
	test_info();
	test_unknown_calls();
	test_attach_refusals();
	test_read_only_handles();
	test_attach_output();
	test_attach();
	test_kernel_page();
	test_stats();
	test_kick();
	test_closed_is_drained();
	test_all_taken();
	test_draining();
	test_draining_too_long();
	test_dup_and_fork();
	test_killed();
	return finish();
}
