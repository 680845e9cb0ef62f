/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The echo client is unloaded while it is in use: which waits end, what calls return, what can be
 * read.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

/* The time that unloading took, or UINT64_MAX if it failed. */
static uint64_t timed_unload(void)
{
	uint64_t start = now_ms();
	int error = module_unload();

	if (error != 0) {
		printf("# unloading: %s\n", error_name(error));
		return UINT64_MAX;
	}
	return now_ms() - start;
}

/* ---- Handles that outlive the device ---- */

static void dead_calls_of_attached(struct peer *peer)
{
	struct kup_attach bad = { .abi_version = 99 };
	struct kup_stats stats = { .channel = CHANNELS };
	struct kup_info info;

	check(peer_state(peer) == KUP_STATE_CLOSED, "unloading closes an attached handle's channel",
	      "state %u", peer_state(peer));
	check(peer_poll(peer, POLLIN | POLLOUT, 0) == (POLLIN | POLLOUT | POLLHUP),
	      "kup_user_wait() after unloading reports POLLIN, POLLOUT and POLLHUP", "%x",
	      peer_poll(peer, POLLIN | POLLOUT, 0));
	refused(peer_kick(peer), EPIPE, "KICK after unloading is refused with EPIPE");
	refused(kup_user_info(peer->fd, &info), ENODEV,
		"INFO after unloading is refused with ENODEV");
	refused(kup_user_stats(peer->fd, &stats), EINVAL,
		"STATS after unloading refuses to report no channel with EINVAL");
	refused(stats_get(peer->fd, 0, &stats), ENODEV,
		"STATS after unloading is refused with ENODEV");
	refused(kup_user_attach(peer->fd, &bad), EPROTONOSUPPORT,
		"ATTACH after unloading still checks the version first");
	refused(attach_to(peer->fd, ANY, 0, NULL), ENODEV,
		"ATTACH of an attached handle after unloading is refused with ENODEV");
}

static void dead_calls_of_bare(int bare)
{
	struct kup_info info;
	struct kup_stats stats;
	uint64_t address = 0;

	check(kup_user_wait(bare, POLLIN, 0) == POLLHUP,
	      "kup_user_wait() after unloading reports POLLHUP on a handle without a channel", "%x",
	      kup_user_wait(bare, POLLIN, 0));
	refused(attach_to(bare, ANY, 0, NULL), ENODEV,
		"ATTACH of a handle without a channel after unloading is refused with ENODEV");
	refused(attach_to(bare, 3, KUP_ATTACH_NOWAIT, NULL), ENODEV,
		"ATTACH of channel 3 after unloading is refused with ENODEV");
	refused(kup_user_info(bare, &info), ENODEV,
		"INFO of a handle without a channel after unloading is refused with ENODEV");
	refused(stats_get(bare, 0, &stats), ENODEV,
		"STATS of a handle without a channel after unloading is refused with ENODEV");
	refused(kup_user_kick(bare), ENODEV,
		"KICK of a handle without a channel after unloading is refused with ENODEV");
	refused(kup_user_map(bare, 4096, 64 * 4096, 32 * 4096, &address), ENODEV,
		"kup_user_map() of a handle without a channel after unloading is refused with "
		"ENODEV");
}

static void test_idle_handles(void)
{
	struct peer peer, unmapped;
	int bare = echo_open();

	peer_need(&peer, ANY);
	peer_need(&unmapped, ANY);
	check(timed_unload() < PATIENCE_MS, "unloading does not wait for attached handles", "no");
	refused(echo_open(), ENOENT, "kup_user_open() after unloading returns ENOENT");
	dead_calls_of_attached(&peer);
	peer_unmap(&unmapped);
	refused(peer_map(&unmapped), ENODEV,
		"kup_user_map() after unloading is refused with ENODEV");
	worked(kup_user_close(unmapped.fd),
	       "kup_user_close() works on a handle that was not mapped after unloading");
	dead_calls_of_bare(bare);
	worked(kup_user_close(bare),
	       "kup_user_close() works on a handle without a channel after unloading");
	worked(kup_user_close(peer.fd),
	       "kup_user_close() works on an attached handle after unloading");
	check(peer.kernel->magic == KUP_MAGIC,
	      "kup_user_close() keeps the mapping's bytes after unloading", "no");
	memset(peer.out, 1, peer.attach.to_kernel_bytes);
	peer_unmap(&peer);
	reload();
	peer_need(&peer, ANY);
	check(peer_echo(&peer, 1, 1000) == NULL, "loading again creates a device that works", "no");
	peer_stop_wait(&peer);
}

/* An old handle does not belong to the new device, though the name is the same. */
static void test_old_handles_and_new_devices(void)
{
	struct kup_info info;
	struct peer old, fresh;
	struct kup_attach attach = { .abi_version = KUP_ABI_VERSION, .channel = ANY };
	int bare = echo_open(), later;

	peer_need(&old, 0);
	need_unload();
	reload();
	later = echo_open();
	need(kup_user_info(later, &info) == 0, "INFO");
	check(info.instance != old.info.instance,
	      "INFO contains another instance when the device is created again", "both are %llx",
	      (long long)info.instance);
	attach.instance = old.info.instance;
	refused(kup_user_attach(later, &attach), ENODEV,
		"ATTACH refuses the old instance on the new device with ENODEV");
	kup_user_close(later);
	refused(attach_to(bare, ANY, 0, NULL), ENODEV,
		"ATTACH of a handle of the old device is refused with ENODEV");
	refused(kup_user_info(old.fd, &info), ENODEV,
		"INFO of an attached handle of the old device is refused with ENODEV");
	peer_need(&fresh, 0);
	kup_user_close(bare);
	peer_stop(&old);
	check(peer_echo(&fresh, 1, 1000) == NULL && fresh.attach.generation == 1,
	      "kup_user_close() of an old handle leaves the new device's channel alone", "no");
	peer_stop_wait(&fresh);
}

/* ---- Users in the middle of a call ---- */

static struct peer victim;
static int victim_error;
static uint64_t victim_records;

static void *in_poll(void *unused)
{
	struct record record;

	victim_error = peer_receive(&victim, &record);
	return unused;
}

static void *in_traffic(void *unused)
{
	uint32_t seed = 1234567;

	while (peer_echo(&victim, 1, random_next(&seed) % 5000) == NULL)
		victim_records++;
	victim_error = peer_state(&victim) == KUP_STATE_CLOSED ? -EPIPE : 0;
	return unused;
}

static void *on_full_ring(void *unused)
{
	static const uint8_t bytes[9000];

	while ((victim_error = peer_send(&victim, 1, bytes, sizeof(bytes))) == 0)
		victim_records++;
	return unused;
}

/* The kernel's side waits for room that never comes. */
static void *kernel_on_full_ring(void *unused)
{
	const struct echo_produce produce = { .count = 1000000,
					      .length = 1000,
					      .context = ECHO_WAITING };
	struct record record;
	uint64_t number = 0;

	peer_send(&victim, ECHO_PRODUCE, &produce, sizeof(produce));
	EVENTUALLY(PATIENCE_MS, peer_state(&victim) == KUP_STATE_CLOSED);
	while ((victim_error = peer_receive(&victim, &record)) == 0) {
		if (record.type == ECHO_SAMPLE && *(const kup_u64 *)record.data != number++)
			break;
		victim_records++;
		peer_release(&victim, &record);
	}
	return unused;
}

static void *in_pause(void *unused)
{
	const struct echo_pause pause = { .milliseconds = LONGEST_PAUSE_MS };

	peer_send(&victim, ECHO_PAUSE, &pause, sizeof(pause));
	return in_poll(unused);
}

static void unload_under(void *(*user)(void *), const char *sentence)
{
	pthread_t thread;
	uint64_t took;

	trying(sentence);
	peer_need(&victim, ANY);
	victim_error = 0;
	victim_records = 0;
	pthread_create(&thread, NULL, user, NULL);
	sleep_ms(200);
	took = timed_unload();
	pthread_join(thread, NULL);
	check(victim_error == -EPIPE && took < LONGEST_PAUSE_MS * 9 / 10, sentence,
	      "%s after %llu records, unloading took %lld ms", error_name(victim_error),
	      (long long)victim_records, (long long)took);
	peer_stop(&victim);
	reload();
}

/* Reads what was committed before the device went. */
static void test_drained(void)
{
	struct peer peer;
	struct record record;
	uint32_t count = 0;

	peer_need(&peer, ANY);
	for (uint32_t i = 0; i < 50; i++)
		peer_send(&peer, i, &i, sizeof(i));
	EVENTUALLY(PATIENCE_MS, peer.kernel->to_user_records == 50);
	need_unload();
	while (peer_receive(&peer, &record) == 0) {
		count += record.type == count;
		peer_release(&peer, &record);
	}
	check(count == 50, "the user can read what was sent before the device went", "%u of 50",
	      count);
	peer_stop(&peer);
	reload();
}

/* If no record comes after a loss, the last record in the ring reports it. */
static void test_last_gap(void)
{
	const struct echo_produce produce = { .count = 1000000000,
					      .length = 1000,
					      .context = ECHO_TRYING };
	struct peer peer;
	struct record record;
	struct kup_gap gap;
	uint64_t samples = 0, lost = 0, bytes = 0;
	bool last = false;

	peer_need(&peer, ANY);
	peer_send(&peer, ECHO_PRODUCE, &produce, sizeof(produce));
	EVENTUALLY(PATIENCE_MS, peer.kernel->dropped_no_space > 0);
	need_unload();
	while (peer_receive(&peer, &record) == 0) {
		last = record_is(&record, KUP_CONTROL_GAP);
		samples += record.type == ECHO_SAMPLE;
		/* A late kick for the command may put a GAP record earlier. */
		if (last) {
			memcpy(&gap, record.data, sizeof(gap));
			lost += gap.records;
			bytes += gap.bytes;
		}
		peer_release(&peer, &record);
	}
	check(last && samples == peer.attach.to_user_bytes / 1008 &&
		      lost == peer.kernel->dropped_no_space && bytes == lost * 1000,
	      "the last GAP record reports what was lost before the device went",
	      "%llu samples, %llu lost of %llu", (long long)samples, (long long)lost,
	      (long long)peer.kernel->dropped_no_space);
	peer_stop(&peer);
	reload();
}

/* A handle that waits for a channel. */
static int waiting_handle, waiting_result;

static void *wait_for_free(void *unused)
{
	waiting_result = kup_user_wait(waiting_handle, POLLIN, PATIENCE_MS);
	return unused;
}

static void test_waiting_for_channel(void)
{
	int held[CHANNELS];
	pthread_t thread;

	waiting_handle = echo_open();
	for (int i = 0; i < CHANNELS; i++) {
		held[i] = echo_open();
		attach_to(held[i], ANY, 0, NULL);
	}
	pthread_create(&thread, NULL, wait_for_free, NULL);
	sleep_ms(100);
	need_unload();
	pthread_join(thread, NULL);
	check(waiting_result == POLLHUP,
	      "kup_user_wait() for a channel reports POLLHUP when the device goes", "%x",
	      waiting_result);
	kup_user_close(waiting_handle);
	for (int i = 0; i < CHANNELS; i++)
		kup_user_close(held[i]);
	reload();
}

static int attach_result;

static void *attach_draining(void *unused)
{
	attach_result = attach_to(waiting_handle, 5, 0, NULL);
	return unused;
}

/* The device goes while ATTACH waits for the kernel's side of the last owner. */
static void unload_under_attach(void)
{
	const struct echo_pause pause = { .milliseconds = 600 };
	struct peer peer;
	pthread_t thread;

	reload_stubborn();
	waiting_handle = echo_open();
	peer_need(&peer, 5);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(50);
	peer_stop(&peer);
	pthread_create(&thread, NULL, attach_draining, NULL);
	sleep_ms(100);
	need_unload();
	pthread_join(thread, NULL);
	kup_user_close(waiting_handle);
	reload();
}

/* On a slow machine the pause or ATTACH's wait may end before the device goes. */
static void test_attach_that_waits(void)
{
	for (int tries = 0; tries < 20; tries++) {
		unload_under_attach();
		if (attach_result != 0 && attach_result != -EBUSY)
			break;
	}
	refused(attach_result, ENODEV, "ATTACH that waits ends with ENODEV when the device goes");
}

/* While the client's code still runs, the device is gone for everyone else. */
static uint32_t unloaded;

/* The host driver refuses to wait for long. */
static void *unload_slowly(void *unused)
{
	need(EVENTUALLY(PATIENCE_MS, module_unload() == 0), "the echo client can be unloaded");
	__atomic_store_n(&unloaded, 1, __ATOMIC_SEQ_CST);
	return unused;
}

static bool test_while_it_goes(uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };
	struct kup_info info;
	struct peer peer;
	pthread_t thread;
	uint64_t start;
	bool in_time;
	int bare;

	reload_stubborn();
	unloaded = 0;
	bare = echo_open();
	peer_need(&peer, ANY);
	start = now_ms();
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(milliseconds / 60);
	pthread_create(&thread, NULL, unload_slowly, NULL);
	EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_CLOSED);
	refused(echo_open(), ENOENT, "kup_user_open() of a device that is going returns ENOENT");
	refused(kup_user_info(bare, &info), ENODEV,
		"INFO of a device that is going is refused with ENODEV");
	refused(attach_to(bare, ANY, 0, NULL), ENODEV,
		"ATTACH of a device that is going is refused with ENODEV");
	check(peer_state(&peer) == KUP_STATE_CLOSED,
	      "unloading closes the channels before the client has returned", "state %u",
	      peer_state(&peer));
	check(!__atomic_load_n(&unloaded, __ATOMIC_SEQ_CST),
	      "unloading is not over while the client still runs",
	      "unloading took no more than %llu ms", (long long)(now_ms() - start));
	in_time = now_ms() - start < milliseconds;
	pthread_join(thread, NULL);
	check(now_ms() - start >= pause.milliseconds - 50,
	      "unloading waits until the client has returned", "it took %llu ms",
	      (long long)(now_ms() - start));
	/* Otherwise the kernel's side has not read the pause before the end. */
	in_time = in_time && peer.kernel->to_kernel_records == 1;
	peer_stop(&peer);
	kup_user_close(bare);
	reload();
	return in_time;
}

/* ---- Unloading under all kinds of traffic ---- */

static volatile bool storming;

static void *visitor(void *number)
{
	uint32_t seed = 17 + (uint32_t)(uintptr_t)number;
	struct peer peer;

	while (storming) {
		if (peer_start(&peer, ANY) != 0)
			continue;
		for (int i = 0; i < 20; i++)
			if (peer_echo(&peer, random_next(&seed), random_next(&seed) % 3000) != NULL)
				break;
		peer_stop(&peer);
	}
	return NULL;
}

static void test_unload_storm(int rounds)
{
	pthread_t threads[4];
	int done = 0, error = 0;

	storming = true;
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, visitor, (void *)i);
	for (uint32_t seed = 5; done < rounds; done++) {
		sleep_us(random_next(&seed) % 60000);
		if (!EVENTUALLY(PATIENCE_MS, (error = module_unload()) == 0))
			break;
		error = module_load("");
		if (error != 0)
			break;
	}
	storming = false;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	check(done == rounds, "unloading and loading work again and again under traffic",
	      "round %d: %s", done, error_name(error));
}

int main(int count, char **arguments)
{
	begin(count, arguments, 90);
	test_idle_handles();
	test_old_handles_and_new_devices();
	unload_under(in_poll, "kup_user_wait() that sleeps is woken when the device goes");
	unload_under(in_traffic, "the user in traffic sees the channel end when the device goes");
	unload_under(on_full_ring, "kup_user_wait() for room is woken when the device goes");
	unload_under(kernel_on_full_ring,
		     "the kernel's side that waits for room ends when the device "
		     "goes, and its records can be read");
	unload_under(in_pause, "the kernel's side that pauses ends when the device goes");
	test_drained();
	test_last_gap();
	test_waiting_for_channel();
	test_attach_that_waits();
	test_in_pause(3000, test_while_it_goes);
	test_unload_storm(30);
	return finish();
}
