// SPDX-License-Identifier: BSD-3-Clause
/**
 * The debug kernel: Debian's source, built with the detectors of `debug.config`, which Debian's own
 * kernels leave out. It is built once, and again when the configuration changes:
 *
 *     deno run -A tests/vm/debug_kernel.ts
 */

import { CACHE, exists, fillOnce, ROOT } from "../lib/paths.ts";
import { CommandError, must } from "../lib/process.ts";
import { Archive } from "./debian.ts";
import { checkOptions, parseOptions } from "./debug_options.ts";
import { newestOf } from "./version.ts";

const HOME = `${CACHE}/debug-kernel`;
const CONFIG = `${ROOT}/tests/vm/debug.config`;

const SERIES = "6.12";
const PACKAGE = `linux-source-${SERIES}`;

/** To be raised when the way of building changes. */
const BUILD_FORMAT = 1;

const COMPILER = "gcc-12";

/**
 * Two thirds of the source, which this kernel is not built from. The files that describe the
 * configuration are needed from all folders.
 */
const LEFT_OUT = [
  ...["*.c", "*.h", "*.S", "*.dts", "*.dtsi"].map((name) => `*/arch/[!xK]*/${name}`),
  "*/tools/testing/*",
  ...["*.rst", "*.txt", "*.yaml", "*.svg"].map((name) => `*/Documentation/${name}`),
  ...["drivers/gpu", "drivers/infiniband", "drivers/media", "drivers/net/*", "drivers/staging"]
    .flatMap((folder) => [`*/${folder}/*.c`, `*/${folder}/*.h`]),
  ...["*.c", "*.h"].map((name) => `*/sound/${name}`),
];

/** The paths of the parts of a built kernel. */
export interface BuiltKernel {
  /** What `uname -r` prints in it. */
  readonly release: string;
  /** The path of the bootable image. */
  readonly image: string;
  /** The folder to give to `make -C`. */
  readonly headers: string;
}

/** Returns the debug kernel. When it has to be built, that takes minutes. */
export async function getDebugKernel(): Promise<BuiltKernel> {
  await fillOnce(`${HOME}/source`, (folder) => Archive.open((archive) => fetch(archive, folder)));
  const config = await Deno.readTextFile(CONFIG);
  const version = await Deno.readTextFile(`${HOME}/source/debian-version`);
  // A changed comment builds nothing.
  const options = [...parseOptions(config)].sort().join("\n");
  const key = await hash(`${BUILD_FORMAT}\n${version}\n${options}`);
  const folder = `${HOME}/build-${key}`;
  await Deno.mkdir(folder, { recursive: true });
  // Another run may be building it. An interrupted build is continued, not started again.
  using lock = await Deno.open(`${folder}.lock`, { create: true, write: true });
  await lock.lock(true);
  if (!await exists(`${folder}/kup-release`)) await build(config, folder);
  await removeOthers(key);
  return {
    release: (await Deno.readTextFile(`${folder}/kup-release`)).trim(),
    image: `${folder}/arch/x86/boot/bzImage`,
    headers: folder,
  };
}

async function hash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex().slice(0, 16);
}

async function fetch(archive: Archive, folder: string): Promise<void> {
  const version = newestOf(await archive.show(PACKAGE), SERIES)?.get("Version");
  if (version === undefined) throw new Error(`Debian's archive has no ${PACKAGE}`);
  console.log(`debug kernel: unpacking ${PACKAGE} ${version}`);
  await archive.unpack([`${PACKAGE}=${version}`], `${folder}/package`);
  const excluded = LEFT_OUT.map((pattern) => `--exclude=${pattern}`);
  const archived = `${folder}/package/usr/src/${PACKAGE}.tar.xz`;
  await must(["tar", "-C", folder, "-xf", archived, "--strip-components=1", ...excluded]);
  await Deno.remove(`${folder}/package`, { recursive: true });
  await Deno.writeTextFile(`${folder}/debian-version`, `${version}\n`);
}

async function build(config: string, folder: string): Promise<void> {
  await must(["sh", "scripts/setup.sh", "debug-kernel"]);
  await run(folder, `KCONFIG_ALLCONFIG=${CONFIG}`, "allnoconfig");
  const wrong = checkOptions(config, await Deno.readTextFile(`${folder}/.config`));
  if (wrong.length > 0) {
    throw new Error(`The kernel's configuration is not what tests/vm/debug.config wants:
${wrong.join("\n")}
An option that has gone, or what it depends on, has to be changed there.`);
  }
  const processors = navigator.hardwareConcurrency;
  console.log(`debug kernel: building it, once, which takes ${processors} processors minutes`);
  await run(folder, `-j${processors}`, "bzImage", "modules");
  await makeMovable(folder);
  await removeIntermediates(folder);
  const release = await Deno.readTextFile(`${folder}/include/config/kernel.release`);
  await Deno.writeTextFile(`${folder}/kup-release`, release);
}

/** How often a line shows the progress of a build. */
const SAY_EVERY_MS = 60_000;

/** Runs the kernel's make, with its output in the folder's `kup-log`. */
async function run(folder: string, ...args: string[]): Promise<void> {
  const log = `${folder}/kup-log`;
  const command = [
    ...["nice", "make", "-C", `${HOME}/source`, `O=${folder}`],
    ...[`CC=${COMPILER}`, `HOSTCC=${COMPILER}`],
    // The same image for the same input.
    ...["KBUILD_BUILD_TIMESTAMP=@0", "KBUILD_BUILD_USER=kup", "KBUILD_BUILD_HOST=kup"],
    ...args,
  ];
  let compiled = 0;
  let said = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$@" 2>&1', "sh", ...command],
    // A make around this one has other flags and jobs.
    env: { LC_ALL: "C.UTF-8", MAKEFLAGS: "", MFLAGS: "", MAKELEVEL: "" },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      controller.enqueue(chunk);
      compiled += new TextDecoder().decode(chunk).match(/^ {2}(?:CC|AS) /gm)?.length ?? 0;
      if (performance.now() - said < SAY_EVERY_MS) return;
      said = performance.now();
      console.log(`debug kernel: ${compiled} files are compiled`);
    },
  });
  using file = await Deno.open(log, { create: true, write: true, truncate: true });
  await child.stdout.pipeThrough(counter).pipeTo(file.writable);
  const { code } = await child.status;
  if (code === 0) return;
  const output = (await Deno.readTextFile(log)).split("\n").slice(-40).join("\n");
  throw new CommandError(command, { code, stdout: output, output });
}

/** A build's Makefile names the source by its absolute path; a relative one works after a move. */
async function makeMovable(folder: string): Promise<void> {
  await Deno.writeTextFile(
    `${folder}/Makefile`,
    "include $(dir $(lastword $(MAKEFILE_LIST)))../source/Makefile\n",
  );
}

/** Modules are built from headers and kbuild's own programs; the rest is a gigabyte. */
async function removeIntermediates(folder: string): Promise<void> {
  const names = ["*.o", "*.a", ".*.cmd", "vmlinux", "vmlinux.bin*"];
  const wanted = names.flatMap((name, i) => i === 0 ? ["-name", name] : ["-o", "-name", name]);
  const kept = ["scripts", "tools"].flatMap((part) => ["-path", `${folder}/${part}`, "-o"]);
  await must(
    [
      ...["find", folder, "(", ...kept.slice(0, -1), ")", "-prune", "-o"],
      ...["-type", "f", "(", ...wanted, ")", "-exec", "rm", "{}", "+"],
    ],
  );
}

async function removeOthers(key: string): Promise<void> {
  for await (const { name } of Deno.readDir(HOME)) {
    if (!name.startsWith("build-") || name.startsWith(`build-${key}`)) continue;
    await Deno.remove(`${HOME}/${name}`, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    const { release, image } = await getDebugKernel();
    console.log(`debug kernel: ${release} is ready: ${image}`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
