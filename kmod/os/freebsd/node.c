/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * /dev/NAME: a cdev for each KUP device, and its methods. The checking is the engine's; here are
 * permissions and the system's own conventions. The kernel copies ioctl arguments in and out.
 *
 * Closing. Each open file has its own state by devfs_set_cdevpriv, whose destructor is the one place where
 * it is released: by the last close, in any process, also by exit and kill -9.
 *
 * Destroying. destroy_dev runs those destructors at once, for files that are open (kern_conf.c:
 * destroy_devl), and with them would go the knotes of a process that hasn't looked yet: it would sleep on.
 * So the name goes first (delist_dev: it can be used again at once), the files stay, see a device that is
 * gone, and the last of them to be closed destroys the cdev. Their processes find readiness whenever they
 * look; but as soon as devfs notices that the name is gone it answers for us, ENXIO to every ioctl and mmap,
 * and POLLHUP or "ready" to poll. Knotes stay ours: each holds its file (kern_event.c), so a file that
 * is released has none.
 */
#include "freebsd.h"

#include <sys/proc.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/fcntl.h>
#include <sys/filio.h>
#include <sys/poll.h>
#include <vm/vm.h>

struct os_node {
	struct cdev *cdev;
	struct kup_device *device; /* a reference */
	kup_u32 files;		   /* under nodes_lock: that are open */
	kup_u32 gone;		   /* under nodes_lock: the device was destroyed */
};

/* An open file. */
struct opened {
	struct kup_handle *handle;
	struct os_node *node;
};

static struct sx nodes_lock;
static kup_u32 nodes; /* under nodes_lock */

/* The device is destroyed, and no file of it is open: devfs waits for threads that are in our methods. */
static void node_free(struct os_node *node)
{
	destroy_dev(node->cdev);
	kup_device_put(node->device);
	os_free(node);
	sx_xlock(&nodes_lock);
	nodes--;
	sx_xunlock(&nodes_lock);
}

/* ---- One open file ---- */

static void release(void *data)
{
	struct opened *opened = data;
	struct os_node *node = opened->node;
	int last;

	kup_handle_close(opened->handle);
	os_free(opened);
	sx_xlock(&nodes_lock);
	last = --node->files == 0 && node->gone;
	sx_xunlock(&nodes_lock);
	if (last)
		node_free(node);
}

/* Under nodes_lock, so that a node that goes sees all its files. */
static int open_file(struct os_node *node)
{
	struct opened *opened;
	int error;

	if (node->gone)
		return -ENXIO;
	opened = os_alloc(sizeof(*opened));
	opened->node = node;
	error = kup_handle_open(node->device, &opened->handle);
	if (error)
		goto free;
	/* Nothing may fail any more after it: devfs would run `release` at once (devfs_open). */
	error = -devfs_set_cdevpriv(opened, release);
	if (error)
		goto close;
	node->files++;
	return 0;
close:
	kup_handle_close(opened->handle);
free:
	os_free(opened);
	return error;
}

static int node_open(struct cdev *cdev, int flags, int type, struct thread *thread)
{
	struct os_node *node = cdev->si_drv1;
	int error;

	(void)flags;
	(void)type;
	(void)thread;
	sx_xlock(&nodes_lock);
	/* make_dev_s may not have told its caller yet. */
	node->cdev = cdev;
	error = open_file(node);
	sx_xunlock(&nodes_lock);
	return freebsd_errno(error);
}

/* The calling thread's file; it stays open while a method runs for it. */
static struct opened *this_file(void)
{
	void *opened;

	return devfs_get_cdevpriv(&opened) ? NULL : opened;
}

static int node_read_write(struct cdev *cdev, struct uio *uio, int flags)
{
	(void)cdev;
	(void)uio;
	(void)flags;
	return EINVAL;
}

static int may_read_and_write(int flags)
{
	return (flags & (FREAD | FWRITE)) == (FREAD | FWRITE);
}

/* `data` is the kernel's copy of the argument, of the size that the command's number says. */
static int run_ioctl(struct kup_handle *handle, u_long command, void *data, int flags)
{
	switch (command) {
	case KUP_IOC_INFO:
		return kup_handle_info(handle, data);
	case KUP_IOC_ATTACH:
		return may_read_and_write(flags)
			       ? kup_handle_attach(handle, data, !(flags & FNONBLOCK))
			       : -EBADF;
	case KUP_IOC_KICK:
		return may_read_and_write(flags) ? kup_handle_kick(handle) : -EBADF;
	case KUP_IOC_STATS:
		return kup_handle_stats(handle, data);
	default:
		return -ENOTTY;
	}
}

static int node_ioctl(struct cdev *cdev, u_long command, caddr_t data, int flags,
		      struct thread *thread)
{
	struct opened *opened = this_file();

	(void)cdev;
	(void)thread;
	if (!opened)
		return ENXIO;
	/* fcntl(F_SETFL) asks whether we mind (kern_descrip.c). O_ASYNC has no effect. */
	if (command == FIONBIO || command == FIOASYNC)
		return 0;
	kup_handle_count_ioctl(opened->handle);
	return freebsd_errno(run_ioctl(opened->handle, command, data, flags));
}

/* Never ENODEV: it would mean "try d_mmap instead" (vm_mmap.c: vm_mmap_cdev). */
static int node_mmap_single(struct cdev *cdev, vm_ooffset_t *offset, vm_size_t size,
			    struct vm_object **object, int protection)
{
	struct opened *opened = this_file();
	struct os_memory *memory;
	kup_u64 at = (kup_u64)*offset;
	int error;

	(void)cdev;
	if (!opened)
		return ENXIO;
	error = kup_handle_memory(opened->handle, &memory);
	if (!error)
		error = freebsd_memory_object(memory, &at, size, protection, object);
	*offset = (vm_ooffset_t)at;
	return error == -ENODEV ? ENXIO : freebsd_errno(error);
}

/* ---- poll and kqueue ---- */

static int node_poll(struct cdev *cdev, int asked, struct thread *thread)
{
	struct opened *opened = this_file();
	kup_u32 events = 0;
	int result = 0;

	(void)cdev;
	if (!opened)
		return POLLHUP;
	if (asked & (POLLIN | POLLRDNORM))
		events |= KUP_POLL_IN;
	if (asked & (POLLOUT | POLLWRNORM))
		events |= KUP_POLL_OUT;
	/* First the entry, then the look. A second entry, after a wake-up, is none (sys_generic.c). */
	selrecord(thread, &opened->handle->pollq.sel);
	events = kup_handle_poll(opened->handle, events);
	if (events & KUP_POLL_IN)
		result |= asked & (POLLIN | POLLRDNORM);
	if (events & KUP_POLL_OUT)
		result |= asked & (POLLOUT | POLLWRNORM);
	if (events & KUP_POLL_HANGUP)
		result |= POLLHUP;
	if (events & KUP_POLL_ERROR)
		result |= POLLERR;
	return result;
}

static void knote_detach(struct knote *note)
{
	struct opened *opened = note->kn_hook;

	knlist_remove(&opened->handle->pollq.sel.si_note, note, 0);
}

/*
 * Under the knote list's lock, and maybe the kqueue's (kern_event.c: knote, kqueue_scan). A disabled knote isn't
 * looked at: enabling it does that, and a look would ask for wake-ups that nobody waits for.
 */
static int knote_look(struct knote *note, kup_u32 event)
{
	struct opened *opened = note->kn_hook;
	kup_u32 so;

	if (note->kn_status & KN_DISABLED)
		return 0;
	so = kup_handle_poll(opened->handle, event);
	if (so & KUP_POLL_HANGUP)
		note->kn_flags |= EV_EOF;
	if (so & KUP_POLL_ERROR)
		note->kn_fflags = EPROTO;
	note->kn_data = (so & event) != 0;
	return (so & (event | KUP_POLL_HANGUP)) != 0;
}

static int knote_readable(struct knote *note, long hint)
{
	(void)hint;
	return knote_look(note, KUP_POLL_IN);
}

static int knote_writable(struct knote *note, long hint)
{
	(void)hint;
	return knote_look(note, KUP_POLL_OUT);
}

static struct filterops readable = {
	.f_isfd = 1,
	.f_detach = knote_detach,
	.f_event = knote_readable,
};

static struct filterops writable = {
	.f_isfd = 1,
	.f_detach = knote_detach,
	.f_event = knote_writable,
};

static int node_kqfilter(struct cdev *cdev, struct knote *note)
{
	struct opened *opened = this_file();

	(void)cdev;
	if (!opened)
		return ENXIO;
	if (note->kn_filter == EVFILT_READ)
		note->kn_fop = &readable;
	else if (note->kn_filter == EVFILT_WRITE)
		note->kn_fop = &writable;
	else
		return EINVAL;
	note->kn_hook = opened;
	knlist_add(&opened->handle->pollq.sel.si_note, note, 0);
	return 0;
}

static struct cdevsw methods = {
	.d_version = D_VERSION,
	.d_name = "kup",
	.d_open = node_open,
	.d_read = node_read_write,
	.d_write = node_read_write,
	.d_ioctl = node_ioctl,
	.d_mmap_single = node_mmap_single,
	.d_poll = node_poll,
	.d_kqfilter = node_kqfilter,
};

/* ---- The node itself ---- */

int os_node_create(struct kup_device *device, const char *name, kup_u32 permissions, kup_u32 group,
		   struct os_node **created)
{
	struct os_node *node = os_alloc(sizeof(*node));
	struct make_dev_args args;
	int error;

	node->device = device;
	kup_device_get(device);
	/* The caller's *created must be set before the first open: destroying needs it. */
	*created = node;
	sx_xlock(&nodes_lock);
	nodes++;
	sx_xunlock(&nodes_lock);
	/* si_drv1 is set before the node can be opened; without CHECKNAME a taken name would panic. */
	make_dev_args_init(&args);
	args.mda_flags = MAKEDEV_WAITOK | MAKEDEV_CHECKNAME;
	args.mda_devsw = &methods;
	args.mda_uid = UID_ROOT;
	args.mda_gid = group;
	args.mda_mode = (int)permissions;
	args.mda_si_drv1 = node;
	error = make_dev_s(&args, &node->cdev, "%s", name);
	if (error == 0)
		return 0;
	*created = NULL;
	kup_device_put(device);
	os_free(node);
	sx_xlock(&nodes_lock);
	nodes--;
	sx_xunlock(&nodes_lock);
	return -error;
}

void os_node_destroy(struct os_node *node)
{
	int last;

	delist_dev(node->cdev);
	sx_xlock(&nodes_lock);
	node->gone = 1;
	last = node->files == 0;
	sx_xunlock(&nodes_lock);
	if (last)
		node_free(node);
}

int freebsd_nodes_in_use(void)
{
	int in_use;

	sx_slock(&nodes_lock);
	in_use = nodes > 0;
	sx_sunlock(&nodes_lock);
	return in_use;
}

void freebsd_nodes_init(void)
{
	sx_init(&nodes_lock, "kup nodes");
}

void freebsd_nodes_exit(void)
{
	sx_destroy(&nodes_lock);
}
