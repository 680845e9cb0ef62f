/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits that only a failure reaches. KUP_PATIENCE multiplies them all, as in until.ts. */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdlib.h>

static inline unsigned int patience(unsigned int seconds)
{
	const char *factor = getenv("KUP_PATIENCE");

	return (unsigned int)(seconds * (factor && *factor ? strtod(factor, NULL) : 1));
}

/* How long what has to come may take before it counts as lost. */
#define PATIENCE_MS (1000 * patience(60))

#endif
