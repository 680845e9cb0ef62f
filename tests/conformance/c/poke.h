/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that writes any value at any time, on a channel of a turn device. */
#ifndef POKE_H
#define POKE_H

#include "peer.h"

/* Makes random writes, looks and kicks. Ends soon after the channel is over, or after `steps`. */
void poke(struct peer *peer, uint32_t *seed, uint32_t steps);

#endif
