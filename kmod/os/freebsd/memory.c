/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * A channel's pages.
 *
 * They belong to one VM object of the swap pager, which contains each page once: kernel page, user
 * page, to_user, to_kernel. One object can't show a page at two offsets. So the contract's layout
 * consists of six mappings of parts of the object; each ring is mapped twice. The kernel's mappings
 * are wired, in one range of kernel_map. For a process, each mmap of a ring makes two mappings,
 * side by side.
 *
 * Every mapping holds a reference to the object, and the engine holds one. So the pages outlive the
 * handle and even this module: a mapping that is left behind needs nothing but the kernel's own
 * pager. (What the kernel's side unmaps is no longer wired, and may then be paged out.)
 *
 * Other pagers were considered. A device pager (cdev_pager_allocate) could show pages twice, but
 * its operations are this module's, so mappings would keep this module loaded. OBJT_SG does not
 * report when its last mapping goes. OBJT_PHYS together with vm_map_wire was seen to lose pages.
 *
 * Charging. The object is charged to the attaching user as swap (RLIMIT_SWAP, and rctl's swapuse).
 * Wiring on the kernel's behalf isn't charged to any user, so there is the limit below.
 */
#include "freebsd.h"

#include <sys/mman.h>
#include <sys/proc.h>
#include <sys/rwlock.h>
#include <sys/ucred.h>
#include <vm/vm.h>
#include <vm/vm_param.h>
#include <vm/pmap.h>
#include <vm/vm_extern.h>
#include <vm/vm_kern.h>
#include <vm/vm_map.h>
#include <vm/vm_object.h>
#include <vm/vm_page.h>
#include <vm/vm_pager.h>

MALLOC_DEFINE(M_KUP, "kup", "KUP's channels and devices");

/* All channels together may wire one page in this many of the machine's memory. */
#define WIRED_SHARE 4

static kup_u64 wired_pages; /* atomic */

struct os_memory {
	kup_u32 to_user_bytes;
	kup_u32 to_kernel_bytes;
	vm_object_t object;  /* a reference */
	vm_offset_t address; /* of the layout in kernel_map */
};

/* A part of the layout that is one mapping. */
struct piece {
	kup_u64 at, from; /* `at` is the offset in the layout, `from` the one in the object */
	kup_u64 bytes;
};

#define PIECES 6

static void find_pieces(const struct os_memory *memory, struct piece pieces[PIECES])
{
	kup_u64 page = PAGE_SIZE, to_user = memory->to_user_bytes;
	kup_u64 to_kernel = memory->to_kernel_bytes;
	const struct piece all[PIECES] = {
		{ 0, 0, page },
		{ page, page, page },
		{ 2 * page, 2 * page, to_user },
		{ 2 * page + to_user, 2 * page, to_user },
		{ 2 * page + 2 * to_user, 2 * page + to_user, to_kernel },
		{ 2 * page + 2 * to_user + to_kernel, 2 * page + to_user, to_kernel },
	};

	memcpy(pieces, all, sizeof(all));
}

static vm_size_t object_bytes(const struct os_memory *memory)
{
	return 2 * PAGE_SIZE + (vm_size_t)memory->to_user_bytes + memory->to_kernel_bytes;
}

kup_u32 os_page_size(void)
{
	return PAGE_SIZE;
}

/* M_WAITOK never fails. */
void *os_alloc(unsigned long bytes)
{
	return malloc(bytes, M_KUP, M_WAITOK | M_ZERO);
}

void os_free(void *memory)
{
	free(memory, M_KUP);
}

kup_u8 *os_memory_address(const struct os_memory *memory)
{
	return (kup_u8 *)memory->address;
}

/* ---- The kernel's mapping ---- */

/*
 * If vm_map_fixed succeeds, it takes over the caller's reference to the object; if it fails, it
 * does not. It replaces what is mapped there (vm_map.c: vm_map_insert, vm_map_delete).
 */
static int map_pieces(const struct os_memory *memory, vm_offset_t start)
{
	struct piece pieces[PIECES];
	int i, result = KERN_SUCCESS;

	find_pieces(memory, pieces);
	for (i = 0; i < PIECES && result == KERN_SUCCESS; i++) {
		vm_object_reference(memory->object);
		result = vm_map_fixed(kernel_map, memory->object, (vm_ooffset_t)pieces[i].from,
				      start + pieces[i].at, pieces[i].bytes,
				      VM_PROT_READ | VM_PROT_WRITE, VM_PROT_READ | VM_PROT_WRITE,
				      0);
		if (result != KERN_SUCCESS)
			vm_object_deallocate(memory->object);
	}
	return result;
}

/*
 * A guard entry, which has no object and costs nothing, reserves the range until the pieces replace
 * it. So the whole range is ours from the first moment. vm_map_wire faults every page in, as zeros
 * since the object is new; it sleeps for memory. shm_map in uipc_shm.c does both in the same way.
 */
static int map_into_kernel(struct os_memory *memory)
{
	vm_size_t bytes = 2 * object_bytes(memory) - 2 * PAGE_SIZE;
	vm_offset_t start = vm_map_min(kernel_map);
	int result;

	result = vm_map_find(kernel_map, NULL, 0, &start, bytes, 0, VMFS_ANY_SPACE, VM_PROT_NONE,
			     VM_PROT_NONE, MAP_CREATE_GUARD);
	if (result != KERN_SUCCESS)
		return result;
	result = map_pieces(memory, start);
	if (result == KERN_SUCCESS)
		result = vm_map_wire(kernel_map, start, start + bytes,
				     VM_MAP_WIRE_SYSTEM | VM_MAP_WIRE_NOHOLES);
	if (result != KERN_SUCCESS) {
		vm_map_remove(kernel_map, start, start + bytes);
		return result;
	}
	memory->address = start;
	return KERN_SUCCESS;
}

/* Unwires the pages, and puts the mappings' references (vm_map.c: vm_map_delete). */
static void unmap_from_kernel(struct os_memory *memory)
{
	vm_size_t bytes = 2 * object_bytes(memory) - 2 * PAGE_SIZE;

	vm_map_remove(kernel_map, memory->address, memory->address + bytes);
}

/* ---- The object ---- */

static int take_share(kup_u64 pages)
{
	kup_u64 limit = (kup_u64)physmem / WIRED_SHARE;

	if (__atomic_add_fetch(&wired_pages, pages, __ATOMIC_RELAXED) <= limit)
		return 1;
	__atomic_fetch_sub(&wired_pages, pages, __ATOMIC_RELAXED);
	return 0;
}

/*
 * Makes the object at its final size. NULL: the user's swap limit is reached (swap_pager.c:
 * swap_pager_alloc_init).
 */
static int create_object(struct os_memory *memory)
{
	memory->object = vm_pager_allocate(OBJT_SWAP, NULL, object_bytes(memory), VM_PROT_DEFAULT,
					   0, curthread->td_ucred);
	return memory->object ? 0 : -ENOMEM;
}

int os_memory_create(kup_u32 to_user_bytes, kup_u32 to_kernel_bytes, struct os_memory **created)
{
	struct os_memory *memory = os_alloc(sizeof(*memory));
	int error;

	memory->to_user_bytes = to_user_bytes;
	memory->to_kernel_bytes = to_kernel_bytes;
	error = -ENOMEM;
	if (!take_share(object_bytes(memory) / PAGE_SIZE))
		goto free;
	error = create_object(memory);
	if (error)
		goto give_back;
	error = -ENOMEM;
	if (map_into_kernel(memory) != KERN_SUCCESS)
		goto deallocate;
	*created = memory;
	return 0;
deallocate:
	vm_object_deallocate(memory->object);
give_back:
	__atomic_fetch_sub(&wired_pages, object_bytes(memory) / PAGE_SIZE, __ATOMIC_RELAXED);
free:
	os_free(memory);
	return error;
}

/*
 * The pages that mappings keep are charged to their user as swap until the last mapping goes. They
 * may be paged out.
 */
void os_memory_put(struct os_memory *memory, struct kup_account *account)
{
	(void)account;
	unmap_from_kernel(memory);
	vm_object_deallocate(memory->object);
	__atomic_fetch_sub(&wired_pages, object_bytes(memory) / PAGE_SIZE, __ATOMIC_RELAXED);
	os_free(memory);
}

/* ---- Processes' mappings ---- */

/*
 * vm_mmap_object is what mmap itself calls last. It applies the flags and the process's limits. If
 * it succeeds, it takes over the caller's reference to the object (vm_mmap.c; devfs_vnops.c:
 * devfs_mmap_f).
 */
static int map_piece(struct os_memory *memory, const struct freebsd_mapping *mapping,
		     const struct piece *piece, vm_prot_t maximum, vm_offset_t address)
{
	int error;

	vm_object_reference(memory->object);
	error = vm_mmap_object(mapping->map, &address, piece->bytes, (vm_prot_t)mapping->protection,
			       maximum, mapping->flags | MAP_FIXED | MAP_NOCORE, memory->object,
			       (vm_ooffset_t)piece->from, FALSE, curthread);
	if (error)
		vm_object_deallocate(memory->object);
	return -error;
}

/* Finds a range of addresses and fills it with a guard, which the pieces replace. */
static int reserve(const struct freebsd_mapping *mapping, vm_offset_t *address)
{
	int flags = (mapping->flags & ~MAP_SHARED) | MAP_ANON | MAP_GUARD;

	if (mapping->flags & MAP_FIXED)
		return 0;
	return -vm_mmap_object(mapping->map, address, mapping->bytes, VM_PROT_NONE, VM_PROT_NONE,
			       flags, NULL, 0, FALSE, curthread);
}

/* Maps the pieces of an area. On failure, *done is the number of bytes that are mapped. */
static int map_area(struct os_memory *memory, const struct freebsd_mapping *mapping,
		    const struct kup_area *area, vm_prot_t maximum, vm_offset_t address,
		    vm_size_t *done)
{
	struct piece pieces[PIECES];
	int i, error;

	find_pieces(memory, pieces);
	for (i = 0; i < PIECES; i++) {
		if (pieces[i].at < area->offset || pieces[i].at >= area->offset + area->bytes)
			continue;
		error = map_piece(memory, mapping, &pieces[i], maximum,
				  address + (pieces[i].at - area->offset));
		if (error)
			return error;
		*done += pieces[i].bytes;
	}
	return 0;
}

/*
 * Maps one area. Its maximum protection is what it may do now, so it may not do more later. It is
 * not inherited and not dumped.
 */
int freebsd_memory_map(struct os_memory *memory, const struct freebsd_mapping *mapping,
		       vm_offset_t *address)
{
	struct kup_area area;
	vm_prot_t maximum;
	vm_size_t done = 0;
	int error;

	error = kup_area_find(memory->to_user_bytes, memory->to_kernel_bytes, mapping->offset,
			      mapping->bytes, &area);
	if (error)
		return error;
	if (!(mapping->flags & MAP_SHARED))
		return -EINVAL;
	maximum = (vm_prot_t)((area.writable ? VM_PROT_RW : VM_PROT_READ) & mapping->allowed);
	if (mapping->protection & ~maximum)
		return -EACCES;
	error = reserve(mapping, address);
	if (error)
		return error;
	error = map_area(memory, mapping, &area, maximum, *address, &done);
	if (!error)
		return -vm_mmap_to_errno(vm_map_inherit(
			mapping->map, *address, *address + mapping->bytes, VM_INHERIT_NONE));
	/* With MAP_EXCL the rest may contain other mappings of the process. */
	if (!(mapping->flags & MAP_FIXED))
		done = mapping->bytes;
	vm_map_remove(mapping->map, *address, *address + done);
	return error;
}
