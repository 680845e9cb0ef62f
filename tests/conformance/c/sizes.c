/* SPDX-License-Identifier: BSD-3-Clause */
/* Ring sizes: how ATTACH rounds the sizes that it is given, and channels of all sizes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "channels.h"
#include "driver.h"
#include "peer.h"

/* The device's own sizes, in pages. */
#define TO_USER 64
#define TO_KERNEL 32

static uint32_t page;

/* ---- ATTACH ---- */

static void sizes_become(uint32_t to_user, uint32_t to_kernel, uint32_t user_pages,
			 uint32_t kernel_pages, const char *sentence)
{
	struct kup_info info = { 0 };
	struct peer peer;

	peer_need_sized(&peer, to_user, to_kernel);
	kup_user_info(peer.fd, &info);
	check(peer.attach.to_user_bytes == user_pages * page &&
		      peer.attach.to_kernel_bytes == kernel_pages * page &&
		      peer.attach.map_bytes ==
			      KUP_MAP_BYTES(page, user_pages * page, kernel_pages * page) &&
		      info.attached_to_user_bytes == user_pages * page &&
		      info.attached_to_kernel_bytes == kernel_pages * page &&
		      peer.kernel->to_user_bytes == user_pages * page &&
		      peer.kernel->to_kernel_bytes == kernel_pages * page &&
		      info.to_user_bytes == TO_USER * page && peer_echo(&peer, 1, 100) == NULL,
	      sentence, "%u and %u; INFO has %u and %u", peer.attach.to_user_bytes,
	      peer.attach.to_kernel_bytes, info.attached_to_user_bytes,
	      info.attached_to_kernel_bytes);
	peer_stop_wait(&peer);
}

static void test_attach(void)
{
	sizes_become(0, 0, TO_USER, TO_KERNEL,
		     "ATTACH without sizes gives rings of the device's own sizes");
	sizes_become(1, 1, 1, 1, "ATTACH rounds a size of one byte up to a page");
	sizes_become(page, page, 1, 1, "ATTACH keeps a size of one page");
	sizes_become(page + 1, 0, 2, TO_KERNEL, "ATTACH rounds a page and a byte up to two pages");
	sizes_become(0, 5 * page, TO_USER, 8, "ATTACH rounds five pages up to eight");
	sizes_become(TO_USER * page, TO_KERNEL * page, TO_USER, TO_KERNEL,
		     "ATTACH gives rings of the maximum");
	sizes_become(TO_USER * page - 1, TO_KERNEL * page - 1, TO_USER, TO_KERNEL,
		     "ATTACH rounds a size just below the maximum up to the maximum");
}

/* Whatever the other ring's size is. */
static void test_refused(void)
{
	const uint32_t sizes[] = { TO_USER * page + 1, 2 * TO_USER * page, KUP_MAX_RING + 1,
				   0x80000000u,	       ~0u - page + 2,	   ~0u };
	uint32_t refusals = 0, most = sizeof(sizes) / sizeof(sizes[0]);
	int fd = echo_open();

	for (uint32_t i = 0; i < 4 * most; i++) {
		const uint32_t other[] = { 0, TO_KERNEL * page };
		struct kup_attach attach = { .abi_version = KUP_ABI_VERSION,
					     .understood = KUP_FEATURES,
					     .channel = ANY };

		attach.to_user_bytes = i % 2 ? sizes[i / 4] : other[i / 2 % 2];
		attach.to_kernel_bytes = i % 2 ? other[i / 2 % 2] : sizes[i / 4];
		refusals += kup_user_attach(fd, &attach) == -EINVAL;
	}
	check(refusals == 4 * most, "ATTACH refuses each size above the maximum with EINVAL",
	      "%u of %u", refusals, 4 * most);
	check(channels_free(fd) == CHANNELS && attach_to(fd, ANY, 0, NULL) == 0,
	      "ATTACH that refused a size leaves the handle and all channels free", "%u are",
	      channels_free(fd));
	kup_user_close(fd);
}

/* Areas of other sizes do not exist, also of the device's own sizes, which INFO contains. */
static void test_mapping(void)
{
	struct peer peer;
	uint64_t address = 0;

	peer_need_sized(&peer, 2 * page, page);
	refused(kup_user_map(peer.fd, page, peer.info.to_user_bytes, peer.info.to_kernel_bytes,
			     &address),
		EINVAL,
		"kup_user_map() refuses the device's sizes when the channel has others with "
		"EINVAL");
	refused(kup_user_map(peer.fd, page, page, 2 * page, &address), EINVAL,
		"kup_user_map() refuses other sizes of the same sum with EINVAL");
	peer_unmap(&peer);
	worked(peer_map(&peer), "kup_user_map() accepts the sizes that ATTACH returned");
	check(peer_echo(&peer, 2, 200) == NULL,
	      "the kernel's side echoes on a channel of such sizes", "no echo");
	peer_stop_wait(&peer);
	peer_need(&peer, peer.attach.channel);
	check(peer.attach.to_user_bytes == TO_USER * page && !peer_echo(&peer, 3, 2 * page),
	      "ATTACH gives the channel's next owner rings of the device's sizes", "%u",
	      peer.attach.to_user_bytes);
	peer_stop_wait(&peer);
}

/* ---- Traffic ---- */

/* All lengths, each at another place of the rings. */
static void test_lengths(uint32_t to_user, uint32_t to_kernel, const char *sentence)
{
	struct peer peer;
	const char *why = NULL;
	uint32_t length, most;

	peer_need_sized(&peer, to_user, to_kernel);
	most = to_user < to_kernel ? KUP_MAX_PAYLOAD(to_user) : KUP_MAX_PAYLOAD(to_kernel);
	for (length = 0; length <= most && why == NULL; length += 1 + length % 3)
		why = peer_echo(&peer, length, length);
	if (why == NULL)
		why = peer_echo(&peer, 5, most);
	check(why == NULL, sentence, "%u bytes: %s, state %u, error %u", length, why,
	      peer_state(&peer), peer.kernel->error);
	peer_stop_wait(&peer);
}

/* The rings are kept full, so that both sides sleep for room now and then. */
static void test_full_rings(uint32_t count)
{
	static const uint8_t bytes[4096];
	struct record record;
	struct peer peer;
	uint32_t sent = 0, received = 0, length;

	peer_need_sized(&peer, 1, 1);
	while (received < count) {
		for (; sent < count; sent++) {
			length = sent * 7919 % 1500;
			if (!peer_room(&peer, KUP_RECORD_SPACE(length)))
				break;
			peer_wake(&peer, peer_write(&peer, 0, sent & 0xffff, bytes, length));
		}
		if (dice(50) == 0)
			dawdle();
		if (peer_receive(&peer, &record) != 0 || record.type != (received & 0xffff) ||
		    record.length != received * 7919 % 1500)
			break;
		peer_release(&peer, &record);
		received++;
	}
	check(received == count, "rings of one page that are always full lose nothing",
	      "record %u of %u, state %u, error %u", received, count, peer_state(&peer),
	      peer.kernel->error);
	peer_stop_wait(&peer);
}

static void test_beside_each_other(void)
{
	struct peer peers[3];
	const char *why = NULL;

	peer_need_sized(&peers[0], 1, 1);
	peer_need_sized(&peers[1], 4 * page, page);
	peer_need_sized(&peers[2], 0, 0);
	for (uint32_t i = 0; i < 300 && why == NULL; i++)
		why = peer_echo(&peers[i % 3], i, i * 7 % KUP_MAX_PAYLOAD(page));
	check(why == NULL, "ATTACH gives channels of different sizes that work beside each other",
	      "%s", why);
	for (int i = 0; i < 3; i++)
		peer_stop_wait(&peers[i]);
}

/* ---- Sizes above the default ---- */

static bool has_sizes(struct kup_user_channel *channel, uint32_t to_user, uint32_t to_kernel)
{
	return kup_user_to_user_bytes(channel) == to_user * page &&
	       kup_user_to_kernel_bytes(channel) == to_kernel * page &&
	       kup_user_max_message(channel) == KUP_MAX_PAYLOAD(to_kernel * page);
}

static bool echoes_longest(struct kup_user_channel *channel)
{
	uint32_t length = kup_user_max_message(channel);
	struct kup_user_message message;
	uint8_t *bytes = calloc(1, length);
	bool good = bytes && kup_user_send(channel, 7, bytes, length, PATIENCE) == 0 &&
		    kup_user_receive(channel, &message, PATIENCE) == 0 && message.length == length;

	free(bytes);
	return good;
}

static void opens(uint64_t to_user, uint64_t to_kernel, uint32_t user_pages, uint32_t kernel_pages,
		  const char *sentence)
{
	const struct kup_user_open_options options = { KUP_CHANNEL_ANY, PATIENCE, to_user,
						       to_kernel };
	struct kup_user_channel *channel = NULL;
	int error = kup_user_channel_open_with(path_of(ECHO_NAME), &options, &channel);

	check(!error && has_sizes(channel, user_pages, kernel_pages) && echoes_longest(channel),
	      sentence, "error %d", error);
	kup_user_channel_close(channel);
}

static void opens_not(uint64_t to_user, uint64_t to_kernel, const char *sentence)
{
	const struct kup_user_open_options options = { KUP_CHANNEL_ANY, PATIENCE, to_user,
						       to_kernel };
	struct kup_user_channel *channel = NULL;

	refused(kup_user_channel_open_with(path_of(ECHO_NAME), &options, &channel), EINVAL,
		sentence);
	kup_user_channel_close(channel);
}

static void test_maxima(void)
{
	struct kup_info info = { 0 };
	int fd;

	module_unload();
	need(module_load("to_user_pages=2 to_kernel_pages=1 max_to_user_pages=16 "
			 "max_to_kernel_pages=8") == 0,
	     "the echo client can be loaded with maxima");
	fd = kup_user_open(path_of(ECHO_NAME));
	worked(kup_user_info(fd, &info), "INFO works on a device with maxima");
	kup_user_close(fd);
	check(info.to_user_bytes == 2 * page && info.to_kernel_bytes == page &&
		      info.max_to_user_bytes == 16 * page && info.max_to_kernel_bytes == 8 * page,
	      "INFO contains the defaults and the maxima of the config", "%u %u %u %u",
	      info.to_user_bytes, info.to_kernel_bytes, info.max_to_user_bytes,
	      info.max_to_kernel_bytes);
	opens(0, 0, 2, 1, "kup_user_channel_open_with() gives rings of the device's sizes for 0");
	opens(3, 3, 1, 1, "kup_user_channel_open_with() rounds three bytes up to a page");
	opens(16 * page, 8 * page, 16, 8,
	      "kup_user_channel_open_with() gives rings of the maxima, above the defaults");
	opens(9 * page, 3 * page, 16, 4,
	      "kup_user_channel_open_with() rounds sizes above the defaults up");
	opens_not(16 * page + 1, 0,
		  "kup_user_channel_open_with() refuses a ring to the user above the maximum");
	opens_not(0, 8 * page + 1,
		  "kup_user_channel_open_with() refuses a ring to the kernel above the maximum");
	opens_not(1ull << 40, 0, "kup_user_channel_open_with() refuses a ring of 2^40 bytes");
	opens_not(0, (uint64_t)-1, "kup_user_channel_open_with() refuses a ring of -1 bytes");
	module_unload();
	need(module_load("") == 0, "the echo client can be loaded again");
}

int main(int count, char **arguments)
{
	begin(count, arguments, 120);
	page = (uint32_t)getpagesize();
	test_attach();
	test_refused();
	test_mapping();
	test_lengths(page, page, "rings of one page carry messages of all lengths");
	test_lengths(page, 4 * page,
		     "rings of one page to the user and four to the kernel carry messages of all "
		     "lengths");
	test_lengths(4 * page, page,
		     "rings of four pages to the user and one to the kernel carry messages of all "
		     "lengths");
	test_full_rings(20000);
	test_beside_each_other();
	test_maxima();
	return finish();
}
