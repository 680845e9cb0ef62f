/* SPDX-License-Identifier: BSD-3-Clause */
/* The peer in Rust (../iceoryx2), if it is built: a library of its own, beside this one. */
#include <dlfcn.h>
#include <errno.h>

#include "rounds.h"

typedef int32_t (*pin_fn)(int32_t processor);
typedef double (*echo_fn)(uint32_t count, int32_t theirs, pin_fn pin);

static echo_fn find(void)
{
	void *library = dlopen("libbench_iceoryx2.so", RTLD_NOW | RTLD_LOCAL);

	return library ? (echo_fn)(uintptr_t)dlsym(library, "bench_iceoryx2") : NULL;
}

static int is_here(void)
{
	return find() != NULL;
}

static double echo(const struct round *round)
{
	echo_fn run = find();

	if (round->length != 64)
		return -EMSGSIZE;
	return run ? run(round->count, round->theirs, bench_pin) : -ENOENT;
}

const struct round_entry iceoryx2_rounds[] = {
	{ "iceoryx2 echo", echo, is_here },
	{ NULL, NULL, NULL },
};
