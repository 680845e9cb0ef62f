// SPDX-License-Identifier: BSD-3-Clause
/**
 * The debug kernel: Debian's source, built with the detectors of `debug.config`, which Debian's own
 * kernels leave out. It is built once, and again when the configuration changes:
 *
 *     deno run -A harness/debug_kernel.ts
 */

import { Archive } from "./debian.ts";
import { checkOptions, parseOptions } from "./debug_options.ts";
import { HarnessError } from "./error.ts";
import { cacheFolder, CHECKOUT, exists, fillOnce, hashOf, lockFile } from "./files.ts";
import { packageFolder } from "./package.ts";
import { CommandError, must } from "./process.ts";
import { newestOf } from "./version.ts";

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
  const home = homeFolder();
  await fillOnce(`${home}/source`, (folder) => Archive.open((archive) => fetch(archive, folder)));
  const configFile = `${await packageFolder()}/harness/debug.config`;
  const config = await Deno.readTextFile(configFile);
  const version = await Deno.readTextFile(`${home}/source/debian-version`);
  // A changed comment builds nothing.
  const options = [...parseOptions(config)].sort().join("\n");
  const key = await hashOf(`${BUILD_FORMAT}\n${version}\n${options}`);
  const folder = `${home}/build-${key}`;
  await Deno.mkdir(folder, { recursive: true });
  // Another run may be building it. An interrupted build is continued, not started again.
  using _lock = await lockFile(`${folder}.lock`);
  if (!await exists(`${folder}/kup-release`)) await build(configFile, config, folder);
  await removeOthers(key);
  return {
    release: (await Deno.readTextFile(`${folder}/kup-release`)).trim(),
    image: `${folder}/arch/x86/boot/bzImage`,
    headers: folder,
  };
}

function homeFolder(): string {
  return `${cacheFolder()}/debug-kernel`;
}

async function fetch(archive: Archive, folder: string): Promise<void> {
  const version = newestOf(await archive.show(PACKAGE), SERIES)?.get("Version");
  if (version === undefined) {
    throw new HarnessError("download", `Debian's archive has no ${PACKAGE} any more.`);
  }
  console.log(`debug kernel: unpacking ${PACKAGE} ${version}`);
  await archive.unpack([`${PACKAGE}=${version}`], `${folder}/package`);
  const excluded = LEFT_OUT.map((pattern) => `--exclude=${pattern}`);
  const archived = `${folder}/package/usr/src/${PACKAGE}.tar.xz`;
  await must(["tar", "-C", folder, "-xf", archived, "--strip-components=1", ...excluded]);
  await Deno.remove(`${folder}/package`, { recursive: true });
  await Deno.writeTextFile(`${folder}/debian-version`, `${version}\n`);
}

async function build(configFile: string, config: string, folder: string): Promise<void> {
  // A checkout may install what its tests need.
  if (CHECKOUT !== undefined) await must(["sh", `${CHECKOUT}/scripts/setup.sh`, "debug-kernel"]);
  await checkTools();
  await run(folder, `KCONFIG_ALLCONFIG=${configFile}`, "allnoconfig");
  const wrong = checkOptions(config, await Deno.readTextFile(`${folder}/.config`));
  if (wrong.length > 0) {
    throw new Error(`The kernel's configuration is not what harness/debug.config wants:
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

/** Programs and headers that the build needs, and their packages. */
const TOOLS = [
  ["bc", "bc"],
  ["bison", "bison"],
  ["flex", "flex"],
  ["make", "make"],
  ["xz", "xz-utils"],
  [COMPILER, COMPILER],
] as const;

async function checkTools(): Promise<void> {
  const path = (Deno.env.get("PATH") ?? "").split(":");
  const missing: string[] = await exists("/usr/include/gelf.h") ? [] : ["libelf-dev"];
  for (const [program, name] of TOOLS) {
    const places = await Promise.all(path.map((folder) => exists(`${folder}/${program}`)));
    if (!places.includes(true)) missing.push(name);
  }
  if (missing.length === 0) return;
  throw new HarnessError(
    "tool",
    "The debug kernel is built on this machine, which lacks some tools for that; install them " +
      `with: apt-get install ${missing.join(" ")}`,
  );
}

/** How often a line shows the progress of a build. */
const SAY_EVERY_MS = 60_000;

/** Runs the kernel's make, with its output in the folder's `kup-log`. */
async function run(folder: string, ...args: string[]): Promise<void> {
  const log = `${folder}/kup-log`;
  const command = [
    ...["nice", "make", "-C", `${homeFolder()}/source`, `O=${folder}`],
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
  for await (const { name } of Deno.readDir(homeFolder())) {
    if (!name.startsWith("build-") || name.startsWith(`build-${key}`)) continue;
    await Deno.remove(`${homeFolder()}/${name}`, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    const { release, image } = await getDebugKernel();
    console.log(`debug kernel: ${release} is ready: ${image}`);
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof HarnessError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
