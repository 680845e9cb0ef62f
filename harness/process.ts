// SPDX-License-Identifier: BSD-3-Clause
/** Running other programs. */

import { HarnessError } from "./error.ts";

/** How a program is run; by default in this process's folder, with its environment. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** What the program reads from its standard input; without it the input is empty. */
  readonly input?: string | Uint8Array<ArrayBuffer>;
}

/** The result of a program that has ended. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  /** Both streams, to show to a person; standard output first. */
  readonly output: string;
}

/** A program that had to succeed and failed. The message ends with what the program printed. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(readonly command: readonly string[], readonly finished: Finished) {
    super(`${command.join(" ")}: exit status ${finished.code}\n${finished.output.trimEnd()}`);
  }
}

/** The Debian packages of programs whose package has another name. */
const PACKAGES: Readonly<Record<string, string>> = {
  "apt-cache": "apt",
  "apt-get": "apt",
  "dpkg-deb": "dpkg",
  "find": "findutils",
  "ldd": "libc-bin",
  "nice": "coreutils",
  "setpriv": "util-linux",
  "unshare": "util-linux",
};

/** The error for a program that is not installed. */
export function missingProgram(program: string, cause?: unknown): HarnessError {
  const where = PACKAGES[program] ?? program;
  return new HarnessError(
    "tool",
    `The harness needs the program ${program}, which is not on this machine's PATH; ` +
      (where === "apt"
        ? "it gets kernels from Debian's archive, so it runs on Debian 12 and newer."
        : `install it with: apt-get install ${where}`),
    { cause },
  );
}

/** Runs a program to its end and keeps what it prints, with any exit status. */
export async function capture(
  command: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const [program, ...args] = command;
  if (program === undefined) throw new TypeError("A command has at least one word");
  const child = spawn(program, args, options);
  const fed = options.input === undefined ? undefined : feed(child.stdin, options.input);
  const { code, stdout, stderr } = await child.output();
  await fed;
  const text = new TextDecoder();
  const out = text.decode(stdout);
  return { code, stdout: out, output: out + text.decode(stderr) };
}

function spawn(program: string, args: string[], options: RunOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args,
      ...options.cwd === undefined ? {} : { cwd: options.cwd },
      // Messages are searched for English words, and paths have the same length on all machines.
      env: { LC_ALL: "C.UTF-8", ...options.env },
      stdin: options.input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw missingProgram(program, error);
    throw error;
  }
}

/** Runs a program that has to succeed, and returns its standard output. */
export async function must(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const finished = await capture(command, options);
  if (finished.code !== 0) throw new CommandError(command, finished);
  return finished.stdout;
}

async function feed(
  stdin: WritableStream<Uint8Array<ArrayBuffer>>,
  input: string | Uint8Array<ArrayBuffer>,
): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input);
    await writer.close();
  } catch (error) {
    // The exit status of a program that ends before it has read everything shows the reason.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
