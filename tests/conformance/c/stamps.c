/* SPDX-License-Identifier: BSD-3-Clause */
/* A device with stamps, which each process that attaches has to understand. */
#include <errno.h>
#include <string.h>

#include "channels.h"
#include "peer.h"

static int attach_understanding(int fd, uint64_t features)
{
	struct kup_attach attach = { .abi_version = KUP_ABI_VERSION,
				     .channel = KUP_CHANNEL_ANY,
				     .understood = features };

	return kup_user_attach(fd, &attach);
}

static void test_old_readers(void)
{
	struct kup_info info;
	int fd = echo_open();

	need(kup_user_info(fd, &info) == 0, "INFO works");
	check(info.required == KUP_FEATURE_STAMPS && !(info.features & KUP_FEATURE_STAMPS),
	      "INFO of a device with stamps requires that feature", "%llx, %llx",
	      (long long)info.required, (long long)info.features);
	refused(attach_understanding(fd, 0), EOPNOTSUPP,
		"ATTACH refuses a process that understands no feature with EOPNOTSUPP");
	refused(attach_understanding(fd, KUP_FEATURES & ~KUP_FEATURE_STAMPS), EOPNOTSUPP,
		"ATTACH refuses a process that understands all but stamps with EOPNOTSUPP");
	refused(attach_understanding(fd, ~KUP_FEATURE_STAMPS), EOPNOTSUPP,
		"ATTACH refuses a process that understands later features, but no stamps");
	check(all_free(fd), "ATTACH leaves every channel free when it refuses the process",
	      "%u are", channels_free(fd));
	worked(attach_understanding(fd, KUP_FEATURE_STAMPS),
	       "ATTACH accepts a process that understands stamps, also after a refusal");
	kup_user_close(fd);
}

static void test_messages(void)
{
	channel_t *channel = open_channel();
	uint64_t time = 0;
	uint32_t good = 0;

	for (uint32_t i = 0; i < 100; i++) {
		const struct kup_stamp *stamp;
		message_t message;

		if (kup_user_send(channel, i, &i, sizeof(i), PATIENCE) ||
		    kup_user_receive(channel, &message, PATIENCE))
			break;
		stamp = kup_user_message_stamp(channel, &message);
		good += message.length == sizeof(i) && !memcmp(message.data, &i, sizeof(i)) &&
			stamp && stamp->sequence == i && stamp->time_ns >= time;
		time = stamp ? stamp->time_ns : 0;
	}
	check(good == 100, "kup_user_message_stamp() returns the number and time of each message",
	      "%u of 100", good);
	kup_user_channel_close(channel);
}

static void test_without(void)
{
	channel_t *channel = open_channel();
	message_t message;

	need(!kup_user_send(channel, 1, "x", 1, PATIENCE) &&
		     !kup_user_receive(channel, &message, PATIENCE),
	     "a message comes back");
	check(!kup_user_message_stamp(channel, &message),
	      "kup_user_message_stamp() returns NULL for a device without stamps", "it doesn't");
	kup_user_channel_close(channel);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 30);
	test_without();
	need_unload();
	need(module_load("stamps=1") == 0, "the echo client can be loaded with stamps");
	test_old_readers();
	test_messages();
	need_unload();
	reload();
	return finish();
}
