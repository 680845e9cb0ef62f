/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * /dev/NAME: a character device for each KUP device, and its file operations. The engine does the
 * checking; this file does the copying, the permissions and the system's own conventions.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "linux.h"

#define MAX_NODES 256

struct os_node {
	struct device
		/* its reference count is this struct's; the open files' cdev holds one reference */
		dev;
	struct cdev cdev;
	struct kup_device *device; /* a reference */
	u32 permissions;
	u32 group;
};

static struct class *class;
static dev_t first;
static DEFINE_IDA(minors);

/* ---- One open file ---- */

static int node_open(struct inode *inode, struct file *file)
{
	struct os_node *node = container_of(inode->i_cdev, struct os_node, cdev);
	struct kup_handle *handle;
	int error = kup_handle_open(node->device, &handle);

	if (error)
		return error;
	file->private_data = handle;
	return nonseekable_open(inode, file);
}

static int node_release(struct inode *inode, struct file *file)
{
	kup_handle_close(file->private_data);
	return 0;
}

static bool may_read_and_write(const struct file *file)
{
	return (file->f_mode & (FMODE_READ | FMODE_WRITE)) == (FMODE_READ | FMODE_WRITE);
}

static long ioctl_info(struct kup_handle *handle, void __user *argument)
{
	struct kup_info info;
	int error = kup_handle_info(handle, &info);

	if (error)
		return error;
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
}

static long ioctl_stats(struct kup_handle *handle, void __user *argument)
{
	struct kup_stats stats;
	int error;

	if (copy_from_user(&stats, argument, sizeof(stats)))
		return -EFAULT;
	error = kup_handle_stats(handle, &stats);
	if (error)
		return error;
	return copy_to_user(argument, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long ioctl_attach(struct kup_handle *handle, struct file *file, void __user *argument)
{
	struct kup_attach attach;
	int error;

	if (!may_read_and_write(file))
		return -EBADF;
	if (copy_from_user(&attach, argument, sizeof(attach)))
		return -EFAULT;
	/*
	 * This comes before the attach, because a channel is of no use to a caller that does not
	 * get its number.
	 */
	if (copy_to_user(argument, &attach, sizeof(attach)))
		return -EFAULT;
	error = kup_handle_attach(handle, &attach, !(file->f_flags & O_NONBLOCK));
	if (error)
		return error;
	return copy_to_user(argument, &attach, sizeof(attach)) ? -EFAULT : 0;
}

static long node_ioctl(struct file *file, unsigned int command, unsigned long number)
{
	struct kup_handle *handle = file->private_data;
	void __user *argument = (void __user *)number;

	kup_handle_count_ioctl(handle);
	switch (command) {
	case KUP_IOC_INFO:
		return ioctl_info(handle, argument);
	case KUP_IOC_ATTACH:
		return ioctl_attach(handle, file, argument);
	case KUP_IOC_KICK:
		return may_read_and_write(file) ? kup_handle_kick(handle) : -EBADF;
	case KUP_IOC_STATS:
		return ioctl_stats(handle, argument);
	default:
		return -ENOTTY;
	}
}

static int node_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct os_memory *memory;
	int error = kup_handle_memory(file->private_data, &memory);

	return error ? error : linux_memory_map(memory, vma);
}

static __poll_t node_poll(struct file *file, poll_table *table)
{
	struct kup_handle *handle = file->private_data;
	__poll_t asked = poll_requested_events(table), result = 0;
	u32 events = 0;

	if (asked & (EPOLLIN | EPOLLRDNORM))
		events |= KUP_POLL_IN;
	if (asked & (EPOLLOUT | EPOLLWRNORM))
		events |= KUP_POLL_OUT;
	poll_wait(file, &handle->pollq.head, table);
	events = kup_handle_poll(handle, events);
	if (events & KUP_POLL_IN)
		result |= EPOLLIN | EPOLLRDNORM;
	if (events & KUP_POLL_OUT)
		result |= EPOLLOUT | EPOLLWRNORM;
	if (events & KUP_POLL_HANGUP)
		result |= EPOLLHUP;
	if (events & KUP_POLL_ERROR)
		result |= EPOLLERR;
	return result;
}

static const struct file_operations file_operations = {
	.owner = THIS_MODULE,
	.open = node_open,
	.release = node_release,
	.unlocked_ioctl = node_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = node_mmap,
	.poll = node_poll,
};

/* ---- The node itself ---- */

static char *node_devnode(LINUX_DEVNODE_CONST struct device *dev, umode_t *mode, kuid_t *uid,
			  kgid_t *gid)
{
	const struct os_node *node = container_of(dev, struct os_node, dev);

	/* When the node is removed, the system asks only for its name, and these are NULL. */
	if (mode)
		*mode = node->permissions;
	if (gid)
		*gid = make_kgid(&init_user_ns, node->group);
	return NULL;
}

static const struct device_type node_type = {
	.name = "kup",
	.devnode = node_devnode,
};

static void node_free(struct device *dev)
{
	struct os_node *node = container_of(dev, struct os_node, dev);

	ida_free(&minors, MINOR(dev->devt));
	kup_device_put(node->device);
	kfree(node);
	/*
	 * The caller that puts the last reference, a client or an open file's cdev, itself keeps
	 * this code loaded.
	 */
	module_put(THIS_MODULE);
}

int os_node_create(struct kup_device *device, const char *name, kup_u32 permissions, kup_u32 group,
		   struct os_node **created)
{
	struct os_node *node;
	int minor, error;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	minor = ida_alloc_max(&minors, MAX_NODES - 1, GFP_KERNEL);
	if (minor < 0) {
		kfree(node);
		return minor;
	}
	/*
	 * A client may leave its device behind, so the node holds this module. (The caller links to
	 * this module, so it is not being unloaded.)
	 */
	__module_get(THIS_MODULE);
	/* From here on put_device undoes everything, through node_free. */
	device_initialize(&node->dev);
	node->dev.devt = MKDEV(MAJOR(first), minor);
	node->dev.class = class;
	node->dev.type = &node_type;
	node->dev.release = node_free;
	node->device = device;
	kup_device_get(device);
	node->permissions = permissions;
	node->group = group;
	cdev_init(&node->cdev, &file_operations);
	node->cdev.owner = THIS_MODULE;
	/*
	 * The caller's *created must be set before the first open, because destroying the device
	 * needs it.
	 */
	*created = node;
	error = dev_set_name(&node->dev, "%s", name);
	if (!error)
		error = cdev_device_add(&node->cdev, &node->dev);
	if (error) {
		*created = NULL;
		put_device(&node->dev);
	}
	return error;
}

void os_node_destroy(struct os_node *node)
{
	cdev_device_del(&node->cdev, &node->dev);
	put_device(&node->dev);
}

int linux_nodes_init(void)
{
	int error = alloc_chrdev_region(&first, 0, MAX_NODES, "kup");

	if (error)
		return error;
	class = linux_class_create("kup");
	if (IS_ERR(class)) {
		unregister_chrdev_region(first, MAX_NODES);
		return PTR_ERR(class);
	}
	return 0;
}

void linux_nodes_exit(void)
{
	class_destroy(class);
	unregister_chrdev_region(first, MAX_NODES);
	ida_destroy(&minors);
}
