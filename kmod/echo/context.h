/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Contexts in which a thread can't sleep, for tests of producers there. Each system has an
 * implementation of the first two in os/. It is a part of the echo client, and not of KUP.
 */
#ifndef ECHO_CONTEXT_H
#define ECHO_CONTEXT_H

#include "kup.h"

/* Runs work(argument) once in an interrupt handler, and waits until it has returned. May sleep. */
int echo_in_interrupt(void (*work)(void *argument), void *argument);

/* The same in code that runs after interrupts: a softirq, a callout. */
int echo_in_deferred(void (*work)(void *argument), void *argument);

/* The same in the callback of a kup_timer; contexts.c. */
int echo_in_timer(void (*work)(void *argument), void *argument);

#endif
