/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What the layers need of the module that contains them. Each system's module.c calls it. */
#ifndef KUP_LAYERS_H
#define KUP_LAYERS_H

/* Called once when KUP is loaded, and once when it is unloaded. May sleep. -ENOMEM. */
int kup_layers_init(void);
void kup_layers_exit(void);

#endif
