/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client modules as shared objects: correct ones, sloppy ones, and all that may happen during an
 * unload.
 */
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user.h"

/* The folder of the shared objects: this program's own. */
static const char *client_path(const char *name)
{
	static _Thread_local char path[PATH_MAX + 64];
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		exit(1);
	self[length] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, sizeof(path), "%s/%s-" SANITIZER ".so", self, name);
	return path;
}

static int load(const char *name, const char *parameters)
{
	return kup_user_host_load(client_path(name), parameters);
}

static int unload(const char *name)
{
	return kup_user_host_unload(client_path(name));
}

static int round_trip(const char *device)
{
	struct kup_record record;
	struct user user;
	int error = user_attach(&user, device, KUP_CHANNEL_ANY);

	if (error)
		return error;
	error = user_send(&user, 7, "there and back", 14);
	if (!error)
		error = user_receive(&user, &record);
	if (!error)
		error = record.length == 14 && !memcmp(record.data, "there and back", 14) ? 0
											  : -EIO;
	user_close(&user);
	return error;
}

static int says(const char *word)
{
	char text[512];

	kup_user_host_error(text, sizeof(text));
	return strstr(text, word) != NULL;
}

/* ---- One at a time ---- */

static void test_good(void)
{
	struct user user;
	int fresh, twice, first, renamed, second, refused, failed, went, gone;

	fresh = load("client", NULL);
	twice = load("client", NULL);
	first = round_trip("so/client");
	unload("client");
	/* Parameters don't stay from one load to the next. */
	renamed = load("client", "name=so/other");
	second = round_trip("so/other");
	unload("client");
	load("client", "refuse=13");
	refused = user_attach(&user, "so/client", 0);
	went = unload("client");
	failed = load("client", "fail=5");
	gone = unload("client");
	check(!fresh && twice == -EEXIST && !first && !renamed && !second && refused == -EACCES &&
		      !went && failed == -EIO && gone == -ENOENT,
	      "kup_user_host_load() loads a shared object with parameters, and unload removes it",
	      "%d %d %d, renamed %d %d, refused %d %d, failed %d %d", fresh, twice, first, renamed,
	      second, refused, went, failed, gone);
}

static void test_parameters(void)
{
	const struct {
		const char *text;
		int error;
	} bad[] = {
		{ "nonsense", -EINVAL },
		{ "what=1", -EINVAL },
		{ "refuse=", -EINVAL },
		{ "refuse=x", -EINVAL },
		{ "refuse=-1", -EINVAL },
		{ "refuse=1x", -EINVAL },
		{ "refuse=4294967296", -ERANGE },
		{ "refuse=99999999999999999999", -ERANGE },
		{ "=", -EINVAL },
		{ "name=so/x fail", -EINVAL },
	};
	kup_u32 i, taken = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		taken += load("client", bad[i].text) != bad[i].error;
	check(!taken && load("client", " \t refuse=0x0  name=so/x\n") == 0 && !unload("client"),
	      "kup_user_host_load() refuses parameters that make no sense", "%u were not", taken);
}

static void test_not_clients(void)
{
	int none, older, missing, empty, absent, folder, builtin;

	none = load("nothing", NULL);
	none = none == -ENOEXEC && says("KUP_MODULE") ? 0 : none ? none : 1;
	older = load("older", NULL);
	older = older == -ENOEXEC && says("version") ? 0 : older ? older : 1;
	missing = load("missing", NULL);
	missing = missing == -ENOEXEC && says("function_that_is_nowhere") ? 0
		  : missing						  ? missing
									  : 1;
	absent = load("absent", NULL);
	folder = kup_user_host_load("/tmp/../no/such/folder/x.so", NULL);
	builtin = kup_user_host_load("no such client", NULL);
	empty = kup_user_open("host:");
	check(!none && !older && !missing && absent == -ENOENT && folder == -ENOENT &&
		      builtin == -ENOENT && empty == -ENOENT,
	      "kup_user_host_load() refuses what is no client of this version",
	      "%d %d %d %d %d %d %d", none, older, missing, absent, folder, builtin, empty);
}

/*
 * A client that has left a device behind stays, and can't be repaired. So this test comes last, and
 * runs once.
 */
static void test_sloppy(void)
{
	int strange = load("sloppy", "strange=5"), nothing, open, forgot, busy, again, works;
	int gave_up, left;

	nothing = load("sloppy", "nothing=1");
	open = user_open(client_path("sloppy"));
	unload("sloppy");
	forgot = load("sloppy", "forget=1");
	busy = unload("sloppy");
	again = load("sloppy", NULL);
	works = user_open("so/sloppy");
	kup_user_close(works);
	gave_up = load("sloppier", "give_up=1 name=so/sloppier");
	left = load("sloppier", NULL);
	check(strange == -EINVAL && !nothing && open == -ENOENT && !forgot && busy == -EBUSY &&
		      again == -EEXIST && works > 0 && gave_up == -EIO && left == -EEXIST,
	      "kup_user_host_unload() leaves a client in memory that leaves its device behind",
	      "strange %d, nothing %d %d, forgot %d %d %d %d, gave up %d %d", strange, nothing,
	      open, forgot, busy, again, works, gave_up, left);
}

/* ---- All at once ---- */

static kup_u32 over;
static const struct run_of {
	const char *what;
	int may[6];
} loading = { "load", { -EEXIST } }, unloading = { "unload", { -ENOENT } },
  opening = { "open", { 0 } }, /* opening the file loads the client if it is not loaded */
	visiting = { "visit", { -ENXIO, -ENODEV, -EPIPE, -EBUSY, -ENOENT } };

struct actor {
	pthread_t thread;
	kup_u32 number, done;
	const struct run_of *call;
	int wrong;
};

/* An error that this call may not return ends the storm. */
static int note(struct actor *actor, const struct run_of *call, int error)
{
	kup_u32 i;

	if (error >= 0) {
		actor->done++;
		storm_step();
		return 0;
	}
	for (i = 0; i < 6; i++)
		if (error == call->may[i])
			return error;
	actor->call = call;
	actor->wrong = error;
	return error;
}

static void *load_and_unload(void *argument)
{
	struct actor *actor = argument;
	kup_u32 state = dice_seed(500 + actor->number);

	while (!kup_load(&over) && !actor->wrong) {
		if (dice(&state) % 2)
			note(actor, &loading, load("client", dice(&state) % 2 ? NULL : "refuse=0"));
		else
			note(actor, &unloading, unload("client"));
		if (dice(&state) % 4 == 0)
			sleep_ms(dice(&state) % 4);
	}
	return NULL;
}

/* Blocked, or armed: both learn that the device goes. */
static int await_end(const struct user *user, const int *pipe, int blocked)
{
	struct pollfd event = { .fd = pipe[0], .events = POLLIN };
	int id, error = 0;
	kup_u32 junk[16];

	if (blocked) {
		int so = kup_user_wait(user->file, POLLIN, PATIENCE_MS);

		return so < 0 ? so : so == 0 ? -ETIMEDOUT : 0;
	}
	id = kup_user_waiter_add(user->file, pipe[1]);
	if (id < 0)
		return id;
	error = kup_user_waiter_arm(user->file, id, POLLIN);
	if (!error && poll(&event, 1, PATIENCE_MS) != 1)
		error = -ETIMEDOUT;
	kup_user_waiter_remove(user->file, id);
	while (read(pipe[0], junk, sizeof(junk)) > 0)
		;
	return error;
}

static void *visit(void *argument)
{
	struct actor *actor = argument;
	kup_u32 state = dice_seed(600 + actor->number);
	struct user user;
	int pipe[2];

	kup_user_pipe(pipe);
	while (!kup_load(&over) && !actor->wrong) {
		int file = user_open(client_path("client"));

		if (note(actor, &opening, file) < 0)
			continue;
		kup_user_close(file);
		if (dice(&state) % 2) {
			note(actor, &visiting, round_trip("so/client"));
		} else if (!note(actor, &visiting,
				 user_attach(&user, "so/client", KUP_CHANNEL_ANY))) {
			note(actor, &visiting, await_end(&user, pipe, dice(&state) % 2));
			user_close(&user);
		}
	}
	close(pipe[0]);
	close(pipe[1]);
	return NULL;
}

#define ACTORS 5

static void test_storm(void)
{
	struct actor actors[ACTORS] = { 0 };
	const char *what = "nothing";
	kup_u32 i, loads = 0, visits = 0;
	int wrong = 0;

	storm_begin();
	kup_store(&over, 0);
	for (i = 0; i < ACTORS; i++) {
		actors[i].number = i;
		pthread_create(&actors[i].thread, NULL, i < 2 ? load_and_unload : visit,
			       &actors[i]);
	}
	storm_wait(200);
	kup_store(&over, 1);
	/* A thread that waits for the end of a device is still waiting. */
	for (i = 0; i < ACTORS; i++)
		while (pthread_tryjoin_np(actors[i].thread, NULL) == EBUSY) {
			unload("client");
			sleep_ms(2);
		}
	unload("client");
	for (i = 0; i < ACTORS; i++) {
		*(i < 2 ? &loads : &visits) += actors[i].done;
		if (!actors[i].wrong)
			continue;
		wrong = actors[i].wrong;
		what = actors[i].call->what;
	}
	check(!wrong && loads > 3 && visits > 3 && unload("client") == -ENOENT,
	      "kup_user_host_load(), unload and open work in threads that also wait for the "
	      "client's end",
	      "%s %s, %u, %u", what, strerror(-wrong), loads, visits);
	fprintf(stderr, "# %u loads and unloads, %u visits\n", loads, visits);
}

/* ---- The module of docs/from-kup-1.md ---- */

static void test_documented(void)
{
	kup_u32 n, failed = 0, left = 0;
	struct user user;
	int loaded = -1, attached, unloaded;

	for (n = 1; n < 100 && loaded; n++) {
		host_fail_allocation(n);
		loaded = load("mydev", NULL);
		host_fail_allocation(0);
		failed += loaded != 0;
		left += loaded && user_open("mydev") != -ENOENT;
	}
	check(!loaded && failed >= 4 && !left,
	      "the module of docs/from-kup-1.md frees what it took when its load fails",
	      "%s, failed %u times, left a device %u times", strerror(-loaded), failed, left);
	attached = user_attach(&user, "mydev", 0);
	unloaded = unload("mydev");
	check(!attached && !unloaded && kup_load(&user.kernel->state) == KUP_STATE_CLOSED,
	      "the module of docs/from-kup-1.md is unloaded while a process is attached", "%d, %d",
	      attached, unloaded);
	user_close(&user);
}

void module_cases(void)
{
	test_documented();
	test_good();
	test_parameters();
	test_not_clients();
	test_storm();
	if (run.delays)
		test_sloppy();
}
