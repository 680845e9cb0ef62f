#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Checks that the engine, the layers and the echo client are free of any operating system: they
# compile without a system header, have no OS #ifdef, and call only what os.h and the client API
# declare. Layers and clients include kup.h and no header of the engine.
set -eu
cd "$(dirname "$0")/.."

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# dash runs it for `exit` alone, and not when a signal ends the shell.
trap 'exit 130' INT
trap 'exit 143' TERM
failed=0
fail() {
	echo "check_core: $*" >&2
	failed=1
}

# compile FILE FLAG...
compile() {
	file=$1
	object="$out/$(echo "$file" | tr / -).o"
	shift
	${CC:-cc} -std=gnu11 -ffreestanding -nostdinc -O2 -Wall -Wextra -Werror -DKUP_ABI_NO_IOCTL "$@" \
		-Itests/osfree -MMD -MF "$out/headers" -c "$file" -o "$object" ||
		fail "$file does not compile on its own"
}

for file in kmod/core/*.c; do
	compile "$file" -Ikmod -Ikmod/uapi -Ikmod/core
done
for file in $(find kmod/layers -name '*.c') kmod/echo/*.c; do
	compile "$file" -Ikmod -Ikmod/uapi
	! grep -o '[^ ]*core/[a-z_]*\.h' "$out/headers" || fail "$file includes the engine's header above"
done

# The contract's one system header is behind KUP_ABI_NO_IOCTL, which the engine sets.
if grep -nE '^[[:space:]]*#[[:space:]]*(include[[:space:]]*<|.*(__linux__|__KERNEL__|__FreeBSD__|_WIN32|__APPLE__|__unix__))' \
	-r --include='*.[ch]' --exclude=kupdev.h --exclude-dir=os kmod/core kmod/layers kmod/echo kmod/kup.h kmod/kup_client.h kmod/kup_record.h; then
	fail "the lines above name an operating system or one of its headers"
fi

# Every call is to os.h, to the client API, to one of these files, or one that the compiler makes
# itself.
nm "$out"/*.o | awk '$2 == "T" { print $3 }' >"$out/defined"
allowed=$(cat "$out/defined"; grep -ohE '\b(os|kup|echo)_[a-z0-9_]+\(' kmod/core/*.h kmod/*.h kmod/layers/*.h kmod/echo/context.h tests/osfree/kup_system.h | tr -d '(' | sort -u)
for symbol in $(nm -u "$out"/*.o | awk '$1 == "U" { print $2 }' | sort -u); do
	case "$symbol" in
	memcpy | memset | memcmp | memmove) continue ;;
	esac
	echo "$allowed" | grep -qx "$symbol" || fail "calls $symbol, which no header of the engine declares"
done

# The calls of the engine's files form no circle: tsort prints the files of each that there is.
for object in "$out"/kmod-core-*.o; do
	nm "$object" | sed -n "s|.* \([TU]\) \(.*\)|\2 \1 $(basename "$object" .c.o)|p"
done | awk '{ if ($2 == "T") from[$1] = $3; else uses[$1 " " $3] }
	END { for (use in uses) { split(use, a); if (a[1] in from) print a[2], from[a[1]] } }' |
	tsort >/dev/null || fail "the engine's files call each other in the circle above"

# Each ordered access of the engine, the layers, the systems and the native library names the access
# that it pairs with, in a comment a few lines above. kup_ref_put explains its own order.
ordered='kup_load_acquire|kup_store_release|kup_fence|kup_change|kup_exchange|kup_fetch_(or|and)|kup_(load|store)_pointer'
ordered="($ordered)\\(|__ATOMIC_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST)"
for file in $(find kmod native -name '*.c' ! -path '*/build/*' ! -name '*.mod.c'); do
	awk -v file="$file" -v ordered="$ordered" '
		/[Pp]airs|[ABCD]: |[Rr]elaxed|As above|as above/ { named = NR }
		$0 ~ ordered && !/^[ \t]*(\*|\/\*)/ && NR - named > 10 { print file ":" NR ": " $0; bad = 1 }
		END { exit bad }' "$file" || fail "the accesses above name no partner"
done

[ "$failed" = 0 ] && echo "check_core: the engine and the layers are OS-free"
exit "$failed"
