/* SPDX-License-Identifier: BSD-3-Clause */
/* What STATS reports about the channel of another handle: its rings, and its process. */
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "kup_echo.h"
#include "peer.h"

/* A ring that the kernel's side does not read fills up. */
static void test_user(void)
{
	const struct echo_pause pause = { .milliseconds = 60000 };
	struct kup_stats stats;
	static const uint8_t bytes[1000];
	const uint32_t space = KUP_RECORD_SPACE(sizeof(bytes));
	struct peer peer;
	int fd = echo_open();

	peer_need(&peer, 2);
	stats_get(fd, 2, &stats);
	check(stats.to_user_bytes == peer.attach.to_user_bytes &&
		      stats.to_kernel_bytes == peer.attach.to_kernel_bytes,
	      "STATS has the sizes that ATTACH has given to another handle", "%u, %u",
	      stats.to_user_bytes, stats.to_kernel_bytes);
	check(stats.to_user_used == 0 && stats.to_kernel_used == 0,
	      "STATS reports that both rings of a fresh channel are empty", "%u, %u",
	      stats.to_user_used, stats.to_kernel_used);
	check(stats.process == (uint32_t)getpid(), "STATS has the process that has attached", "%u",
	      stats.process);
	need(peer_send(&peer, 1, bytes, sizeof(bytes)) == 0, "a record can be sent");
	check(EVENTUALLY(PATIENCE_MS, stats_get(fd, 2, &stats) == 0 &&
					      stats.to_user_used == space &&
					      stats.to_kernel_used == 0),
	      "STATS has the bytes that the user has not given back", "%u, %u", stats.to_user_used,
	      stats.to_kernel_used);
	/* The kernel's side gives the pause back when the pause is over. */
	need(peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause)) == 0, "a pause can be sent");
	need(peer_send(&peer, 1, bytes, sizeof(bytes)) == 0, "a record can be sent");
	stats_get(fd, 2, &stats);
	check(stats.to_kernel_used == KUP_RECORD_SPACE(sizeof(pause)) + space,
	      "STATS has the bytes that the kernel's side has not given back", "%u",
	      stats.to_kernel_used);
	peer.user->to_user_tail.value = 0x40000000;
	stats_get(fd, 2, &stats);
	check(stats.to_user_used <= stats.to_user_bytes,
	      "STATS reports no more than a full ring to the user, whatever its tail is", "%u",
	      stats.to_user_used);
	peer_stop_wait(&peer);
	stats_get(fd, 2, &stats);
	check(stats.to_user_bytes == 0 && stats.process == 0,
	      "STATS has neither sizes nor a process when the channel is free", "%u, %u",
	      stats.to_user_bytes, stats.process);
	kup_user_close(fd);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_user();
	return finish();
}
