/* SPDX-License-Identifier: BSD-3-Clause */
/* Unloading the modules against processes and their ends; and kup.ko itself. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
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
	refused(unload_kup(), EAGAIN, "kup can't be unloaded while handles are open");
	close(bare);
	close(peer.fd);
	refused(unload_kup(), EAGAIN, "nor while a mapping lives");
	check(peer.kernel->magic == KUP_MAGIC, "which keeps its bytes", "no");
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

/* A client of the predecessor's API that does not call kupdev_unload. */
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
	worked(unload_careless(), "a client can go and leave a device behind that is in use");
	kup_user_close(device);
	need_unload();
	refused(unload_kup(), EAGAIN, "kup can't be unloaded while that is there");
	device = kup_user_open("/dev/careless");
	check(device >= 0, "which still opens", "%s", error_name(device));
	kup_user_close(device);
	reload();
	need(load_careless(parameters) == 0, "the careless client can be loaded again");
	worked(unload_careless(), "a device that was left behind can be unloaded");
	refused(kup_user_open("/dev/careless"), ENOENT, "and is gone");
}

/* The process that unloads is killed meanwhile: it must go on waiting, but not by running. */
static void test_killed_unload(void)
{
	const struct echo_pause pause = { .milliseconds = 1500 };
	struct rusage usage = { 0 };
	struct peer peer;
	uint64_t spent;
	pid_t child;

	reload_stubborn();
	peer_need(&peer, ANY);
	peer_send(&peer, ECHO_PAUSE, &pause, sizeof(pause));
	sleep_ms(100);
	child = fork();
	if (child == 0)
		_exit(module_unload() != 0);
	sleep_ms(200);
	kill(child, SIGKILL);
	wait4(child, NULL, 0, &usage);
	spent = (uint64_t)usage.ru_stime.tv_sec * 1000 + (uint64_t)usage.ru_stime.tv_usec / 1000;
	check(EVENTUALLY(5000, access(echo_path(), F_OK) == -1) &&
		      peer_state(&peer) == KUP_STATE_CLOSED,
	      "unloading goes on when its process is killed", "state %u", peer_state(&peer));
	check(spent < 300, "without keeping a processor busy", "%llu ms of system time",
	      (long long)spent);
	peer_stop(&peer);
	need(EVENTUALLY(5000, access("/sys/module/kup_echo", F_OK) != 0), "kup_echo is gone");
	reload();
}

static void test_unload_storm(int rounds)
{
	pid_t children[4];
	int done = 0;

	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		signal(SIGALRM, SIG_DFL);
		alarm(60);
		for (uint32_t seed = 17 + (uint32_t)i;;) {
			struct peer peer;

			if (peer_start(&peer, ANY) != 0)
				continue;
			for (int j = 0; j < 20; j++)
				if (peer_echo(&peer, random_next(&seed),
					      random_next(&seed) % 3000) != NULL)
					break;
			peer_stop(&peer);
		}
	}
	for (uint32_t seed = 5; done < rounds; done++) {
		sleep_us(random_next(&seed) % 60000);
		if (!EVENTUALLY(5000, module_unload() == 0) || module_load("") != 0)
			break;
	}
	for (int i = 0; i < 4; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	check(done == rounds, "unloading and loading under traffic works again and again",
	      "round %d: %s", done, error_name(-errno));
	EVENTUALLY(5000, access(echo_path(), R_OK) == 0);
}

int main(int count, char **arguments)
{
	begin(count, arguments, 90);
	test_kup_stays();
	test_left_behind();
	test_killed_unload();
	test_unload_storm(20);
	return finish();
}
