/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The devices of this process by name, and an open file's calls: elsewhere system calls. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

struct os_node {
	struct os_node *next;
	struct kup_device *device; /* a reference */
	char name[KUP_NAME_MAX];
};

struct host_file {
	struct kup_handle *handle;
};

static pthread_mutex_t nodes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct os_node *nodes; /* under nodes_lock */

int os_node_create(struct kup_device *device, const char *name, kup_u32 permissions, kup_u32 group,
		   struct os_node **created)
{
	struct os_node *node = os_alloc(sizeof(*node));

	/* Whoever is in this process may open everything. */
	(void)permissions;
	(void)group;
	if (!node)
		return -ENOMEM;
	strncpy(node->name, name, sizeof(node->name) - 1);
	node->device = device;
	kup_device_get(device);
	*created = node;
	pthread_mutex_lock(&nodes_lock);
	node->next = nodes;
	nodes = node;
	pthread_mutex_unlock(&nodes_lock);
	return 0;
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

/* A reference to the device of this name, or NULL. */
static struct kup_device *find(const char *name)
{
	struct kup_device *device = NULL;
	struct os_node *node;

	pthread_mutex_lock(&nodes_lock);
	for (node = nodes; node; node = node->next)
		if (strcmp(node->name, name) == 0)
			device = node->device;
	if (device)
		kup_device_get(device);
	pthread_mutex_unlock(&nodes_lock);
	return device;
}

int host_open(const char *name, struct host_file **opened)
{
	struct kup_device *device = find(name);
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

void host_close(struct host_file *file)
{
	kup_handle_close(file->handle);
	os_free(file);
}

int host_info(struct host_file *file, struct kup_info *info)
{
	return kup_handle_info(file->handle, info);
}

int host_attach(struct host_file *file, struct kup_attach *attach)
{
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

int host_map(struct host_file *file, kup_u8 **address)
{
	struct os_memory *memory;
	int error = kup_handle_memory(file->handle, &memory);

	return error ? error : host_memory_map(memory, address);
}

int host_wait(struct host_file *file, kup_u32 events, int timeout_ms)
{
	struct pollfd wait = { .fd = file->handle->pollq.fd, .events = POLLIN };
	kup_u64 end = os_now_ns() + (kup_u64)timeout_ms * 1000000u;

	events |= KUP_POLL_HANGUP | KUP_POLL_ERROR;
	for (;;) {
		kup_u64 drained, now = os_now_ns();
		kup_u32 so;

		/* First forget old wake-ups, then look: one that comes in between is seen by poll. */
		if (read(wait.fd, &drained, sizeof(drained)) < 0)
			drained = 0;
		so = kup_handle_poll(file->handle);
		if (so & events)
			return (int)so;
		if (now >= end)
			return 0;
		poll(&wait, 1, (int)((end - now) / 1000000u) + 1);
	}
}
