/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads a prebuilt library as src/embedded.ts does, and exchanges messages with its echo client. It
 * is compiled for each machine that a library is prebuilt for, and prints the first check that
 * failed.
 *
 *   round_trip LIBRARY CLIENT
 *
 * CLIENT is a client module, which calls the library by names that it has to find.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kup_user.h"
#include "ring.h"

/* More than the rings hold, so that both sides wait for each other and every ring wraps. */
#define MESSAGES 2000
#define LONGEST 3000
#define PATIENCE_MS 60000.0

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("line %d: this does not hold: %s\n", __LINE__, #condition);         \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static struct {
	int32_t (*abi_version)(void);
	int32_t (*interface)(void);
	int32_t (*open)(const char *);
	int32_t (*close)(int32_t);
	int32_t (*host_error)(char *, uint32_t);
	int32_t (*info)(int32_t, struct kup_info *);
	int32_t (*attach)(int32_t, struct kup_attach *);
	int32_t (*kick)(int32_t);
	int32_t (*wait)(int32_t, uint32_t, double);
	int32_t (*map)(int32_t, uint32_t, uint32_t, uint32_t, uint64_t *);
	int32_t (*unmap)(uint64_t, uint64_t);
	int32_t (*pipe)(int32_t *);
	int32_t (*waiter_add)(int32_t, int32_t);
	int32_t (*waiter_arm)(int32_t, int32_t, uint32_t);
	int32_t (*waiter_remove)(int32_t, int32_t);
} kup;

/* ---- Loading ---- */

static int copy_to_memory(const char *path)
{
	int from = open(path, O_RDONLY), to = memfd_create("libkup", MFD_CLOEXEC);
	static char buffer[1 << 20];
	ssize_t bytes;

	CHECK(from >= 0 && to >= 0);
	while ((bytes = read(from, buffer, sizeof(buffer))) > 0)
		CHECK(write(to, buffer, (size_t)bytes) == bytes);
	CHECK(bytes == 0);
	close(from);
	return to;
}

static void *find(void *library, const char *name)
{
	void *symbol = dlsym(library, name);

	if (!symbol) {
		printf("%s\n", dlerror());
		exit(1);
	}
	return symbol;
}

static void load(const char *path)
{
	char name[64];
	void *library;

	snprintf(name, sizeof(name), "/proc/self/fd/./%d", copy_to_memory(path));
	library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		printf("%s\n", dlerror());
		exit(1);
	}
#define FIND(call) kup.call = find(library, "kup_user_" #call)
	FIND(abi_version);
	FIND(interface);
	FIND(open);
	FIND(close);
	FIND(host_error);
	FIND(info);
	FIND(attach);
	FIND(kick);
	FIND(wait);
	FIND(map);
	FIND(unmap);
	FIND(pipe);
	FIND(waiter_add);
	FIND(waiter_arm);
	FIND(waiter_remove);
#undef FIND
}

static void load_client(const char *path)
{
	char name[4096], why[256] = "";
	struct kup_info info;
	int32_t file;

	snprintf(name, sizeof(name), "host:%s", path);
	file = kup.open(name);
	if (file < 0) {
		kup.host_error(why, sizeof(why));
		printf("%s: %d %s\n", name, file, why);
		exit(1);
	}
	CHECK(kup.info(file, &info) == 0 && strcmp(info.name, "upper") == 0);
	CHECK(kup.close(file) == 0);
}

/* ---- Messages ---- */

/* An attached channel, and the pipe that reports the end of its waits. */
struct user {
	int32_t file, id, pipes[2];
	uint64_t memory;
	struct kup_info info;
	struct kup_attach attach;
	struct kup_producer out;
	struct kup_consumer in;
};

static void set_up_rings(struct user *user)
{
	kup_u8 *memory = (kup_u8 *)(uintptr_t)user->memory;
	kup_u32 page = user->info.page_size;
	struct kup_kernel_page *kernel = (void *)memory;
	struct kup_user_page *own = (void *)(memory + KUP_USER_PAGE_AT(page));

	user->in = (struct kup_consumer){
		.data = memory + KUP_TO_USER_AT(page),
		.bytes = user->attach.to_user_bytes,
		.controls = KUP_CONTROLS_TO_USER(KUP_MODE_STREAM),
		.skips_unknown = 1,
		.tail_word = &own->to_user_tail.value,
		.event_word = &own->to_user_consumer_event.value,
		.head_word = &kernel->to_user_head.value,
		.peer_event = &kernel->to_user_producer_event.value,
	};
	user->out = (struct kup_producer){
		.data = memory + KUP_TO_KERNEL_AT(page, user->attach.to_user_bytes),
		.bytes = user->attach.to_kernel_bytes,
		.head_word = &own->to_kernel_head.value,
		.event_word = &own->to_kernel_producer_event.value,
		.tail_word = &kernel->to_kernel_tail.value,
		.peer_event = &kernel->to_kernel_consumer_event.value,
	};
}

static void attach(struct user *user)
{
	struct kup_attach *attach = &user->attach;

	*attach = (struct kup_attach){ .abi_version = KUP_ABI_VERSION,
				       .understood = KUP_FEATURES,
				       .channel = KUP_CHANNEL_ANY };
	user->file = kup.open("host:echo");
	CHECK(user->file >= 0);
	CHECK(kup.attach(user->file, attach) == 0);
	CHECK(kup.info(user->file, &user->info) == 0);
	CHECK(kup.map(user->file, user->info.page_size, attach->to_user_bytes,
		      attach->to_kernel_bytes, &user->memory) == 0);
	set_up_rings(user);
	CHECK(kup.pipe(user->pipes) == 0);
	user->id = kup.waiter_add(user->file, user->pipes[1]);
	CHECK(user->id > 0);
}

static void detach(struct user *user)
{
	CHECK(kup.waiter_remove(user->file, user->id) == 0);
	CHECK(kup.close(user->pipes[0]) == 0 && kup.close(user->pipes[1]) == 0);
	CHECK(kup.close(user->file) == 0);
	CHECK(kup.unmap(user->memory, user->attach.map_bytes) == 0);
}

/*
 * Waits by the waiter's thread every second time, as an event loop does; otherwise in this thread.
 */
static void sleep_until(struct user *user, uint32_t events)
{
	static int times;
	struct pollfd pipe = { .fd = user->pipes[0], .events = POLLIN };
	int32_t id;

	if (times++ % 2) {
		CHECK(kup.wait(user->file, events, PATIENCE_MS) > 0);
		return;
	}
	CHECK(kup.waiter_arm(user->file, user->id, events) == 0);
	CHECK(poll(&pipe, 1, (int)PATIENCE_MS) == 1);
	CHECK(read(pipe.fd, &id, sizeof(id)) == sizeof(id) && id == user->id);
}

/* Returns 0 if there is no room. */
static int try_send(struct user *user, kup_u32 number)
{
	kup_u32 length = number * 7919 % LONGEST, position;
	int result = kup_producer_reserve(&user->out, length, &position);

	if (result == KUP_RING_WAIT)
		return 0;
	CHECK(result == KUP_RING_OK);
	memset(kup_producer_payload(&user->out, position), (int)(number & 0xff), length);
	if (kup_producer_commit(&user->out, position, length, length, number, 0))
		CHECK(kup.kick(user->file) == 0);
	return 1;
}

static void wake_producer(struct user *user)
{
	if (user->in.owes_wake)
		CHECK(kup.kick(user->file) == 0);
	user->in.owes_wake = 0;
}

static void receive(struct user *user, kup_u32 number)
{
	struct kup_record record;
	int result;
	kup_u32 i;

	while ((result = kup_consumer_peek(&user->in, &record)) == KUP_RING_WAIT) {
		CHECK(kup_consumer_settle(&user->in) == KUP_RING_OK);
		wake_producer(user);
		kup_consumer_announce(&user->in, user->in.cursor);
		if (!kup_consumer_ready(&user->in))
			sleep_until(user, POLLIN);
	}
	CHECK(result == KUP_RING_OK);
	CHECK(record.type == number && record.length == number * 7919 % LONGEST);
	for (i = 0; i < record.length; i++)
		CHECK(((const kup_u8 *)record.data)[i] == (number & 0xff));
	CHECK(kup_consumer_release(&user->in, &record) == KUP_RING_OK);
	wake_producer(user);
}

int main(int count, char **arguments)
{
	struct user user = { 0 };
	kup_u32 sent = 0, received = 0;
	struct kup_info info;
	int32_t null, result;

	CHECK(count == 3);
	load(arguments[1]);
	CHECK(kup.abi_version() == KUP_ABI_VERSION);
	CHECK(kup.interface() == KUP_USER_INTERFACE);
	null = kup.open("/dev/null");
	CHECK(null >= 0);
	result = kup.info(null, &info);
	/*
	 * The second is the answer of an emulator, which passes on only the ioctls that it knows.
	 */
	CHECK(result == -ENOTTY || result == -ENOSYS);
	CHECK(kup.close(null) == 0);
	CHECK(kup.open("/dev/kup/there-is-none") == -ENOENT);
	load_client(arguments[2]);

	attach(&user);
	while (received < MESSAGES) {
		while (sent < MESSAGES && try_send(&user, sent))
			sent++;
		receive(&user, received++);
	}
	detach(&user);
	printf("%d messages there and back\n", MESSAGES);
	return 0;
}
