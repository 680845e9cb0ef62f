/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls on a handle: commands, arguments, ways to open it, signals, copies. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "raw.h"

/* An address that no call can read or write. */
#define NOWHERE ((void *)8)

static void test_unknown_calls(void)
{
	uint8_t bytes[512] = { 0 };
	struct iovec part = { bytes, 8 };
	int fd = echo_open();

	refused(sys(ioctl(fd, _IO(0xe7, 0), bytes)), ENOTTY,
		"ioctl() refuses command 0 with ENOTTY");
	refused(sys(ioctl(fd, _IO(0xe7, 99), bytes)), ENOTTY,
		"ioctl() refuses command 99 with ENOTTY");
	refused(sys(ioctl(fd, _IOR(0xe7, 1, kup_u64), bytes)), ENOTTY,
		"ioctl() refuses INFO with another size with ENOTTY");
	refused(sys(ioctl(fd, _IOWR(0xe7, 2, struct kup_info), bytes)), ENOTTY,
		"ioctl() refuses ATTACH with another size with ENOTTY");
	refused(sys(ioctl(fd, _IOR(0xe7, 2, struct kup_attach), bytes)), ENOTTY,
		"ioctl() refuses ATTACH in another direction with ENOTTY");
	refused(sys(ioctl(fd, _IOWR(0xe6, 2, struct kup_attach), bytes)), ENOTTY,
		"ioctl() refuses another device's command with ENOTTY");
	refused(sys(read(fd, bytes, 8)), EINVAL, "read() is refused with EINVAL");
	refused(sys(write(fd, bytes, 8)), EINVAL, "write() is refused with EINVAL");
	refused(sys(readv(fd, &part, 1)), EINVAL, "readv() is refused with EINVAL");
	refused(sys(lseek(fd, 0, SEEK_SET)), ESPIPE, "lseek() to the start is refused with ESPIPE");
	refused(sys(lseek(fd, 0, SEEK_END)), ESPIPE, "lseek() to the end is refused with ESPIPE");
	refused(sys(pread(fd, bytes, 8, 0)), ESPIPE, "pread() is refused with ESPIPE");
	refused(sys(ftruncate(fd, 4096)), EINVAL, "ftruncate() is refused with EINVAL");
	close(fd);
}

static void test_numbers(void)
{
	struct kup_info info;
	struct kup_stats before, after;
	struct peer peer;
	int fd = echo_open();

	worked(sys(ioctl(fd, KUP_IOC_INFO, &info)), "INFO is an ioctl");
	refused(sys(ioctl(fd, KUP_IOC_KICK)), ENOTCONN,
		"KICK is an ioctl, and is refused with ENOTCONN before ATTACH");
	peer_need(&peer, 1);
	stats_get(fd, 1, &before);
	worked(sys(ioctl(peer.fd, KUP_IOC_KICK, 12345)), "KICK ignores its argument");
	refused(sys(ioctl(peer.fd, _IO(0xe7, 99))), ENOTTY,
		"ioctl() refuses command 99 of an attached handle with ENOTTY");
	stats_get(fd, 1, &after);
	check(after.kicks - before.kicks == 1 && after.ioctls - before.ioctls == 2,
	      "STATS counts both ioctls", "%llu", (long long)(after.ioctls - before.ioctls));
	peer_stop_wait(&peer);
	close(fd);
}

static void test_nowhere(void)
{
	int fd = echo_open();

	refused(sys(ioctl(fd, KUP_IOC_INFO, NOWHERE)), EFAULT,
		"INFO refuses an address that can't be written with EFAULT");
	refused(sys(ioctl(fd, KUP_IOC_STATS, NOWHERE)), EFAULT,
		"STATS refuses an address that can't be read with EFAULT");
	refused(sys(ioctl(fd, KUP_IOC_ATTACH, NOWHERE)), EFAULT,
		"ATTACH refuses an address that can't be read with EFAULT");
	check(all_free(fd), "ATTACH that was refused leaves every channel free", "%u are",
	      channels_free(fd));
	close(fd);
}

static void test_read_only_handles(void)
{
	static const int ways[] = { O_RDONLY, O_WRONLY };
	static const char *const attach_cases[] = {
		"ATTACH refuses a handle that is open for reading only with EBADF",
		"ATTACH refuses a handle that is open for writing only with EBADF",
	};
	static const char *const kick_cases[] = {
		"KICK refuses a handle that is open for reading only with EBADF",
		"KICK refuses a handle that is open for writing only with EBADF",
	};
	struct kup_info info;
	struct kup_stats stats;

	for (int way = 0; way < 2; way++) {
		int fd = open(echo_path(), ways[way]);

		refused(attach_to(fd, ANY, 0, NULL), EBADF, attach_cases[way]);
		refused(sys(ioctl(fd, KUP_IOC_KICK)), EBADF, kick_cases[way]);
		check(kup_user_info(fd, &info) == 0 && stats_get(fd, 0, &stats) == 0,
		      "INFO and STATS work on a handle that is open in any mode", "%s",
		      error_name(-errno));
		close(fd);
	}
}

/* The result of ATTACH can't be written back. The channel must not be lost with it. */
static void test_attach_output(void)
{
	static const struct kup_attach constant __attribute__((section(".rodata"))) = {
		.abi_version = KUP_ABI_VERSION,
		.channel = 3,
	};
	struct kup_info info;
	int fd = echo_open();

	refused(sys(ioctl(fd, KUP_IOC_ATTACH, &constant)), EFAULT,
		"ATTACH refuses an argument that can't be written with EFAULT");
	ioctl(fd, KUP_IOC_INFO, &info);
	check((info.attached == ANY) == (info.channels_free == 8),
	      "INFO agrees with itself after an ATTACH that was refused with EFAULT",
	      "attached %u, %u free", info.attached, info.channels_free);
	close(fd);
	fd = echo_open();
	check(EVENTUALLY(PATIENCE_MS, channels_free(fd) == 8),
	      "close() frees every channel after an ATTACH that was refused with EFAULT", "%u are",
	      channels_free(fd));
	close(fd);
}

/*
 * The kernel client pauses while the user of channel 3 closes it. The channel drains during the
 * pause, which is shorter than ATTACH waits. On a slow machine the pause may be over too early;
 * then the tests try again.
 */
#define DRAINING_MS 700
#define TRIES 20

static void leave_pausing(void)
{
	const struct echo_pause pause = { .milliseconds = DRAINING_MS };
	struct peer peer;

	peer_need(&peer, 3);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(50);
	peer_stop(&peer);
}

static uint32_t state_of(uint32_t channel)
{
	struct kup_stats stats;
	int fd = echo_open();

	stats_get(fd, channel, &stats);
	close(fd);
	return stats.state;
}

/* A handle with O_NONBLOCK does not wait for the kernel client. */
static void test_nonblocking(void)
{
	int fd, error = 0;

	reload_stubborn();
	fd = open(echo_path(), O_RDWR | O_NONBLOCK);
	for (int tries = 0; tries < TRIES && error == 0; tries++) {
		leave_pausing();
		error = attach_to(fd, 3, 0, NULL);
		if (error != 0)
			break;
		close(fd);
		fd = open(echo_path(), O_RDWR | O_NONBLOCK);
	}
	refused(error, EBUSY,
		"ATTACH with O_NONBLOCK refuses a channel that still drains with EBUSY");
	check(all_free(fd), "ATTACH with O_NONBLOCK leaves the channel to become free", "%u are",
	      channels_free(fd));
	close(fd);
	need_unload();
	reload();
}

static void on_signal(int signal)
{
	(void)signal;
}

/*
 * ATTACH in a process that gets a signal while it waits. Returns with the old signal handler set.
 */
static int attach_under_signal(void)
{
	pid_t child, parent = getpid();
	int fd = echo_open(), error;

	child = fork();
	if (child == 0) {
		sleep_ms(100);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	error = attach_to(fd, 3, 0, NULL);
	waitpid(child, NULL, 0);
	close(fd);
	return error;
}

static void test_signal(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	uint32_t state = 0;
	int fd, error = 0;

	reload_stubborn();
	fd = echo_open();
	sigaction(SIGUSR1, &action, NULL);
	for (int tries = 0; tries < TRIES; tries++) {
		leave_pausing();
		error = attach_under_signal();
		state = state_of(3);
		if (error != 0 && state == KUP_STATE_DRAINING)
			break;
		all_free(fd);
	}
	refused(error, EINTR, "ATTACH ends its wait with EINTR when a signal comes");
	check(state == KUP_STATE_DRAINING,
	      "ATTACH returns at the signal, before the channel has drained",
	      "the channel's state is %u", state);
	check(all_free(fd), "ATTACH that a signal ended leaves the channel to become free",
	      "%u are", channels_free(fd));
	close(fd);
	need_unload();
	reload();
}

/* The native library continues its wait. */
static void test_signal_in_wait(void)
{
	struct peer peer;
	uint64_t start;
	pid_t child;

	peer_need(&peer, ANY);
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 5; i++) {
			sleep_ms(30);
			kill(getppid(), SIGUSR1);
		}
		_exit(0);
	}
	start = now_ms();
	check(peer_poll(&peer, POLLIN, 250) == 0 && now_ms() - start >= 250,
	      "kup_user_wait() continues after signals", "%llu ms", (long long)(now_ms() - start));
	waitpid(child, NULL, 0);
	peer_stop_wait(&peer);
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
	check(stats.state == KUP_STATE_OPEN,
	      "close() of one of two descriptors keeps the channel attached", "%u", stats.state);
	peer.fd = copy;
	check(peer_echo(&peer, 3, 30) == NULL, "dup() returns a descriptor that serves the channel",
	      "no echo");
	child = fork();
	if (child == 0) {
		peer.spins = 0;
		if (peer_map(&peer) != 0)
			_exit(1);
		_exit(peer_echo(&peer, 4, 40) == NULL ? 0 : 2);
	}
	waitpid(child, &status, 0);
	check(status == 0, "fork() gives a child a handle that it may map and use", "status %x",
	      status);
	stats_get(fd, 2, &stats);
	check(stats.state == KUP_STATE_OPEN, "exit() of a child leaves the channel to its parent",
	      "%u", stats.state);
	peer_stop_wait(&peer);
	stats_get(fd, 2, &stats);
	check(stats.state == KUP_STATE_FREE, "close() of the last descriptor frees the channel",
	      "%u", stats.state);
	close(fd);
}

static void test_killed(void)
{
	struct kup_stats before, stats;
	struct peer peer;
	int fd = echo_open();
	pid_t child;

	stats_get(fd, 6, &before);
	child = fork();
	if (child == 0) {
		peer_need(&peer, 6);
		for (;;)
			peer_echo(&peer, 1, 5000);
	}
	need(EVENTUALLY(PATIENCE_MS, stats_get(fd, 6, &stats) == 0 &&
					     stats.to_user_records > before.to_user_records + 20),
	     "a process is in full traffic");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	check(EVENTUALLY(PATIENCE_MS,
			 stats_get(fd, 6, &stats) == 0 && stats.state == KUP_STATE_FREE),
	      "kill -9 in full traffic frees the channel", "%u", stats.state);
	worked(attach_to(fd, 6, 0, NULL), "ATTACH takes the channel of a process that was killed");
	close(fd);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_unknown_calls();
	test_numbers();
	test_nowhere();
	test_read_only_handles();
	test_attach_output();
	test_nonblocking();
	test_signal();
	test_signal_in_wait();
	test_dup_and_fork();
	test_killed();
	return finish();
}
