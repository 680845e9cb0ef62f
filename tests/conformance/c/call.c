/* SPDX-License-Identifier: BSD-3-Clause */
/* Call mode: frames written by hand, also those that no honest process writes; deaths in calls. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

#define FRAME ((uint32_t)sizeof(struct kup_call))

struct framed {
	struct kup_call call;
	uint8_t data[64];
};

static struct framed frame_of(uint64_t id, uint32_t kind, uint32_t status, const void *data,
			      uint32_t length)
{
	struct framed framed = { .call = { id, kind, status } };

	memcpy(framed.data, data, length);
	return framed;
}

static int put(struct peer *peer, uint64_t id, uint32_t kind, uint32_t method, const char *data)
{
	uint32_t length = (uint32_t)strlen(data);
	struct framed framed = frame_of(id, kind, 0, data, length);

	return peer_send(peer, method, &framed, FRAME + length);
}

/* Receives this frame. */
static bool gets(struct peer *peer, uint64_t id, uint32_t kind, uint32_t status, const char *data)
{
	struct framed framed = { 0 };
	struct record record;

	if (peer_receive(peer, &record) != 0 || record.length != FRAME + strlen(data))
		return false;
	memcpy(&framed, record.data, record.length);
	peer_release(peer, &record);
	return framed.call.id == id && framed.call.kind == kind && framed.call.status == status &&
	       memcmp(framed.data, data, strlen(data)) == 0;
}

static bool echoes(struct peer *peer, uint64_t id)
{
	return put(peer, id, KUP_CALL_REQUEST, 1, "text") == 0 &&
	       gets(peer, id, KUP_CALL_REPLY, 0, "text");
}

static void start(struct peer *peer)
{
	peer_need(peer, ANY);
	need(peer->kernel->mode == KUP_MODE_CALL && peer->info.mode == KUP_MODE_CALL,
	     "the device is in call mode");
}

/* ---- What is no lie ---- */

static void test_frames(void)
{
	struct peer peer;

	start(&peer);
	check(echoes(&peer, 0) && echoes(&peer, 0) && echoes(&peer, UINT64_MAX) &&
		      echoes(&peer, 1ull << 63 | 7),
	      "the user may choose any id", "no");
	put(&peer, 9, KUP_CALL_CANCEL, 0, "");
	put(&peer, 9, KUP_CALL_REPLY, 0, "no call");
	put(&peer, 9, KUP_CALL_OPTIONAL | 1, 3, "later");
	put(&peer, 9, KUP_CALL_REQUEST, ECHO_CALL_KEEP, "");
	put(&peer, 9 + KUP_CALLS, KUP_CALL_CANCEL, 0, "");
	put(&peer, 9, KUP_CALL_CANCEL, 0, "");
	check(gets(&peer, 9, KUP_CALL_REPLY, KUP_STATUS_CANCELLED, ""),
	      "frames of no call are ignored, and a cancel reaches its request", "no");
	put(&peer, 10, KUP_CALL_REQUEST, ECHO_CALL_COMMANDS, "");
	put(&peer, 11, KUP_CALL_REQUEST, UINT32_MAX, "");
	check(gets(&peer, 10, KUP_CALL_REPLY, KUP_STATUS_NO_METHOD, "") &&
		      gets(&peer, 11, KUP_CALL_REPLY, KUP_STATUS_NO_METHOD, ""),
	      "an unknown method gets a status", "no");
	peer_stop_wait(&peer);
}

/* A user that asks and asks, and reads no reply: the kernel keeps reading. */
static void test_flood(struct peer *witness)
{
	char text[49] = "";
	struct peer peer;
	uint32_t i, good = 0;

	memset(text, 'x', sizeof(text) - 1);
	peer_need_sized(&peer, 4096, 65536);
	for (i = 0; i < KUP_CALLS; i++)
		put(&peer, i, KUP_CALL_REQUEST, ECHO_CALL_KEEP, text);
	for (i = 0; i < 20000; i++)
		put(&peer, i, i % 2 ? KUP_CALL_CANCEL : KUP_CALL_REPLY, 0, "");
	check(peer_state(&peer) == KUP_STATE_OPEN && echoes(witness, 1),
	      "a flood of frames does not stop the kernel's side", "state %u", peer_state(&peer));
	for (i = 0; i < KUP_CALLS / 2; i++)
		good += gets(&peer, 2 * i + 1, KUP_CALL_REPLY, KUP_STATUS_CANCELLED, "");
	check(good == KUP_CALLS / 2, "and each cancelled request gets one reply", "%u", good);
	peer_stop_wait(&peer);
}

/* ---- Lies ---- */

static void write_frame(struct peer *peer, const struct framed *framed, uint32_t length)
{
	peer_wake(peer, peer_write(peer, 0, ECHO_CALL_IGNORE, framed, length));
	peer_kick(peer);
}

static void lie_with(struct peer *peer, uint64_t id, uint32_t kind, uint32_t status,
		     uint32_t length)
{
	struct framed framed = frame_of(id, kind, status, "", 0);

	write_frame(peer, &framed, length);
}

static void too_short(struct peer *peer)
{
	lie_with(peer, 1, KUP_CALL_REQUEST, 0, FRAME - 1);
}

static void empty(struct peer *peer)
{
	lie_with(peer, 1, KUP_CALL_REQUEST, 0, 0);
}

static void unknown_kind(struct peer *peer)
{
	lie_with(peer, 1, 4, 0, FRAME);
}

static void kind_zero(struct peer *peer)
{
	lie_with(peer, 1, 0, 0, FRAME);
}

static void request_with_status(struct peer *peer)
{
	lie_with(peer, 1, KUP_CALL_REQUEST, 1, FRAME);
}

static void slot_in_use(struct peer *peer)
{
	lie_with(peer, 1, KUP_CALL_REQUEST, 0, FRAME);
	lie_with(peer, 1 + KUP_CALLS, KUP_CALL_REQUEST, 0, FRAME);
}

static void too_many(struct peer *peer)
{
	for (uint64_t i = 0; i <= KUP_CALLS; i++)
		lie_with(peer, i, KUP_CALL_REQUEST, 0, FRAME);
}

static void again_after_cancel(struct peer *peer)
{
	lie_with(peer, 1, KUP_CALL_REQUEST, 0, FRAME);
	lie_with(peer, 1, KUP_CALL_CANCEL, 0, FRAME);
	lie_with(peer, 1, KUP_CALL_REQUEST, 0, FRAME);
}

static void cancel_with_data(struct peer *peer)
{
	lie_with(peer, 1, KUP_CALL_CANCEL, 0, FRAME + 1);
}

static void cancel_with_status(struct peer *peer)
{
	lie_with(peer, 1, KUP_CALL_CANCEL, 1, FRAME);
}

static void control(struct peer *peer)
{
	peer_write(peer, KUP_RECORD_CONTROL, KUP_CONTROL_PASS, "", 0);
	peer_kick(peer);
}

static void end(struct peer *peer)
{
	peer_write(peer, KUP_RECORD_CONTROL, KUP_CONTROL_END, "", 0);
	peer_kick(peer);
}

static void too_long(struct peer *peer)
{
	uint32_t at = peer_write(peer, UNFINISHED, 1, "", 0);

	*peer_header(peer, at) = KUP_RECORD_READY | peer->attach.to_kernel_bytes;
	peer_kick(peer);
}

static const struct lie {
	const char *what;
	uint32_t error;
	void (*tell)(struct peer *peer);
} lies[] = {
	{ "a frame that is too short breaks its channel", KUP_ERROR_CALL, too_short },
	{ "a message without a frame does", KUP_ERROR_CALL, empty },
	{ "an unknown kind does", KUP_ERROR_CALL, unknown_kind },
	{ "the kind 0 does", KUP_ERROR_CALL, kind_zero },
	{ "a request with a status does", KUP_ERROR_CALL, request_with_status },
	{ "a request in a slot that is in use does", KUP_ERROR_CALL, slot_in_use },
	{ "more requests than there are slots do", KUP_ERROR_CALL, too_many },
	{ "a request that takes a cancelled one's place does", KUP_ERROR_CALL, again_after_cancel },
	{ "a cancel with data does", KUP_ERROR_CALL, cancel_with_data },
	{ "a cancel with a status does", KUP_ERROR_CALL, cancel_with_status },
	{ "a control record does", KUP_ERROR_FLAGS, control },
	{ "an END does", KUP_ERROR_FLAGS, end },
	{ "a record as long as the ring does", KUP_ERROR_LENGTH, too_long },
};

static void try_lie(const struct lie *lie, struct peer *witness)
{
	struct peer peer, next;
	bool broken;

	start(&peer);
	put(&peer, 40, KUP_CALL_REQUEST, ECHO_CALL_KEEP, "");
	lie->tell(&peer);
	broken = EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_BROKEN);
	check(broken && peer.kernel->error == lie->error && echoes(witness, 1), lie->what,
	      "state %u, error %u, not %u", peer_state(&peer), peer.kernel->error, lie->error);
	peer_stop(&peer);
	peer_need(&next, peer.attach.channel);
	if (!echoes(&next, 3))
		check(false, "the next owner calls", "it doesn't");
	peer_stop(&next);
}

static bool has_read(const struct peer *peer)
{
	return word_get(&peer->kernel->to_kernel_tail.value) == peer->head;
}

/* Frames of random numbers, some of which are calls; whatever happens, others do not notice. */
static void test_random(struct peer *witness)
{
	uint32_t broken = 0, round;

	for (round = 0; round < 200; round++) {
		struct framed framed = { 0 };
		int frames = (int)(1 + dice(30));
		struct record record;
		struct peer peer;

		/* Small rings: a debug kernel spends most of a round on allocating pages. */
		peer_need_sized(&peer, 16384, 16384);
		for (int i = 0; i < frames && peer_state(&peer) == KUP_STATE_OPEN; i++) {
			uint32_t length = dice(8) ? FRAME + dice(40) : dice(FRAME);

			framed.call.id = dice(8) ? dice(64)
						 : ((uint64_t)dice(1000) << 40) + dice(70);
			framed.call.kind = dice(30) ? 1 + dice(3) : dice(8) << (28 * dice(2));
			framed.call.status = dice(30) ? 0 : dice(5);
			if (framed.call.kind == KUP_CALL_CANCEL && dice(10))
				length = FRAME;
			if (peer_send(&peer, dice(8) ? 0xfffe0000u + dice(9) : dice(99), &framed,
				      length))
				break;
			while (dice(2) && peer_look(&peer, &record))
				peer_release(&peer, &record);
		}
		need(EVENTUALLY(PATIENCE_MS,
				peer_state(&peer) != KUP_STATE_OPEN || has_read(&peer)),
		     "the kernel's side reads all frames");
		broken += peer_state(&peer) == KUP_STATE_BROKEN;
		peer_stop(&peer);
	}
	check(broken > 10 && broken < round && echoes(witness, 5),
	      "random frames break their own channel at most", "%u of %u broken", broken, round);
}

/* ---- Deaths ---- */

static void die_in_calls(void)
{
	struct peer peer;
	uint64_t id;
	char back[25] = "";

	if (peer_start(&peer, ANY))
		_exit(1);
	/* Requests that are kept, and calls of the kernel that get no reply. */
	for (id = 0; id < 40; id++)
		put(&peer, id, KUP_CALL_REQUEST, ECHO_CALL_KEEP, "");
	memset(back, 0x11, sizeof(back) - 1);
	for (; id < KUP_CALLS; id++)
		put(&peer, id, KUP_CALL_REQUEST, ECHO_CALL_BACK, back);
	sleep_us(dice(3000));
	kill(getpid(), SIGKILL);
}

static void test_deaths(struct peer *witness)
{
	uint32_t round;

	for (round = 0; round < 30; round++) {
		pid_t child = fork();

		if (child == 0)
			die_in_calls();
		waitpid(child, NULL, 0);
	}
	check(EVENTUALLY(PATIENCE_MS, channels_free(witness->fd) == CHANNELS - 1) &&
		      echoes(witness, 1),
	      "a process that is killed in calls of both sides leaves a free channel",
	      "%u are free", channels_free(witness->fd));
}

int main(int count, char **arguments)
{
	struct peer witness;

	begin(count, arguments, 100);
	need_unload();
	need(module_load("mode=3") == 0, "the echo client can be loaded in call mode");
	start(&witness);
	test_frames();
	test_flood(&witness);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		try_lie(&lies[i], &witness);
	test_random(&witness);
	if (differs("shared-by-processes"))
		test_deaths(&witness);
	else
		skip("a process that is killed in calls of both sides leaves a free channel",
		     "the driver is in this process");
	peer_stop_wait(&witness);
	need_unload();
	reload();
	return finish();
}
