/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Devices: checking a client's config, the registry of names, creation and destruction. */
#include "core.h"

static struct os_mutex registry_lock;
static struct kup_device *registry; /* under registry_lock */
static kup_u64 last_instance;	    /* under registry_lock; see "Instances" in kup_abi.h */

void kup_registry_init(void)
{
	os_mutex_init(&registry_lock);
	last_instance = os_now_ns();
}

void kup_registry_destroy(void)
{
	os_mutex_destroy(&registry_lock);
}

/*
 * ---- Configuration ----
 *
 * The author of a client gets one errno for a dozen mistakes. So each check logs the field that it
 * is about, and the value that it has found.
 */

#define NAME_LENGTH 63 /* without the NUL */
_Static_assert(NAME_LENGTH == KUP_NAME_MAX - 1, "a sentence below has the number in it");

#define NO_GROUP 0xffffffffu /* chown(2)'s "leave it" */

static int name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

/*
 * Checks that each component has allowed characters only, is not empty and does not begin with a
 * dot. Returns what is wrong, or NULL.
 */
static const char *name_fault(const char *name)
{
	kup_u32 i, start = 0;

	for (i = 0; i < KUP_NAME_MAX; i++) {
		if (name[i] == '/' || name[i] == '\0') {
			if (i == start)
				return "a part of it is empty";
			if (name[start] == '.')
				return "a part of it begins with \".\"";
			if (name[i] == '\0')
				return NULL;
			start = i + 1;
		} else if (!name_char(name[i])) {
			return "it may hold letters, digits, \".\", \"_\", \"-\" and \"/\"";
		}
	}
	return "it is longer than 63 characters";
}

/* Returns how much of the name can be put into a line of a log. */
static int shown_length(const char *name)
{
	int i = 0;

	while (i < NAME_LENGTH && name[i] >= ' ' && name[i] <= '~')
		i++;
	return i;
}

int kup_name_check(const char *name)
{
	const char *fault;
	int shown;

	if (!name) {
		kup_log("a device's name is NULL");
		return -EINVAL;
	}
	fault = name_fault(name);
	if (!fault)
		return 0;
	shown = shown_length(name);
	kup_log("\"%.*s%s\" is not a valid device name: %s", shown, name, name[shown] ? "..." : "",
		fault);
	return -EINVAL;
}

static int pages_check(const char *name, const char *field, kup_u32 pages)
{
	kup_u32 most = KUP_MAX_RING / os_page_size();

	if (pages > most)
		kup_log("%s: %s is %u, more than %u", name, field, pages, most);
	else if ((pages & (pages - 1)) != 0)
		kup_log("%s: %s is %u, which is not a power of two", name, field, pages);
	else
		return 0;
	return -EINVAL;
}

/* A maximum has to be a ring's size, and may not be less than the size without a request. */
static int most_check(const char *name, const char *field, kup_u32 most, kup_u32 standard)
{
	if (pages_check(name, field, most))
		return -EINVAL;
	if (most >= standard)
		return 0;
	kup_log("%s: %s is %u, less than the default, %u", name, field, most, standard);
	return -EINVAL;
}

static int config_check(const struct kup_config *config)
{
	const char *name = config->name;

	if (kup_name_check(name) || pages_check(name, "to_user_pages", config->to_user_pages) ||
	    pages_check(name, "to_kernel_pages", config->to_kernel_pages) ||
	    most_check(name, "max_to_user_pages", config->max_to_user_pages,
		       config->to_user_pages) ||
	    most_check(name, "max_to_kernel_pages", config->max_to_kernel_pages,
		       config->to_kernel_pages))
		return -EINVAL;
	if (config->channels > KUP_MAX_CHANNELS)
		kup_log("%s: channels is %u, more than %u", name, config->channels,
			KUP_MAX_CHANNELS);
	else if (config->mode > KUP_MODE_CALL)
		kup_log("%s: mode is %u, not KUP_MODE_STREAM (%u), KUP_MODE_TURN (%u) or "
			"KUP_MODE_CALL (%u)",
			name, config->mode, KUP_MODE_STREAM, KUP_MODE_TURN, KUP_MODE_CALL);
	else if (config->permissions & ~0777u)
		kup_log("%s: permissions is 0%o, more than 0777 (which is octal)", name,
			config->permissions);
	else if (config->group == NO_GROUP)
		kup_log("%s: group is %u, which is not a group's number", name, config->group);
	else if (config->spin_us > KUP_SPIN_MAX)
		kup_log("%s: spin_us is %u, more than %u and not KUP_NO_SPIN", name,
			config->spin_us, KUP_SPIN_MAX);
	else if (config->stamps > 1)
		kup_log("%s: stamps is %u, not 0 or 1", name, config->stamps);
	else if (config->stamps && config->mode > KUP_MODE_STREAM)
		kup_log("%s: stamps is 1 with mode %u, and stamps are for KUP_MODE_STREAM", name,
			config->mode);
	else
		return 0;
	return -EINVAL;
}

#define DEFAULT_PAGES 16
#define DEFAULT_PERMISSIONS 0600

static void config_complete(struct kup_config *config)
{
	if (!config->channels)
		config->channels = 1;
	if (!config->to_user_pages)
		config->to_user_pages = DEFAULT_PAGES;
	if (!config->to_kernel_pages)
		config->to_kernel_pages = DEFAULT_PAGES;
	/* No process gets a larger ring without the author's word. */
	if (!config->max_to_user_pages)
		config->max_to_user_pages = config->to_user_pages;
	if (!config->max_to_kernel_pages)
		config->max_to_kernel_pages = config->to_kernel_pages;
	if (!config->mode)
		config->mode = KUP_MODE_STREAM;
	if (!config->permissions)
		config->permissions = DEFAULT_PERMISSIONS;
	if (!config->spin_us)
		config->spin_us = KUP_SPIN_DEFAULT;
	else if (config->spin_us == KUP_NO_SPIN)
		config->spin_us = 0;
}

/* ---- The registry ---- */

/*
 * Whether both are the same file, or one of them would have to be a folder that contains the other.
 */
static int names_conflict(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b || (*a == '\0' && *b == '/') || (*a == '/' && *b == '\0');
}

static int registry_add(struct kup_device *device)
{
	struct kup_device *other;
	int error = 0;

	os_mutex_lock(&registry_lock);
	for (other = registry; other && !names_conflict(other->name, device->name);)
		other = other->next;
	if (other) {
		kup_log("%s: the name is taken by the device %s", device->name, other->name);
		error = -EEXIST;
	} else {
		device->instance = ++last_instance;
		device->next = registry;
		registry = device;
	}
	os_mutex_unlock(&registry_lock);
	return error;
}

static void registry_remove(struct kup_device *device)
{
	struct kup_device **link;

	os_mutex_lock(&registry_lock);
	for (link = &registry; *link; link = &(*link)->next) {
		if (*link == device) {
			*link = device->next;
			break;
		}
	}
	os_mutex_unlock(&registry_lock);
}

/* ---- Life ---- */

static struct kup_device *allocate(const struct kup_config *config)
{
	struct kup_device *device =
		os_alloc(sizeof(*device) + config->channels * sizeof(struct kup_slot));
	kup_u32 i;

	if (!device)
		return NULL;
	device->refs = 1;
	device->config = *config;
	for (i = 0; config->name[i]; i++)
		device->name[i] = config->name[i];
	device->config.name = device->name;
	os_mutex_init(&device->lock);
	os_spin_init(&device->waiting_lock);
	os_spin_init(&device->live_lock);
	os_waitq_init(&device->idle);
	return device;
}

/* Logs the errno as a number: the engine has no names for a system's errno values. */
static void node_refused(const struct kup_device *device, int error)
{
	if (error == -EEXIST)
		kup_log("%s: the name is taken by another driver's device", device->name);
	else if (error != -ENOMEM)
		kup_log("%s: the system cannot make its node: error %d", device->name, error);
}

static int no_client_code(void *argument)
{
	struct kup_device *device = argument;

	/* Pairs with the release in kup_channel_finish: the channel's detach has returned. */
	return kup_load_acquire(&device->started) == 0;
}

/* Ends one channel. If its serve thread still runs, that thread finishes the channel. */
static void close_slot(struct kup_device *device, kup_u32 number)
{
	struct kup_channel *channel;
	int finish = 0;

	os_mutex_lock(&device->lock);
	channel = device->slots[number].channel;
	/* A channel that is not live yet belongs to an ATTACH that will find the device dead. */
	if (channel && channel->live) {
		kup_channel_get(channel);
		finish = kup_channel_take_finish(channel);
	} else {
		channel = NULL;
	}
	os_mutex_unlock(&device->lock);
	if (!channel)
		return;
	kup_channel_close(channel);
	if (finish)
		kup_channel_finish(channel);
	kup_channel_put(channel);
}

/* From here on open, ATTACH and mmap fail. */
static void set_dead(struct kup_device *device)
{
	os_mutex_lock(&device->lock);
	/* Pairs with the acquire in poll_unattached, which takes no lock. */
	kup_store_release(&device->dead, 1);
	os_mutex_unlock(&device->lock);
	kup_handles_wake(device);
}

/*
 * Ends all channels of a dead device, and waits until no client code runs. It does not wait for an
 * ATTACH that has called no client code yet: that may need long to get its memory, and then finds
 * the device dead.
 */
static void end(struct kup_device *device)
{
	kup_u32 i;

	for (i = 0; i < device->config.channels; i++)
		close_slot(device, i);
	os_wait_always(&device->idle, no_client_code, device);
	/*
	 * The last thread changed the count under this lock, so after locking it that thread has
	 * left.
	 */
	os_mutex_lock(&device->lock);
	os_mutex_unlock(&device->lock);
	registry_remove(device);
}

int kup_device_create(const struct kup_config *config, const struct kup_ops *ops, void *context,
		      struct kup_device **created)
{
	struct kup_config complete;
	struct kup_device *device;
	int error;

	if (!config || !ops || !created) {
		kup_log("kup_device_create: %s is NULL", !config ? "config"
							 : !ops	 ? "ops"
								 : "device");
		return -EINVAL;
	}
	complete = *config;
	config_complete(&complete);
	error = config_check(&complete);
	if (error)
		return error;
	device = allocate(&complete);
	if (!device)
		return -ENOMEM;
	device->ops = ops;
	device->context = context;
	error = registry_add(device);
	if (error)
		goto put;
	/*
	 * This comes before the node, because a callback may need it as soon as a process can
	 * attach.
	 */
	*created = device;
	error = os_node_create(device, device->name, complete.permissions, complete.group,
			       &device->node);
	if (!error)
		return 0;
	node_refused(device, error);
	/*
	 * On some systems a node can be opened before the system finds that it can't complete the
	 * node.
	 */
	set_dead(device);
	end(device);
	*created = NULL;
put:
	kup_device_put(device);
	return error;
}

void kup_device_destroy(struct kup_device *device)
{
	if (!device)
		return;
	set_dead(device);
	os_node_destroy(device->node);
	end(device);
	kup_device_put(device);
}

/* ---- Devices of modules that were unloaded without destroying them ---- */

struct module_end {
	int (*is_within)(const void *address, void *argument);
	void *argument;
};

static int belongs_to(const struct kup_device *device, const struct module_end *module)
{
	const struct kup_ops *ops = device->ops;
	const void *const addresses[] = { ops, (const void *)ops->attach, (const void *)ops->serve,
					  (const void *)ops->detach };
	kup_u32 i;

	/* The table comes first: if it belongs to the module, it can still be read. */
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (addresses[i] && module->is_within(addresses[i], module->argument))
			return 1;
	return 0;
}

/* Returns the next such device, with a reference; or NULL. */
static struct kup_device *find_left(const struct module_end *module)
{
	struct kup_device *device;

	os_mutex_lock(&registry_lock);
	for (device = registry; device && !belongs_to(device, module);)
		device = device->next;
	if (device)
		kup_device_get(device);
	os_mutex_unlock(&registry_lock);
	return device;
}

kup_u32 kup_devices_end(int (*is_within)(const void *address, void *argument), void *argument)
{
	const struct module_end module = { is_within, argument };
	struct kup_device *device;
	kup_u32 count = 0;

	while ((device = find_left(&module)) != NULL) {
		kup_log("%s: its module is unloaded without destroying it; its unload must call "
			"kup_device_destroy",
			device->name);
		kup_device_destroy(device);
		kup_device_put(device);
		count++;
	}
	return count;
}

void *kup_device_context(const struct kup_device *device)
{
	return device->context;
}
