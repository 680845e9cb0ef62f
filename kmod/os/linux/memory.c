/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A channel's pages.
 *
 * One array has the page behind each page of the layout; those of the rings are in it twice. The
 * kernel's mapping is a vmap of the array. A process's page fault uses an index into it.
 *
 * A process's mapping belongs to a file of its own kind ("anon_inode:[kup]"), not to the open
 * device. So close(2) really ends the handle, and the mapping still keeps its pages. That file and
 * the engine each hold one reference to os_memory.
 *
 * After the engine has put its reference, an area without a mapping gives its pages back. So a
 * process that keeps one page of a channel that it has closed does not keep the rings.
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

/*
 * Charged to the caller. When the caller's limit is reached, the allocation fails and does not
 * invoke the OOM killer.
 */
#define KUP_GFP (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* In the order of the layout: kernel page, user page, to_user, to_kernel. */
#define AREAS 4

struct os_memory {
	u32 refs;
	u32 to_user_bytes;
	u32 to_kernel_bytes;
	unsigned long count; /* the number of entries of `map` */
	void *address;
	struct kup_account *account; /* what mappings count against since `ended`; or NULL */
	struct mutex lock;
	/* under lock: the file for mappings, made for the first one; holds a reference */
	struct file *file;
	bool ended;		       /* under lock: the engine has put its reference */
	unsigned long mappings[AREAS]; /* under lock: the number of mappings of each area */
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

/* The pages of an area: `count` from `first` on. If it is a ring, they come again right behind. */
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

/* Frees each page once: the second half of a ring has the same pages. */
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

/* Frees the areas that are not mapped. Returns whether any area is mapped. */
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
	 * From here on the last mapping may go. Then our own reference is the last one, and its put
	 * releases the memory.
	 */
	if (end_areas(memory)) {
		kup_account_keep(account);
		memory->account = account;
	}
	/* No more mappings are made, so only the existing ones need the file. */
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
 * Counts the first mapping of an area, and each mapping that the system makes of another one: a
 * split one, a moved one, a child's. So after the engine has put its reference, an area without a
 * mapping never gets one again.
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

/* The page exists, because the mapping that has faulted keeps its area. */
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

/*
 * The largest area that is mapped at once, in bytes: a ring of 2 MiB, twice. A larger one is mapped
 * by faults: mapping it here would hold up the process's other threads, and count as its memory
 * what it may never touch.
 */
#define MOST_AT_ONCE 0x400000ul

/*
 * Maps all pages. Without this, the first message on each page would wait for a fault, which takes
 * many times as long as a message. Pages that can't be mapped now are mapped by faults, too.
 */
static void map_pages(struct os_memory *memory, struct vm_area_struct *vma)
{
	unsigned long first = array_index_nospec(vma->vm_pgoff, memory->count);
	unsigned long count = vma_pages(vma);

	if (count * PAGE_SIZE <= MOST_AT_ONCE)
		vm_insert_pages(vma, vma->vm_start, memory->map + first, &count);
}

/* Returns the file that this memory's mappings belong to, with a reference for the caller. */
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
	/* MAYSHARE, not SHARED: a descriptor that is open for reading only does not have SHARED. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (!area.writable && vma->vm_flags & VM_WRITE)
		return -EACCES;
	/* With this personality, the system adds VM_EXEC to every mapping that can be read. */
	if (vma->vm_flags & VM_EXEC && !(current->personality & READ_IMPLIES_EXEC))
		return -EACCES;
	file = mapping_file(memory);
	if (IS_ERR(file))
		return PTR_ERR(file);
	/*
	 * The mapping can't grow, is not dumped, and is inherited by a child only on request. mprotect()
	 * can't allow later what is refused here. vm_insert_pages() needs MIXEDMAP, which also keeps
	 * NUMA balancing away from pages that can't move.
	 */
	linux_vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTCOPY | VM_DONTDUMP | VM_MIXEDMAP,
			   VM_EXEC | VM_MAYEXEC | (area.writable ? 0 : VM_MAYWRITE));
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	vma->vm_ops = &vm_operations;
	vma_set_file(vma, file); /* takes a reference of its own */
	fput(file);
	mapping_open(vma);
	map_pages(memory, vma);
	return 0;
}
