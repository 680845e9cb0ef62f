/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The devices of this process by name, and the calls on an open file, which are system calls on the
 * other systems.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

struct os_node {
	struct os_node *next;
	struct kup_device *device;	 /* a reference */
	const struct host_module *owner; /* for comparing only */
	char name[KUP_NAME_MAX];
};

struct host_file {
	struct kup_handle *handle;
};

static pthread_mutex_t nodes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct os_node *nodes; /* under nodes_lock; in the order in which they were made */

/* A node whose creation is going to fail can be opened for this time. */
#define FAILING_MS 2

int os_node_create(struct kup_device *device, const char *name, kup_u32 permissions, kup_u32 group,
		   struct os_node **created)
{
	struct os_node *node = os_alloc(sizeof(*node)), **link;

	/* All code in this process may open every device. */
	(void)permissions;
	(void)group;
	if (!node)
		return -ENOMEM;
	strncpy(node->name, name, sizeof(node->name) - 1);
	node->owner = host_loading();
	node->device = device;
	kup_device_get(device);
	*created = node;
	pthread_mutex_lock(&nodes_lock);
	for (link = &nodes; *link;)
		link = &(*link)->next;
	*link = node;
	pthread_mutex_unlock(&nodes_lock);
	/*
	 * As in a kernel: the node can be opened already, and then there is no memory for the rest
	 * of it.
	 */
	if (!host_allocation_fails())
		return 0;
	kup_sleep_ms(FAILING_MS);
	*created = NULL;
	os_node_destroy(node);
	return -ENOMEM;
}

void os_node_destroy(struct os_node *node)
{
	struct os_node **link;

	host_may_sleep("os_node_destroy");
	pthread_mutex_lock(&nodes_lock);
	for (link = &nodes; *link != node;)
		link = &(*link)->next;
	*link = node->next;
	pthread_mutex_unlock(&nodes_lock);
	kup_device_put(node->device);
	os_free(node);
}

/* ---- Opening and closing ---- */

static struct kup_device *device_of(const struct os_node *node)
{
	if (!node)
		return NULL;
	kup_device_get(node->device);
	return node->device;
}

/* Returns a reference to the device of this name, or NULL. */
static struct kup_device *find(const char *name)
{
	struct kup_device *device;
	struct os_node *node;

	pthread_mutex_lock(&nodes_lock);
	for (node = nodes; node && strcmp(node->name, name) != 0;)
		node = node->next;
	device = device_of(node);
	pthread_mutex_unlock(&nodes_lock);
	return device;
}

/* Returns a reference to the first device of this module, or NULL. */
static struct kup_device *find_of(const struct host_module *owner)
{
	struct kup_device *device;
	struct os_node *node;

	pthread_mutex_lock(&nodes_lock);
	for (node = nodes; node && node->owner != owner;)
		node = node->next;
	device = device_of(node);
	pthread_mutex_unlock(&nodes_lock);
	return device;
}

int host_owns_device(const struct host_module *owner)
{
	struct kup_device *device = find_of(owner);

	if (device)
		kup_device_put(device);
	return device != NULL;
}

/* Takes over the reference to the device. */
static int open_device(struct kup_device *device, struct host_file **opened)
{
	struct host_file *file;
	int error = -ENOMEM;

	if (!device)
		return -ENOENT;
	file = os_alloc(sizeof(*file));
	if (file)
		error = kup_handle_open(device, &file->handle);
	kup_device_put(device);
	if (error) {
		os_free(file);
		return error;
	}
	*opened = file;
	return 0;
}

int host_open(const char *name, struct host_file **opened)
{
	return open_device(find(name), opened);
}

int host_open_of(const struct host_module *owner, struct host_file **opened)
{
	return open_device(find_of(owner), opened);
}

int host_open_again(const struct host_file *file, struct host_file **opened)
{
	struct kup_device *device = file->handle->device;
	int error;

	kup_device_get(device);
	error = open_device(device, opened);
	return error == -ENXIO ? -ENODEV : error;
}

void host_close(struct host_file *file)
{
	kup_handle_close(file->handle);
	os_free(file);
}

/* ---- Calls ---- */

int host_info(struct host_file *file, struct kup_info *info)
{
	kup_handle_count_ioctl(file->handle);
	return kup_handle_info(file->handle, info);
}

int host_attach(struct host_file *file, struct kup_attach *attach)
{
	host_forget_error();
	kup_handle_count_ioctl(file->handle);
	return kup_handle_attach(file->handle, attach, 1);
}

int host_kick(struct host_file *file)
{
	kup_handle_count_ioctl(file->handle);
	return kup_handle_kick(file->handle);
}

int host_stats(struct host_file *file, struct kup_stats *stats)
{
	kup_handle_count_ioctl(file->handle);
	return kup_handle_stats(file->handle, stats);
}

int host_map(struct host_file *file, kup_u32 page_size, kup_u32 to_user_bytes,
	     kup_u32 to_kernel_bytes, kup_u8 **address)
{
	struct os_memory *memory;
	int error = kup_handle_memory(file->handle, &memory);

	if (error)
		return error;
	/* The length of the caller's range depends on the caller's page size. */
	if (page_size != os_page_size())
		return -EINVAL;
	return host_memory_map(memory, to_user_bytes, to_kernel_bytes, address);
}

/* ---- Waiting ---- */

kup_u32 host_poll(struct host_file *file, kup_u32 events)
{
	events |= KUP_POLL_HANGUP | KUP_POLL_ERROR;
	return kup_handle_poll(file->handle, events) & events;
}

void host_poll_add(struct host_file *file, struct host_poller *poller)
{
	struct os_pollq *pollq = &file->handle->pollq;

	pthread_mutex_lock(&pollq->lock);
	poller->next = pollq->pollers;
	poller->link = &pollq->pollers;
	if (poller->next)
		poller->next->link = &poller->next;
	pollq->pollers = poller;
	pthread_mutex_unlock(&pollq->lock);
}

void host_poll_remove(struct host_file *file, struct host_poller *poller)
{
	struct os_pollq *pollq = &file->handle->pollq;

	pthread_mutex_lock(&pollq->lock);
	*poller->link = poller->next;
	if (poller->next)
		poller->next->link = poller->link;
	pthread_mutex_unlock(&pollq->lock);
}

/* A thread inside host_wait. */
struct sleeper {
	struct host_poller poller; /* first, so that a pointer to it points to the sleeper */
	struct os_waitq waitq;
	kup_u32 woken;
};

static void wake_sleeper(struct host_poller *poller)
{
	struct sleeper *sleeper = (struct sleeper *)poller;

	kup_store(&sleeper->woken, 1);
	os_wake(&sleeper->waitq);
}

static int is_woken(void *argument)
{
	struct sleeper *sleeper = argument;

	return kup_load(&sleeper->woken) != 0;
}

int host_wait(struct host_file *file, kup_u32 events, kup_u64 timeout_ns)
{
	kup_u64 start = os_now_ns(), spent;
	struct sleeper sleeper = { .poller.wake = wake_sleeper };
	kup_u32 ready;

	if (timeout_ns == 0)
		return (int)host_poll(file, events);
	os_waitq_init(&sleeper.waitq);
	host_poll_add(file, &sleeper.poller);
	for (;;) {
		/*
		 * Forget old wake-ups first, then look. Otherwise a wake-up in between would be
		 * lost. Pairs with the fence of the waker, which has published before it wakes.
		 */
		kup_exchange(&sleeper.woken, 0);
		ready = host_poll(file, events);
		spent = os_now_ns() - start;
		if (ready || spent >= timeout_ns)
			break;
		os_wait(&sleeper.waitq, is_woken, &sleeper,
			timeout_ns == OS_FOREVER ? OS_FOREVER : timeout_ns - spent);
	}
	host_poll_remove(file, &sleeper.poller);
	os_waitq_destroy(&sleeper.waitq);
	return (int)ready;
}
