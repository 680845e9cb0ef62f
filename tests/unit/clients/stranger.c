/* SPDX-License-Identifier: BSD-3-Clause */
/* A shared object that is no client. */
int stranger(void);

int stranger(void)
{
	return 1;
}
