#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds the embedded libraries once more, from the files that are committed, in a folder with
# another path and with an empty compiler cache, and compares the two results. `make reproduce`
# calls it. It shows that any machine builds the published libraries from the same commit.
set -eu

cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# dash runs it for `exit` alone, and not when a signal ends the shell.
trap 'exit 130' INT
trap 'exit 143' TERM
copy="$folder/a copy"
mkdir -p "$copy/.cache"
git archive HEAD >"$folder/archive"
tar -xf "$folder/archive" -C "$copy"
# The tools are the same; what they have built is not there.
for tool in .cache/deno-* .cache/zig-[0-9]*; do
	if [ -d "$tool/bin" ] || [ -d "$tool/ziglang" ]; then
		ln -s "$PWD/$tool" "$copy/.cache/"
	fi
done
env -u MAKEFLAGS -u MAKELEVEL -u KUP_ZIG -u KUP_DENO_CONFIG make -s -C "$copy" prebuilt
for part in src/embedded harness/embedded; do
	diff -r "$part" "$copy/$part" >/dev/null || {
		echo "reproduce: $part differs from what this commit builds in another folder" >&2
		exit 1
	}
done
echo "reproduce: this commit has built the same libraries in another folder"
