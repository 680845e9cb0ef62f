/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads and unloads the echo client: its parameters, and what is refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "driver.h"
#include "peer.h"

static void bad_parameters(const char *parameters, int wanted)
{
	char sentence[160];
	int result = module_load(parameters);

	if (differs("parameters-are-variables"))
		wanted = ENOEXEC;

	snprintf(sentence, sizeof(sentence), "loading refuses %.80s", parameters);
	refused(result, wanted, sentence);
	if (result == 0)
		module_unload();
}

/* The result of INFO for a device with these parameters. */
static bool loaded_with(const char *parameters, const char *name, struct kup_info *info)
{
	char sentence[160];
	int fd;

	snprintf(sentence, sizeof(sentence), "loading accepts %.80s", parameters);
	memset(info, 0, sizeof(*info));
	if (!worked(module_load(parameters), sentence))
		return false;
	fd = kup_user_open(path_of(name));
	worked(kup_user_info(fd, info), "INFO works on the device that was loaded");
	worked(attach_to(fd, info->channels - 1, 0, NULL),
	       "ATTACH takes the last channel of the device that was loaded");
	kup_user_close(fd);
	worked(module_unload(), "unloading works after that");
	return true;
}

static void good_parameters(const char *parameters, uint32_t channels, uint32_t to_user_pages,
			    uint32_t to_kernel_pages, uint32_t spin_us)
{
	struct kup_info info;

	if (!loaded_with(parameters, ECHO_NAME, &info))
		return;
	check(info.channels == channels && info.channels_free == channels &&
		      info.to_user_bytes == to_user_pages * info.page_size &&
		      info.to_kernel_bytes == to_kernel_pages * info.page_size &&
		      info.spin_us == spin_us,
	      "INFO contains what the parameters asked for", "%u channels, %u and %u bytes, %u us",
	      info.channels, info.to_user_bytes, info.to_kernel_bytes, info.spin_us);
}

static void test_good_parameters(void)
{
	struct kup_info info;

	good_parameters("", 8, 64, 32, 100);
	good_parameters("channels=3", 3, 64, 32, 100);
	good_parameters("channels=0x10 to_user_pages=020", 16, 16, 32, 100);
	good_parameters("channels=+2", 2, 64, 32, 100);
	good_parameters("channels=2 channels=5", 5, 64, 32, 100);
	good_parameters("channels=0 to_user_pages=0 to_kernel_pages=0 spin=0", 1, 16, 16, 100);
	good_parameters("to_user_pages=1 to_kernel_pages=1", 8, 1, 1, 100);
	good_parameters("to_user_pages=8192 channels=1", 1, 8192, 32, 100);
	good_parameters("channels=1024", 1024, 64, 32, 100);
	good_parameters("spin=10000", 8, 64, 32, 10000);
	good_parameters("spin=4294967295", 8, 64, 32, 0);
	if (loaded_with("name=kup/other", "kup/other", &info))
		check(strcmp(info.name, "kup/other") == 0, "INFO contains the name kup/other", "%s",
		      info.name);
	if (loaded_with("name=x", "x", &info))
		check(strcmp(info.name, "x") == 0, "INFO contains the name x", "%s", info.name);
	good_parameters("", 8, 64, 32, 100);
}

static void test_bad_values(void)
{
	bad_parameters("to_user_pages=3", EINVAL);
	bad_parameters("to_kernel_pages=3", EINVAL);
	bad_parameters("to_user_pages=131072", EINVAL);
	bad_parameters("to_kernel_pages=1048576", EINVAL);
	bad_parameters("to_kernel_pages=2147483648", EINVAL);
	bad_parameters("channels=1025", EINVAL);
	bad_parameters("channels=4294967295", EINVAL);
	bad_parameters("spin=10001", EINVAL);
	bad_parameters("permissions=01000", EINVAL);
	bad_parameters("refuse=4096", EINVAL);
	bad_parameters("name=..", EINVAL);
	bad_parameters("name=.hidden", EINVAL);
	bad_parameters("name=../echo", EINVAL);
	bad_parameters("name=/echo", EINVAL);
	bad_parameters("name=kup//echo", EINVAL);
	bad_parameters("name=kup/", EINVAL);
	bad_parameters("name=kup/..", EINVAL);
	bad_parameters("name=kup!echo", EINVAL);
	bad_parameters("name=\"kup/e cho\"", EINVAL);
	bad_parameters("name=kup/"
		       "012345678901234567890123456789012345678901234567890123456789",
		       EINVAL);
}

static void test_bad_spelling(void)
{
	if (differs("parameters-are-variables"))
		return;
	bad_parameters("channels=", EINVAL);
	bad_parameters("channels", EINVAL);
	bad_parameters("channels=two", EINVAL);
	bad_parameters("channels=2x", EINVAL);
	bad_parameters("channels=-1", EINVAL);
	bad_parameters("channels=0x", EINVAL);
	bad_parameters("channels=08", EINVAL);
	bad_parameters("channels=1.5", EINVAL);
	bad_parameters("channels=4294967296", ERANGE);
	bad_parameters("channels=99999999999999999999", ERANGE);
	bad_parameters("channels=2 name", EINVAL);
}

static void test_unknown_parameter(void)
{
	int result = module_load("there_is_none=1");

	if (differs("unknown-parameters-are-refused")) {
		refused(result, EINVAL, "loading refuses an unknown parameter with EINVAL");
	} else {
		worked(result, "loading ignores an unknown parameter");
		module_unload();
	}
}

/* The longest name and its NUL have KUP_NAME_MAX bytes. */
static void test_longest_name(void)
{
	char name[KUP_NAME_MAX] = "kup/", parameters[KUP_NAME_MAX + 8];
	struct kup_info info;

	memset(name + 4, 'n', sizeof(name) - 5);
	name[sizeof(name) - 1] = '\0';
	snprintf(parameters, sizeof(parameters), "name=%s", name);
	if (loaded_with(parameters, name, &info))
		check(strncmp(info.name, name, KUP_NAME_MAX) == 0, "INFO contains the longest name",
		      "%.64s", info.name);
}

static void test_twice(void)
{
	int fd;

	refused(module_load(""), EEXIST, "loading a second time is refused with EEXIST");
	refused(module_load("name=kup/other"), EEXIST,
		"loading a second time with another name is refused with EEXIST");
	refused(kup_user_open(path_of("kup/other")), ENOENT,
		"loading that was refused makes no device");
	fd = echo_open();
	check(fd >= 0, "loading that was refused leaves the device alone", "%s", error_name(fd));
	kup_user_close(fd);
	worked(module_unload(), "unloading works");
	refused(module_unload(), ENOENT, "unloading a second time returns ENOENT");
	refused(echo_open(), ENOENT, "kup_user_open() after unloading returns ENOENT");
	bad_parameters("channels=1025", EINVAL);
	refused(module_unload(), ENOENT, "kup_user_open() after unloading loads nothing");
}

/* The counters belong to the device. A new device counts from the start. */
static void test_fresh(void)
{
	struct kup_stats stats;
	struct kup_info info;
	struct peer peer;

	reload();
	peer_need(&peer, 0);
	peer_echo(&peer, 1, 100);
	peer_stop_wait(&peer);
	need_unload();
	reload();
	peer_need(&peer, 0);
	kup_user_info(peer.fd, &info);
	stats_get(peer.fd, 0, &stats);
	check(peer.attach.generation == 1 && info.attaches == 1 && stats.generation == 1 &&
		      stats.to_user_records == 0 && stats.to_kernel_records == 0,
	      "STATS of a device that is created again counts from the start", "generation %u",
	      peer.attach.generation);
	peer_stop_wait(&peer);
}

static void test_opening(void)
{
	int fd;

	need_unload();
	fd = kup_user_open(echo_path());
	if (differs("opening-loads")) {
		check(fd >= 0, "kup_user_open() of the echo client's own name loads it", "%s",
		      error_name(fd));
		kup_user_close(fd);
		refused(module_load(""), EEXIST,
			"loading is refused with EEXIST after kup_user_open() has loaded it");
	} else {
		refused(fd, ENOENT, "kup_user_open() loads nothing, and returns ENOENT");
		reload();
	}
}

int main(int count, char **arguments)
{
	begin(count, arguments, 60);
	test_twice();
	test_good_parameters();
	test_longest_name();
	test_bad_values();
	test_bad_spelling();
	test_unknown_parameter();
	test_fresh();
	test_opening();
	return finish();
}
