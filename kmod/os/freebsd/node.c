/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * /dev/NAME: a cdev for each KUP device, and the operations of a file that was opened there. The
 * engine does the checking; this file does the permissions and the system's own conventions. The
 * kernel copies ioctl arguments in and out.
 *
 * From its opening on, the file is of our own kind, as with pty(4): d_fdopen sets our operations
 * (kern_conf.c, devfs_vnops.c: devfs_open; tty_pts.c: pts_alloc). The alternative is the methods of
 * a cdevsw with devfs_set_cdevpriv. Then devfs would stand between this driver and the process, and
 * break the contract in three places:
 *
 *  - destroy_dev would release the state of open files (kern_conf.c: destroy_devl), and with it the
 *    knotes of a process that hasn't looked yet. Even if that were delayed, devfs itself answers as
 *    soon as it notices that the name is gone: ENOTTY to every ioctl, ENXIO to mmap. So for INFO, a
 *    destroyed device would look as if it never was one.
 *  - devfs_mmap_f fixes what mprotect may later allow on a mapping before it calls the driver. The
 *    driver (d_mmap_single) gets the wanted protection only: reading; writing, if the descriptor is
 *    open for it and the mapping is shared; executing, unless devfs is mounted noexec; of these,
 *    what a capability or PROT_MAX leaves (devfs_vnops.c, vm_mmap.c: vm_mmap_cdev; 12.1 and main).
 *    So a process could make its kernel page writable. It would harm only itself, as no other
 *    reader uses that page; but the contract requires EACCES.
 *  - d_mmap_single returns one object and one offset, but the mmap of a ring has to show its pages
 *    twice.
 *
 * A file is released by its last close in any process, including exit and kill -9. A knote holds
 * its file (kern_event.c: kqueue_register), so a file that is released has no knote. The kernel
 * calls operations with a reference to the file, or (poll, in 12) with its descriptor locked, so
 * nothing is released during an operation. When a device is destroyed, its files stay open. They
 * keep this module loaded, because the threads that still wait in poll or kevent must get an
 * answer. revoke(2) takes away a file's vnode, but not the file.
 */
#include "freebsd.h"

#include <sys/proc.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/fcntl.h>
#include <sys/file.h>
#include <sys/filio.h>
#include <sys/poll.h>
#include <vm/vm.h>

struct os_node {
	struct cdev *cdev;
	struct kup_device *device; /* a reference */
};

static kup_u32 users; /* atomic: counts nodes, and open files */

int freebsd_nodes_in_use(void)
{
	/* Pairs with kup_ref_put: the last one has left this file. */
	return kup_load_acquire(&users) != 0;
}

static void count_in(void)
{
	kup_ref_get(&users);
}

static void count_out(void)
{
	(void)kup_ref_put(&users);
}

static struct kup_handle *handle_of(struct file *file)
{
	return file->f_data;
}

/* ---- A file's operations ---- */

/*
 * `thread` may be NULL: a descriptor that was sent, but never received (uipc_usrreq.c:
 * unp_dispose). A thread that sleeps in poll does not hold the file (sys_generic.c: pollscan); when
 * it wakes, it looks again and finds no file. The vnode that the file was opened by is closed in
 * the usual way (tty_pts.c: ptsdev_close). That fails if the device was destroyed before, which
 * close(2) does not report.
 */
static int file_close(struct file *file, struct thread *thread)
{
	seldrain(&handle_of(file)->pollq.sel);
	kup_handle_close(handle_of(file));
	(void)vnops.fo_close(file, thread);
	count_out();
	return 0;
}

static int file_read_write(struct file *file, struct uio *uio, struct ucred *credentials, int flags,
			   struct thread *thread)
{
	(void)file;
	(void)uio;
	(void)credentials;
	(void)flags;
	(void)thread;
	return EINVAL;
}

/* open calls this for O_TRUNC. */
static int file_truncate(struct file *file, off_t length, struct ucred *credentials,
			 struct thread *thread)
{
	(void)file;
	(void)credentials;
	(void)thread;
	return length == 0 ? 0 : EINVAL;
}

static int may_read_and_write(const struct file *file)
{
	return (file->f_flag & (FREAD | FWRITE)) == (FREAD | FWRITE);
}

static int run_ioctl(struct file *file, u_long command, void *data)
{
	struct kup_handle *handle = handle_of(file);

	switch (command) {
	case KUP_IOC_INFO:
		return kup_handle_info(handle, data);
	case KUP_IOC_ATTACH:
		return may_read_and_write(file)
			       ? kup_handle_attach(handle, data, !(file->f_flag & FNONBLOCK))
			       : -EBADF;
	case KUP_IOC_KICK:
		return may_read_and_write(file) ? kup_handle_kick(handle) : -EBADF;
	case KUP_IOC_STATS:
		return kup_handle_stats(handle, data);
	default:
		return -ENOTTY;
	}
}

/*
 * `data` is the kernel's copy of the argument. Its size is a part of the command's number
 * (sys_generic.c).
 */
static int file_ioctl(struct file *file, u_long command, void *data, struct ucred *credentials,
		      struct thread *thread)
{
	(void)credentials;
	(void)thread;
	/*
	 * fcntl(F_SETFL) asks the driver whether it accepts these (kern_descrip.c). O_ASYNC has no
	 * effect.
	 */
	if (command == FIONBIO || command == FIOASYNC)
		return 0;
	kup_handle_count_ioctl(handle_of(file));
	return freebsd_errno(run_ioctl(file, command, data));
}

static int file_mmap(struct file *file, vm_map_t map, vm_offset_t *address, vm_size_t bytes,
		     vm_prot_t protection, vm_prot_t allowed, int flags, vm_ooffset_t offset,
		     struct thread *thread)
{
	struct freebsd_mapping mapping = {
		map, (kup_u64)offset, bytes, protection, allowed, flags
	};
	struct os_memory *memory;
	int error = kup_handle_memory(handle_of(file), &memory);

	(void)thread;
	if (!error)
		error = freebsd_memory_map(memory, &mapping, address);
	return freebsd_errno(error);
}

static int file_poll(struct file *file, int asked, struct ucred *credentials, struct thread *thread)
{
	kup_u32 events = 0;
	int result = 0;

	(void)credentials;
	if (asked & (POLLIN | POLLRDNORM))
		events |= KUP_POLL_IN;
	if (asked & (POLLOUT | POLLWRNORM))
		events |= KUP_POLL_OUT;
	/*
	 * The thread is recorded first, then it looks. A second record after a wake-up has no
	 * effect (sys_generic.c).
	 */
	selrecord(thread, &handle_of(file)->pollq.sel);
	events = kup_handle_poll(handle_of(file), events);
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

/* ---- kqueue ---- */

static void knote_detach(struct knote *note)
{
	knlist_remove(&handle_of(note->kn_fp)->pollq.sel.si_note, note, 0);
}

/*
 * Called under the knote list's lock, and maybe the kqueue's (kern_event.c: knote, kqueue_scan). A
 * disabled knote does not look: enabling it does, and a look would ask for wake-ups that no thread
 * waits for.
 */
static int knote_look(struct knote *note, kup_u32 event)
{
	kup_u32 ready;

	if (note->kn_status & KN_DISABLED)
		return 0;
	ready = kup_handle_poll(handle_of(note->kn_fp), event);
	if (ready & KUP_POLL_HANGUP)
		note->kn_flags |= EV_EOF;
	if (ready & KUP_POLL_ERROR)
		note->kn_fflags = EPROTO;
	note->kn_data = (ready & event) != 0;
	return (ready & (event | KUP_POLL_HANGUP)) != 0;
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

static int file_kqfilter(struct file *file, struct knote *note)
{
	if (note->kn_filter == EVFILT_READ)
		note->kn_fop = &readable;
	else if (note->kn_filter == EVFILT_WRITE)
		note->kn_fop = &writable;
	else
		return EINVAL;
	knlist_add(&handle_of(file)->pollq.sel.si_note, note, 0);
	return 0;
}

/* The kernel refuses the operations that are neither here nor below. */
static struct fileops operations = {
	.fo_read = file_read_write,
	.fo_write = file_read_write,
	.fo_truncate = file_truncate,
	.fo_ioctl = file_ioctl,
	.fo_poll = file_poll,
	.fo_kqfilter = file_kqfilter,
	.fo_close = file_close,
	.fo_sendfile = invfo_sendfile,
	.fo_fill_kinfo = vn_fill_kinfo,
	.fo_mmap = file_mmap,
	.fo_flags = DFLAG_PASSABLE,
};

/*
 * As with any device (devfs_vnops.c: devfs_ops_f), these are the vnode's. fstat's function has no
 * public name in 12, and other parameters in 14.
 */
void freebsd_nodes_init(void)
{
	operations.fo_stat = vnops.fo_stat;
	operations.fo_chmod = vnops.fo_chmod;
	operations.fo_chown = vnops.fo_chown;
}

/* ---- The node ---- */

/* destroy_dev waits for threads that are in here (devfs_open: dev_refthread). */
static int node_open(struct cdev *cdev, int flags, struct thread *thread, struct file *file)
{
	struct os_node *node = cdev->si_drv1;
	struct kup_handle *handle;
	int error = kup_handle_open(node->device, &handle);

	(void)flags;
	(void)thread;
	/* make_dev_s may not have stored it yet. */
	node->cdev = cdev;
	if (error)
		return freebsd_errno(error);
	count_in();
	finit(file, file->f_flag, DTYPE_DEV, handle, &operations);
	return 0;
}

static struct cdevsw methods = {
	.d_version = D_VERSION,
	.d_name = "kup",
	.d_fdopen = node_open,
};

int os_node_create(struct kup_device *device, const char *name, kup_u32 permissions, kup_u32 group,
		   struct os_node **created)
{
	struct os_node *node = os_alloc(sizeof(*node));
	struct make_dev_args args;
	int error;

	node->device = device;
	kup_device_get(device);
	count_in();
	/*
	 * The caller's *created must be set before the first open, because destroying the device
	 * needs it.
	 */
	*created = node;
	/*
	 * si_drv1 is set before the node can be opened. Without CHECKNAME a taken name would panic.
	 */
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
	count_out();
	kup_device_put(device);
	os_free(node);
	return -error;
}

void os_node_destroy(struct os_node *node)
{
	destroy_dev(node->cdev);
	kup_device_put(node->device);
	os_free(node);
	count_out();
}
