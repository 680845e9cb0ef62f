#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds the embedded libraries once more, from a clone of what is committed, in a folder with
# another path and with an empty compiler cache, and compares the two results. `make reproduce`
# calls it. A publisher's libraries are then those that anybody can build from the same commit.
set -eu

cd "$(dirname "$0")/.."
clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git clone -q . "$clone/a clone"
mkdir "$clone/a clone/.cache"
# The tools are the same; what they have built is not there.
for tool in .cache/deno-* .cache/zig-[0-9]*; do
	if [ -d "$tool/bin" ] || [ -d "$tool/ziglang" ]; then
		ln -s "$PWD/$tool" "$clone/a clone/.cache/"
	fi
done
env -u MAKEFLAGS -u MAKELEVEL -u KUP_ZIG -u KUP_DENO_CONFIG make -s -C "$clone/a clone" prebuilt
for folder in src/embedded harness/embedded; do
	diff -r "$folder" "$clone/a clone/$folder" >/dev/null || {
		echo "reproduce: $folder differs from what a clone of this commit builds" >&2
		exit 1
	}
done
echo "reproduce: a clone of this commit has built the same libraries"
