/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The module that the calling thread works for, why the thread's last call failed, and the engine's
 * sentences.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host.h"

static _Thread_local const struct host_module *loading;
static _Thread_local char why[512];

const struct host_module *host_loading(void)
{
	return loading;
}

void host_set_loading(const struct host_module *module)
{
	loading = module;
}

const char *host_error(void)
{
	return why;
}

void host_forget_error(void)
{
	why[0] = '\0';
}

int host_fail(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	return error;
}

/*
 * ---- The engine's sentences ----
 *
 * A sentence of kup_log about a module that is being loaded becomes a part of the error of that
 * load. All other sentences go to stderr. The last one about the module that was loaded last is
 * kept, because it may also explain why that module has made no device.
 */

static struct {
	pthread_mutex_t lock;
	const struct host_module *from; /* the module that was loaded last; for comparing only */
	int listening;			/* a call runs whose error may contain the sentence */
	int shown;			/* `text` is on stderr or in an error already */
	char text[HOST_SENTENCE];
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* From now on sentences are about this module, or (NULL) about none. */
void host_begin_sentences(const struct host_module *module)
{
	pthread_mutex_lock(&said.lock);
	said.from = module;
	said.text[0] = '\0';
	pthread_mutex_unlock(&said.lock);
}

void host_set_listening(int listening)
{
	pthread_mutex_lock(&said.lock);
	said.listening = listening;
	/* A module may have continued after the failure, and is then loaded without an error. */
	if (!listening && said.text[0] && !said.shown)
		fprintf(stderr, "kup: %s\n", said.text);
	said.shown = 1;
	pthread_mutex_unlock(&said.lock);
}

/* Returns the sentence about this module for an error, or "". */
void host_take_sentence(const struct host_module *module, char sentence[HOST_SENTENCE])
{
	pthread_mutex_lock(&said.lock);
	strcpy(sentence, said.from == module ? said.text : "");
	said.shown = 1;
	pthread_mutex_unlock(&said.lock);
}

void kup_log(const char *format, ...)
{
	kup_u32 depth = host_check_log(__builtin_return_address(0));
	char sentence[HOST_SENTENCE];
	va_list arguments;
	int about;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	pthread_mutex_lock(&said.lock);
	about = said.from && said.from == loading;
	if (about) {
		strcpy(said.text, sentence);
		said.shown = !said.listening;
	}
	if (!about || !said.listening)
		fprintf(stderr, "kup: %s\n", sentence);
	pthread_mutex_unlock(&said.lock);
	host_resume_atomic(depth);
}
