/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle's calls: INFO, ATTACH, STATS, KICK, poll, close, and what each refuses. */
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
	check(info.max_to_user_bytes == info.to_user_bytes &&
		      info.max_to_kernel_bytes == info.to_kernel_bytes,
	      "INFO contains the largest sizes", "%u, %u", info.max_to_user_bytes,
	      info.max_to_kernel_bytes);
	check(info.attached_to_user_bytes == 0 && info.attached_to_kernel_bytes == 0,
	      "and no sizes of a channel before ATTACH", "%u, %u", info.attached_to_user_bytes,
	      info.attached_to_kernel_bytes);
	check(info.required == 0, "INFO requires no feature", "%llx", (long long)info.required);
	check(strnlen(info.name, KUP_NAME_MAX) < KUP_NAME_MAX && strcmp(info.name, "kup/echo") == 0,
	      "INFO tells the device's name", "%.64s", info.name);
	check(info.instance != 0, "INFO contains the device's instance, which is not 0", "it is");
	check(info.clock == 0 && all_zero(info.reserved, sizeof(info.reserved)) &&
		      all_zero(info.name + strlen(info.name), KUP_NAME_MAX - strlen(info.name)),
	      "INFO leaves no byte of its own unset", "a reserved byte isn't zero");
	kup_user_close(fd);
}

/* One refusal of ATTACH, on a fresh handle, which stays usable. */
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
	bad.to_user_bytes = 64 * (uint32_t)getpagesize() + 1;
	bad_attach(bad, EINVAL, "ATTACH with a ring beyond the maximum is refused with EINVAL");
	bad = good;
	bad.to_kernel_bytes = 0x80000000u;
	bad_attach(bad, EINVAL, "in the other direction, too");
	bad = good;
	bad.map_bytes = 1;
	bad_attach(bad, EINVAL, "ATTACH with a result filled in is refused with EINVAL");
	bad = good;
	bad.channel = CHANNELS;
	bad_attach(bad, EINVAL, "ATTACH of a channel behind the last is refused with EINVAL");
	bad.channel = ANY - 1;
	bad_attach(bad, EINVAL, "ATTACH of channel 0xfffffffe is refused with EINVAL");
	bad = good;
	bad.generation = 1;
	bad_attach(bad, EINVAL, "ATTACH with a generation is refused with EINVAL");
	for (size_t byte = 0; byte < sizeof(bad.reserved); byte += sizeof(bad.reserved) - 1) {
		bad = good;
		bad.reserved[byte] = 1;
		bad_attach(bad, EINVAL, "ATTACH with a reserved byte set is refused with EINVAL");
	}
	check(all_free(fd), "refused ATTACHes leave every channel free", "%u are",
	      channels_free(fd));
	kup_user_close(fd);
}

/* Of several things that are wrong with one ATTACH the contract says which is told. */
static void test_attach_order(void)
{
	struct kup_attach bad = good;
	struct peer peer;

	bad.abi_version = 99;
	bad.flags = 2;
	bad_attach(bad, EPROTONOSUPPORT, "ATTACH looks at the version before the flags");
	bad.abi_version = KUP_ABI_VERSION;
	bad.instance = 1;
	bad_attach(bad, EINVAL, "and at the flags before the instance");
	bad.flags = 0;
	bad.reserved[0] = 1;
	bad_attach(bad, EINVAL, "at the reserved bytes, too");
	bad.reserved[0] = 0;
	bad.to_kernel_bytes = ~0u;
	bad_attach(bad, ENODEV, "at the instance before the sizes");
	bad.to_kernel_bytes = 0;
	bad.instance = 0;
	bad.channel = CHANNELS;
	peer_need(&peer, ANY);
	refused(kup_user_attach(peer.fd, &bad), EINVAL,
		"and at the channel before what the handle has already");
	bad.channel = ANY;
	bad.to_user_bytes = ~0u;
	refused(kup_user_attach(peer.fd, &bad), EINVAL, "at the sizes before that, too");
	refused(attach_to(peer.fd, peer.attach.channel, 0, NULL), EISCONN,
		"and at that before who has the channel");
	peer_stop_wait(&peer);
}

/* ATTACH compares the instance, if it is given one. */
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
	bad_attach(attach, ENODEV, "ATTACH with another device's instance is refused with ENODEV");
	attach.instance = 1;
	bad_attach(attach, ENODEV, "and with one that never was");
	attach.instance = 1ull << 63 | info.instance;
	bad_attach(attach, ENODEV, "all 64 bits of it count");
	attach.channel = CHANNELS;
	bad_attach(attach, ENODEV, "ATTACH looks at the instance before the channel");
	attach = good;
	attach.instance = info.instance;
	worked(kup_user_attach(fd, &attach), "ATTACH with the device's instance works");
	check(attach.instance == info.instance, "and leaves it as it was", "%llx",
	      (long long)attach.instance);
	attach = good;
	attach.instance = info.instance + 1;
	refused(kup_user_attach(fd, &attach), ENODEV,
		"ATTACH looks at the instance before what the handle has already");
	attach = good;
	worked(kup_user_attach(second, &attach), "ATTACH without an instance works");
	check(attach.instance == info.instance, "and returns the device's", "%llx",
	      (long long)attach.instance);
	kup_user_close(second);
	kup_user_close(fd);
	fd = echo_open();
	all_free(fd);
	kup_user_close(fd);
}

/* Whatever a caller understands, it gets what the device has. */
static void test_features(void)
{
	struct kup_attach attach = good;
	int fd = echo_open();

	attach.understood = ~0ull;
	worked(kup_user_attach(fd, &attach), "ATTACH takes a caller that understands everything");
	check(attach.abi_version == KUP_ABI_VERSION && attach.flags == 0 &&
		      attach.understood == ~0ull,
	      "and leaves its fields", "%u, %u, %llx", attach.abi_version, attach.flags,
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
	check(peer.info.attached == ANY, "before ATTACH the handle has no channel", "%u",
	      peer.info.attached);
	check(peer.attach.channel == 5 && peer.attach.generation == before.generation + 1,
	      "ATTACH tells channel and generation", "%u, %u", peer.attach.channel,
	      peer.attach.generation);
	check(all_zero(peer.attach.reserved, sizeof(peer.attach.reserved)),
	      "ATTACH leaves the reserved bytes zero", "they aren't");
	kup_user_info(peer.fd, &info);
	check(info.attached == 5 && info.channels_free == 7 &&
		      info.attaches == peer.info.attaches + 1,
	      "INFO tells the attached channel, one free channel less and one attach more",
	      "%u, %u, %llu", info.attached, info.channels_free, (long long)info.attaches);
	stats_get(fd, 5, &after);
	check(after.state == KUP_STATE_OPEN && after.generation == peer.attach.generation &&
		      after.error == KUP_ERROR_NONE,
	      "STATS tells that the channel is open", "%u, %u", after.state, after.generation);
	refused(attach_to(peer.fd, ANY, 0, NULL), EISCONN,
		"a second ATTACH is refused with EISCONN");
	refused(attach_to(peer.fd, 5, 0, NULL), EISCONN,
		"a second ATTACH of the same channel is refused with EISCONN");
	refused(attach_to(fd, 5, 0, NULL), EBUSY,
		"ATTACH of a taken channel is refused with EBUSY");
	kup_user_info(fd, &info);
	stats_get(fd, 5, &after);
	check(info.attached == ANY && info.attaches == peer.info.attaches + 1 &&
		      after.generation == peer.attach.generation,
	      "what was refused is not counted", "%llu attaches, generation %u",
	      (long long)info.attaches, after.generation);
	refused(attach_to(fd, 5, KUP_ATTACH_NOWAIT, NULL), EBUSY,
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
	kup_user_close(fd);
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
		check(peer_echo(&peer, i, i * 100) == NULL, "an echo of some length works", "%u",
		      i);
	check(EVENTUALLY(PATIENCE_MS,
			 page->to_user_records == 10 && page->to_kernel_records == 10) &&
		      page->to_user_payload == 4500 && page->to_kernel_payload == 4500,
	      "the kernel page counts records and payload", "%llu, %llu, %llu, %llu",
	      (long long)page->to_user_records, (long long)page->to_kernel_records,
	      (long long)page->to_user_payload, (long long)page->to_kernel_payload);
	peer_stop_wait(&peer);
}

static void test_stats_refusals(void)
{
	struct kup_stats stats = { .channel = CHANNELS };
	int fd = echo_open();

	refused(kup_user_stats(fd, &stats), EINVAL, "STATS of no channel is refused with EINVAL");
	stats.channel = ANY;
	refused(kup_user_stats(fd, &stats), EINVAL, "STATS of any channel is refused with EINVAL");
	stats = (struct kup_stats){ .channel = 1 };
	stats.reserved[23] = 1;
	refused(kup_user_stats(fd, &stats), EINVAL,
		"STATS with a reserved byte set is refused with EINVAL");
	memset(&stats, 0xff, sizeof(stats));
	stats.channel = 1;
	memset(stats.reserved, 0, sizeof(stats.reserved));
	worked(kup_user_stats(fd, &stats), "STATS doesn't look at the fields that it fills in");
	check(stats.channel == 1 && stats.state == KUP_STATE_FREE && stats.error == 0 &&
		      all_zero(stats.reserved, sizeof(stats.reserved)),
	      "and fills in all of them", "state %u, error %u", stats.state, stats.error);
	kup_user_close(fd);
}

/* Counters that only this handle's calls change, exactly. */
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
	      "and its INFO, ATTACH and STATS, this one included", "%llu ioctls",
	      (long long)(after.ioctls - before.ioctls));
	before = after;
	kup_user_info(fd, &info);
	stats_get(fd, 1, &after);
	check(after.ioctls == before.ioctls, "but none of a handle without a channel",
	      "%llu ioctls", (long long)(after.ioctls - before.ioctls));
	peer_poll(&peer, POLLIN, 0);
	stats_get(fd, 1, &after);
	check(after.polls - before.polls == 1, "a poll that doesn't wait is one look", "%llu",
	      (long long)(after.polls - before.polls));
	before = after;
	peer_poll(&peer, POLLIN, 20);
	stats_get(fd, 1, &after);
	check(after.polls - before.polls == (differs("polls-look-once") ? 1 : 2),
	      "one that waits in vain is two, unless the system looks once", "%llu",
	      (long long)(after.polls - before.polls));
	before = after;
	peer_poll(&peer, POLLOUT, PATIENCE_MS);
	stats_get(fd, 1, &after);
	check(after.polls - before.polls == 1, "one that needs not wait is one", "%llu",
	      (long long)(after.polls - before.polls));
	check(peer_poll(&peer, POLLIN, 0) == 0 && after.wakeups == before.wakeups,
	      "and none of that was a wake-up", "%llu",
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
	      "the kernel's side can close a channel", "state %u", peer_state(&peer));
	refused(peer_kick(&peer), EPIPE, "KICK of a closed channel is refused with EPIPE");
	check(peer_poll(&peer, POLLIN, 0) == (POLLIN | POLLHUP),
	      "poll of a closed channel reports POLLIN and POLLHUP", "%x",
	      peer_poll(&peer, POLLIN, 0));
	check(peer_poll(&peer, POLLIN | POLLOUT, 0) == (POLLIN | POLLOUT | POLLHUP),
	      "and POLLOUT, if it is asked for that", "%x", peer_poll(&peer, POLLIN | POLLOUT, 0));
	check(peer_poll(&peer, 0, 0) == POLLHUP, "POLLHUP needs not be asked for", "%x",
	      peer_poll(&peer, 0, 0));
	refused(attach_to(peer.fd, ANY, 0, NULL), EISCONN,
		"ATTACH after the kernel's side closed is refused with EISCONN");
	stats_get(peer.fd, peer.attach.channel, &stats);
	check(stats.state == KUP_STATE_CLOSED && stats.error == KUP_ERROR_NONE,
	      "STATS tells that the kernel's side has closed", "state %u, error %u", stats.state,
	      stats.error);
	fd = echo_open();
	refused(attach_to(fd, peer.attach.channel, 0, NULL), EBUSY,
		"the channel stays its user's until that lets go of it");
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
	check(records == 20, "what was sent before the kernel's side closed can be read after it",
	      "%d of 20 records", records);
	peer_stop_wait(&peer);
}

static void test_all_taken(void)
{
	struct peer peers[CHANNELS];
	int any = echo_open(), named = echo_open();

	check(kup_user_wait(any, POLLIN, 0) == POLLIN,
	      "before ATTACH poll reports POLLIN while a channel is free", "no");
	check(kup_user_wait(any, POLLOUT, 0) == 0, "and never POLLOUT", "it does");
	for (uint32_t i = 0; i < CHANNELS; i++)
		peer_need(&peers[i], ANY);
	check(channels_free(any) == 0, "INFO counts no free channel", "%u", channels_free(any));
	check(kup_user_wait(any, POLLIN, 50) == 0, "poll reports nothing while no channel is free",
	      "it does");
	refused(attach_to(any, ANY, 0, NULL), EBUSY,
		"ATTACH while every channel is taken is refused with EBUSY");
	refused(attach_to(named, peers[4].attach.channel, 0, NULL), EBUSY,
		"ATTACH of one of them is refused with EBUSY");
	peer_stop_wait(&peers[2]);
	check(kup_user_wait(any, POLLIN, PATIENCE_MS) == POLLIN,
	      "poll tells when a channel is free", "no");
	check(kup_user_wait(named, POLLIN, 50) == 0,
	      "a poll for one channel does not report another that is free", "it does");
	peer_stop_wait(&peers[4]);
	check(kup_user_wait(named, POLLIN, PATIENCE_MS) == POLLIN,
	      "a poll for one channel tells when that one is free", "no");
	worked(attach_to(named, peers[4].attach.channel, KUP_ATTACH_NOWAIT, NULL),
	       "then it can be attached");
	kup_user_close(any);
	kup_user_close(named);
	for (uint32_t i = 0; i < CHANNELS; i++)
		if (i != 2 && i != 4)
			peer_stop_wait(&peers[i]);
}

/* The kernel client pauses for so long while the user of channel 3 goes: then the channel drains. */
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
	/* On a slow machine a short pause is over before all has been looked at. */
	for (;;) {
		leave_pausing(pause);
		fd = echo_open();
		seen = look_at_draining(fd);
		if (seen.after.state == KUP_STATE_DRAINING || pause >= PATIENCE_MS / 4)
			break;
		kup_user_close(fd);
		pause *= 4;
	}
	check(seen.before.state == KUP_STATE_DRAINING && seen.info.channels_free == CHANNELS - 1,
	      "STATS tells a channel that is still drained, and INFO doesn't count it as free",
	      "state %u, %u free", seen.before.state, seen.info.channels_free);
	refused(seen.attached, EBUSY, "ATTACH of it with NOWAIT is refused with EBUSY");
	check(seen.polled == 0, "and poll doesn't report it", "it does");
	do
		start = now_ms();
	while (attach_to(fd, 3, 0, NULL) == -EBUSY && now_ms() - start >= KUP_ATTACH_DRAIN_MS - 10);
	kup_user_info(fd, &seen.info);
	check(seen.info.attached == 3, "ATTACH of it waits until the kernel client is done",
	      "after %llu ms it has channel %x", (long long)(now_ms() - start), seen.info.attached);
	stats_get(fd, 3, &stats);
	check(stats.to_kernel_records >= 2, "which has got what was sent before", "%llu records",
	      (long long)stats.to_kernel_records);
	kup_user_close(fd);
	need_unload();
	reload();
}

/* A pause that is longer than ATTACH's patience. */
static void test_draining_too_long(void)
{
	uint64_t start;
	int fd;

	reload_stubborn();
	fd = echo_open();
	leave_pausing(3000);
	start = now_ms();
	refused(attach_to(fd, 3, 0, NULL), EBUSY,
		"ATTACH's wait for a kernel client ends with EBUSY");
	start = now_ms() - start;
	check(start >= KUP_ATTACH_DRAIN_MS - 10, "after a second", "%llu ms", (long long)start);
	check(kup_user_wait(fd, POLLIN, PATIENCE_MS) == POLLIN,
	      "a client that ends late frees the channel late, and poll tells", "no");
	worked(attach_to(fd, 3, KUP_ATTACH_NOWAIT, NULL), "then it can be attached");
	kup_user_close(fd);
	need_unload();
	reload();
}

/* A ring full of minutes, whose user leaves: they end, and what comes behind them is read. */
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
	      "pauses that a user leaves behind end with it", "no");
	stats_get(fd, 2, &after);
	check(after.to_kernel_records - before.to_kernel_records == sent,
	      "and all that it had sent is read", "%llu of %llu records",
	      (long long)(after.to_kernel_records - before.to_kernel_records), (long long)sent);
	kup_user_close(fd);
}

/* What the kernel client says, its ATTACH says, and nothing is left of it. */
static void test_client_refuses(void)
{
	struct kup_info info;
	int fd;

	need_unload();
	need(module_load("refuse=13") == 0, "the echo client can be told to refuse");
	fd = echo_open();
	refused(attach_to(fd, ANY, 0, NULL), EACCES,
		"ATTACH returns what the kernel client refused with");
	kup_user_info(fd, &info);
	check(info.attached == ANY && info.attaches == 0 && info.channels_free == CHANNELS,
	      "then the handle has no channel, and all are free", "%u, %u", info.attached,
	      info.channels_free);
	refused(kup_user_kick(fd), ENOTCONN, "and KICK is refused with ENOTCONN");
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
	test_draining_too_long();
	test_pauses_left();
	test_client_refuses();
	return finish();
}
