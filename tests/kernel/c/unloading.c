/* SPDX-License-Identifier: BSD-3-Clause */
/* Unloading the modules against processes and their ends; and kup.ko itself. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "raw.h"

static long unload_kup(void)
{
	return sys(syscall(SYS_delete_module, "kup", O_NONBLOCK));
}

static void test_kup_stays(void)
{
	struct peer peer;
	int bare = echo_open();

	peer_need(&peer, ANY);
	need_unload();
	refused(unload_kup(), EAGAIN,
		"delete_module() refuses kup.ko with EAGAIN while handles are open");
	close(bare);
	close(peer.fd);
	refused(unload_kup(), EAGAIN,
		"delete_module() refuses kup.ko with EAGAIN while a mapping exists");
	check(peer.kernel->magic == KUP_MAGIC,
	      "delete_module() that was refused keeps the mapping's bytes", "no");
	peer_unmap(&peer);
	reload();
}

static long load_careless(const char *parameters)
{
	int file = open("/lib/modules/careless.ko", O_RDONLY | O_CLOEXEC);
	long result = sys(syscall(SYS_finit_module, file, parameters, 0));

	close(file);
	return result;
}

static long unload_careless(void)
{
	return sys(syscall(SYS_delete_module, "careless", O_NONBLOCK));
}

/* A client of the predecessor's API that does not call kupdev_unload(). */
static void test_left_behind(void)
{
	char parameters[40] = "device=";
	struct kup_attach attach;
	FILE *file;
	int device;

	need(load_careless("") == 0, "the careless client can be loaded");
	file = fopen("/sys/module/careless/parameters/device", "r");
	need(file != NULL && fgets(parameters + 7, 20, file) != NULL, "its device is known");
	fclose(file);
	device = kup_user_open("/dev/careless");
	need(attach_to(device, 0, 0, &attach) == 0, "its channel can be attached");
	worked(unload_careless(),
	       "delete_module() unloads a client that leaves behind a device in use");
	kup_user_close(device);
	need_unload();
	refused(unload_kup(), EAGAIN,
		"delete_module() refuses kup.ko with EAGAIN while a device is left behind");
	device = kup_user_open("/dev/careless");
	check(device >= 0, "open() works on a device that was left behind", "%s",
	      error_name(device));
	kup_user_close(device);
	reload();
	need(load_careless(parameters) == 0, "the careless client can be loaded again");
	worked(unload_careless(), "kupdev_unload() unloads a device that was left behind");
	refused(kup_user_open("/dev/careless"), ENOENT,
		"open() is refused with ENOENT after kupdev_unload()");
}

/*
 * The process that unloads is killed while it waits. It must continue to wait, without using a
 * processor.
 */
static bool test_killed_unload(uint32_t milliseconds)
{
	const struct echo_pause pause = { .milliseconds = milliseconds };
	struct rusage usage = { 0 };
	struct peer peer;
	uint64_t start, began, took, spent;
	pid_t child;
	int status = 0;
	bool in_time;

	reload_stubborn();
	peer_need(&peer, ANY);
	start = now_ms();
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(milliseconds / 30);
	began = now_ms();
	child = fork();
	if (child == 0)
		_exit(module_unload() != 0);
	need(EVENTUALLY(PATIENCE_MS, peer_state(&peer) == KUP_STATE_CLOSED),
	     "unloading has closed the channel");
	kill(child, SIGKILL);
	in_time = now_ms() - start < milliseconds;
	wait4(child, &status, 0, &usage);
	took = now_ms() - began;
	spent = (uint64_t)usage.ru_stime.tv_sec * 1000 + (uint64_t)usage.ru_stime.tv_usec / 1000;
	check(EVENTUALLY(PATIENCE_MS, access("/sys/module/kup_echo", F_OK) != 0) &&
		      WIFSIGNALED(status) && access(echo_path(), F_OK) == -1,
	      "delete_module() completes when its process is killed", "status %x", status);
	check(spent < took / 2,
	      "delete_module() of a killed process does not keep a processor busy",
	      "%llu of %llu ms are system time", (long long)spent, (long long)took);
	/* The kernel's side has read the pause, and has returned from it. */
	in_time = in_time && peer.kernel->to_kernel_records == 1;
	peer_stop(&peer);
	reload();
	/* A slow kernel needs a few hundred milliseconds or more to begin and end an unload. */
	return in_time && spent < took / 2;
}

static pid_t start_visitor(uint32_t seed, uint32_t *echoes)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	signal(SIGALRM, SIG_DFL);
	alarm(patience(300));
	for (;;) {
		struct peer peer;

		if (peer_start(&peer, ANY) != 0) {
			sleep_us(random_next(&seed) % 2000);
			continue;
		}
		for (int i = 0; i < 20; i++) {
			if (peer_echo(&peer, random_next(&seed), random_next(&seed) % 3000) != NULL)
				break;
			__atomic_fetch_add(echoes, 1, __ATOMIC_RELAXED);
		}
		peer_stop(&peer);
	}
}

static void test_unload_storm(int rounds)
{
	uint32_t *echoes = mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[4];
	uint32_t before = 0;
	int done = 0;

	need(echoes != MAP_FAILED, "memory that children share");
	for (uint32_t i = 0; i < 4; i++)
		children[i] = start_visitor(17 + i, echoes);
	for (uint32_t seed = 5; done < rounds; done++) {
		before = __atomic_load_n(echoes, __ATOMIC_RELAXED);
		sleep_us(random_next(&seed) % 60000);
		/* An unload that comes between two attachments every time would meet no traffic. */
		if (!EVENTUALLY(PATIENCE_MS,
				__atomic_load_n(echoes, __ATOMIC_RELAXED) - before >= 5))
			break;
		if (!EVENTUALLY(PATIENCE_MS, module_unload() == 0) || module_load("") != 0)
			break;
	}
	for (int i = 0; i < 4; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	check(done == rounds, "delete_module() and insmod work again and again under traffic",
	      "round %d, %u echoes after the insmod: %s", done, *echoes - before,
	      error_name(-errno));
	need(EVENTUALLY(PATIENCE_MS, access(echo_path(), R_OK) == 0), "the device is there again");
}

int main(int count, char **arguments)
{
	begin(count, arguments, 120);
	test_kup_stays();
	test_left_behind();
	test_in_pause(3000, test_killed_unload);
	test_unload_storm(20);
	return finish();
}
