// SPDX-License-Identifier: BSD-3-Clause
/** `kup test`: builds a module, boots a kernel, and runs the Deno tests beside the module there. */

import { boot, type ModuleOptions } from "./boot.ts";
import { HarnessError } from "./error.ts";
import { cacheFolder, CHECKOUT, dirname, hashOf, lockFile, removeIfThere } from "./files.ts";
import { statusOf } from "./interrupt.ts";
import { GuestError } from "./judge.ts";
import { seriesOn } from "./kernel.ts";
import { packageFolder } from "./package.ts";
import { readModuleFolder } from "./module.ts";
import { must } from "./process.ts";

/** The kernel's name for no kernel: the host driver, in a process of this machine. */
const HOST = "host";

/** What is tested, and where. */
export interface TestCommand {
  /** A folder with a module and its tests. */
  readonly folder: string;
  /** Test files and folders, as paths in the folder; all tests in it if there are none. */
  readonly files?: readonly string[];
  /**
   * As for {@linkcode boot}; or `host` for the host driver.
   *
   * @default {"6.12"}
   */
  readonly kernel?: string;
  /** As for {@linkcode boot}; a word that a person has written. */
  readonly arch?: string;
  /** The parameters of the folder's modules. */
  readonly parameters?: ModuleOptions["parameters"];
  /** Other modules, which are loaded before. */
  readonly modules?: readonly string[];
  /** Folders that are shared beside the module's. */
  readonly share?: readonly string[];
  /** Only tests whose names contain this text. */
  readonly filter?: string;
  /** A command of the shell instead of the tests. */
  readonly run?: string;
  /** How long the guest may print nothing, in milliseconds. */
  readonly silence?: number;
}

/**
 * Runs the tests of a folder, and prints what they print. Returns the exit status: 0 if all is
 * well, 1 if a test has failed or the kernel has a problem, 130 or 143 if `signal` was aborted.
 *
 * @throws {HarnessError} With a message for the person, when it could not be tried.
 */
export async function runTestCommand(
  command: TestCommand,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<number> {
  try {
    const test = command.kernel === HOST ? testOnHost : testInGuest;
    return await test(command, signal);
  } catch (error) {
    if (signal?.aborted) return statusOf(signal);
    if (!(error instanceof GuestError)) throw error;
    say(error.message);
    return 1;
  }
}

function say(text: string): void {
  console.error(text.replace(/^(?=[^\n]*$)/m, "kup test: "));
}

function show(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
}

async function testInGuest(
  { folder, files = [], kernel, arch, parameters = {}, modules = [], share = [], ...more }:
    TestCommand,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { filter, run, silence } = more;
  await using vm = await boot({
    kernel: arch === undefined ? kernel : seriesOn(kernel ?? "6.12", arch),
    modules: [...modules, { path: folder, parameters }],
    share: [folder, ...share],
    silence,
    signal,
    progress: (line) => say(line),
  });
  let problem: string | undefined;
  if (run === undefined) {
    const result = await vm.test(files.length === 0 ? ["."] : files, { filter, output: show });
    const failed = result.tests.filter(({ outcome }) => outcome === "failed");
    problem = result.problem ??
      (failed.length === 0 ? undefined : `tests failed: ${failed.length}`);
  } else {
    const { status } = await vm.run(run, { output: show });
    if (status !== 0) problem = `the command ended with exit status ${status}`;
  }
  const { problems, seconds } = await vm.stop();
  if (problems.length > 0) say(await vm.explain());
  else if (problem !== undefined) say(problem);
  else say(`all is well on Linux ${vm.kernel.release} after ${seconds.toFixed(0)} s`);
  return problems.length === 0 && problem === undefined ? 0 : 1;
}

/** Builds the folder's modules for the host driver by its Makefile, and runs the tests here. */
async function testOnHost(
  { folder, files = [], filter, arch }: TestCommand,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (arch !== undefined) {
    throw new HarnessError(
      "setting",
      "The host driver runs on this machine only; leave out --arch, or name a kernel.",
    );
  }
  const own = await readModuleFolder(folder);
  if (!own.files.includes("Makefile")) {
    throw new HarnessError(
      "setting",
      `"${folder}" has no Makefile, which has to build the module for the host driver.`,
    );
  }
  const config = `${cacheFolder()}/host/${await hashOf(own.folder)}.json`;
  await Deno.mkdir(dirname(config), { recursive: true });
  // Another process may build and test the same folder.
  using _lock = await lockFile(`${config}.lock`);
  await must(["make", "-s", "-C", own.folder, `KUP=${await packageFolder()}`]);
  await Deno.writeTextFile(config, await hostConfig(own.folder));
  try {
    signal?.throwIfAborted();
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "-A", "--no-check", `--config=${config}`],
        ...filter === undefined ? [] : [`--filter=${filter}`],
        ...files.length === 0 ? ["."] : files,
      ],
      cwd: own.folder,
      stdin: "null",
      ...signal === undefined ? {} : { signal },
    }).spawn();
    const { code } = await child.status;
    signal?.throwIfAborted();
    return code === 0 ? 0 : 1;
  } finally {
    await removeIfThere(config);
  }
}

/** The folder's own configuration, with this KUP. */
async function hostConfig(folder: string): Promise<string> {
  const text = await Deno.readTextFile(`${folder}/deno.json`).catch(() => "{}");
  const { imports = {}, ...rest } = JSON.parse(text);
  const links = CHECKOUT === undefined ? {} : { lock: false };
  const kup = import.meta.resolve("../mod.ts");
  return JSON.stringify({ ...rest, ...links, imports: { ...imports, "@kup/kup": kup } });
}
