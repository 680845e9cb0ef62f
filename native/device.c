/* SPDX-License-Identifier: BSD-3-Clause */
/* One open file: open, close, the four ioctls, poll. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "kup_user.h"

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

int32_t kup_user_open(const char *path)
{
	/* O_NOCTTY: a path that names a terminal by mistake must not become this process's. */
	return result(open(path, O_RDWR | O_CLOEXEC | O_NOCTTY));
}

int32_t kup_user_close(int32_t fd)
{
	/* After EINTR the descriptor is gone all the same, and its number may be somebody else's. */
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int32_t kup_user_info(int32_t fd, struct kup_info *info)
{
	return result(ioctl(fd, KUP_IOC_INFO, info));
}

int32_t kup_user_stats(int32_t fd, uint32_t channel, struct kup_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->channel = channel;
	return result(ioctl(fd, KUP_IOC_STATS, stats));
}

int32_t kup_user_attach(int32_t fd, uint32_t channel, uint32_t flags, struct kup_attach *attach)
{
	memset(attach, 0, sizeof(*attach));
	attach->abi_version = KUP_ABI_VERSION;
	attach->flags = flags;
	attach->channel = channel;
	return result(ioctl(fd, KUP_IOC_ATTACH, attach));
}

int32_t kup_user_kick(int32_t fd)
{
	return result(ioctl(fd, KUP_IOC_KICK));
}

#define NS_PER_S 1000000000ll

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int32_t kup_user_wait(int32_t fd, uint32_t events, double timeout_ms)
{
	/* Longer than any machine runs, and far from overflow. */
	const double limit_ms = 1e12;
	int forever = timeout_ms < 0 || isnan(timeout_ms) || timeout_ms > limit_ms;
	int64_t end = forever ? 0 : now_ns() + (int64_t)(timeout_ms * 1e6);
	struct pollfd poll = { .fd = fd, .events = (short)events };

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
			/* POLLNVAL: somebody closed it; without an error its user would try for ever. */
			return poll.revents & POLLNVAL ? -EBADF : (unsigned short)poll.revents;
		if (errno != EINTR)
			return -errno;
	}
}
