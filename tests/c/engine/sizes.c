/* SPDX-License-Identifier: BSD-3-Clause */
/* How ATTACH rounds ring sizes, also with pages that this machine does not have. */
#include "core.h"
#include "tests.h"

struct size_case {
	kup_u32 asked, result; /* in bytes */
};

/* The default is four pages, and the maximum is 16. */
static void test_page(kup_u32 page, const char *sentence)
{
	const struct size_case cases[] = {
		{ 0, 4 * page },
		{ 1, page },
		{ 3, page },
		{ page - 1, page },
		{ page, page },
		{ page + 1, 2 * page },
		{ 3 * page, 4 * page },
		{ 4 * page + 1, 8 * page },
		{ 5000, page > 4096 ? page : 2 * page },
		{ 9 * page, 16 * page },
		{ 16 * page, 16 * page },
		{ 16 * page + 1, 0 },
		{ 1u << 31, 0 },
		{ ~0u, 0 },
	};
	kup_u32 i, result;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		result = kup_ring_bytes(page, cases[i].asked, 4 * page, 16 * page);
		if (result != cases[i].result)
			break;
	}
	check(i == sizeof(cases) / sizeof(cases[0]), sentence, "case %u", i);
}

void size_cases(void)
{
	test_page(4096, "ATTACH rounds sizes up with pages of 4 KiB");
	test_page(16384, "ATTACH rounds sizes up with pages of 16 KiB");
	test_page(65536, "ATTACH rounds sizes up with pages of 64 KiB");
	check(kup_ring_bytes(65536, KUP_MAX_RING, 65536, KUP_MAX_RING) == KUP_MAX_RING &&
		      kup_ring_bytes(65536, KUP_MAX_RING - 1, 65536, KUP_MAX_RING) == KUP_MAX_RING,
	      "ATTACH gives the largest ring of the contract", "another size");
}
