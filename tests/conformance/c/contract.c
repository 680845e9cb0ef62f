/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle's calls: INFO, ATTACH, STATS, KICK, poll, close, and what each of them refuses. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

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
	worked(kup_user_info(fd, &info), "INFO works before ATTACH");
	check(info.abi_version == KUP_ABI_VERSION && info.mode == KUP_MODE_STREAM,
	      "INFO contains the version and the mode", "%u, %u", info.abi_version, info.mode);
	check(info.attached == ANY, "INFO contains no channel before ATTACH", "%u", info.attached);
	check(info.features == KUP_FEATURES_OPTIONAL, "INFO contains the features", "%llx",
	      (long long)info.features);
	check(info.page_size == (uint32_t)getpagesize(), "INFO contains the page size", "%u",
	      info.page_size);
	check(info.channels == 8 && info.channels_free == 8, "INFO counts eight free channels",
	      "%u of %u", info.channels_free, info.channels);
	check(good_ring(info.to_user_bytes) && good_ring(info.to_kernel_bytes),
	      "INFO contains both rings' sizes", "%u, %u", info.to_user_bytes,
	      info.to_kernel_bytes);
	check(info.max_to_user_bytes == info.to_user_bytes &&
		      info.max_to_kernel_bytes == info.to_kernel_bytes,
	      "INFO contains the largest sizes", "%u, %u", info.max_to_user_bytes,
	      info.max_to_kernel_bytes);
	check(info.attached_to_user_bytes == 0 && info.attached_to_kernel_bytes == 0,
	      "INFO contains no sizes of a channel before ATTACH", "%u, %u",
	      info.attached_to_user_bytes, info.attached_to_kernel_bytes);
	check(info.required == 0, "INFO requires no feature", "%llx", (long long)info.required);
	check(strnlen(info.name, KUP_NAME_MAX) < KUP_NAME_MAX && strcmp(info.name, "kup/echo") == 0,
	      "INFO contains the device's name", "%.64s", info.name);
	check(info.instance != 0, "INFO contains the device's instance, which is not 0", "no");
	check(info.clock == 0 && all_zero(info.reserved, sizeof(info.reserved)) &&
		      all_zero(info.name + strlen(info.name), KUP_NAME_MAX - strlen(info.name)),
	      "INFO sets each byte of its result", "a reserved byte isn't zero");
	kup_user_close(fd);
}

/* Checks one refusal of ATTACH on a fresh handle, which stays usable. */
static void bad_attach(struct kup_attach attach, int wanted, const char *sentence)
{
	int fd = echo_open(), error;

	refused(kup_user_attach(fd, &attach), wanted, sentence);
	error = attach_to(fd, ANY, 0, NULL);
	if (error != 0)
		check(false, sentence, "the handle can't be attached afterwards: %s",
		      error_name(error));
	kup_user_close(fd);
}

static const struct kup_attach good = { .abi_version = KUP_ABI_VERSION, .channel = ANY };

static void test_attach_refusals(void)
{
	struct kup_attach bad = good;
	int fd = echo_open();

	bad.abi_version = KUP_ABI_VERSION + 1;
	bad_attach(bad, EPROTONOSUPPORT, "ATTACH refuses a newer version with EPROTONOSUPPORT");
	bad.abi_version = 0;
	bad_attach(bad, EPROTONOSUPPORT, "ATTACH refuses version 0 with EPROTONOSUPPORT");
	bad = good;
	bad.flags = 2;
	bad_attach(bad, EINVAL, "ATTACH refuses an unknown flag with EINVAL");
	bad.flags = 0x80000001u;
	bad_attach(bad, EINVAL, "ATTACH refuses the highest flag with EINVAL");
	bad = good;
	bad.to_user_bytes = 64 * (uint32_t)getpagesize() + 1;
	bad_attach(bad, EINVAL, "ATTACH refuses a ring to the user beyond the maximum with EINVAL");
	bad = good;
	bad.to_kernel_bytes = 0x80000000u;
	bad_attach(bad, EINVAL,
		   "ATTACH refuses a ring to the kernel beyond the maximum with EINVAL");
	bad = good;
	bad.map_bytes = 1;
	bad_attach(bad, EINVAL, "ATTACH refuses a result that is filled in with EINVAL");
	bad = good;
	bad.channel = CHANNELS;
	bad_attach(bad, EINVAL, "ATTACH refuses the channel behind the last with EINVAL");
	bad.channel = ANY - 1;
	bad_attach(bad, EINVAL, "ATTACH refuses channel 0xfffffffe with EINVAL");
	bad = good;
	bad.generation = 1;
	bad_attach(bad, EINVAL, "ATTACH refuses a generation with EINVAL");
	for (size_t byte = 0; byte < sizeof(bad.reserved); byte += sizeof(bad.reserved) - 1) {
		bad = good;
		bad.reserved[byte] = 1;
		bad_attach(bad, EINVAL, "ATTACH refuses a reserved byte that is set with EINVAL");
	}
	check(all_free(fd), "ATTACH leaves every channel free when it refuses", "%u are",
	      channels_free(fd));
	kup_user_close(fd);
}

/* If several things are wrong with one ATTACH, the contract defines which errno is returned. */
static void test_attach_order(void)
{
	struct kup_attach bad = good;
	struct peer peer;

	bad.abi_version = 99;
	bad.flags = 2;
	bad_attach(bad, EPROTONOSUPPORT, "ATTACH checks the version before the flags");
	bad.abi_version = KUP_ABI_VERSION;
	bad.instance = 1;
	bad_attach(bad, EINVAL, "ATTACH checks the flags before the instance");
	bad.flags = 0;
	bad.reserved[0] = 1;
	bad_attach(bad, EINVAL, "ATTACH checks the reserved bytes before the instance");
	bad.reserved[0] = 0;
	bad.to_kernel_bytes = ~0u;
	bad_attach(bad, ENODEV, "ATTACH checks the instance before the sizes");
	bad.to_kernel_bytes = 0;
	bad.instance = 0;
	bad.channel = CHANNELS;
	peer_need(&peer, ANY);
	refused(kup_user_attach(peer.fd, &bad), EINVAL,
		"ATTACH checks the channel before it refuses a second ATTACH");
	bad.channel = ANY;
	bad.to_user_bytes = ~0u;
	refused(kup_user_attach(peer.fd, &bad), EINVAL,
		"ATTACH checks the sizes before it refuses a second ATTACH");
	refused(attach_to(peer.fd, peer.attach.channel, 0, NULL), EISCONN,
		"ATTACH refuses a second ATTACH before it checks whether the channel is taken");
	peer_stop_wait(&peer);
}

/* ATTACH compares the instance, if the caller gives one. */
static void test_instance(void)
{
	struct kup_info info, other;
	struct kup_attach attach = good;
	int fd = echo_open(), second = echo_open();

	need(kup_user_info(fd, &info) == 0 && kup_user_info(second, &other) == 0, "INFO");
	check(info.instance == other.instance,
	      "INFO contains the same instance on all handles of a device", "%llx, %llx",
	      (long long)info.instance, (long long)other.instance);
	attach.instance = info.instance + 1;
	bad_attach(attach, ENODEV, "ATTACH refuses another device's instance with ENODEV");
	attach.instance = 1;
	bad_attach(attach, ENODEV, "ATTACH refuses an instance that never existed with ENODEV");
	attach.instance = 1ull << 63 | info.instance;
	bad_attach(attach, ENODEV, "ATTACH compares all 64 bits of the instance");
	attach.channel = CHANNELS;
	bad_attach(attach, ENODEV, "ATTACH checks the instance before the channel");
	attach = good;
	attach.instance = info.instance;
	worked(kup_user_attach(fd, &attach), "ATTACH with the device's instance works");
	check(attach.instance == info.instance, "ATTACH keeps the instance that the caller gave",
	      "%llx", (long long)attach.instance);
	attach = good;
	attach.instance = info.instance + 1;
	refused(kup_user_attach(fd, &attach), ENODEV,
		"ATTACH checks the instance before it refuses a second ATTACH");
	attach = good;
	worked(kup_user_attach(second, &attach), "ATTACH without an instance works");
	check(attach.instance == info.instance, "ATTACH without an instance returns the device's",
	      "%llx", (long long)attach.instance);
	kup_user_close(second);
	kup_user_close(fd);
	fd = echo_open();
	all_free(fd);
	kup_user_close(fd);
}

/* ATTACH ignores which features a caller understands. */
static void test_features(void)
{
	struct kup_attach attach = good;
	int fd = echo_open();

	attach.understood = ~0ull;
	worked(kup_user_attach(fd, &attach),
	       "ATTACH accepts a caller that understands all features");
	check(attach.abi_version == KUP_ABI_VERSION && attach.flags == 0 &&
		      attach.understood == ~0ull,
	      "ATTACH keeps the caller's fields", "%u, %u, %llx", attach.abi_version, attach.flags,
	      (long long)attach.understood);
	kup_user_close(fd);
	fd = echo_open();
	all_free(fd);
	kup_user_close(fd);
}

static void test_attach(void)
{
	struct peer peer;
	struct kup_info info;
	struct kup_stats before, after;
	int fd = echo_open();

	stats_get(fd, 5, &before);
	peer_need(&peer, 5);
	check(peer.info.attached == ANY, "INFO contains no channel before ATTACH of channel 5",
	      "%u", peer.info.attached);
	check(peer.attach.channel == 5 && peer.attach.generation == before.generation + 1,
	      "ATTACH returns the channel and its generation", "%u, %u", peer.attach.channel,
	      peer.attach.generation);
	check(all_zero(peer.attach.reserved, sizeof(peer.attach.reserved)),
	      "ATTACH leaves the reserved bytes zero", "no");
	kup_user_info(peer.fd, &info);
	check(info.attached == 5 && info.channels_free == 7 &&
		      info.attaches == peer.info.attaches + 1,
	      "INFO contains the attached channel, and counts it", "%u, %u, %llu", info.attached,
	      info.channels_free, (long long)info.attaches);
	stats_get(fd, 5, &after);
	check(after.state == KUP_STATE_OPEN && after.generation == peer.attach.generation &&
		      after.error == KUP_ERROR_NONE,
	      "STATS reports an open channel after ATTACH", "%u, %u", after.state,
	      after.generation);
	refused(attach_to(peer.fd, ANY, 0, NULL), EISCONN,
		"ATTACH refuses a second ATTACH with EISCONN");
	refused(attach_to(peer.fd, 5, 0, NULL), EISCONN,
		"ATTACH refuses a second ATTACH of the same channel with EISCONN");
	refused(attach_to(fd, 5, 0, NULL), EBUSY, "ATTACH refuses a taken channel with EBUSY");
	kup_user_info(fd, &info);
	stats_get(fd, 5, &after);
	check(info.attached == ANY && info.attaches == peer.info.attaches + 1 &&
		      after.generation == peer.attach.generation,
	      "INFO and STATS do not count refused ATTACHes", "%llu attaches, generation %u",
	      (long long)info.attaches, after.generation);
	refused(attach_to(fd, 5, KUP_ATTACH_NOWAIT, NULL), EBUSY,
		"ATTACH with NOWAIT refuses a taken channel with EBUSY");
	check(peer_echo(&peer, 77, 1000) == NULL, "the kernel's side echoes a record", "no");
	peer_stop_wait(&peer);
	stats_get(fd, 5, &after);
	check(after.state == KUP_STATE_FREE &&
		      after.to_user_records == before.to_user_records + 1 &&
		      after.to_kernel_records == before.to_kernel_records + 1 &&
		      after.to_kernel_payload == before.to_kernel_payload + 1000,
	      "STATS reports a free channel after close, and the sums of all users", "state %u",
	      after.state);
	kup_user_close(fd);
}

static void test_kernel_page(void)
{
	struct peer peer;
	const struct kup_kernel_page *page;

	peer_need(&peer, ANY);
	page = peer.kernel;
	check(page->magic == KUP_MAGIC && page->abi_version == KUP_ABI_VERSION &&
		      page->mode == KUP_MODE_STREAM && page->features == KUP_FEATURES_OPTIONAL &&
		      page->page_size == peer.info.page_size &&
		      page->channel == peer.attach.channel &&
		      page->generation == peer.attach.generation &&
		      page->to_user_bytes == peer.info.to_user_bytes &&
		      page->to_kernel_bytes == peer.info.to_kernel_bytes &&
		      page->spin_us == peer.info.spin_us,
	      "the kernel page contains the values of INFO and ATTACH", "magic %llx",
	      (long long)page->magic);
	check(page->state == KUP_STATE_OPEN && page->error == KUP_ERROR_NONE,
	      "the kernel page of a fresh channel contains the state OPEN", "%u, %u", page->state,
	      page->error);
	check(page->to_user_head.value == 0 && page->to_kernel_tail.value == 0,
	      "the kernel page of a fresh channel begins at position 0", "%u, %u",
	      page->to_user_head.value, page->to_kernel_tail.value);
	check(all_zero((const uint8_t *)page + 0x400, peer.info.page_size - 0x400),
	      "the kernel page is zero behind its fields", "no");
	for (uint32_t i = 0; i < 10; i++)
		check(peer_echo(&peer, i, i * 100) == NULL,
		      "the kernel's side echoes a record of each length", "%u", i);
	check(EVENTUALLY(PATIENCE_MS,
			 page->to_user_records == 10 && page->to_kernel_records == 10 &&
				 page->to_user_payload == 4500 && page->to_kernel_payload == 4500),
	      "the kernel page counts records and payload", "%llu, %llu, %llu, %llu",
	      (long long)page->to_user_records, (long long)page->to_kernel_records,
	      (long long)page->to_user_payload, (long long)page->to_kernel_payload);
	peer_stop_wait(&peer);
}

static void test_stats_refusals(void)
{
	struct kup_stats stats = { .channel = CHANNELS };
	int fd = echo_open();

	refused(kup_user_stats(fd, &stats), EINVAL,
		"STATS refuses to report no channel with EINVAL");
	stats.channel = ANY;
	refused(kup_user_stats(fd, &stats), EINVAL,
		"STATS refuses to report any channel with EINVAL");
	stats = (struct kup_stats){ .channel = 1 };
	stats.reserved[sizeof(stats.reserved) - 1] = 1;
	refused(kup_user_stats(fd, &stats), EINVAL,
		"STATS refuses a reserved byte that is set with EINVAL");
	memset(&stats, 0xff, sizeof(stats));
	stats.channel = 1;
	memset(stats.reserved, 0, sizeof(stats.reserved));
	worked(kup_user_stats(fd, &stats), "STATS ignores the fields that it fills in");
	check(stats.channel == 1 && stats.state == KUP_STATE_FREE && stats.error == 0 &&
		      stats.to_user_bytes == 0 && stats.to_kernel_bytes == 0 &&
		      stats.to_user_used == 0 && stats.to_kernel_used == 0 && stats.process == 0 &&
		      all_zero(stats.reserved, sizeof(stats.reserved)),
	      "STATS fills in all of its fields", "state %u, error %u", stats.state, stats.error);
	kup_user_close(fd);
}

/* Counters that only this handle's calls change, so the test knows their values. */
static void test_stats_counts(void)
{
	struct kup_stats before, after;
	struct kup_info info;
	struct peer peer;
	int fd = echo_open();

	peer_need(&peer, 1);
	stats_get(fd, 1, &before);
	for (int i = 0; i < 5; i++)
		peer_kick(&peer);
	stats_get(fd, 1, &after);
	check(after.kicks - before.kicks == 5 && after.ioctls - before.ioctls == 5,
	      "STATS counts an attached handle's KICKs, as KICKs and as ioctls",
	      "%llu kicks, %llu ioctls", (long long)(after.kicks - before.kicks),
	      (long long)(after.ioctls - before.ioctls));
	before = after;
	kup_user_info(peer.fd, &info);
	attach_to(peer.fd, ANY, 0, NULL);
	stats_get(peer.fd, 1, &after);
	check(after.kicks == before.kicks && after.ioctls - before.ioctls == 3,
	      "STATS counts an attached handle's INFO, ATTACH and STATS, this one included",
	      "%llu ioctls", (long long)(after.ioctls - before.ioctls));
	before = after;
	kup_user_info(fd, &info);
	stats_get(fd, 1, &after);
	check(after.ioctls == before.ioctls, "STATS counts no ioctl of a handle without a channel",
	      "%llu ioctls", (long long)(after.ioctls - before.ioctls));
	peer_poll(&peer, POLLIN, 0);
	stats_get(fd, 1, &after);
	check(after.polls - before.polls == 1, "STATS counts one look of a poll that does not wait",
	      "%llu", (long long)(after.polls - before.polls));
	before = after;
	peer_poll(&peer, POLLIN, 20);
	stats_get(fd, 1, &after);
	check(after.polls - before.polls == (differs("polls-look-once") ? 1 : 2),
	      "STATS counts two looks of a poll that waits in vain, or one if the system looks "
	      "once",
	      "%llu", (long long)(after.polls - before.polls));
	before = after;
	peer_poll(&peer, POLLOUT, PATIENCE_MS);
	stats_get(fd, 1, &after);
	check(after.polls - before.polls == 1, "STATS counts one look of a poll that need not wait",
	      "%llu", (long long)(after.polls - before.polls));
	check(peer_poll(&peer, POLLIN, 0) == 0 && after.wakeups == before.wakeups,
	      "STATS counts no wake-up for these polls", "%llu",
	      (long long)(after.wakeups - before.wakeups));
	peer_stop_wait(&peer);
	kup_user_close(fd);
}

static void test_kick(void)
{
	struct kup_stats stats;
	struct peer peer;
	int fd = echo_open();

	refused(kup_user_kick(fd), ENOTCONN, "KICK before ATTACH is refused with ENOTCONN");
	kup_user_close(fd);
	peer_need(&peer, ANY);
	worked(peer_kick(&peer), "KICK of an idle channel works");
	peer_send(&peer, ECHO_CLOSE, NULL, 0);
	check(EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_CLOSED),
	      "the kernel's side closes a channel", "state %u", peer_state(&peer));
	refused(peer_kick(&peer), EPIPE, "KICK refuses a closed channel with EPIPE");
	check(peer_poll(&peer, POLLIN, 0) == (POLLIN | POLLHUP),
	      "kup_user_wait() on a closed channel reports POLLIN and POLLHUP", "%x",
	      peer_poll(&peer, POLLIN, 0));
	check(peer_poll(&peer, POLLIN | POLLOUT, 0) == (POLLIN | POLLOUT | POLLHUP),
	      "kup_user_wait() on a closed channel reports POLLOUT if it is asked for", "%x",
	      peer_poll(&peer, POLLIN | POLLOUT, 0));
	check(peer_poll(&peer, 0, 0) == POLLHUP,
	      "kup_user_wait() on a closed channel reports POLLHUP also for no events", "%x",
	      peer_poll(&peer, 0, 0));
	refused(attach_to(peer.fd, ANY, 0, NULL), EISCONN,
		"ATTACH is refused with EISCONN after the kernel's side has closed");
	stats_get(peer.fd, peer.attach.channel, &stats);
	check(stats.state == KUP_STATE_CLOSED && stats.error == KUP_ERROR_NONE,
	      "STATS reports that the kernel's side has closed", "state %u, error %u", stats.state,
	      stats.error);
	fd = echo_open();
	refused(attach_to(fd, peer.attach.channel, 0, NULL), EBUSY,
		"ATTACH refuses a closed channel with EBUSY while its user has it open");
	kup_user_close(fd);
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
	EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_CLOSED);
	while (peer_receive(&peer, &record) == 0) {
		records += record.type == (uint32_t)records;
		peer_release(&peer, &record);
	}
	check(records == 20, "the user can read what was sent before the kernel's side closed",
	      "%d of 20 records", records);
	peer_stop_wait(&peer);
}

static void test_all_taken(void)
{
	struct peer peers[CHANNELS];
	int any = echo_open(), named = echo_open();

	check(kup_user_wait(any, POLLIN, 0) == POLLIN,
	      "kup_user_wait() before ATTACH reports POLLIN while a channel is free", "no");
	check(kup_user_wait(any, POLLOUT, 0) == 0,
	      "kup_user_wait() before ATTACH never reports POLLOUT", "no");
	for (uint32_t i = 0; i < CHANNELS; i++)
		peer_need(&peers[i], ANY);
	check(channels_free(any) == 0, "INFO counts no free channel when all are taken", "%u",
	      channels_free(any));
	check(kup_user_wait(any, POLLIN, 50) == 0,
	      "kup_user_wait() before ATTACH reports nothing while no channel is free", "no");
	refused(attach_to(any, ANY, 0, NULL), EBUSY,
		"ATTACH is refused with EBUSY while every channel is taken");
	refused(attach_to(named, peers[4].attach.channel, 0, NULL), EBUSY,
		"ATTACH refuses one of the taken channels with EBUSY");
	peer_stop_wait(&peers[2]);
	check(kup_user_wait(any, POLLIN, PATIENCE_MS) == POLLIN,
	      "kup_user_wait() before ATTACH returns when a channel is free", "no");
	check(kup_user_wait(named, POLLIN, 50) == 0,
	      "kup_user_wait() for one channel does not report another that is free", "no");
	peer_stop_wait(&peers[4]);
	check(kup_user_wait(named, POLLIN, PATIENCE_MS) == POLLIN,
	      "kup_user_wait() for one channel returns when that channel is free", "no");
	worked(attach_to(named, peers[4].attach.channel, KUP_ATTACH_NOWAIT, NULL),
	       "ATTACH takes the channel that kup_user_wait() reported");
	kup_user_close(any);
	kup_user_close(named);
	for (uint32_t i = 0; i < CHANNELS; i++)
		if (i != 2 && i != 4)
			peer_stop_wait(&peers[i]);
}

/* The kernel client pauses while the user of channel 3 closes it: the channel drains. */
static void leave_pausing(uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };
	struct peer peer;

	peer_need(&peer, 3);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(50);
	peer_send(&peer, 1, "x", 1);
	peer_stop(&peer);
}

/* What calls return while channel 3 drains. */
struct draining {
	struct kup_stats before, after;
	struct kup_info info;
	int attached, polled;
};

static struct draining look_at_draining(int fd)
{
	struct draining seen;

	stats_get(fd, 3, &seen.before);
	kup_user_info(fd, &seen.info);
	seen.attached = attach_to(fd, 3, KUP_ATTACH_NOWAIT, NULL);
	seen.polled = kup_user_wait(fd, POLLIN, 0);
	stats_get(fd, 3, &seen.after);
	return seen;
}

static void test_draining(void)
{
	struct draining seen;
	struct kup_stats stats;
	uint32_t pause = 400;
	uint64_t start;
	int fd;

	reload_stubborn();
	/* On a slow machine a short pause is over before all calls are made. */
	for (;;) {
		leave_pausing(pause);
		fd = echo_open();
		seen = look_at_draining(fd);
		if (seen.after.state == KUP_STATE_DRAINING || pause > LONGEST_PAUSE_MS / 4)
			break;
		kup_user_close(fd);
		pause *= 4;
	}
	check(seen.before.state == KUP_STATE_DRAINING && seen.info.channels_free == CHANNELS - 1,
	      "STATS reports a channel that drains, and INFO does not count it as free",
	      "state %u, %u free", seen.before.state, seen.info.channels_free);
	refused(seen.attached, EBUSY,
		"ATTACH with NOWAIT refuses a channel that drains with EBUSY");
	check(seen.polled == 0, "kup_user_wait() does not report a channel that drains", "no");
	do
		start = now_ms();
	while (attach_to(fd, 3, 0, NULL) == -EBUSY && now_ms() - start >= KUP_ATTACH_DRAIN_MS - 10);
	kup_user_info(fd, &seen.info);
	check(seen.info.attached == 3,
	      "ATTACH waits until the kernel client has drained the channel",
	      "after %llu ms it has channel %x", (long long)(now_ms() - start), seen.info.attached);
	stats_get(fd, 3, &stats);
	check(stats.to_kernel_records >= 2,
	      "ATTACH waits until the kernel client has read what was sent before", "%llu records",
	      (long long)stats.to_kernel_records);
	kup_user_close(fd);
	need_unload();
	reload();
}

/* A pause that is longer than ATTACH waits. */
static bool test_draining_too_long(uint32_t pause)
{
	uint64_t began, start;
	bool in_time;
	int fd;

	reload_stubborn();
	fd = echo_open();
	began = now_ms();
	leave_pausing(pause);
	start = now_ms();
	refused(attach_to(fd, 3, 0, NULL), EBUSY,
		"ATTACH is refused with EBUSY when the channel drains for longer than it waits");
	start = now_ms() - start;
	in_time = now_ms() - began < pause;
	check(start >= KUP_ATTACH_DRAIN_MS - 10, "ATTACH waits a second for a channel that drains",
	      "%llu ms", (long long)start);
	check(kup_user_wait(fd, POLLIN, PATIENCE_MS) == POLLIN,
	      "kup_user_wait() returns when a channel that drained for long is free", "no");
	worked(attach_to(fd, 3, KUP_ATTACH_NOWAIT, NULL),
	       "ATTACH takes a channel that drained for long");
	kup_user_close(fd);
	need_unload();
	reload();
	return in_time;
}

/*
 * A user leaves a ring full of pauses of a minute. The pauses end, and the kernel's side reads what
 * lies behind them.
 */
static void test_pauses_left(void)
{
	const struct echo_pause pause = { .milliseconds = 60000 };
	struct kup_stats before, after;
	struct peer peer;
	int fd = echo_open();
	uint64_t sent = 0;

	stats_get(fd, 2, &before);
	peer_need(&peer, 2);
	while (peer_room(&peer, KUP_RECORD_SPACE(sizeof(pause)))) {
		peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
		sent++;
	}
	peer_stop(&peer);
	check(EVENTUALLY(PATIENCE_MS, attach_to(fd, 2, 0, NULL) == 0),
	      "close() ends the pauses that the user leaves in the ring", "no");
	stats_get(fd, 2, &after);
	check(after.to_kernel_records - before.to_kernel_records == sent,
	      "close() lets the kernel's side read all that was sent", "%llu of %llu records",
	      (long long)(after.to_kernel_records - before.to_kernel_records), (long long)sent);
	kup_user_close(fd);
}

/* ATTACH returns the errno that the kernel client returned, and takes nothing. */
static void test_client_refuses(void)
{
	struct kup_info info;
	int fd;

	need_unload();
	need(module_load("refuse=13") == 0, "the echo client can be loaded so that it refuses");
	fd = echo_open();
	refused(attach_to(fd, ANY, 0, NULL), EACCES,
		"ATTACH returns the errno that the kernel client refused with");
	kup_user_info(fd, &info);
	check(info.attached == ANY && info.attaches == 0 && info.channels_free == CHANNELS,
	      "ATTACH that the kernel client refused leaves all channels free", "%u, %u",
	      info.attached, info.channels_free);
	refused(kup_user_kick(fd), ENOTCONN,
		"KICK after an ATTACH that was refused returns ENOTCONN");
	kup_user_close(fd);
	need_unload();
	reload();
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_info();
	test_attach_refusals();
	test_attach_order();
	test_instance();
	test_features();
	test_attach();
	test_kernel_page();
	test_stats_refusals();
	test_stats_counts();
	test_kick();
	test_closed_is_drained();
	test_all_taken();
	test_draining();
	test_in_pause(3000, test_draining_too_long);
	test_pauses_left();
	test_client_refuses();
	return finish();
}
