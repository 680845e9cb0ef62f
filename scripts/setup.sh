#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Gets the tools that the Makefile's targets need, and only those that are missing.
#
#   setup.sh deno DIR VERSION    Deno from npm into DIR; changes nothing else
#   setup.sh zig DIR VERSION     the compiler for other machines, from PyPI into DIR; pip with apt
#   setup.sh compiler            Debian packages with apt, for building the native library
#   setup.sh packages            the same, and the packages for checks and tests
#   setup.sh debug-kernel        the above, and Debian packages with apt for building a kernel
#
# Deno and Zig stay local. The rest is installed for the whole system, because compilers and QEMU
# find their own parts by absolute paths and can't be run from an unpacked package.
set -eu

say() {
	echo "setup: $*"
}

die() {
	echo "setup: $*" >&2
	exit 1
}

install_deno() {
	dir=$1 version=$2
	command -v npm >/dev/null || die "npm is needed to get Deno: apt-get install npm"
	say "Deno $version from npm into $dir"
	mkdir -p "$dir"
	# The package's install script would only make a second copy of the binary.
	npm install --prefix "$dir" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
		"deno@$version"
	# What npm puts on the PATH is a Node script; the tests need the program itself.
	program=$(find "$dir/node_modules/@deno" -name deno -type f -perm -u+x | head -n 1)
	[ -n "$program" ] || die "the npm package of Deno $version holds no program for this machine"
	mkdir -p "$dir/bin"
	ln -sfn "../${program#"$dir"/}" "$dir/bin/deno"
	"$dir/bin/deno" --version | head -n 1
}

# Each line has a file or command that shows that a package is installed, and the package.
COMPILER='
	cc gcc
	/usr/include/stdio.h libc6-dev
'
FETCHER='
	python3 python3
	pip3 python3-pip
'
TESTS='
	qemu-system-x86_64 qemu-system-x86
	gcc-12 gcc-12
	g++ g++
	pkg-config pkg-config
	mandoc mandoc
	/usr/lib/*/libelf.so.1 libelf1
	clang-format clang-format
	cpio cpio
	git git
	/usr/lib/python3/dist-packages/yaml/__init__.py python3-yaml
'
DEBUG_KERNEL='
	bc bc
	bison bison
	flex flex
	make make
	xz xz-utils
	/usr/include/gelf.h libelf-dev
'

# Prints the package of each of $wanted that is missing.
missing_packages() {
	while read -r proof package; do
		case $proof in
		"") ;;
		/*) ls $proof >/dev/null 2>&1 || echo "$package" ;;
		*) command -v "$proof" >/dev/null || echo "$package" ;;
		esac
	done <<-END
		$wanted
	END
}

install_packages() {
	wanted=$1
	packages=$(missing_packages | sort -u | tr '\n' ' ')
	[ -n "$packages" ] || return 0
	command -v apt-get >/dev/null || die "these are missing, and there is no apt-get: $packages"
	sudo=
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "as root, run: apt-get install $packages"
		sudo=sudo
	fi
	say "Debian packages: $packages"
	$sudo apt-get update -q
	# shellcheck disable=SC2086 -- a list of package names
	$sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends $packages
	still=$(missing_packages | sort -u | tr '\n' ' ')
	[ -z "$still" ] || die "still missing after the installation: $still"
}

# The hashes of PyPI's files, for x86_64 and for aarch64. A new version needs new hashes.
zig_hashes() {
	case $1 in
	0.15.2)
		printf -- '--hash=sha256:%s ' \
			806316453d1ede7174ed3fefb8e5348154629089c3bb5fe812dfd0e172fac130 \
			edc0aa60ec964a4cf462d40f68d7de242ddf37fd9a80f2afaee6397059463230
		;;
	*) die "scripts/setup.sh doesn't know the hashes of Zig $1" ;;
	esac
}

install_zig() {
	dir=$1 version=$2
	install_packages "$FETCHER"
	say "Zig $version (the cross-compiler) from PyPI into $dir"
	hashes=$(zig_hashes "$version")
	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp"
	echo "ziglang==$version $hashes" >"$dir.tmp/requirements"
	# pip takes nothing that has another hash. It only fetches: nothing is installed for Python.
	pip3 download --quiet --no-deps --only-binary :all: --require-hashes --no-cache-dir \
		--dest "$dir.tmp" --requirement "$dir.tmp/requirements" ||
		die "pip3 could not fetch Zig $version, or it was not what was expected"
	python3 -m zipfile -e "$dir.tmp"/ziglang-*.whl "$dir.tmp"
	rm "$dir.tmp"/ziglang-*.whl
	# Archives of Python's don't keep what is a program.
	chmod +x "$dir.tmp/ziglang/zig"
	[ "$("$dir.tmp/ziglang/zig" version)" = "$version" ] || die "what was fetched is no Zig $version"
	mv "$dir.tmp" "$dir"
}

case ${1-} in
deno) install_deno "$2" "$3" ;;
zig) install_zig "$2" "$3" ;;
compiler) install_packages "$COMPILER" ;;
packages) install_packages "$COMPILER$TESTS" ;;
debug-kernel) install_packages "$COMPILER$DEBUG_KERNEL" ;;
*) die "usage: setup.sh deno|zig DIR VERSION | compiler | packages | debug-kernel" ;;
esac
