/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The peer in a real kernel: two character devices with a kernel thread behind them, as a module
 * without KUP would have them. Each message is a system call on the user's side.
 *
 *   /dev/bench_proxy   write(2) hands a message to the thread, which copies it; read(2) waits for
 *                      the copy
 *   /dev/bench_source  read(2) of 64 bytes returns one message of the thread's stream, whose first
 *                      words count from 0 in each open file
 *
 * Each open file has a thread of its own, and one process at a time uses it.
 */
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define LONGEST 4096
#define SLOT 64
#define SLOTS 1024

struct proxy {
	struct task_struct *thread;
	wait_queue_head_t changed;
	size_t asked, answered; /* the lengths of the messages that wait; 0: none */
	char question[LONGEST];
	char answer[LONGEST];
};

struct source {
	struct task_struct *thread;
	wait_queue_head_t changed;
	u32 written, read; /* positions in the stream, each with one writer */
	char slots[SLOTS][SLOT];
};

/* ---- The echo ---- */

static int proxy_main(void *argument)
{
	struct proxy *proxy = argument;
	size_t length;

	while (!kthread_should_stop()) {
		wait_event_interruptible(proxy->changed,
					 smp_load_acquire(&proxy->asked) || kthread_should_stop());
		length = smp_load_acquire(&proxy->asked);
		if (!length)
			continue;
		memcpy(proxy->answer, proxy->question, length);
		smp_store_release(&proxy->asked, 0);
		smp_store_release(&proxy->answered, length);
		wake_up_interruptible(&proxy->changed);
	}
	return 0;
}

static int proxy_open(struct inode *inode, struct file *file)
{
	struct proxy *proxy = kvzalloc(sizeof(*proxy), GFP_KERNEL);

	if (!proxy)
		return -ENOMEM;
	init_waitqueue_head(&proxy->changed);
	proxy->thread = kthread_run(proxy_main, proxy, "bench_proxy");
	if (IS_ERR(proxy->thread)) {
		long error = PTR_ERR(proxy->thread);

		kvfree(proxy);
		return error;
	}
	file->private_data = proxy;
	return 0;
}

static int proxy_release(struct inode *inode, struct file *file)
{
	struct proxy *proxy = file->private_data;

	kthread_stop(proxy->thread);
	kvfree(proxy);
	return 0;
}

static ssize_t proxy_write(struct file *file, const char __user *data, size_t length, loff_t *at)
{
	struct proxy *proxy = file->private_data;

	if (!length || length > LONGEST)
		return -EMSGSIZE;
	if (smp_load_acquire(&proxy->asked))
		return -EBUSY;
	if (copy_from_user(proxy->question, data, length))
		return -EFAULT;
	smp_store_release(&proxy->asked, length);
	wake_up_interruptible(&proxy->changed);
	return length;
}

static ssize_t proxy_read(struct file *file, char __user *data, size_t capacity, loff_t *at)
{
	struct proxy *proxy = file->private_data;
	size_t length;

	if (wait_event_interruptible(proxy->changed, smp_load_acquire(&proxy->answered)))
		return -EINTR;
	length = smp_load_acquire(&proxy->answered);
	if (length > capacity)
		return -EMSGSIZE;
	if (copy_to_user(data, proxy->answer, length))
		return -EFAULT;
	smp_store_release(&proxy->answered, 0);
	return length;
}

static const struct file_operations proxy_operations = {
	.owner = THIS_MODULE,
	.open = proxy_open,
	.release = proxy_release,
	.read = proxy_read,
	.write = proxy_write,
};

/* ---- The stream ---- */

static bool has_room(struct source *source)
{
	return source->written - smp_load_acquire(&source->read) < SLOTS;
}

static int source_main(void *argument)
{
	struct source *source = argument;
	u64 word = 0;

	while (!kthread_should_stop()) {
		wait_event_interruptible(source->changed,
					 has_room(source) || kthread_should_stop());
		if (!has_room(source))
			continue;
		memcpy(source->slots[source->written % SLOTS], &word, sizeof(word));
		word++;
		smp_store_release(&source->written, source->written + 1);
		/* Includes the barrier between this store and the look for a sleeper. */
		if (wq_has_sleeper(&source->changed))
			wake_up_interruptible(&source->changed);
	}
	return 0;
}

static int source_open(struct inode *inode, struct file *file)
{
	struct source *source = kvzalloc(sizeof(*source), GFP_KERNEL);

	if (!source)
		return -ENOMEM;
	init_waitqueue_head(&source->changed);
	source->thread = kthread_run(source_main, source, "bench_source");
	if (IS_ERR(source->thread)) {
		long error = PTR_ERR(source->thread);

		kvfree(source);
		return error;
	}
	file->private_data = source;
	return 0;
}

static int source_release(struct inode *inode, struct file *file)
{
	struct source *source = file->private_data;

	kthread_stop(source->thread);
	kvfree(source);
	return 0;
}

static ssize_t source_read(struct file *file, char __user *data, size_t capacity, loff_t *at)
{
	struct source *source = file->private_data;

	if (capacity < SLOT)
		return -EMSGSIZE;
	if (wait_event_interruptible(source->changed,
				     smp_load_acquire(&source->written) != source->read))
		return -EINTR;
	if (copy_to_user(data, source->slots[source->read % SLOTS], SLOT))
		return -EFAULT;
	smp_store_release(&source->read, source->read + 1);
	if (wq_has_sleeper(&source->changed))
		wake_up_interruptible(&source->changed);
	return SLOT;
}

static const struct file_operations source_operations = {
	.owner = THIS_MODULE,
	.open = source_open,
	.release = source_release,
	.read = source_read,
};

/* ---- The module ---- */

static struct miscdevice proxy_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bench_proxy",
	.fops = &proxy_operations,
};

static struct miscdevice source_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bench_source",
	.fops = &source_operations,
};

static int __init load(void)
{
	int error = misc_register(&proxy_device);

	if (error)
		return error;
	error = misc_register(&source_device);
	if (error)
		misc_deregister(&proxy_device);
	return error;
}

static void __exit unload(void)
{
	misc_deregister(&source_device);
	misc_deregister(&proxy_device);
}

module_init(load);
module_exit(unload);
MODULE_DESCRIPTION("KUP's benchmarks: what a kernel offers without KUP");
MODULE_LICENSE("Dual BSD/GPL");
