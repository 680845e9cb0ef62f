/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A channel's pages.
 *
 * One array names the page behind each page of the layout, the rings' pages twice; the kernel's
 * mapping is a vmap of it, a process's page fault an index into it.
 *
 * A process's mapping belongs to a file of its own kind ("anon_inode:[kup]"), not to the open
 * device: so close(2) really ends the handle, and the mapping still keeps its pages. That file and
 * the engine each hold one reference of os_memory.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "linux.h"

/* Charged to the caller; and when its limit is reached the answer is ENOMEM, not the OOM killer. */
#define KUP_GFP (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

struct os_memory {
	u32 refs;
	u32 to_user_bytes;
	u32 to_kernel_bytes;
	unsigned long count; /* of map's entries */
	void *address;
	struct mutex lock;
	struct file *file; /* under lock; for mappings, made for the first one; holds a reference */
	struct page *map[]; /* one for each page of the layout */
};

kup_u32 os_page_size(void)
{
	return PAGE_SIZE;
}

void *os_alloc(unsigned long bytes)
{
	return kvzalloc(bytes, KUP_GFP);
}

void os_free(void *memory)
{
	kvfree(memory);
}

kup_u8 *os_memory_address(const struct os_memory *memory)
{
	return memory->address;
}

/* ---- Pages ---- */

static void free_pages_of(struct os_memory *memory)
{
	unsigned long user = memory->to_user_bytes / PAGE_SIZE;
	unsigned long kernel = memory->to_kernel_bytes / PAGE_SIZE;
	unsigned long i;

	/* Each page once: the second halves name the same ones. */
	for (i = 0; i < memory->count; i++) {
		bool second = (i >= 2 + user && i < 2 + 2 * user) || i >= 2 + 2 * user + kernel;

		if (memory->map[i] && !second)
			put_page(memory->map[i]);
		cond_resched();
	}
}

/* A page at `index`, and again `repeat` pages behind it. */
static int take_pages(struct os_memory *memory, unsigned long index, unsigned long count,
		      unsigned long repeat)
{
	unsigned long i;

	for (i = index; i < index + count; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		memory->map[i] = alloc_page(KUP_GFP | __GFP_ZERO);
		if (!memory->map[i])
			return -ENOMEM;
		if (repeat)
			memory->map[i + repeat] = memory->map[i];
		cond_resched();
	}
	return 0;
}

static int fill(struct os_memory *memory)
{
	unsigned long user = memory->to_user_bytes / PAGE_SIZE;
	unsigned long kernel = memory->to_kernel_bytes / PAGE_SIZE;
	int error = take_pages(memory, 0, 2, 0);

	if (!error)
		error = take_pages(memory, 2, user, user);
	if (!error)
		error = take_pages(memory, 2 + 2 * user, kernel, kernel);
	if (error)
		return error;
	memory->address = vmap(memory->map, memory->count, VM_MAP, PAGE_KERNEL);
	return memory->address ? 0 : -ENOMEM;
}

static void release(struct os_memory *memory)
{
	if (memory->address)
		vunmap(memory->address);
	free_pages_of(memory);
	mutex_destroy(&memory->lock);
	kvfree(memory);
}

int os_memory_create(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes, struct os_memory **created)
{
	unsigned long count = 2 + 2 * ((unsigned long)to_user_bytes / PAGE_SIZE) +
			      2 * ((unsigned long)to_kernel_bytes / PAGE_SIZE);
	struct os_memory *memory;
	int error;

	memory = kvzalloc(struct_size(memory, map, count), KUP_GFP);
	if (!memory)
		return -ENOMEM;
	memory->refs = 1;
	memory->to_user_bytes = to_user_bytes;
	memory->to_kernel_bytes = to_kernel_bytes;
	memory->count = count;
	mutex_init(&memory->lock);
	error = fill(memory);
	if (error) {
		release(memory);
		return error;
	}
	*created = memory;
	return 0;
}

static void put(struct os_memory *memory)
{
	if (kup_ref_put(&memory->refs))
		release(memory);
}

void os_memory_put(struct os_memory *memory)
{
	/* The engine's end: no more mappings are made, so the file is left to those that exist. */
	if (memory->file)
		fput(memory->file);
	put(memory);
}

/* ---- Processes' mappings ---- */

static int file_release(struct inode *inode, struct file *file)
{
	put(file->private_data);
	return 0;
}

/* The owner keeps this code loaded while a mapping exists. */
static const struct file_operations file_operations = {
	.owner = THIS_MODULE,
	.release = file_release,
};

static vm_fault_t fault(struct vm_fault *vmf)
{
	struct os_memory *memory = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= memory->count)
		return VM_FAULT_SIGBUS;
	vmf->page = memory->map[vmf->pgoff];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vm_operations = {
	.fault = fault,
};

/* The file that this memory's mappings belong to, with a reference for the caller. */
static struct file *mapping_file(struct os_memory *memory)
{
	struct file *file;

	mutex_lock(&memory->lock);
	file = memory->file;
	if (!file) {
		file = anon_inode_getfile("[kup]", &file_operations, memory, O_RDWR | O_CLOEXEC);
		if (!IS_ERR(file)) {
			kup_ref_get(&memory->refs); /* put by file_release */
			memory->file = file;
		}
	}
	if (!IS_ERR(file))
		get_file(file);
	mutex_unlock(&memory->lock);
	return file;
}

int linux_memory_map(struct os_memory *memory, struct vm_area_struct *vma)
{
	struct kup_area area;
	struct file *file;
	int error;

	error = kup_area_find(memory->to_user_bytes, memory->to_kernel_bytes,
			      (u64)vma->vm_pgoff << PAGE_SHIFT, vma->vm_end - vma->vm_start, &area);
	if (error)
		return error;
	/* MAYSHARE, not SHARED: that one is also missing on a descriptor that is open for reading
	 * only. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC || (!area.writable && vma->vm_flags & VM_WRITE))
		return -EACCES;
	file = mapping_file(memory);
	if (IS_ERR(file))
		return PTR_ERR(file);
	/* Not grown, not inherited, not dumped; and what it may not do now it may not do later. */
	linux_vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTCOPY | VM_DONTDUMP,
			   VM_MAYEXEC | (area.writable ? 0 : VM_MAYWRITE));
	vma->vm_ops = &vm_operations;
	vma_set_file(vma, file); /* takes a reference of its own */
	fput(file);
	return 0;
}
