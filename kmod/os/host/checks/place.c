/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Where a call was made: the function and the file. The loader knows exported functions only, and
 * most of a client's are static, so this reads the file's own table of symbols.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checks/checks.h"

#ifdef __FreeBSD__
#include <sys/elf64.h>
#endif

/* A file in memory. */
struct file {
	const kup_u8 *bytes;
	size_t size;
};

static int map_file(const char *path, struct file *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	void *bytes = MAP_FAILED;

	if (fd < 0)
		return -1;
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
	    stat.st_size > (off_t)sizeof(Elf64_Ehdr))
		bytes = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return -1;
	*file = (struct file){ bytes, (size_t)stat.st_size };
	return 0;
}

/* Returns this range of the file, or NULL. */
static const void *range(const struct file *file, Elf64_Off at, size_t bytes)
{
	if (at > file->size || bytes > file->size - at || at % 8 != 0)
		return NULL;
	return file->bytes + at;
}

/* Finds the function that contains this address, in one table. */
static const char *find_in(const struct file *file, const Elf64_Shdr *table,
			   const Elf64_Shdr *names, kup_u64 address, kup_u64 *offset)
{
	const Elf64_Sym *symbols = range(file, table->sh_offset, table->sh_size);
	size_t i, count = table->sh_size / sizeof(*symbols);

	if (names->sh_offset > file->size || names->sh_size > file->size - names->sh_offset)
		return NULL;
	for (i = 0; symbols && i < count; i++) {
		const Elf64_Sym *symbol = &symbols[i];

		if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || address < symbol->st_value ||
		    address - symbol->st_value >= symbol->st_size ||
		    symbol->st_name >= names->sh_size)
			continue;
		*offset = address - symbol->st_value;
		return (const char *)file->bytes + names->sh_offset + symbol->st_name;
	}
	return NULL;
}

static const char *find_function(const struct file *file, kup_u64 address, kup_u64 *offset)
{
	const Elf64_Ehdr *header = range(file, 0, sizeof(*header));
	const Elf64_Shdr *sections;
	const char *name = NULL;
	int i;

	if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_ident[EI_CLASS] != ELFCLASS64)
		return NULL;
	sections = range(file, header->e_shoff, header->e_shnum * sizeof(*sections));
	for (i = 0; sections && !name && i < header->e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < header->e_shnum)
			name = find_in(file, &sections[i], &sections[sections[i].sh_link], address,
				       offset);
	return name;
}

/* A file with fixed addresses has none that are relative to its beginning. */
static int is_fixed(const struct file *file)
{
	const Elf64_Ehdr *header = range(file, 0, sizeof(*header));

	return header && header->e_type == ET_EXEC;
}

const char *check_place(const void *caller, char place[CHECK_PLACE])
{
	/* A return address is behind its call. */
	kup_u64 address = (kup_u64)(size_t)caller - 1, relative, offset = 0;
	const char *slash, *name;
	struct file file;
	char at[96];
	Dl_info found;

	if (!dladdr((const void *)(size_t)address, &found) || !found.dli_fname) {
		snprintf(place, CHECK_PLACE, "%p", caller);
		return place;
	}
	slash = strrchr(found.dli_fname, '/');
	relative = address - (kup_u64)(size_t)found.dli_fbase;
	snprintf(at, sizeof(at), "%.60s+0x%llx", slash ? slash + 1 : found.dli_fname,
		 (unsigned long long)relative);
	strcpy(place, at);
	if (map_file(found.dli_fname, &file))
		return place;
	name = find_function(&file, is_fixed(&file) ? address : relative, &offset);
	if (name)
		snprintf(place, CHECK_PLACE, "%.60s+0x%llx (%s)", name, (unsigned long long)offset,
			 at);
	munmap((void *)(size_t)file.bytes, file.size);
	return place;
}
