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
 *
 * When the engine has let go, an area without a mapping gives its pages back: a process that keeps
 * one page of a channel that it has closed keeps no rings with it.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/personality.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "linux.h"

/* Charged to the caller; and when its limit is reached the answer is ENOMEM, not the OOM killer. */
#define KUP_GFP (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* In the order of the layout: kernel page, user page, to_user, to_kernel. */
#define AREAS 4

struct os_memory {
	u32 refs;
	u32 to_user_bytes;
	u32 to_kernel_bytes;
	unsigned long count; /* of map's entries */
	void *address;
	struct kup_account *account; /* that mappings count against since `ended`; or NULL */
	struct mutex lock;
	struct file *file; /* under lock; for mappings, made for the first one; holds a reference */
	bool ended;	   /* under lock: the engine has let go */
	unsigned long mappings[AREAS]; /* under lock: how many there are of each area */
	struct page *map[];	       /* one for each page of the layout; NULL: given back */
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

/* The pages of an area: `count` from `first` on, and again right behind if it is a ring. */
struct span {
	unsigned long first, count;
	bool ring;
};

static struct span span_of(const struct os_memory *memory, unsigned int area)
{
	unsigned long user = memory->to_user_bytes / PAGE_SIZE;
	unsigned long kernel = memory->to_kernel_bytes / PAGE_SIZE;
	const struct span spans[AREAS] = {
		{ 0, 1, false },
		{ 1, 1, false },
		{ 2, user, true },
		{ 2 + 2 * user, kernel, true },
	};

	return spans[area];
}

/* Each page once: the second half of a ring names the same ones. */
static void free_area(struct os_memory *memory, unsigned int area)
{
	struct span span = span_of(memory, area);
	unsigned long i;

	for (i = span.first; i < span.first + span.count; i++) {
		if (memory->map[i])
			put_page(memory->map[i]);
		memory->map[i] = NULL;
		if (span.ring)
			memory->map[i + span.count] = NULL;
		cond_resched();
	}
}

static void free_pages_of(struct os_memory *memory)
{
	unsigned int area;

	for (area = 0; area < AREAS; area++)
		free_area(memory, area);
}

static int fill_area(struct os_memory *memory, unsigned int area)
{
	struct span span = span_of(memory, area);
	unsigned long i;

	for (i = span.first; i < span.first + span.count; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		memory->map[i] = alloc_page(KUP_GFP | __GFP_ZERO);
		if (!memory->map[i])
			return -ENOMEM;
		if (span.ring)
			memory->map[i + span.count] = memory->map[i];
		cond_resched();
	}
	return 0;
}

static int fill(struct os_memory *memory)
{
	unsigned int area;
	int error = 0;

	for (area = 0; area < AREAS && !error; area++)
		error = fill_area(memory, area);
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
	struct kup_account *account;

	if (!kup_ref_put(&memory->refs))
		return;
	account = memory->account;
	release(memory);
	if (account)
		kup_account_release(account);
}

/* Frees what is not mapped. Nonzero: something is. */
static bool end_areas(struct os_memory *memory)
{
	unsigned int area;
	bool mapped = false;

	mutex_lock(&memory->lock);
	memory->ended = true;
	for (area = 0; area < AREAS; area++) {
		if (memory->mappings[area])
			mapped = true;
		else
			free_area(memory, area);
	}
	mutex_unlock(&memory->lock);
	return mapped;
}

void os_memory_put(struct os_memory *memory, struct kup_account *account)
{
	vunmap(memory->address);
	memory->address = NULL;
	/*
	 * The last mapping may go from here on: then our own reference is the last, and releases.
	 */
	if (end_areas(memory)) {
		kup_account_keep(account);
		memory->account = account;
	}
	/* No more mappings are made, so the file is left to those that exist. */
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

static unsigned int area_of(const struct os_memory *memory, unsigned long page)
{
	unsigned int area = AREAS - 1;

	while (span_of(memory, area).first > page)
		area--;
	return area;
}

/*
 * The first mapping of an area, and each that the system makes of another: a split one, a moved
 * one, a child's. So an area that has none left gets none later, once the engine has let go.
 */
static void mapping_open(struct vm_area_struct *vma)
{
	struct os_memory *memory = vma->vm_file->private_data;

	mutex_lock(&memory->lock);
	memory->mappings[area_of(memory, vma->vm_pgoff)]++;
	mutex_unlock(&memory->lock);
}

static void mapping_close(struct vm_area_struct *vma)
{
	struct os_memory *memory = vma->vm_file->private_data;
	unsigned int area = area_of(memory, vma->vm_pgoff);

	mutex_lock(&memory->lock);
	if (--memory->mappings[area] == 0 && memory->ended)
		free_area(memory, area);
	mutex_unlock(&memory->lock);
}

/* The page is there: the mapping that it is for keeps its area. */
static vm_fault_t fault(struct vm_fault *vmf)
{
	struct os_memory *memory = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= memory->count)
		return VM_FAULT_SIGBUS;
	vmf->page = memory->map[array_index_nospec(vmf->pgoff, memory->count)];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vm_operations = {
	.open = mapping_open,
	.close = mapping_close,
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
	if (!area.writable && vma->vm_flags & VM_WRITE)
		return -EACCES;
	/* In a process with this personality every mapping that can be read asks for it. */
	if (vma->vm_flags & VM_EXEC && !(current->personality & READ_IMPLIES_EXEC))
		return -EACCES;
	file = mapping_file(memory);
	if (IS_ERR(file))
		return PTR_ERR(file);
	/* Not grown, not inherited, not dumped; and what it may not do now it may not do later. */
	linux_vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTCOPY | VM_DONTDUMP,
			   VM_EXEC | VM_MAYEXEC | (area.writable ? 0 : VM_MAYWRITE));
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	vma->vm_ops = &vm_operations;
	vma_set_file(vma, file); /* takes a reference of its own */
	fput(file);
	mapping_open(vma);
	return 0;
}
