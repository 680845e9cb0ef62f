#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Checks that the FreeBSD modules and library build, without a FreeBSD machine. They are compiled
# against FreeBSD's own headers and linked as its kernel's loader needs them, for both
# architectures, with warnings as errors. The modules must need exactly the kernel symbols that
# tests/freebsd/symbols.txt lists.
#
#   ZIG=path/to/zig check_freebsd.sh
#
# Zig contains the compiler, the linker and the headers, from 0.15 on. 0.17.1 always calls a library
# for atomic operations on aarch64, so it can't be used.
set -eu
cd "$(dirname "$0")/.."

ZIG=${ZIG:-zig}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# dash runs it for `exit` alone, and not when a signal ends the shell.
trap 'exit 130' INT
trap 'exit 143' TERM
# One word for the shell and for make, wherever the compiler is.
ln -s "$(command -v "$ZIG")" "$out/zig"
ZIG=$out/zig
failed=0
fail() {
	echo "check_freebsd: $*" >&2
	failed=1
}

# The flags of sys/conf/kern.mk and kmod.mk, with more warnings.
FLAGS='-D_KERNEL -DKLD_MODULE -std=gnu99 -O2 -ffreestanding -fwrapv -fno-common
	-fno-strict-aliasing -fno-stack-protector -fno-sanitize=all'
WARNINGS='-Wall -Wextra -Werror -Wno-unused-parameter -Wno-pointer-sign -Wredundant-decls
	-Wnested-externs -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wcast-qual'
INCLUDES='-Ikmod -Ikmod/uapi -Ikmod/core -Ikmod/os/freebsd'

# The kernel keeps a pointer in x18, and has no library for atomic operations.
machine_flags() {
	case $1 in
	x86_64) echo '-mcmodel=kernel -mno-red-zone -mno-mmx -mno-sse -msoft-float -fno-pic' ;;
	aarch64) echo '-mgeneral-regs-only -mcpu=generic+reserve_x18-outline_atomics -fPIC' ;;
	esac
}

# The same as in kmod/freebsd/kup/Makefile.
file_flags() {
	case $1 in
	*/ring.c | */kupdev.c) echo '-Wno-cast-qual' ;;
	esac
}

# module ARCH NAME FLAG SOURCE...: makes NAME.ko, and NAME.o for reading its symbols
module() {
	arch=$1 name=$2 own=$3
	shift 3
	objects=
	for source; do
		object="$out/$arch-$name-$(basename "$source" .c).o"
		# shellcheck disable=SC2046,SC2086 -- lists of flags
		$ZIG cc -target "$arch-freebsd" $FLAGS $(machine_flags "$arch") $WARNINGS $INCLUDES \
			$(file_flags "$source") $own -c "$source" -o "$object" || fail "$source does not compile for $arch"
		objects="$objects $object"
	done
	# shellcheck disable=SC2086
	$ZIG ld.lld -r -o "$out/$arch-$name.o" $objects || fail "$name does not link for $arch"
	# amd64 loads relocatable objects, the others shared ones.
	if [ "$arch" = x86_64 ]; then
		cp "$out/$arch-$name.o" "$out/$arch-$name.ko"
	else
		$ZIG ld.lld -shared -z notext -z norelro -o "$out/$arch-$name.ko" "$out/$arch-$name.o" ||
			fail "$name.ko does not link for $arch"
	fi
	[ -s "$out/$arch-$name.ko" ] || fail "there is no $name.ko for $arch"
}

examples='ticker store gate typed chat joblog sampler'
for arch in x86_64 aarch64; do
	# The engine without the system's ioctl, as everywhere.
	module $arch core -DKUP_ABI_NO_IOCTL kmod/core/*.c kmod/layers/*.c
	module $arch os '' kmod/os/freebsd/*.c
	$ZIG ld.lld -r -o "$out/$arch-kup.o" "$out/$arch-core.o" "$out/$arch-os.o" ||
		fail "kup does not link for $arch"
	module $arch kup_echo '-DKUP_MODULE_NAME=kup_echo -DKUP_ABI_NO_IOCTL' kmod/echo/*.c \
		kmod/echo/os/freebsd.c
	for name in $examples; do
		module $arch $name -DKUP_MODULE_NAME=$name examples/$name/$name.c
	done
	module $arch shifts '' tests/freebsd/module/shifts.c
	make -s -C native CC="$ZIG cc -target $arch-freebsd" SYSTEM=freebsd ARCH=$arch \
		BUILD="$out/native-$arch" || fail "the native library does not build for $arch"
done

# The tests that only run on FreeBSD, and their helpers, at least compile.
for source in tests/freebsd/c/*.c tests/conformance/c/*.c tests/kernel/c/calls.c \
	tests/kernel/c/processes.c tests/kernel/c/raw.c tests/kernel/c/seed.c; do
	$ZIG cc -target x86_64-freebsd -std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror \
		-Itests/conformance/c -Itests/kernel/c -Inative -Inative/kup_1 -Ikmod/uapi -Ikmod/echo \
		-c "$source" -o "$out/test.o" || fail "$source does not compile"
done

# FreeBSD's own make is given lists of files.
for source in kmod/core/*.c kmod/layers/*.c kmod/os/freebsd/*.c; do
	grep -qw "$(basename "$source" .c)" kmod/freebsd/kup/Makefile ||
		fail "kmod/freebsd/kup/Makefile doesn't name $source"
done

# Clients may link to the symbols in Linux's list. kup has all of them, and clients use no others.
sed -n 's/^EXPORT_SYMBOL_GPL(\(.*\));/\1/p' kmod/os/linux/module.c | sort >"$out/exports"
[ -s "$out/exports" ] || fail "kmod/os/linux/module.c exports nothing"
nm "$out/x86_64-kup.o" | awk '$2 == "T" { print $3 }' | sort >"$out/defined"
comm -23 "$out/exports" "$out/defined" >"$out/missing"
[ ! -s "$out/missing" ] || fail "exported, but not there: $(tr '\n' ' ' <"$out/missing")"

# Modules that were written for the predecessor depend on its name.
nm "$out/x86_64-kup.o" | grep -q '_kup_dev_version$' || fail "kup.ko does not stand in for kup_dev.ko"

# Both directions: symbols that are used but not listed, and listed but not used. The linker makes the
# ends of linker sets.
for arch in x86_64 aarch64; do
	nm -u "$out/$arch-kup.o" "$out/$arch-kup_echo.o"
	for name in $examples; do nm -u "$out/$arch-$name.o"; done
done | awk '$1 == "U" { print $2 }' | grep -v '^__\(start\|stop\)_set_' | sort -u |
	comm -23 - "$out/exports" >"$out/used"
awk '!/^#/ && NF { print $1 }' tests/freebsd/symbols.txt | sort >"$out/listed"
awk '!/^#/ && NF == 1' tests/freebsd/symbols.txt >"$out/undocumented"
comm -23 "$out/used" "$out/listed" >"$out/unlisted"
comm -13 "$out/used" "$out/listed" >"$out/unused"
[ ! -s "$out/unlisted" ] || fail "used, but not in symbols.txt: $(tr '\n' ' ' <"$out/unlisted")"
[ ! -s "$out/unused" ] || fail "in symbols.txt, but not used: $(tr '\n' ' ' <"$out/unused")"
[ ! -s "$out/undocumented" ] || fail "no document is named: $(tr '\n' ' ' <"$out/undocumented")"

[ "$failed" = 0 ] && echo "check_freebsd: the modules and the library build for FreeBSD"
exit "$failed"
