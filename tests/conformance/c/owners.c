/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an isolate leaves open is closed when its thread ends, or when the next isolate begins in
 * its thread. Also kup_user_host_open_again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

/* What an isolate opens in its thread and does not close. */
struct isolate {
	struct peer peers[2];
	int bare;
	int32_t pipe[2];
	int32_t ids[2];
	int32_t number;
};

static void own(struct isolate *isolate, int fd)
{
	int32_t number = kup_user_own(fd, isolate->number);

	need(number > 0, "a file can be owned");
	isolate->number = number;
}

/* Files are owned as soon as they are open, as in src/resources.ts. */
static void isolate_begin(struct isolate *isolate)
{
	memset(isolate, 0, sizeof(*isolate));
	need(kup_user_pipe(isolate->pipe) == 0, "a pipe");
	own(isolate, isolate->pipe[0]);
	own(isolate, isolate->pipe[1]);
	isolate->bare = echo_open();
	own(isolate, isolate->bare);
	for (int i = 0; i < 2; i++) {
		struct peer *peer = &isolate->peers[i];

		memset(peer, 0, sizeof(*peer));
		peer->fd = echo_open();
		own(isolate, peer->fd);
		need(kup_user_info(peer->fd, &peer->info) == 0, "INFO");
		need(attach_to(peer->fd, ANY, 0, &peer->attach) == 0 && peer_map(peer) == 0,
		     "a channel");
		isolate->ids[i] = kup_user_waiter_add(peer->fd, isolate->pipe[1]);
		need(isolate->ids[i] > 0 &&
			     kup_user_waiter_arm(peer->fd, isolate->ids[i], POLLIN) == 0,
		     "the waiter can be armed");
	}
}

static void is_over(const struct isolate *isolate, const char *sentence)
{
	struct kup_info info;
	const int32_t results[] = { kup_user_info(isolate->bare, &info),
				    kup_user_info(isolate->peers[0].fd, &info),
				    kup_user_info(isolate->peers[1].fd, &info) };
	bool closed = true;
	int fd = echo_open();

	for (int i = 0; i < 3; i++)
		closed = closed && results[i] == -EBADF;
	check(closed && all_free(fd), sentence, "%s, %s, %s; %u channels are free",
	      error_name(results[0]), error_name(results[1]), error_name(results[2]),
	      channels_free(fd));
	check(isolate->peers[0].kernel->magic == 0 && isolate->peers[1].kernel->magic == 0,
	      "the memory of a channel that was owned is zeros, which can still be read",
	      "it isn't");
	kup_user_close(fd);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void *begin_and_end(void *argument)
{
	isolate_begin(argument);
	return NULL;
}

static void test_thread_ends(void)
{
	struct isolate isolate;
	pthread_t thread;

	pthread_create(&thread, NULL, begin_and_end, &isolate);
	pthread_join(thread, NULL);
	is_over(&isolate, "kup_user_own() closes a thread's files when the thread ends");
	check(!is_open(isolate.pipe[0]) && !is_open(isolate.pipe[1]),
	      "kup_user_own() closes the pipe, too", "it isn't");
}

static void *two_isolates(void *argument)
{
	struct isolate *isolates = argument;

	isolate_begin(&isolates[0]);
	isolate_begin(&isolates[1]);
	check(isolates[0].number != isolates[1].number,
	      "kup_user_own() gives isolates different numbers", "both are %d", isolates[0].number);
	check(isolates[0].peers[0].kernel->magic == 0,
	      "kup_user_own() in another isolate ends the one before it in the same thread",
	      "it doesn't");
	/* The other isolate's channels drain first. */
	check(EVENTUALLY(PATIENCE_MS, channels_free(isolates[1].bare) == CHANNELS - 2) &&
		      peer_echo(&isolates[1].peers[0], 1, 100) == NULL,
	      "kup_user_own() leaves the next isolate's channels open", "%u channels are free",
	      channels_free(isolates[1].bare));
	return NULL;
}

static void test_next_isolate(void)
{
	struct isolate isolates[2];
	pthread_t thread;

	pthread_create(&thread, NULL, two_isolates, isolates);
	pthread_join(thread, NULL);
	is_over(&isolates[1],
		"kup_user_own() closes the next isolate's files when its thread ends");
}

/* A number that was closed or disowned belongs to the next file that is opened. */
static void *close_and_disown(void *argument)
{
	int *fds = argument, closed = echo_open(), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	need(kup_user_own(closed, 0) > 0, "a file can be owned");
	kup_user_close(closed);
	fds[0] = echo_open();
	check(kup_user_disown(closed) == -ENOENT,
	      "kup_user_disown() of a file that was closed returns ENOENT", "it is");
	need(kup_user_own(null, 0) > 0, "any descriptor can be owned");
	worked(kup_user_disown(null), "kup_user_disown() gives a descriptor away");
	fds[1] = null;
	/* Closes the file by other means, so that the next file gets its number. */
	fds[2] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	need(kup_user_own(fds[2], 0) > 0, "any descriptor can be owned");
	close(fds[2]);
	need(open("/dev/full", O_RDONLY | O_CLOEXEC) == fds[2], "the lowest number is the next");
	return NULL;
}

static void test_given_away(void)
{
	struct kup_info info;
	int fds[3];
	pthread_t thread;

	pthread_create(&thread, NULL, close_and_disown, fds);
	pthread_join(thread, NULL);
	worked(kup_user_info(fds[0], &info),
	       "the end of a thread leaves a file open that was never owned");
	check(is_open(fds[1]), "kup_user_disown() leaves a file open when the thread ends",
	      "it is closed");
	check(is_open(fds[2]),
	      "the end of a thread leaves a file open that got the number of a closed one",
	      "it is closed");
	kup_user_close(fds[0]);
	close(fds[1]);
	close(fds[2]);
}

static void test_held(void)
{
	struct peer peers[2];
	int fd = echo_open();

	check(kup_user_held(fd) == 0, "kup_user_held() is 0 before ATTACH", "%d",
	      kup_user_held(fd));
	peer_need(&peers[0], ANY);
	peer_need(&peers[1], ANY);
	check(kup_user_held(fd) == 2, "kup_user_held() counts the channels that are attached", "%d",
	      kup_user_held(fd));
	peer_stop_wait(&peers[0]);
	check(kup_user_held(fd) == 1, "kup_user_held() counts one less after a close", "%d",
	      kup_user_held(fd));
	need_unload();
	refused(kup_user_held(fd), ENODEV,
		"kup_user_held() of a device that is gone returns ENODEV");
	kup_user_close(fd);
	reload();
	fd = echo_open();
	check(kup_user_held(fd) == 0, "kup_user_held() counts no channels of the device before",
	      "%d", kup_user_held(fd));
	peer_stop(&peers[1]);
	kup_user_close(fd);
}

static void test_open_again(void)
{
	struct kup_info info, other;
	int fd = echo_open(), again = kup_user_host_open_again(fd);

	refused(kup_user_host_open_again(-1), EBADF,
		"kup_user_host_open_again() refuses a number that is no file with EBADF");
	if (differs("devices-are-files")) {
		refused(again, EBADF, "kup_user_host_open_again() refuses a descriptor with EBADF");
		kup_user_close(fd);
		return;
	}
	need(kup_user_info(fd, &info) == 0, "INFO");
	check(kup_user_info(again, &other) == 0 && other.instance == info.instance && again != fd,
	      "kup_user_host_open_again() opens another file of the same device", "%d", again);
	kup_user_close(again);
	need_unload();
	refused(kup_user_host_open_again(fd), ENODEV,
		"kup_user_host_open_again() refuses a device that is gone with ENODEV");
	refused(module_unload(), ENOENT, "kup_user_host_open_again() loads no module");
	reload();
	refused(kup_user_host_open_again(fd), ENODEV,
		"kup_user_host_open_again() refuses a device whose name another has with ENODEV");
	kup_user_close(fd);
}

static void *own_and_disown(void *pipe)
{
	const int *fds = pipe;

	for (;;) {
		kup_user_own(fds[0], 1);
		kup_user_disown(fds[0]);
		pthread_testcancel();
	}
	return NULL;
}

/* A child has none of its parent's other threads, which may have been in the middle of a call. */
static void test_fork(void)
{
	const int forks = 300;
	int hung = 0, pipe[2];
	pthread_t thread;

	need(kup_user_pipe(pipe) == 0, "a pipe");
	pthread_create(&thread, NULL, own_and_disown, pipe);
	for (int i = 0; i < forks && hung == 0; i++) {
		int status = 0;
		pid_t child = fork();

		if (child == 0) {
			signal(SIGALRM, SIG_DFL);
			alarm(patience(60));
			kup_user_disown(pipe[1]);
			_exit(0);
		}
		need(child > 0 && waitpid(child, &status, 0) == child, "a child");
		hung += status != 0;
	}
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	check(hung == 0, "fork() leaves a child that waits for no thread that it does not have",
	      "it hangs");
	close(pipe[0]);
	close(pipe[1]);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_thread_ends();
	test_next_isolate();
	test_given_away();
	test_held();
	test_open_again();
	test_fork();
	return finish();
}
