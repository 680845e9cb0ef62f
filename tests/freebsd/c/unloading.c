/* SPDX-License-Identifier: BSD-3-Clause */
/* The modules are unloaded while processes use them and end; also kup.ko itself. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/event.h>
#include <sys/linker.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "raw.h"

#define MOST_PROCESSES 200

static long unload_kup(int flags)
{
	int id = kldfind("kup.ko");

	return id == -1 ? -errno : sys(kldunloadf(id, flags));
}

static void test_kup_stays(void)
{
	struct peer peer;
	int bare = echo_open();

	peer_need(&peer, ANY);
	need_unload();
	refused(unload_kup(LINKER_UNLOAD_NORMAL), EBUSY,
		"kldunload() refuses kup.ko with EBUSY while handles are open");
	refused(unload_kup(LINKER_UNLOAD_FORCE), EBUSY,
		"kldunload() refuses kup.ko with EBUSY also by force");
	close(bare);
	refused(unload_kup(LINKER_UNLOAD_NORMAL), EBUSY,
		"kldunload() refuses kup.ko with EBUSY while one handle is open");
	close(peer.fd);
	worked(unload_kup(LINKER_UNLOAD_NORMAL),
	       "kldunload() unloads kup.ko when no handle is open");
	memset(peer.in, 7, 4096);
	check(peer.kernel->magic == KUP_MAGIC && peer.in[peer.attach.to_user_bytes] == 7,
	      "kldunload() of kup.ko keeps a mapping's bytes", "no");
	peer_unmap(&peer);
	need(kldload("kup") != -1, "kup can be loaded again");
	reload();
}

/*
 * kup_echo depends on kup, and loads it if it is not loaded. The kernel then unloads kup with
 * kup_echo, and would not allow another try later.
 */
static void test_kup_as_dependency(void)
{
	int fd;

	need_unload();
	worked(unload_kup(LINKER_UNLOAD_NORMAL), "kldunload() unloads kup.ko");
	reload();
	worked(module_unload(), "kldunload() unloads kup_echo, which had loaded kup");
	check(kldfind("kup.ko") == -1, "kldunload() of kup_echo unloads kup.ko with it",
	      "it is loaded");
	reload();
	fd = echo_open();
	need_unload();
	refused(unload_kup(LINKER_UNLOAD_NORMAL), EBUSY,
		"kldunload() refuses kup.ko with EBUSY while a handle is open after that");
	worked(sys(close(fd)), "close() closes that handle");
	worked(unload_kup(LINKER_UNLOAD_NORMAL), "kldunload() unloads kup.ko after that close");
	need(kldload("kup") != -1, "kup can be loaded again");
	reload();
}

/* A client whose load() has failed and cleaned up: the kernel calls its unload all the same. */
static void test_half_loaded(void)
{
	static const char sentence[] = "kldload() of a client that fails does not run its unload";

	need_unload();
	need(module_load("name=pingpong1") == 0, "pingpong's second device is there");
	if (kldload("pingpong") == -1 && errno == ENOENT)
		skip(sentence, "pingpong.ko does not exist");
	else
		check(errno == ENOEXEC && kldfind("pingpong.ko") == -1, sentence, "%s",
		      error_name(-errno));
	need_unload();
	reload();
}

/* kup.ko needs a process of its own for its threads. */
static void test_no_process(void)
{
	static const char sentence[] =
		"kldload() of kup.ko fails where no process can be made, and does no harm";
	pid_t children[MOST_PROCESSES];
	int most = 0, count = 0, error = 0;
	size_t bytes = sizeof(most);

	sysctlbyname("kern.maxproc", &most, &bytes, NULL, 0);
	if (most > MOST_PROCESSES) {
		skip(sentence, "kern.maxproc is too large");
		return;
	}
	need_unload();
	need(unload_kup(LINKER_UNLOAD_NORMAL) == 0, "kup can be unloaded");
	while (count < most && (children[count] = fork()) != -1)
		if (children[count++] == 0) {
			pause();
			_exit(0);
		}
	if (kldload("kup") == -1)
		error = errno;
	while (count > 0)
		kill(children[--count], SIGKILL);
	while (wait(NULL) != -1)
		;
	check(error == ENOEXEC, sentence, "%s", error_name(-error));
	need(kldload("kup") != -1, "kup can be loaded later");
	reload();
}

/*
 * Calls that look at files from outside (fstat, procstat, revoke) use the vnode, which goes with
 * the device.
 */
static void look_at_files(int fd, const char *sentence)
{
	static char files[1 << 16];
	int name[] = { CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, getpid() };
	size_t bytes = sizeof(files);
	struct stat status;
	long result = sys(fstat(fd, &status));

	check((result == 0 && S_ISCHR(status.st_mode)) || result == -EBADF, sentence, "%s",
	      error_name(result));
	worked(sys(sysctl(name, 4, files, &bytes, NULL, 0)), "sysctl() lists the process's files");
}

static void test_looking_at_files(void)
{
	struct peer peer;

	peer_need(&peer, ANY);
	look_at_files(peer.fd, "fstat() works on a handle");
	worked(sys(revoke(echo_path())), "revoke() takes the vnode away");
	look_at_files(peer.fd, "fstat() works after revoke()");
	check(peer_echo(&peer, 1, 100) == NULL, "the handle's channel works after revoke()",
	      "no echo");
	need_unload();
	look_at_files(peer.fd, "fstat() works on a handle whose device is gone");
	peer_stop(&peer);
	reload();
}

/* As with any other device. */
static void test_opening(void)
{
	struct stat status;
	int fd = open(echo_path(), O_RDWR | O_TRUNC);

	worked(sys(fd < 0 ? fd : 0), "open() with O_TRUNC opens a device");
	worked(sys(fchmod(fd, 0640)), "fchmod() changes a device's permissions");
	worked(sys(stat(echo_path(), &status)), "stat() works on a device");
	check((status.st_mode & 07777) == 0640, "stat() returns the changed permissions", "%o",
	      status.st_mode);
	worked(sys(fchown(fd, 0, 5)), "fchown() changes a device's owner");
	close(fd);
	refused(sys(open(echo_path(), O_RDWR | O_EXLOCK)), EOPNOTSUPP,
		"open() with O_EXLOCK is refused with EOPNOTSUPP");
	fd = echo_open();
	need_unload();
	worked(sys(close(fd)), "close() works on a handle whose device is gone");
	reload();
}

/* Ends anywhere, with knotes of all kinds. */
static void visit(uint32_t seed)
{
	signal(SIGALRM, SIG_DFL);
	alarm(patience(300));
	for (;;) {
		int queue = kqueue();
		struct kevent event;
		struct peer peer;

		if (peer_start(&peer, ANY) == 0) {
			EV_SET(&event, peer.fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL);
			kevent(queue, &event, 1, NULL, 0, NULL);
			for (int i = 0; i < 20; i++)
				if (peer_echo(&peer, random_next(&seed),
					      random_next(&seed) % 3000) != NULL)
					break;
			if (random_next(&seed) & 1)
				close(queue);
			peer_stop(&peer);
		}
		close(queue);
	}
}

static pid_t start_visitor(uint32_t seed)
{
	pid_t child = fork();

	if (child == 0)
		visit(seed);
	return child;
}

static void test_unload_storm(int rounds)
{
	pid_t children[4];
	uint32_t seed = 5;
	int done, error = 0;

	for (uint32_t i = 0; i < 4; i++)
		children[i] = start_visitor(17 + i);
	for (done = 0; done < rounds && error == 0; done++) {
		pid_t *dies = &children[random_next(&seed) % 4];

		sleep_us(random_next(&seed) % 100000);
		kill(*dies, SIGKILL);
		if (EVENTUALLY(PATIENCE_MS, (error = module_unload()) == 0))
			error = module_load("");
		waitpid(*dies, NULL, 0);
		*dies = start_visitor(100 + (uint32_t)done);
	}
	for (int i = 0; i < 4; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	check(error == 0, "unloading and loading work again and again under traffic",
	      "round %d: %s", done, error_name(error));
}

int main(int count, char **arguments)
{
	begin(count, arguments, 200);
	test_kup_stays();
	test_kup_as_dependency();
	test_half_loaded();
	test_no_process();
	test_opening();
	test_looking_at_files();
	test_unload_storm(40);
	return finish();
}
