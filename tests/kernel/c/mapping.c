/* SPDX-License-Identifier: BSD-3-Clause */
/* The four areas, and the accesses that the contract does not offer. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "driver.h"
#include "raw.h"

#define READ_WRITE (PROT_READ | PROT_WRITE)

static sigjmp_buf on_fault;

static void fault(int signal)
{
	siglongjmp(on_fault, signal);
}

/* Returns the signal that reading or writing one byte ends in, or 0. */
static int touch(volatile uint8_t *byte, bool write_it)
{
	struct sigaction action = { .sa_handler = fault };
	int signal;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	signal = sigsetjmp(on_fault, 1);
	if (signal == 0) {
		uint8_t value = *byte;

		if (write_it)
			*byte = value;
	}
	return signal;
}

static void no_map(const struct peer *peer, size_t length, int protection, int flags, off_t offset,
		   int wanted, const char *sentence)
{
	void *map = mmap(NULL, length, protection, flags, peer->fd, offset);

	refused(sys_map(map), wanted, sentence);
	if (map != MAP_FAILED)
		munmap(map, length);
}

static void test_refusals(struct peer *peer)
{
	const size_t page = peer->info.page_size;
	const size_t in = area_length(&peer->info, AREA_IN);
	const off_t in_at = area_offset(&peer->info, AREA_IN);
	const off_t out_at = area_offset(&peer->info, AREA_OUT);
	struct peer fresh = { .fd = echo_open() };

	no_map(&fresh, page, PROT_READ, MAP_SHARED, 0, ENOTCONN,
	       "mmap() before ATTACH is refused with ENOTCONN");
	close(fresh.fd);
	no_map(peer, page, READ_WRITE, MAP_SHARED, 0, EACCES,
	       "mmap() refuses a writable kernel page with EACCES");
	no_map(peer, page, PROT_WRITE, MAP_SHARED, 0, EACCES,
	       "mmap() refuses a write-only kernel page with EACCES");
	no_map(peer, page, PROT_READ | PROT_EXEC, MAP_SHARED, 0, EACCES,
	       "mmap() refuses an executable kernel page with EACCES");
	no_map(peer, page, READ_WRITE | PROT_EXEC, MAP_SHARED, page, EACCES,
	       "mmap() refuses an executable user page with EACCES");
	no_map(peer, in, READ_WRITE | PROT_EXEC, MAP_SHARED, in_at, EACCES,
	       "mmap() refuses an executable ring with EACCES");
	no_map(peer, page, PROT_READ, MAP_PRIVATE, 0, EINVAL,
	       "mmap() refuses a private kernel page with EINVAL");
	no_map(peer, page, READ_WRITE, MAP_PRIVATE, page, EINVAL,
	       "mmap() refuses a private user page with EINVAL");
	no_map(peer, in, READ_WRITE, MAP_PRIVATE, in_at, EINVAL,
	       "mmap() refuses a private ring with EINVAL");
	no_map(peer, 2 * page, PROT_READ, MAP_SHARED, 0, EINVAL,
	       "mmap() refuses two areas at once with EINVAL");
	no_map(peer, peer->attach.map_bytes, PROT_READ, MAP_SHARED, 0, EINVAL,
	       "mmap() refuses all areas at once with EINVAL");
	no_map(peer, in / 2, READ_WRITE, MAP_SHARED, in_at, EINVAL,
	       "mmap() refuses the first half of a ring with EINVAL");
	no_map(peer, in / 2, READ_WRITE, MAP_SHARED, in_at + in / 2, EINVAL,
	       "mmap() refuses the other half of a ring with EINVAL");
	no_map(peer, in + page, READ_WRITE, MAP_SHARED, in_at, EINVAL,
	       "mmap() refuses a ring and a page with EINVAL");
	no_map(peer, in, READ_WRITE, MAP_SHARED, in_at + page, EINVAL,
	       "mmap() refuses a shifted ring with EINVAL");
	no_map(peer, page, READ_WRITE, MAP_SHARED, out_at + area_length(&peer->info, AREA_OUT),
	       EINVAL, "mmap() refuses an offset behind the last area with EINVAL");
	no_map(peer, page, PROT_READ, MAP_SHARED, (off_t)1 << 44, EINVAL,
	       "mmap() refuses an offset of 16 TiB with EINVAL");
	no_map(peer, page, PROT_READ, MAP_SHARED, (off_t)1 << 32, EINVAL,
	       "mmap() refuses an offset of 4 GiB with EINVAL");
}

static void test_protection(struct peer *peer)
{
	const size_t page = peer->info.page_size;
	uint8_t *kernel = (uint8_t *)peer->kernel;

	refused(sys(mprotect(kernel, page, READ_WRITE)), EACCES,
		"mprotect() does not make the kernel page writable");
	refused(sys(mprotect(kernel, page, PROT_READ | PROT_EXEC)), EACCES,
		"mprotect() does not make the kernel page executable");
	refused(sys(mprotect(peer->user, page, READ_WRITE | PROT_EXEC)), EACCES,
		"mprotect() does not make the user page executable");
	refused(sys(mprotect(peer->in, 2 * page, READ_WRITE | PROT_EXEC)), EACCES,
		"mprotect() does not make a ring executable");
	check(touch(kernel, true) == SIGSEGV, "a write to the kernel page ends in SIGSEGV", "no");
	worked(sys(mprotect(peer->in + page, page, PROT_NONE)),
	       "mprotect() with PROT_NONE works on one page of a ring");
	check(touch(peer->in + page, false) == SIGSEGV && touch(peer->in, false) == 0 &&
		      touch(peer->in + 2 * page, false) == 0,
	      "mprotect() with PROT_NONE changes that page and not its neighbours", "no");
	worked(sys(mprotect(peer->in + page, page, READ_WRITE)),
	       "mprotect() makes a page of a ring accessible again");
	check(touch(peer->in + page, true) == 0,
	      "mprotect() leaves a page writable that is accessible again", "no");
}

/* No call that can write to any page of a process may write to the kernel page. */
static void test_forced_writes(struct peer *peer)
{
	uint64_t value = 0x6666666666666666ull;
	uint64_t magic = peer->kernel->magic;
	struct iovec mine = { &value, 8 };
	struct iovec theirs = { (void *)peer->kernel, 8 };
	int memory = open("/proc/self/mem", O_RDWR);
	int zero = open("/dev/zero", O_RDONLY);
	pid_t child;
	int status;

	need(memory != -1 && zero != -1, "files to write by");
	check(pwrite(memory, &value, 8, (off_t)(uintptr_t)peer->kernel) == -1,
	      "/proc/self/mem does not write to the kernel page", "no");
	check(process_vm_writev(getpid(), &mine, 1, &theirs, 1, 0) == -1,
	      "process_vm_writev() does not write to the kernel page", "no");
	check(read(zero, (void *)peer->kernel, 8) == -1, "read() does not fill the kernel page",
	      "no");
	child = fork();
	if (child == 0) {
		/* At the same address: the parent's mapping isn't inherited. */
		void *map = mmap((void *)peer->kernel, peer->info.page_size, PROT_READ,
				 MAP_SHARED | MAP_FIXED, peer->fd, 0);

		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(map == MAP_FAILED);
	}
	waitpid(child, &status, 0);
	need(WIFSTOPPED(status), "a child can be debugged");
	check(ptrace(PTRACE_PEEKDATA, child, peer->kernel, NULL) == (long)magic,
	      "ptrace() reads the kernel page", "%s", error_name(-errno));
	check(ptrace(PTRACE_POKEDATA, child, peer->kernel, value) == -1,
	      "ptrace() does not write to the kernel page", "no");
	ptrace(PTRACE_CONT, child, NULL, NULL);
	waitpid(child, &status, 0);
	need(status == 0, "the child has mapped the kernel page");
	check(peer->kernel->magic == magic, "the kernel page is unchanged after all attempts",
	      "%llx", (long long)peer->kernel->magic);
	close(zero);
	close(memory);
}

static void test_mremap(struct peer *peer)
{
	const size_t page = peer->info.page_size;
	const size_t in = area_length(&peer->info, AREA_IN);
	uint8_t *ring = area_map(peer->fd, &peer->info, AREA_IN);
	uint8_t *user = area_map(peer->fd, &peer->info, AREA_USER);
	uint8_t *place = mmap(NULL, in, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *moved;

	refused(sys_map(mremap(user, page, 2 * page, MREMAP_MAYMOVE)), EFAULT,
		"mremap() refuses to grow the user page with EFAULT");
	refused(sys_map(mremap(ring, in, 2 * in, MREMAP_MAYMOVE)), EFAULT,
		"mremap() refuses to grow a ring with EFAULT");
	refused(sys_map(mremap(user, 0, page, MREMAP_MAYMOVE)), EFAULT,
		"mremap() refuses to duplicate the user page with EFAULT");
	refused(sys_map(mremap(ring, 0, in, MREMAP_MAYMOVE)), EFAULT,
		"mremap() refuses to duplicate a ring with EFAULT");
	moved = mremap(ring, in, in, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	check(moved == MAP_FAILED, "mremap() does not leave the old mapping behind", "no");
	peer->in[5000] = 0x3c;
	moved = mremap(ring, in, in, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (check(moved == place && place[5000] == 0x3c && touch(ring, false) == SIGSEGV,
		  "mremap() moves a mapping with its pages", "the pages didn't move with it"))
		ring = place;
	moved = mremap(ring, in, page, 0);
	check(moved == ring && touch(ring, false) == 0 && touch(ring + page, false) == SIGSEGV,
	      "mremap() shrinks a mapping", "no");
	munmap(ring, page);
	munmap(user, page);
}

static void test_partial_unmap(struct peer *peer)
{
	const size_t page = peer->info.page_size;
	const size_t in = area_length(&peer->info, AREA_IN);
	uint8_t *ring = area_map(peer->fd, &peer->info, AREA_IN);

	peer->in[page * 3] = 0x11;
	worked(sys(munmap(ring + page, page)), "munmap() works on a page in the middle of a ring");
	worked(sys(munmap(ring, page)), "munmap() works on the first page of a ring");
	worked(sys(munmap(ring + in - page, page)), "munmap() works on the last page of a ring");
	check(ring[page * 3] == 0x11 && touch(ring + page, false) == SIGSEGV,
	      "munmap() of some pages keeps the rest of a ring", "no");
	munmap(ring, in);
	check(touch(peer->in, true) == 0, "munmap() of one area's pages keeps the other areas",
	      "no");
}

static void test_madvise(struct peer *peer)
{
	static const int advices[] = { MADV_DONTNEED,
				       MADV_FREE,
				       MADV_REMOVE,
				       MADV_DOFORK,
				       MADV_MERGEABLE,
				       MADV_WIPEONFORK,
				       MADV_PAGEOUT,
				       MADV_COLD,
				       MADV_HUGEPAGE,
				       MADV_WILLNEED,
				       MADV_KEEPONFORK,
				       MADV_POPULATE_READ,
				       MADV_POPULATE_WRITE,
				       MADV_DODUMP,
				       25 /* MADV_COLLAPSE */,
				       102 /* MADV_GUARD_INSTALL */ };
	uint8_t *areas[] = { (uint8_t *)peer->kernel, (uint8_t *)peer->user, peer->in, peer->out };
	int wrong = 0;

	memset(peer->in, 0xa5, peer->attach.to_user_bytes);
	memset(peer->out, 0x66, peer->attach.to_kernel_bytes);
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		for (int area = 0; area < AREAS; area++) {
			madvise(areas[area], area_length(&peer->info, area), advices[i]);
			if (touch(areas[area], area != AREA_KERNEL) != 0) {
				printf("# advice %d: area %d can't be touched\n", advices[i], area);
				wrong++;
			}
		}
		if (peer->kernel->magic != KUP_MAGIC || peer->in[9000] != 0xa5 ||
		    peer->out[9000] != 0x66) {
			printf("# advice %d: other bytes\n", advices[i]);
			wrong++;
		}
	}
	check(wrong == 0, "madvise() takes no bytes of the areas away, with any advice", "%d did",
	      wrong);
}

static void test_locks_and_faults(struct peer *peer)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)peer->in, area_length(&peer->info, AREA_IN) },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	bool fine;

	mlock(peer->in, area_length(&peer->info, AREA_IN));
	mlock2(peer->out, area_length(&peer->info, AREA_OUT), MLOCK_ONFAULT);
	fine = touch(peer->in, true) == 0 && touch(peer->out, true) == 0;
	munlock(peer->in, area_length(&peer->info, AREA_IN));
	mlockall(MCL_CURRENT | MCL_FUTURE);
	munlockall();
	check(fine && touch(peer->in, true) == 0, "mlock() and munlock() keep the areas usable",
	      "no");
	msync(peer->in, area_length(&peer->info, AREA_IN), MS_SYNC);
	if (faults >= 0 && ioctl(faults, UFFDIO_API, &api) == 0)
		refused(sys(ioctl(faults, UFFDIO_REGISTER, &range)), EINVAL,
			"userfaultfd refuses a ring with EINVAL");
	else
		skip("userfaultfd refuses a ring with EINVAL", "there is no userfaultfd");
	close(faults);
	/* A place that neither side uses. */
	((uint8_t *)peer->user)[0x800] = 0x5a;
	peer->in[0x800] = 0xa5;
	syscall(SYS_remap_file_pages, peer->in, peer->info.page_size, 0, 0, 0);
	syscall(SYS_remap_file_pages, peer->user, peer->info.page_size, 0, 0, 0);
	check(touch((uint8_t *)peer->user, true) == 0 && ((uint8_t *)peer->user)[0x800] == 0x5a &&
		      touch(peer->in, true) == 0 && peer->in[0x800] == 0xa5,
	      "remap_file_pages() does not exchange areas", "they aren't what they were");
	syscall(SYS_remap_file_pages, peer->kernel, peer->info.page_size, 0, 1, 0);
	check(touch((uint8_t *)peer->kernel, true) == SIGSEGV,
	      "remap_file_pages() does not make the kernel page writable", "no");
}

static int fork_and_touch(struct peer *peer)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit((touch((uint8_t *)peer->kernel, false) == 0) +
		      (touch((uint8_t *)peer->user, true) == 0) + (touch(peer->in, true) == 0) +
		      (touch(peer->out, true) == 0));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_fork(struct peer *peer)
{
	uint8_t *areas[] = { (uint8_t *)peer->kernel, (uint8_t *)peer->user, peer->in, peer->out };
	int found = fork_and_touch(peer), taken = 0;

	check(found == 0, "fork() does not pass the mappings on", "%d of them", found);
	/* Linux 7 refuses this for the mappings of drivers. */
	for (int area = 0; area < AREAS; area++)
		taken += madvise(areas[area], area_length(&peer->info, area), MADV_DOFORK) == 0;
	found = fork_and_touch(peer);
	/* The kernel page is only read. */
	check((taken == AREAS || taken == 0) && found == taken && touch(peer->in, true) == 0 &&
		      peer->kernel->magic == KUP_MAGIC,
	      "madvise() with MADV_DOFORK fails, or a child inherits the mappings, without harm",
	      "%d of them, after %d calls", found, taken);
}

int main(int count, char **arguments)
{
	struct peer peer;

	begin(count, arguments, 120);
	peer_need(&peer, ANY);
	test_refusals(&peer);
	test_protection(&peer);
	test_forced_writes(&peer);
	test_mremap(&peer);
	test_partial_unmap(&peer);
	test_locks_and_faults(&peer);
	test_fork(&peer);
	test_madvise(&peer);
	peer_stop_wait(&peer);
	return finish();
}
