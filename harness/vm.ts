// SPDX-License-Identifier: BSD-3-Clause
/** A booted kernel in an emulated machine. */

import { cacheFolder } from "./files.ts";
import { type Ended, Guest, type Ran, runShell } from "./guest.ts";
import { type GuestContent, makeInitramfs } from "./initramfs.ts";
import { explain, findProblems, GuestError, type Judgement, readTests } from "./judge.ts";
import type { TestCase } from "./junit.ts";
import type { Kernel } from "./kernel.ts";
import { followLog } from "./log_follower.ts";
import { machineFor } from "./machine.ts";
import type { Boot } from "./qemu.ts";
import { quote } from "./quote.ts";
import { guestLimits, type Limits } from "./silence.ts";
import { makeWorkFolder, type WorkFolder } from "./work.ts";

/**
 * How a command is run.
 *
 * @example
 * ```ts
 * import { boot } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot();
 * await vm.run("ls", { cwd: "/dev/kup", output: (bytes) => Deno.stdout.writeSync(bytes) });
 * ```
 */
export interface RunOptions {
  /**
   * The folder in the guest in which the command begins.
   *
   * @default {the first folder that is shared}
   */
  readonly cwd?: string | undefined;
  /** Receives what the command prints, as soon as it comes. */
  readonly output?: ((bytes: Uint8Array) => void) | undefined;
}

/**
 * How tests are run.
 *
 * @example
 * ```ts
 * import { boot } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot({ modules: ["./my_module"] });
 * await vm.test(["my_test.ts"], { filter: "receive()", args: ["--allow-ffi"] });
 * ```
 */
export interface TestOptions extends RunOptions {
  /** Only tests whose names contain this text, or match it if it is `/a regular expression/`. */
  readonly filter?: string | undefined;
  /**
   * The arguments of `deno test` before the files.
   *
   * @default {["-A", "--no-check"]}
   */
  readonly args?: readonly string[] | undefined;
}

/**
 * The result of a command.
 *
 * @example
 * ```ts
 * import { boot, type RunResult } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot();
 * const result: RunResult = await vm.run("uname -r");
 * console.log(result.status === 0 ? result.output : `it ended with ${result.status}`);
 * ```
 */
export interface RunResult {
  /** The exit status; 128 and the number of the signal if a signal has ended the command. */
  readonly status: number;
  /** All that the command printed, on both of its streams. */
  readonly output: string;
}

/**
 * The result of tests.
 *
 * @example
 * ```ts
 * import { boot, type TestResult } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot({ modules: ["./my_module"] });
 * const { ok, tests, problem }: TestResult = await vm.test(["my_test.ts"]);
 * if (!ok) console.log(problem ?? tests.filter(({ outcome }) => outcome === "failed"));
 * ```
 */
export interface TestResult extends RunResult {
  /** The tests in the order of the report, also those that were skipped. */
  readonly tests: readonly TestCase[];
  /** Whether at least one test was run, none has failed, and `deno test` has found nothing else. */
  readonly ok: boolean;
  /** Why `ok` is false, if it is not a test. */
  readonly problem?: string;
}

/**
 * Settings of a boot beside the guest's content.
 *
 * @example
 * ```ts
 * import { boot } from "jsr:@kup/kup/harness";
 *
 * await using vm = await boot({
 *   silence: 60_000,
 *   log: (line) => console.log(line),
 *   signal: AbortSignal.timeout(600_000),
 * });
 * await vm.run("true");
 * ```
 */
export interface VmOptions {
  /** How long the guest may print nothing while something is awaited, in milliseconds. */
  readonly silence?: number | undefined;
  /** Receives the lines of the kernel's log from the first line of KUP on. */
  readonly log?: ((line: string) => void) | undefined;
  /** Ends the guest when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A guest that waits for commands, which are run one at a time. `await using` stops it, and throws
 * if anything was wrong with its kernel.
 *
 * @example
 * ```ts
 * import { boot, type Vm } from "jsr:@kup/kup/harness";
 *
 * // The devices that a guest has.
 * async function devices(vm: Vm): Promise<string[]> {
 *   return (await vm.run("ls /dev/kup")).output.trim().split("\n");
 * }
 *
 * await using vm = await boot();
 * console.log(vm.kernel.release, await devices(vm));
 * ```
 */
export class Vm implements AsyncDisposable {
  /** The kernel that was booted. */
  readonly kernel: Kernel;
  readonly #guest: Guest;
  readonly #boot: Boot;
  readonly #work: WorkFolder;
  readonly #started = performance.now();
  readonly #following: Promise<void>;
  readonly #ending = new AbortController();
  #busy = false;
  #judgement: Promise<Judgement> | undefined;
  #log = "";
  #reported = false;

  private constructor(
    kernel: Kernel,
    work: WorkFolder,
    boot: Boot,
    guest: Guest,
    options: VmOptions,
  ) {
    this.kernel = kernel;
    this.#work = work;
    this.#boot = boot;
    this.#guest = guest;
    const { log } = options;
    const abort = () => guest.end("it was interrupted");
    options.signal?.addEventListener("abort", abort, { signal: this.#ending.signal });
    if (options.signal?.aborted) abort();
    this.#following = log === undefined
      ? Promise.resolve()
      : followLog(boot.log, this.#ending.signal, log);
  }

  /**
   * Boots a guest. Only {@linkcode boot} makes what this takes.
   *
   * @ignore
   * @throws {GuestError} when it does not boot, or a module can't be loaded.
   */
  static async boot(
    kernel: Kernel,
    content: GuestContent,
    options: VmOptions = {},
  ): Promise<Vm> {
    const limits = limitsOf(options);
    const work = await makeWorkFolder(`${cacheFolder()}/vm`, kernel.series);
    let guest: Guest | undefined;
    try {
      const boot = await prepare(kernel, work, content);
      guest = await Guest.start(boot, limits);
      const vm = new Vm(kernel, work, boot, guest, options);
      if (!await guest.ready()) throw await vm.#gone("The guest did not get ready");
      return vm;
    } catch (error) {
      if (guest === undefined) await work[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs one command of the guest's shell, as root. */
  async run(command: string, { cwd, output }: RunOptions = {}): Promise<RunResult> {
    const { status, output: printed } = await this.#run(command, cwd, output);
    return { status, output: printed };
  }

  async #run(command: string, cwd: string | undefined, output: RunOptions["output"]): Promise<Ran> {
    if (this.#busy) throw new TypeError("A guest runs one command at a time; await the last one.");
    if (this.#judgement !== undefined) throw new TypeError("The guest is stopped.");
    this.#busy = true;
    try {
      const script = cwd === undefined ? command : `cd ${quote(cwd)} || exit\n${command}`;
      const ran = await this.#guest.run(`${script}\n`, output ?? (() => {}));
      if (ran !== undefined) return ran;
      throw await this.#gone("The kernel ended during a command");
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Runs files of Deno tests, or all tests in folders. Their paths are relative to `cwd`.
   *
   * @example
   * ```ts
   * import { boot } from "jsr:@kup/kup/harness";
   *
   * await using vm = await boot({ modules: ["./my_module"] });
   * const { tests } = await vm.test(["my_test.ts"], { filter: "my_module" });
   * for (const { name, outcome } of tests) console.log(outcome, name);
   * ```
   */
  async test(files: readonly string[], options: TestOptions = {}): Promise<TestResult> {
    const { filter, args = ["-A", "--no-check"], cwd, output } = options;
    const words = [
      ...args,
      ...filter === undefined || filter === "" ? [] : [`--filter=${filter}`],
      "--junit-path=/tmp/junit.xml",
      // Deno passes what follows a `--` to the tests.
      ...files.map((file) => file.startsWith("-") ? `./${file}` : file),
    ];
    const ran = await this.#run(`deno test ${words.map(quote).join(" ")}`, cwd, output);
    const { tests, problem } = /No test modules found/.test(ran.output)
      ? { tests: [], problem: "no test file was found; their names end in _test.ts" }
      : readTests(ran.junit);
    const failed = tests.some((test) => test.outcome === "failed");
    const reason = problem ??
      (failed || ran.status === 0 ? undefined : `deno test ended with exit status ${ran.status}`);
    return {
      status: ran.status,
      output: ran.output,
      tests,
      ok: !failed && reason === undefined,
      ...reason === undefined ? {} : { problem: reason },
    };
  }

  /**
   * Unloads the modules, ends the guest, and judges it. After this call the end of an `await using`
   * does nothing.
   *
   * @example
   * ```ts
   * import { boot } from "jsr:@kup/kup/harness";
   *
   * const vm = await boot();
   * await vm.run("rmmod kup_echo");
   * const { problems, log } = await vm.stop();
   * if (problems.length > 0) console.log(problems, `see ${log}`);
   * ```
   */
  async stop(): Promise<Judgement> {
    this.#reported = true;
    this.#judgement ??= this.#stop();
    return await this.#judgement;
  }

  async #stop(): Promise<Judgement> {
    try {
      const ended = await this.#guest.stop();
      this.#ending.abort();
      await this.#following;
      this.#log = await readIfThere(this.#boot.log);
      return await conclude(this.kernel, ended, this.#log, this.#started);
    } finally {
      await this.#work[Symbol.asyncDispose]();
    }
  }

  /** The error for a guest that has ended unexpectedly. */
  async #gone(what: string): Promise<GuestError> {
    const judgement = await this.stop();
    return new GuestError(`${what}: ${explain(judgement, this.#log)}`, judgement);
  }

  /**
   * What {@linkcode stop} has found, for a person to read: the end of the log, the cause last.
   *
   * @example
   * ```ts
   * import { boot } from "jsr:@kup/kup/harness";
   *
   * const vm = await boot();
   * if ((await vm.stop()).problems.length > 0) console.log(await vm.explain());
   * ```
   */
  async explain(): Promise<string> {
    return explain(await this.stop(), this.#log);
  }

  /**
   * Stops the guest, if that was not done.
   *
   * @throws {GuestError} when anything was wrong, and no call has reported it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#reported) return;
    const judgement = await this.stop();
    if (judgement.problems.length === 0) return;
    throw new GuestError(`The guest had problems: ${await this.explain()}`, judgement);
  }
}

/** Boots a guest with a shell at this process's terminal, and judges it after its end. */
export async function bootShell(
  kernel: Kernel,
  content: GuestContent,
): Promise<Judgement & { readonly text: string }> {
  await using work = await makeWorkFolder(`${cacheFolder()}/vm`, kernel.series);
  const started = performance.now();
  const boot = await prepare(kernel, work, content);
  const ended = await runShell(boot);
  const log = await readIfThere(boot.log);
  const judgement = await conclude(kernel, ended, log, started);
  return { ...judgement, text: explain(judgement, log) };
}

function limitsOf({ silence }: VmOptions): Limits {
  const limits = guestLimits(Deno.env.get("VM_SILENCE"));
  return silence === undefined ? limits : { ...limits, silence };
}

async function prepare(kernel: Kernel, work: WorkFolder, content: GuestContent): Promise<Boot> {
  const machine = await machineFor(kernel.series, kernel.arch);
  const { parameters = [], inTurns = false } = content;
  return {
    image: kernel.image,
    initramfs: await makeInitramfs(work.path, content, kernel.arch),
    log: `${work.path}/log`,
    output: `${work.path}/output`,
    interactive: content.shell,
    machine: { ...machine, parameters: [...machine.parameters, ...parameters] },
    threads: inTurns ? "single" : "multi",
  };
}

async function conclude(
  kernel: Kernel,
  ended: Ended,
  log: string,
  started: number,
): Promise<Judgement> {
  const file = `${cacheFolder()}/vm/${kernel.series}.log`;
  await Deno.writeTextFile(file, log);
  const problems = findProblems(ended, log);
  const seconds = (performance.now() - started) / 1000;
  return { problems, cause: problems[0], log: file, seconds };
}

async function readIfThere(path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
