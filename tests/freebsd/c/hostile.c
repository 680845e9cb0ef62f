/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes that do all that the system allows with handles and mappings, are killed at any moment,
 * and lose their device in the middle. The kernel must survive it, and everything must be free
 * afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>
#include <sys/file.h>
#include <sys/filio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "raw.h"

#define PAGE 4096
#define FILES 6
#define MAPS 8

struct map {
	uint8_t *at;
	size_t bytes;
};

/* What one attacker has. */
static uint32_t seed;
static int files[FILES];
static struct map maps[MAPS];
static int queue;
static struct kup_info info;

static uint32_t roll(uint32_t sides)
{
	return random_next(&seed) % sides;
}

static int any_file(void)
{
	return files[roll(FILES)];
}

static struct map *any_map(void)
{
	return &maps[roll(MAPS)];
}

/* ---- Handles ---- */

static void open_one(void)
{
	static const int ways[] = { O_RDWR, O_RDWR, O_RDWR,  O_RDONLY,		O_WRONLY,
				    O_EXEC, O_RDWR, O_TRUNC, O_RDWR | O_EXLOCK, O_RDWR | O_APPEND };
	int *file = &files[roll(FILES)];

	if (*file != -1)
		close(*file);
	*file = open(echo_path(), ways[roll(10)] | (roll(2) ? O_NONBLOCK : 0));
	if (*file != -1)
		ioctl(*file, KUP_IOC_INFO, &info);
}

static void attach_one(void)
{
	struct kup_attach attach = { .abi_version = KUP_ABI_VERSION,
				     .channel = roll(3) ? KUP_CHANNEL_ANY : roll(10),
				     .flags = roll(3) ? KUP_ATTACH_NOWAIT : 0 };

	ioctl(any_file(), KUP_IOC_ATTACH, &attach);
}

static void close_one(void)
{
	int *file = &files[roll(FILES)];

	close(*file);
	*file = -1;
}

/* Commands of any number, direction and size, with arguments of any kind. */
static void command(void)
{
	static const unsigned long known[] = { KUP_IOC_INFO,  KUP_IOC_ATTACH, KUP_IOC_KICK,
					       KUP_IOC_STATS, FIONREAD,	      FIOASYNC,
					       FIONBIO,	      FIODTYPE };
	static uint32_t buffer[4096];
	unsigned long number = roll(4) ? known[roll(8)] : random_next(&seed);
	void *argument = buffer;

	for (uint32_t i = 0; i < 64; i++)
		buffer[i] = roll(3) ? 0 : roll(12);
	if (roll(8) == 0)
		argument = roll(2) ? NULL : any_map()->at;
	if (roll(8) == 0)
		number ^= 1ul << roll(32);
	ioctl(any_file(), number, argument);
}

static void look(void)
{
	static char table[1 << 15];
	int name[] = { CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, getpid() };
	size_t bytes = sizeof(table);
	int file = any_file();
	struct stat status;

	fstat(file, &status);
	fcntl(file, F_SETFL, roll(2) ? O_NONBLOCK : O_ASYNC);
	lseek(file, roll(100), SEEK_SET);
	pread(file, table, 10, 0);
	write(file, table, 10);
	ftruncate(file, roll(2));
	fsync(file);
	flock(file, LOCK_EX | LOCK_NB);
	fchmod(file, 0600);
	sysctl(name, 4, table, &bytes, NULL, 0);
	name[2] = KERN_PROC_VMMAP;
	bytes = sizeof(table);
	sysctl(name, 4, table, &bytes, NULL, 0);
	if (roll(20) == 0)
		revoke(echo_path());
}

/* One more descriptor of the same file. It may stay on its way through a socket. */
static void pass_on(void)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec byte = { control, 1 };
	struct msghdr message = { .msg_iov = &byte,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int pair[2], file = any_file(), *target = &files[roll(FILES)];

	if (file == -1 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		return;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(2 * sizeof(int));
	/* The socket carries itself too, so only the garbage collector can find it. */
	memcpy(CMSG_DATA(header), (int[]){ file, pair[roll(2)] }, 2 * sizeof(int));
	sendmsg(pair[0], &message, 0);
	if (roll(2) && recvmsg(pair[1], &message, 0) == 1 && CMSG_FIRSTHDR(&message)) {
		int got[2];

		memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
		close(got[1]);
		if (*target != -1)
			close(*target);
		*target = got[0];
	}
	close(pair[0]);
	close(pair[1]);
}

static void duplicate(void)
{
	char name[32];
	int file = any_file(), *target = &files[roll(FILES)], copy;

	snprintf(name, sizeof(name), "/dev/fd/%d", file);
	copy = roll(2) ? dup(file) : open(name, O_RDWR);
	if (copy == -1)
		return;
	if (*target != -1)
		close(*target);
	*target = copy;
}

/* ---- Waiting ---- */

static void wait_a_moment(void)
{
	struct pollfd polls[3];
	fd_set set;
	struct timeval time = { 0, roll(3000) };
	int file = any_file();

	for (int i = 0; i < 3; i++)
		polls[i] = (struct pollfd){ any_file(), (short)random_next(&seed), 0 };
	poll(polls, 3, (int)roll(3));
	if (file < 0)
		return;
	FD_ZERO(&set);
	FD_SET(file, &set);
	select(file + 1, &set, roll(2) ? &set : NULL, &set, &time);
}

static void use_knotes(void)
{
	static const unsigned short ways[] = {
		EV_ADD,	    EV_ADD | EV_CLEAR, EV_ADD | EV_ONESHOT, EV_ADD | EV_DISPATCH, EV_ENABLE,
		EV_DISABLE, EV_DELETE,	       EV_ADD | EV_DISABLE, EV_ADD | EV_RECEIPT
	};
	struct timespec time = { 0, roll(2) * 1000000 };
	struct kevent events[4];

	for (int i = 0; i < 4; i++)
		EV_SET(&events[i], any_file(),
		       roll(8) ? (roll(2) ? EVFILT_READ : EVFILT_WRITE) : -(int)roll(14),
		       ways[roll(9)], random_next(&seed), roll(100), NULL);
	kevent(queue, events, 4, events, 4, &time);
	kevent(queue, NULL, 0, events, 4, &time);
	if (roll(30) == 0) {
		close(queue);
		queue = kqueue();
	}
}

/* A thread that closes what another thread is using. */
static void *close_soon(void *file)
{
	usleep((useconds_t)(uintptr_t)file * 37 % 1500);
	close((int)(uintptr_t)file);
	return NULL;
}

static void close_under_work(void)
{
	static void (*const work[])(void) = { attach_one, command, wait_a_moment, use_knotes };
	uint32_t which = roll(FILES), what = roll(4);
	pthread_t thread;

	if (files[which] == -1 ||
	    pthread_create(&thread, NULL, close_soon, (void *)(uintptr_t)files[which]))
		return;
	for (int i = 0; i < 10; i++)
		work[what]();
	pthread_join(thread, NULL);
	files[which] = -1;
}

/* ---- Mappings ---- */

static sigjmp_buf back;

static void on_fault(int signal)
{
	siglongjmp(back, signal);
}

static void scribble(struct map *map)
{
	if (map->bytes == 0 || sigsetjmp(back, 1))
		return;
	for (int i = 0; i < 20; i++) {
		volatile uint32_t *word =
			(volatile uint32_t *)(map->at + roll((uint32_t)map->bytes / 4) * 4);

		*word = roll(2) ? random_next(&seed) : *word + 8;
	}
}

static void map_one(void)
{
	static const int flags[] = { MAP_SHARED,
				     MAP_SHARED,
				     MAP_SHARED,
				     MAP_PRIVATE,
				     MAP_SHARED | MAP_NOCORE,
				     MAP_SHARED | MAP_PREFAULT_READ,
				     MAP_SHARED | MAP_32BIT,
				     MAP_SHARED | MAP_ALIGNED_SUPER,
				     MAP_SHARED | MAP_NOSYNC,
				     MAP_SHARED | MAP_STACK };
	struct map *map = any_map();
	enum area area = roll(AREAS);
	off_t offset = area_offset(&info, area);
	size_t bytes = area_length(&info, area);
	int flag = flags[roll(10)];
	void *at = NULL;

	if (roll(5) == 0)
		offset = (off_t)roll(64) * (roll(2) ? PAGE : 1777);
	if (roll(5) == 0)
		bytes = roll(64) * (size_t)(roll(2) ? PAGE : 1777);
	if (map->bytes > 0 && roll(3) == 0) {
		at = map->at + PAGE * roll(4);
		flag |= MAP_FIXED | (roll(3) ? 0 : MAP_EXCL);
	}
	at = mmap(at, bytes, (int)roll(roll(4) ? 4 : 8), flag, any_file(), offset);
	if (at != MAP_FAILED && !(flag & MAP_FIXED)) {
		munmap(map->at, map->bytes);
		*map = (struct map){ at, bytes };
	}
}

static void maul(void)
{
	struct map *map = any_map();
	uint32_t pages = (uint32_t)(map->bytes / PAGE);
	uint8_t *at;
	size_t bytes;

	if (pages == 0)
		return;
	at = map->at + roll(pages) * PAGE;
	bytes = (1 + roll(roll(3) ? 4 : pages)) * (size_t)PAGE;
	if (at + bytes > map->at + map->bytes)
		bytes = PAGE;
	switch (roll(9)) {
	case 0:
		/* A mapping in its place, so that nothing else is mapped there. */
		mmap(at, bytes, PROT_NONE, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0);
		break;
	case 1:
	case 2:
		mprotect(at, bytes, (int)roll(8));
		break;
	case 3:
		minherit(at, bytes, (int)roll(4));
		break;
	case 4:
		madvise(at, bytes, (int)roll(11));
		break;
	case 5:
		msync(at, bytes, roll(2) ? MS_SYNC : MS_INVALIDATE);
		break;
	case 6:
		mlock(at, bytes);
		break;
	case 7:
		munlock(at, bytes);
		break;
	default:
		scribble(map);
	}
}

static void act(void);

static void have_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		/* A child does not inherit kqueues. */
		queue = kqueue();
		for (int i = 0; i < 20; i++)
			act();
		for (int i = 0; i < MAPS; i++)
			scribble(&maps[i]);
		_exit(0);
	}
	if (roll(2) && child > 0)
		kill(child, SIGKILL);
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void act(void)
{
	static void (*const acts[])(
		void) = { open_one, open_one, attach_one, attach_one,	 close_one,  command,
			  look,	    pass_on,  duplicate,  wait_a_moment, use_knotes, use_knotes,
			  map_one,  map_one,  map_one,	  maul,		 maul,	     maul };

	if (roll(60) == 0)
		have_child();
	else if (roll(20) == 0)
		close_under_work();
	else
		acts[roll(18)]();
}

static pid_t attack(uint32_t own_seed)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	seed = own_seed;
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	signal(SIGIO, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	alarm(patience(300));
	memset(files, -1, sizeof(files));
	queue = kqueue();
	for (;;)
		act();
}

/* ---- From outside ---- */

static int64_t number_of(const char *name)
{
	int64_t value = 0;
	size_t bytes = sizeof(value);

	if (sysctlbyname(name, &value, &bytes, NULL, 0) != 0)
		return -1;
	return bytes == 4 ? (int64_t)(uint32_t)value : value;
}

#define ATTACKERS 5

static int ended(pid_t child)
{
	int status;

	return EVENTUALLY(PATIENCE_MS, waitpid(child, &status, WNOHANG) == child);
}

/* Kills them one after another, and sometimes unloads and loads the device. */
static void storm(int rounds, bool reloads, uint32_t *chance)
{
	pid_t attackers[ATTACKERS];
	int error = 0, stuck = 0;

	for (uint32_t i = 0; i < ATTACKERS; i++)
		attackers[i] = attack(random_next(chance));
	for (int round = 0; round < rounds && error == 0 && stuck == 0; round++) {
		pid_t *victim = &attackers[random_next(chance) % ATTACKERS];

		sleep_us(random_next(chance) % 60000);
		kill(*victim, SIGKILL);
		if (reloads && round % 4 == 0 &&
		    EVENTUALLY(PATIENCE_MS, (error = module_unload()) == 0))
			EVENTUALLY(PATIENCE_MS, (error = module_load("")) == 0);
		stuck += !ended(*victim);
		*victim = attack(random_next(chance));
	}
	for (int i = 0; i < ATTACKERS; i++) {
		kill(attackers[i], SIGKILL);
		stuck += !ended(attackers[i]);
	}
	check(error == 0,
	      reloads ? "unloading and loading work at any time"
		      : "unloading and loading work while the kernel has no memory",
	      "%s", error_name(error));
	check(stuck == 0, "kill -9 ends each process", "%d are", stuck);
}

static void set_failures(int32_t rate)
{
	sysctlbyname("debug.malloc.failure_rate", NULL, NULL, &rate, sizeof(rate));
}

int main(int count, char **arguments)
{
	int64_t wired, swap;
	uint32_t chance = 20201;
	int fd;

	begin(count, arguments, 600);
	storm(60, true, &chance);
	wired = number_of("vm.stats.vm.v_wire_count");
	swap = number_of("vm.swap_reserved");
	storm(200, true, &chance);
	if (number_of("debug.malloc.failure_rate") >= 0) {
		/* kldload panics when it has no memory (kern_linker.c: linker_addmodules). */
		set_failures(30);
		storm(100, false, &chance);
		set_failures(0);
	}
	fd = echo_open();
	check(EVENTUALLY(PATIENCE_MS, channels_free(fd) == CHANNELS), "kill -9 frees all channels",
	      "%u are free", channels_free(fd));
	close(fd);
	need_unload();
	/*
	 * Both numbers are those of the whole system, and change by themselves. They have to come
	 * back.
	 */
	check(EVENTUALLY(PATIENCE_MS, number_of("vm.stats.vm.v_wire_count") < wired + 400 &&
					      number_of("vm.swap_reserved") <= swap),
	      "kill -9 frees all memory", "%lld pages are wired more, %lld bytes reserved",
	      (long long)(number_of("vm.stats.vm.v_wire_count") - wired),
	      (long long)(number_of("vm.swap_reserved") - swap));
	printf("# %lld pages wired more\n",
	       (long long)(number_of("vm.stats.vm.v_wire_count") - wired));
	reload();
	return finish();
}
