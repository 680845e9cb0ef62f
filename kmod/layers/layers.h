/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What layers need of the module that they are a part of; for the backends' module.c. */
#ifndef KUP_LAYERS_H
#define KUP_LAYERS_H

/* Both once, when KUP is loaded and unloaded. May sleep. -ENOMEM. */
int kup_layers_init(void);
void kup_layers_exit(void);

#endif
