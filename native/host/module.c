/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Loading and unloading client modules, as insmod and rmmod do. A client is built in, or is a
 * shared object that finds the API (kup.h) in this library. So the library makes its symbols
 * global, once.
 *
 * modules_lock is held while a client loads or unloads. It guards the list, and is taken before
 * every other lock.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "host/module.h"
#include "layers/layers.h"

struct host_module {
	struct host_module *next;
	void *object; /* NULL: built in */
	const struct kup_host_client *client;
	struct host_client *record; /* of its mistakes; NULL: there was no memory */
	char *values;		    /* of the module's parameters; strings point into it */
	int spoiled;		    /* unloaded, but it has left a device behind */
	int is_stuck;		    /* its unload was called and has not returned */
	kup_u64 loaded_ns;
	char name[];
};

extern const struct kup_host_client KUP_HOST_CLIENT;

static const struct {
	const char *name;
	const struct kup_host_client *client;
} built_in[] = {
	{ "echo", &KUP_HOST_CLIENT },
};

static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;
static struct host_module *modules; /* under modules_lock */

/* Runs before the constructor that makes allocations fail (awkward.c). */
__attribute__((constructor(101))) static void start(void)
{
	kup_registry_init();
	/* This takes some bytes, before main. A process without them could not run anyway. */
	if (kup_layers_init())
		abort();
}

/* Explains the errno of a system call. */
static const char *words(int error)
{
	switch (error) {
	case -EMFILE:
		return "this process has reached its limit of open files; close some, or raise the "
		       "limit (ulimit -n)";
	case -ENFILE:
		return "the system has reached its limit of open files; close some, or raise the "
		       "limit";
	default:
		return strerror(-error);
	}
}

/* ---- Names ---- */

static int is_file(const char *name)
{
	size_t length = strlen(name);

	return length > 3 && strcmp(name + length - 3, ".so") == 0;
}

static const struct kup_host_client *find_built_in(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++)
		if (strcmp(built_in[i].name, name) == 0)
			return built_in[i].client;
	return NULL;
}

/* The one spelling of a module's name. */
static int canonical(const char *name, char path[PATH_MAX])
{
	struct stat file;

	if (!is_file(name)) {
		if (!find_built_in(name))
			return host_fail(
				-ENOENT,
				"This library has no client of that name; a module of your own "
				"is named by its path, with .so at the end.");
		strcpy(path, name);
		return 0;
	}
	if (!realpath(name, path) || stat(path, &file)) {
		int error = -errno;

		return host_fail(error, "Cannot find the module: %s.", words(error));
	}
	/* Opening a pipe would wait for its other end. */
	if (!S_ISREG(file.st_mode))
		return host_fail(-ENOEXEC, "This is not a regular file, so it is not a module.");
	return 0;
}

/*
 * The same for a module that is loaded, whose file may be gone. Then its folder gives the spelling.
 */
static int canonical_loaded(const char *name, char path[PATH_MAX])
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	size_t length = (size_t)(base - name), used;
	char folder[PATH_MAX] = ".";
	int error = canonical(name, path);

	if (error != -ENOENT || !is_file(name) || length >= sizeof(folder))
		return error;
	if (slash) {
		memcpy(folder, name, length);
		folder[length] = '\0';
	}
	if (!realpath(folder, path))
		return error;
	used = strlen(path);
	if (snprintf(path + used, PATH_MAX - used, "%s%s", used > 1 ? "/" : "", base) >=
	    (int)(PATH_MAX - used))
		return error;
	return 0;
}

/* Under the lock. */
static struct host_module *find(const char *name)
{
	struct host_module *module;

	for (module = modules; module && strcmp(module->name, name) != 0;)
		module = module->next;
	return module;
}

/* ---- Parameters ---- */

static void reset_parameters(const struct kup_host_client *client)
{
	struct kup_host_parameter *parameter;

	for (parameter = client->first; parameter < client->end; parameter++) {
		if (parameter->number)
			*parameter->number = parameter->initial_number;
		else
			*parameter->string = parameter->initial_string;
	}
}

/* Accepts what Linux accepts as a number, and fails with the same errno. */
static int set_number(const char *name, const char *value, unsigned int *number)
{
	const char *digits = value + (*value == '+');
	unsigned long long parsed;
	char *end;
	int error = 0;

	errno = 0;
	parsed = strtoull(digits, &end, 0);
	if (*digits < '0' || *digits > '9' || *end)
		error = -EINVAL;
	else if (errno || parsed > UINT_MAX)
		error = -ERANGE;
	if (error)
		return host_fail(error, "The parameter %s must be a number below 2^32, not \"%s\".",
				 name, value);
	*number = (unsigned int)parsed;
	return 0;
}

/* A parameter of the host driver itself: whether the module's mistakes are looked for. */
#define CHECKS "kup.checks"

static int set_checks(const char *module, const char *value)
{
	unsigned int wanted = 0;
	int error = set_number(CHECKS, value, &wanted);

	if (!error && wanted > 1)
		error = host_fail(-EINVAL, "The parameter " CHECKS " must be 0 or 1.");
	if (!error)
		host_client_begin(module, wanted != 0);
	return error;
}

/* Sets one "name=value", and splits the word for it. */
static int set_parameter(const struct host_module *module, char *word)
{
	const struct kup_host_client *client = module->client;
	struct kup_host_parameter *parameter;
	char *value = strchr(word, '=');

	if (!value)
		return host_fail(-EINVAL, "\"%s\" is not a parameter: write name=value.", word);
	*value++ = '\0';
	if (strcmp(word, CHECKS) == 0)
		return set_checks(module->name, value);
	for (parameter = client->first; parameter < client->end; parameter++) {
		if (strcmp(parameter->name, word) != 0)
			continue;
		if (parameter->number)
			return set_number(word, value, parameter->number);
		*parameter->string = value;
		return 0;
	}
	return host_fail(-EINVAL, "The module has no parameter \"%s\".", word);
}

static int set_parameters(struct host_module *module, const char *parameters)
{
	char *word, *rest = NULL;
	int error = 0;

	reset_parameters(module->client);
	if (!parameters)
		return 0;
	module->values = strdup(parameters);
	if (!module->values)
		return host_fail(-ENOMEM, "There is no memory for the parameters.");
	for (word = strtok_r(module->values, " \t\n", &rest); word && !error;
	     word = strtok_r(NULL, " \t\n", &rest))
		error = set_parameter(module, word);
	return error;
}

/* ---- Loading; all of this under the lock ---- */

/*
 * Nonzero if client modules find the library's symbols. A program that contains this code has to
 * export them itself.
 */
static int make_names_global(void)
{
	static int done;
	Dl_info self;

	if (!done && dladdr((void *)(size_t)&host_load, &self))
		dlopen(self.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
	done = 1;
	return dlsym(RTLD_DEFAULT, "kup_device_create") != NULL;
}

/* The loader binds a client's calls to the copy whose symbols became global first. */
static int calls_another_copy(void)
{
	void *found = dlsym(RTLD_DEFAULT, "kup_device_create");

	return found && found != (void *)(size_t)&kup_device_create;
}

/* Opens the file itself, because dlopen explains a failure in words only. */
static int check_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = -errno;

	if (fd < 0)
		return host_fail(error, "Cannot open the module: %s.", words(error));
	close(fd);
	return 0;
}

/* Removes the file's name from the reason: the caller puts the name before the sentence. */
static int not_loaded(const char *path, const char *reason, int names_are_global)
{
	const char *at = strstr(reason, path);
	size_t before = at ? (size_t)(at - reason) : 0, length = at ? strlen(path) : 0;
	const char *after = reason + before + length;

	if (at && strncmp(after, ": ", 2) == 0)
		after += 2;
	return host_fail(
		-ENOEXEC, "Cannot load the module: %.*s%s.%s", (int)before, reason, after,
		names_are_global
			? ""
			: " Client modules find nothing of KUP's library in this program: link it "
			  "with what `pkg-config --static --libs kup` prints "
			  "(-Wl,--export-dynamic), "
			  "and without -static.");
}

static int open_object(struct host_module *module)
{
	/* This comes first, because it resets what dlerror returns. */
	int names_are_global = make_names_global();

	module->object = dlopen(module->name, RTLD_NOW | RTLD_LOCAL);
	if (module->object)
		return 0;
	return not_loaded(module->name, dlerror(), names_are_global);
}

static int find_client(struct host_module *module)
{
	int error;

	if (!is_file(module->name)) {
		module->client = find_built_in(module->name);
		return 0;
	}
	error = check_file(module->name);
	if (error)
		return error;
	error = open_object(module);
	if (error)
		return error;
	module->client = dlsym(module->object, "kup_host_client");
	if (!module->client)
		return host_fail(-ENOEXEC, "This is not a client module: it has no KUP_MODULE.");
	if (module->client->version != KUP_HOST_VERSION)
		return host_fail(-ENOEXEC,
				 "The module was built for version %u of the host driver, and this "
				 "is version %u; build it again.",
				 module->client->version, KUP_HOST_VERSION);
	if (calls_another_copy())
		return host_fail(-EBUSY,
				 "Another copy of KUP's library came first in this process, and "
				 "client modules call that one: load them all by the copy that has "
				 "loaded one already.");
	return 0;
}

/* The error contains "-EINVAL", and then in parentheses the engine's sentence, or the number. */
static int load_failed(const struct host_module *module, int error)
{
	const char *name = host_errno_name(-error);
	char sentence[HOST_SENTENCE];

	host_take_sentence(module, sentence);
	if (!sentence[0])
		snprintf(sentence, sizeof(sentence), "%d", -error);
	return host_fail(error, "Cannot load the module: its load returned %s%s (%s).",
			 name ? "-" : "an unknown errno", name ? name : "", sentence);
}

static int run_load(const struct host_module *module)
{
	struct host_client *before;
	int error;

	host_set_loading(module);
	before = host_client_set(module->record);
	error = module->client->load();
	host_client_set(before);
	host_set_loading(NULL);
	/* A positive number must not look like a success. */
	if (error > 0)
		return host_fail(-EINVAL,
				 "Cannot load the module: its load returned %d, which is neither 0 "
				 "nor a negative errno.",
				 error);
	return error ? load_failed(module, error) : 0;
}

/* Keeps a module that has left a device behind: its callbacks would be code that is gone. */
static int leave_memory(struct host_module *module)
{
	if (host_owns_device(module)) {
		module->spoiled = 1;
		return host_fail(-EBUSY,
				 "The module has left a device behind and stays in memory; its "
				 "unload, and its load before it fails, must destroy all devices.");
	}
	host_begin_sentences(NULL);
	/* Threads that were left run in the module's code. */
	if (module->record && check_left(module->record))
		return 0;
	if (module->object)
		dlclose(module->object);
	free(module->values);
	free(module);
	return 0;
}

static int load(const char *name, const char *parameters, struct host_module **loaded)
{
	struct host_module *module = calloc(1, sizeof(*module) + strlen(name) + 1);
	int error;

	if (!module)
		return host_fail(-ENOMEM, "There is no memory for the module.");
	strcpy(module->name, name);
	module->record = host_client_begin(name, host_checks_wanted());
	host_begin_sentences(module);
	host_set_listening(1);
	error = find_client(module);
	if (!error)
		error = set_parameters(module, parameters);
	if (!error)
		error = run_load(module);
	if (error && leave_memory(module) == 0)
		return error;
	module->loaded_ns = os_now_ns();
	module->next = modules;
	modules = module;
	*loaded = module;
	return error;
}

int host_load(const char *name, const char *parameters)
{
	struct host_module *module;
	char path[PATH_MAX];
	int error = canonical(name, path);

	if (error)
		return error;
	pthread_mutex_lock(&modules_lock);
	error = find(path) ? host_fail(-EEXIST, "The module is loaded already; unload it first.")
			   : load(path, parameters, &module);
	host_set_listening(0);
	pthread_mutex_unlock(&modules_lock);
	return error;
}

/* Returns the number of the module's mistakes, or a negative errno. */
static int unload(struct host_module *module)
{
	struct host_client *record = module->record;
	struct host_module **link;

	if (!module->is_stuck && !module->spoiled && module->client->unload)
		module->is_stuck = host_call_unload(module->client->unload, record);
	if (module->is_stuck)
		return host_fail(-EBUSY,
				 "The module's unload has not returned, because a serve has not, "
				 "and the module stays in memory; serve must return when its "
				 "channel has ended.");
	for (link = &modules; *link != module;)
		link = &(*link)->next;
	*link = module->next;
	if (leave_memory(module) == 0)
		return record ? (int)host_client_count(record) : 0;
	module->next = modules;
	modules = module;
	return -EBUSY;
}

int host_unload(const char *name)
{
	struct host_module *module;
	char path[PATH_MAX];
	int error = canonical_loaded(name, path);

	if (error)
		return error;
	pthread_mutex_lock(&modules_lock);
	module = find(path);
	error = module ? unload(module) : host_fail(-ENOENT, "The module is not loaded.");
	pthread_mutex_unlock(&modules_lock);
	return error;
}

int host_module_mistakes(const char *name, char *text, unsigned int bytes)
{
	char path[PATH_MAX];
	int error = canonical_loaded(name, path);

	/* Otherwise it may be a device's name. */
	return (int)host_mistakes(error ? "" : path, name, text, bytes);
}

/* ---- Opening, which loads a missing module ---- */

/* A thread of the module may make the device; it has this much time. */
#define DEVICE_NS 1000000000ull

/* A thread of the module may have failed to make the device. */
static void no_device(const struct host_module *module)
{
	char sentence[HOST_SENTENCE];

	host_take_sentence(module, sentence);
	host_fail(-ENOENT, "The module has made no device%s%s%s.", sentence[0] ? " (" : "",
		  sentence, sentence[0] ? ")" : "");
}

static int open_first_device(const char *path, struct host_file **file)
{
	struct host_module *module;
	int error = 0;

	pthread_mutex_lock(&modules_lock);
	module = find(path);
	if (!module)
		error = load(path, NULL, &module);
	if (!error) {
		host_set_listening(1);
		while ((error = host_open_of(module, file)) == -ENOENT &&
		       os_now_ns() < module->loaded_ns + DEVICE_NS)
			kup_sleep_ms(1);
		if (error == -ENOENT)
			no_device(module);
	}
	host_set_listening(0);
	pthread_mutex_unlock(&modules_lock);
	return error;
}

int host_open_client(const char *name, struct host_file **file)
{
	char path[PATH_MAX];
	int error = is_file(name) ? -ENOENT : host_open(name, file);

	host_forget_error();
	if (error != -ENOENT)
		return error;
	if (!is_file(name) && !find_built_in(name))
		return host_fail(-ENOENT,
				 "No device of this process has that name, and no client that is "
				 "built in; a module of your own is named by its path, with .so at "
				 "the end.");
	error = canonical(name, path);
	return error ? error : open_first_device(path, file);
}
