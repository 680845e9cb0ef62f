/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes whose threads write everything that they can write, at full speed, while the kernel's
 * side reads it: words, headers, whole rings. Others of their threads map, kick and poll without
 * end. Each process is killed at some time. An honest process on another channel must not notice,
 * and no channel may stay attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "kup.h"
#include "poke.h"
#include "raw.h"

/* How long each attack lasts, at least; and how many channels it takes. */
#ifndef ATTACK_SECONDS
#define ATTACK_SECONDS 3
#endif
#define LEAST_LIVES 30

/* An attacking process. Its threads stop soon after the channel has ended. */
struct attack {
	struct peer peer;
	const char *path;
	uint32_t seed;
	uint32_t over; /* atomic */
};

static bool is_over(struct attack *attack)
{
	return __atomic_load_n(&attack->over, __ATOMIC_RELAXED) ||
	       peer_state(&attack->peer) != KUP_STATE_OPEN;
}

static uint32_t kernel_tail(const struct attack *attack)
{
	return word_get(&attack->peer.kernel->to_kernel_tail.value);
}

/* ---- What the threads of an attack do ---- */

/* Headers at the kernel's cursor and a little behind it, READY and not, of any length. */
static void *flip_headers(void *argument)
{
	struct attack *attack = argument;
	uint32_t seed = attack->seed ^ 0x1111, header = 0;

	while (!is_over(attack)) {
		uint32_t at = kernel_tail(attack) + random_next(&seed) % 4 * 8;
		kup_u32 *word = peer_header(&attack->peer, at & ~7u);
		uint32_t length = random_next(&seed) % 64;

		switch (random_next(&seed) % 16) {
		case 0:
			header = random_next(&seed);
			break;
		case 1:
			header = KUP_RECORD_READY | KUP_RECORD_DISCARD | length;
			break;
		default:
			header = KUP_RECORD_READY | length;
		}
		word[1] = random_next(&seed) % 8 ? 7 : ECHO_SAMPLE;
		for (int i = 0; i < 20; i++) {
			word_set(word, header);
			word_set(word, header ^ KUP_RECORD_READY);
			word_set(word, header ^ (random_next(&seed) % 256));
		}
	}
	return NULL;
}

/* Most of these heads and tails are valid. */
static void *move_words(void *argument)
{
	struct attack *attack = argument;
	struct kup_user_page *user = attack->peer.user;
	uint32_t seed = attack->seed ^ 0x2222, bytes = attack->peer.attach.to_kernel_bytes;

	while (!is_over(attack)) {
		uint32_t tail = kernel_tail(attack);
		uint32_t head = word_get(&attack->peer.kernel->to_user_head.value);

		word_set(&user->to_kernel_head.value,
			 tail + random_next(&seed) % (bytes + 8) / 8 * 8);
		word_set(&user->to_user_tail.value, head);
		word_set(&user->to_user_consumer_event.value,
			 head + (random_next(&seed) % 4096 - 2048));
		word_set(&user->to_kernel_producer_event.value,
			 tail + (random_next(&seed) % 4096 - 2048));
		if (random_next(&seed) % 4096 == 0)
			word_set(&user->to_kernel_head.value, random_next(&seed));
		if (random_next(&seed) % 4096 == 0)
			word_set(&user->to_user_tail.value, head - random_next(&seed) % 4096);
	}
	return NULL;
}

/* The kernel must not read the ring to the user. */
static void *scribble_rings(void *argument)
{
	struct attack *attack = argument;
	struct peer *peer = &attack->peer;
	uint32_t seed = attack->seed ^ 0x3333;

	while (!is_over(attack)) {
		uint32_t in = random_next(&seed) % (2 * peer->attach.to_user_bytes / 4);
		uint32_t out = random_next(&seed) % (2 * peer->attach.to_kernel_bytes / 8);

		word_set((kup_u32 *)(void *)peer->in + in, random_next(&seed));
		word_set((kup_u32 *)(void *)peer->out + 2 * out,
			 KUP_RECORD_READY | random_next(&seed) % 4096);
	}
	return NULL;
}

static void *kick(void *argument)
{
	struct attack *attack = argument;

	while (!is_over(attack))
		for (int i = 0; i < 64; i++)
			kup_user_kick(attack->peer.fd);
	return NULL;
}

static void *look(void *argument)
{
	struct attack *attack = argument;
	uint32_t seed = attack->seed ^ 0x4444;
	int epoll = epoll_create1(EPOLL_CLOEXEC), nested = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };

	epoll_ctl(epoll, EPOLL_CTL_ADD, attack->peer.fd, &event);
	event.events = EPOLLIN;
	epoll_ctl(nested, EPOLL_CTL_ADD, epoll, &event);
	while (!is_over(attack)) {
		struct epoll_event one;

		peer_poll(&attack->peer, random_next(&seed) % 4 * POLLIN, random_next(&seed) % 2);
		epoll_wait(nested, &one, 1, 0);
		epoll_wait(epoll, &one, 1, (int)(random_next(&seed) % 2));
		event.events = random_next(&seed) % 2 ? EPOLLIN | EPOLLONESHOT : EPOLLOUT | EPOLLET;
		epoll_ctl(epoll, EPOLL_CTL_MOD, attack->peer.fd, &event);
	}
	close(nested);
	close(epoll);
	return NULL;
}

/* A child that writes into a mapping that it has inherited, also after its parent's close. */
static pid_t inherit(uint8_t *at, size_t length, uint32_t seed)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	alarm(1);
	for (;;)
		word_set((kup_u32 *)(void *)at + random_next(&seed) % (length / 4),
			 KUP_RECORD_READY | random_next(&seed) % 4096);
}

/* Changes one page of a mapping, moves it away, and unmaps all. */
static void take_apart(uint8_t *at, size_t length, size_t page, uint32_t *seed)
{
	size_t part = random_next(seed) % (length / page) * page;
	uint8_t *to = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(at + part, page, random_next(seed) % 8);
	madvise(at + part, page, random_next(seed) % 26);
	mlock(at, page);
	/* These two are refused. */
	mremap(at + part, page, 2 * page, MREMAP_MAYMOVE);
	mremap(at + part, 0, page, MREMAP_MAYMOVE);
	if (random_next(seed) % 2)
		mmap(at, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (mremap(at + part, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
		munmap(at, length);
	} else {
		/* Another thread may have mapped something where the page was. */
		if (part > 0)
			munmap(at, part);
		if (part + page < length)
			munmap(at + part + page, length - part - page);
	}
	munmap(to, page);
}

/* Mappings of each area. A child sometimes inherits one. */
static void *map(void *argument)
{
	struct attack *attack = argument;
	struct kup_info info = attack->peer.info;
	uint32_t seed = attack->seed ^ 0x5555;

	info.to_user_bytes = attack->peer.attach.to_user_bytes;
	info.to_kernel_bytes = attack->peer.attach.to_kernel_bytes;
	while (!is_over(attack)) {
		enum area area = random_next(&seed) % AREAS;
		size_t length = area_length(&info, area);
		uint8_t *at = area_map(attack->peer.fd, &info, area);

		if (at == MAP_FAILED)
			continue;
		madvise(at, length, MADV_DOFORK);
		if (area != AREA_KERNEL && random_next(&seed) % 64 == 0)
			inherit(at, length, seed);
		take_apart(at, length, info.page_size, &seed);
	}
	return NULL;
}

static void *call(void *argument)
{
	struct attack *attack = argument;
	uint32_t seed = attack->seed ^ 0x6666;

	while (!is_over(attack)) {
		uint8_t bytes[512];

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = random_next(&seed) % 3 ? 0 : (uint8_t)random_next(&seed);
		syscall(SYS_ioctl, attack->peer.fd,
			random_next(&seed) % 2 ? KUP_IOC_ATTACH : KUP_IOC_STATS, bytes);
		syscall(SYS_ioctl, attack->peer.fd, random_next(&seed), bytes);
		syscall(SYS_ioctl, attack->peer.fd, KUP_IOC_INFO, attack->peer.in);
		syscall(SYS_ioctl, attack->peer.fd, KUP_IOC_ATTACH, attack->peer.in);
		syscall(SYS_ioctl, attack->peer.fd, KUP_IOC_INFO, attack->peer.kernel);
		(void)!read(attack->peer.fd, bytes, sizeof(bytes));
		(void)!write(attack->peer.fd, bytes, sizeof(bytes));
	}
	return NULL;
}

/* An END or a PASS, sometimes with a payload; after an END all that follows is a lie. */
static uint32_t write_control(struct attack *attack, uint32_t *seed)
{
	static const uint8_t bytes[64];
	uint32_t kind = random_next(seed) % 4 ? KUP_CONTROL_END : KUP_CONTROL_PASS;
	uint32_t length = random_next(seed) % 4 ? 0 : random_next(seed) % sizeof(bytes);
	uint32_t from = peer_write(&attack->peer, KUP_RECORD_CONTROL, kind, bytes, length);

	if (random_next(seed) % 2)
		peer_write(&attack->peer, KUP_RECORD_CONTROL, KUP_CONTROL_END, bytes, length);
	return from;
}

/* Records as an honest process writes them. */
static void *command(void *argument)
{
	struct attack *attack = argument;
	uint32_t seed = attack->seed ^ 0x8888;

	while (!is_over(attack)) {
		const struct echo_produce produce = { .count = random_next(&seed) % 3000,
						      .length = 16 + random_next(&seed) % 5000,
						      .context = random_next(&seed) % 4 };
		const struct echo_pause pause = { .milliseconds = random_next(&seed) % 3 };
		uint32_t tail = kernel_tail(attack), from;

		if (attack->peer.head - tail > attack->peer.attach.to_kernel_bytes / 2)
			attack->peer.head = tail;
		switch (random_next(&seed) % 8) {
		case 0:
			from = peer_write(&attack->peer, 0, ECHO_PRODUCE, &produce,
					  sizeof(produce));
			break;
		case 1:
			from = peer_write(&attack->peer, 0, ECHO_SHUFFLE, &pause, sizeof(pause));
			break;
		case 2:
			from = peer_write(&attack->peer, 0, ECHO_PAUSE, &pause, sizeof(pause));
			break;
		case 3:
			from = write_control(attack, &seed);
			break;
		default:
			from = peer_write(&attack->peer, 0, 7, &produce, sizeof(produce));
		}
		peer_wake(&attack->peer, from);
		word_set(&attack->peer.user->to_user_tail.value,
			 word_get(&attack->peer.kernel->to_user_head.value));
	}
	return NULL;
}

static void *poke_all(void *argument)
{
	struct attack *attack = argument;
	uint32_t seed = attack->seed ^ 0x9999;

	poke(&attack->peer, &seed, 5000);
	return NULL;
}

static void *(*const ways[])(void *) = { flip_headers, move_words, scribble_rings, kick,    look,
					 map,	       call,	   command,	   poke_all };
#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* ---- An attacking process ---- */

static int attach_any(struct attack *attack)
{
	struct peer *peer = &attack->peer;
	struct kup_attach wish = {
		.abi_version = KUP_ABI_VERSION,
		.understood = KUP_FEATURES,
		.flags = KUP_ATTACH_NOWAIT,
		.channel = 1 + random_next(&attack->seed) % (CHANNELS - 1),
	};

	memset(peer, 0, sizeof(*peer));
	peer->fd = kup_user_open(attack->path);
	if (peer->fd < 0)
		return peer->fd;
	kup_user_info(peer->fd, &peer->info);
	if (wish.channel >= peer->info.channels)
		wish.channel = peer->info.channels - 1;
	if (random_next(&attack->seed) % 2) {
		wish.to_user_bytes = 1 + random_next(&attack->seed) % peer->info.max_to_user_bytes;
		wish.to_kernel_bytes =
			1 + random_next(&attack->seed) % peer->info.max_to_kernel_bytes;
	}
	if (random_next(&attack->seed) % 4 == 0)
		wish.to_kernel_bytes = 1;
	/* Nearly all of these are refused. */
	if (random_next(&attack->seed) % 4 == 0)
		wish.to_user_bytes = random_next(&attack->seed);
	peer->attach = wish;
	if (kup_user_attach(peer->fd, &peer->attach) != 0 || peer_map(peer) != 0) {
		kup_user_close(peer->fd);
		return -EBUSY;
	}
	return 0;
}

/* One channel's life. */
static void attack_once(struct attack *attack)
{
	pthread_t threads[4];
	unsigned int i, count = 1 + random_next(&attack->seed) % 4;

	attack->over = 0;
	for (i = 0; i < count; i++)
		need(pthread_create(&threads[i], NULL, ways[random_next(&attack->seed) % WAYS],
				    attack) == 0,
		     "a thread");
	for (i = 0; i < 40 && !is_over(attack); i++)
		sleep_ms(1);
	/* Sometimes the file is closed first, and the threads continue in its memory. */
	if (random_next(&attack->seed) % 4 == 0) {
		kup_user_close(attack->peer.fd);
		attack->peer.fd = -1;
		sleep_ms(1);
	}
	__atomic_store_n(&attack->over, 1, __ATOMIC_RELAXED);
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	peer_unmap(&attack->peer);
	if (attack->peer.fd >= 0)
		kup_user_close(attack->peer.fd);
}

/* The channels that all attackers have had. */
static uint32_t *score;

static uint32_t lives(void)
{
	return __atomic_load_n(score, __ATOMIC_RELAXED);
}

static void attack_forever(const char *path, uint32_t seed)
{
	static struct attack attack;

	alarm(patience(300));
	signal(SIGCHLD, SIG_IGN);
	/* Not the handler that reports a program that is stuck. */
	signal(SIGALRM, SIG_DFL);
	attack.path = path;
	attack.seed = seed * 2654435761u | 1;
	for (;;) {
		if (attach_any(&attack) != 0)
			continue;
		/* Before the life: a process of a slow machine may be killed within each. */
		__atomic_fetch_add(score, 1, __ATOMIC_RELAXED);
		attack_once(&attack);
	}
}

/* ---- The cases ---- */

#define ATTACKERS 3

static pid_t start(const char *path, uint32_t seed)
{
	pid_t child = fork();

	if (child == 0)
		attack_forever(path, seed);
	return child;
}

/* Attackers are killed at any time, and others come, while an honest process makes its calls. */
static void attack_beside(bool (*witness)(void *), void *of, const char *path, const char *sentence)
{
	uint64_t end = now_ms() + 1000 * ATTACK_SECONDS;
	pid_t children[ATTACKERS];
	uint32_t seed = 1, rounds = 0, odd = 0;
	bool good = true;

	score = mmap(NULL, sizeof(*score), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	for (int i = 0; i < ATTACKERS; i++)
		children[i] = start(path, seed++);
	while (good && (now_ms() < end || lives() < LEAST_LIVES)) {
		int i = (int)(seed % ATTACKERS), status;

		for (uint64_t stop = now_ms() + random_next(&(uint32_t){ seed | 1 }) % 300;
		     good && now_ms() < stop; rounds++)
			good = witness(of);
		kill(children[i], SIGKILL);
		waitpid(children[i], &status, 0);
		odd += !(WIFSIGNALED(status) &&
			 (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV ||
			  WTERMSIG(status) == SIGBUS));
		children[i] = start(path, seed++);
	}
	for (int i = 0; i < ATTACKERS; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	check(good && odd == 0, sentence, "round %u, %u ended oddly", rounds, odd);
	printf("# %u rounds; %u channels of %u processes\n", rounds, lives(), seed);
	munmap(score, sizeof(*score));
}

static bool echoes(void *peer)
{
	const char *why = peer_echo(peer, dice(1000), dice(3000));

	if (why != NULL)
		printf("# %s\n", why);
	return why == NULL;
}

static bool echoes_in_turn(void *argument)
{
	struct peer *peer = argument;
	uint32_t type = dice(1000);
	struct record record;
	bool same;

	if (peer_send(peer, type, &type, sizeof(type)) != 0 || peer_receive(peer, &record) != 0)
		return false;
	same = record.type == type && record.flags == 0 && record.length == sizeof(type);
	peer_release(peer, &record);
	return same;
}

static void check_free(const char *sentence)
{
	int fd = echo_open();

	check(all_free(fd), sentence, "%u channels are free", channels_free(fd));
	kup_user_close(fd);
}

static void test_streams(void)
{
	struct peer witness;

	trying("streams");
	peer_need(&witness, 0);
	attack_beside(
		echoes, &witness, echo_path(),
		"an honest process gets its echoes beside processes that write everything at once");
	peer_stop_wait(&witness);
	check_free("close() frees the channels of all attackers");
}

/* Its numbers follow each other, whatever happens on the other channels. */
static bool echoes_with_stamps(void *argument)
{
	static uint32_t next;
	static uint64_t newest;
	struct peer *peer = argument;
	uint32_t type = dice(1000);
	struct kup_stamp stamp;
	struct record record;
	bool good;

	if (peer_send(peer, type, &type, sizeof(type)) != 0 || peer_receive(peer, &record) != 0 ||
	    record.length != sizeof(stamp) + sizeof(type))
		return false;
	memcpy(&stamp, record.data, sizeof(stamp));
	good = record.type == type && stamp.sequence == next && stamp.time_ns >= newest &&
	       memcmp(record.data + sizeof(stamp), &type, sizeof(type)) == 0;
	next++;
	newest = stamp.time_ns;
	peer_release(peer, &record);
	return good;
}

static void test_stamps(void)
{
	struct peer witness;

	trying("stamps");
	need_unload();
	need(module_load("stamps=1 to_user_pages=2 to_kernel_pages=1 max_to_user_pages=4") == 0,
	     "the echo client can be loaded with stamps");
	peer_need(&witness, 0);
	attack_beside(echoes_with_stamps, &witness, echo_path(),
		      "an honest process gets its numbers beside processes that write everything "
		      "at once");
	peer_stop_wait(&witness);
	check_free("close() frees the channels of all attackers with stamps");
	need_unload();
	reload();
}

static void test_turns(void)
{
	struct peer witness;
	struct record record;

	trying("turns");
	need_unload();
	need(module_load("mode=2 to_user_pages=2 to_kernel_pages=1") == 0,
	     "the echo client can be loaded in turn mode");
	peer_need(&witness, 0);
	need(peer_receive(&witness, &record) == 0, "the first turn");
	peer_release(&witness, &record);
	attack_beside(
		echoes_in_turn, &witness, echo_path(),
		"an honest process takes its turns beside processes that write everything at once");
	peer_stop_wait(&witness);
	check_free("close() frees the channels of all attackers in turn mode");
	need_unload();
	reload();
}

/* ---- The predecessor's API: the module is tests/seed/pingpong.c, with three channels ---- */

struct message {
	unsigned int length;
	char text[4000];
};

static bool plays(void *channel)
{
	struct message message = { .length = 1 + dice(3900) };
	const struct message *answer;

	memset(message.text, 'a', message.length);
	if (kernproxy_send(channel, &message, sizeof(message.length) + message.length, 0) != 0)
		return false;
	answer = kernproxy_receive(channel, 0);
	return answer != NULL && answer->length == message.length &&
	       answer->text[message.length - 1] == 'b';
}

static void load_pingpong(void)
{
	int file = open("/lib/modules/pingpong.ko", O_RDONLY | O_CLOEXEC);

	need(file >= 0 && syscall(SYS_finit_module, file, "", 0) == 0, "pingpong can be loaded");
	close(file);
}

static void test_predecessor(void)
{
	void *device, *channel;

	trying("the predecessor's API");
	load_pingpong();
	device = kernproxy_open("pingpong0");
	channel = kernproxy_channel(device, 0, 1);
	need(channel != NULL && kernproxy_receive(channel, 0) != NULL, "a game begins");
	attack_beside(plays, channel, "/dev/pingpong0",
		      "kernproxy_send() and kernproxy_receive() work beside processes that write "
		      "everything at once");
	kernproxy_close(device);
	check(EVENTUALLY(PATIENCE_MS, syscall(SYS_delete_module, "pingpong", O_NONBLOCK) == 0),
	      "delete_module() of pingpong works after the attack", "%s", strerror(errno));
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60 + 5 * ATTACK_SECONDS);
	test_streams();
	test_stamps();
	test_turns();
	test_predecessor();
	return finish();
}
