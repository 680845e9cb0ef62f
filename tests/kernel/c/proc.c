/* SPDX-License-Identifier: BSD-3-Clause */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases.h"

int64_t sum_of(const char *path, const char *prefix)
{
	char line[128], name[128];
	long long value, sum = 0;
	FILE *file = fopen(path, "r");

	need(file != NULL, path);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "%127s %lld", name, &value) == 2 &&
		    strncmp(name, prefix, strlen(prefix)) == 0)
			sum += value;
	fclose(file);
	return sum;
}

int64_t pages_in_use(void)
{
	return sum_of("/proc/vmstat", "pgalloc_") - sum_of("/proc/vmstat", "pgfree");
}

bool put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return done;
}

const char *first_line(const char *path)
{
	static char line[256];
	FILE *file = fopen(path, "r");

	line[0] = '\0';
	if (file == NULL)
		return line;
	if (fgets(line, sizeof(line), file) != NULL)
		line[strcspn(line, "\n")] = '\0';
	fclose(file);
	return line;
}

pid_t thread_named(const char *name)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;
	char path[300];

	while (found == 0 && (entry = readdir(folder)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (strcmp(first_line(path), name) == 0)
			found = (pid_t)atoi(entry->d_name);
	}
	closedir(folder);
	return found;
}

uint64_t ticks_of(pid_t task)
{
	unsigned long user = 0, system = 0;
	const char *fields;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", task);
	/* The process's name, in brackets, may contain anything. */
	fields = strrchr(first_line(path), ')');
	need(fields != NULL &&
		     sscanf(fields, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user,
			    &system) == 2,
	     path);
	return user + system;
}

/* ---- A cgroup ---- */

#define ROOT "/tmp/kup-cgroup"

static bool has_controller(const char *limit)
{
	char word[32] = "+";

	/* "memory.max" is a limit of "memory". */
	strncat(word, limit, strcspn(limit, "."));
	return put_text(ROOT "/cgroup.subtree_control", word);
}

bool cgroup_make(const char *limit, const char *value)
{
	char path[64];

	mkdir(ROOT, 0700);
	snprintf(path, sizeof(path), ROOT "/kup/%s", limit);
	if (mount("none", ROOT, "cgroup2", 0, NULL) == 0 && has_controller(limit) &&
	    mkdir(ROOT "/kup", 0700) == 0 && put_text(path, value))
		return true;
	cgroup_remove();
	return false;
}

bool cgroup_enter(void)
{
	return put_text(ROOT "/kup/cgroup.procs", "0");
}

uint64_t cgroup_time(void)
{
	return (uint64_t)sum_of(ROOT "/kup/cpu.stat", "usage_usec");
}

uint64_t cgroup_peak(void)
{
	const char *bytes = first_line(ROOT "/kup/memory.peak");

	need(bytes[0] != '\0', "a cgroup's memory is counted");
	return strtoull(bytes, NULL, 10);
}

int cgroup_remove(void)
{
	if (rmdir(ROOT "/kup") == -1 && errno == EBUSY)
		return -EBUSY;
	umount(ROOT);
	rmdir(ROOT);
	return 0;
}
