/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* For kupdev.h, which includes the compiler's own. */
#ifndef KUP_STDDEF_H
#define KUP_STDDEF_H

typedef __SIZE_TYPE__ size_t;

#endif
