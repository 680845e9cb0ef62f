/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One open file: open, close, the four ioctls and poll. Files of the kernel are handled here, those
 * of the host driver in host/files.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "host/files.h"
#include "owners.h"

static int32_t result(int value)
{
	return value < 0 ? -errno : value;
}

int32_t kup_user_abi_version(void)
{
	return KUP_ABI_VERSION;
}

int32_t kup_user_interface(void)
{
	return KUP_USER_INTERFACE;
}

/* The beginning of every path of the host driver. */
#define HOST_PREFIX "host:"

int32_t kup_user_open(const char *path)
{
	if (strncmp(path, HOST_PREFIX, strlen(HOST_PREFIX)) == 0)
		return host_number_open(path + strlen(HOST_PREFIX));
	/*
	 * O_NOCTTY: a path that names a terminal by mistake must not become this process's
	 * terminal.
	 */
	return result(open(path, O_RDWR | O_CLOEXEC | O_NOCTTY));
}

int32_t kup_user_host_open_again(int32_t fd)
{
	return host_number_open_again(fd);
}

int32_t kup_user_close(int32_t fd)
{
	/* This comes first, before another file can get the number. */
	(void)kup_user_disown(fd);
	if (is_host_file(fd))
		return host_number_close(fd);
	/*
	 * After EINTR the descriptor is closed all the same, and another file may have its number.
	 */
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int32_t kup_user_info(int32_t fd, struct kup_info *info)
{
	return is_host_file(fd) ? host_number_info(fd, info)
				: result(ioctl(fd, KUP_IOC_INFO, info));
}

int32_t kup_user_stats(int32_t fd, struct kup_stats *stats)
{
	return is_host_file(fd) ? host_number_stats(fd, stats)
				: result(ioctl(fd, KUP_IOC_STATS, stats));
}

int32_t kup_user_attach(int32_t fd, struct kup_attach *attach)
{
	int32_t error = is_host_file(fd) ? host_number_attach(fd, attach)
					 : result(ioctl(fd, KUP_IOC_ATTACH, attach));

	if (error >= 0)
		owners_attached(fd);
	return error;
}

int32_t kup_user_kick(int32_t fd)
{
	return is_host_file(fd) ? host_number_kick(fd) : result(ioctl(fd, KUP_IOC_KICK));
}

#define NS_PER_S 1000000000ll

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Translates the result of poll(2) into the contract's. */
static int32_t found(short revents, uint32_t events)
{
	/* The file is closed. Without an error the caller would try without end. */
	if (revents & POLLNVAL)
		return -EBADF;
	/* FreeBSD removes POLLOUT if there is POLLHUP (sys_generic.c: pollscan). */
	if (revents & POLLHUP)
		revents |= (short)(events & POLLOUT);
	return (unsigned short)revents;
}

int32_t kup_user_wait(int32_t fd, uint32_t events, double timeout_ms)
{
	/*
	 * 1e12 ms is longer than any machine runs, and far from overflow. NaN means no limit, too.
	 */
	const double limit_ms = 1e12;
	int forever = !(timeout_ms >= 0 && timeout_ms <= limit_ms);
	int64_t end = forever ? 0 : now_ns() + (int64_t)(timeout_ms * 1e6);
	struct pollfd poll = { .fd = fd, .events = (short)events };

	if (is_host_file(fd))
		return host_number_wait(fd, events, timeout_ms);
	/* poll(2) itself would ignore a negative number, and wait for nothing. */
	if (fd < 0)
		return -EBADF;
	for (;;) {
		int64_t left = forever ? 0 : end - now_ns();
		struct timespec timeout = { 0 };
		int count;

		if (left > 0) {
			timeout.tv_sec = left / NS_PER_S;
			timeout.tv_nsec = left % NS_PER_S;
		}
		count = ppoll(&poll, 1, forever ? NULL : &timeout, NULL);
		if (count == 0)
			return 0;
		if (count > 0)
			return found(poll.revents, events);
		if (errno != EINTR)
			return -errno;
	}
}
