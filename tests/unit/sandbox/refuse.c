/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a program in a sandbox whose kernel refuses one system call:
 *
 *   refuse CALL ERRNO PROGRAM [ARGUMENT...]               the call memfd_create
 *   refuse open=FLAGS ERRNO PROGRAM [ARGUMENT...] openat with exactly these flags
 *
 * Both numbers may be hexadecimal. Threads and programs that it starts are in the sandbox too.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* Continues if the value is this one, and skips `rest` instructions if not. */
#define ONLY(value, rest) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, rest)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)

static int refuse(unsigned int number, unsigned int any_flags, unsigned int flags,
		  unsigned int error)
{
	/*
	 * The flags are openat's third argument. The machines that run this have its low half
	 * first.
	 */
	struct sock_filter filter[] = {
		LOAD(nr),
		ONLY(number, 3),
		LOAD(args[2]),
		ONLY(flags, any_flags ? 0 : 1),
		RETURN(SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int main(int count, char **words)
{
	unsigned int number = SYS_memfd_create, any_flags = 1, flags = 0;

	if (count < 4)
		return 2;
	if (strncmp(words[1], "open=", 5) == 0) {
		number = SYS_openat;
		any_flags = 0;
		flags = (unsigned int)strtoul(words[1] + 5, NULL, 0);
	} else if (strcmp(words[1], "memfd_create") != 0) {
		return 2;
	}
	if (refuse(number, any_flags, flags, (unsigned int)strtoul(words[2], NULL, 0))) {
		perror("refuse: seccomp");
		return 2;
	}
	execvp(words[3], words + 3);
	perror(words[3]);
	return 2;
}
