/* SPDX-License-Identifier: BSD-3-Clause */
/* A shared object that is no client. */
int nothing_of_interest(void);

int nothing_of_interest(void)
{
	return 1;
}
