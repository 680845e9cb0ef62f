// SPDX-License-Identifier: BSD-3-Clause
/** Running other programs. */

import { ROOT } from "./paths.ts";

/** How a program is run; by default at the top of the checkout, with this process's environment. */
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

  constructor(command: readonly string[], readonly finished: Finished) {
    super(`${command.join(" ")}: exit status ${finished.code}\n${finished.output.trimEnd()}`);
  }
}

/** Runs a program to its end and keeps what it prints, with any exit status. */
export async function capture(
  command: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const [program, ...args] = command;
  if (program === undefined) throw new TypeError("A command has at least one word");
  const child = new Deno.Command(program, {
    args,
    cwd: options.cwd ?? ROOT,
    // Messages are searched for English words, and paths have the same length on all machines.
    env: { LC_ALL: "C.UTF-8", ...options.env },
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const fed = options.input === undefined ? undefined : feed(child.stdin, options.input);
  const { code, stdout, stderr } = await child.output();
  await fed;
  const text = new TextDecoder();
  const out = text.decode(stdout);
  return { code, stdout: out, output: out + text.decode(stderr) };
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

/** The files of the checkout that git tracks or would add: relative paths, without ignored ones. */
export async function projectFiles(...patterns: string[]): Promise<string[]> {
  return await checkoutFiles(ROOT, ...patterns);
}

/** The same for any checkout, or a part of one. */
export async function checkoutFiles(root: string, ...patterns: string[]): Promise<string[]> {
  const listed = await must(
    ["git", "ls-files", "-co", "--exclude-standard", "--deduplicate", "-z", "--", ...patterns],
    { cwd: root },
  );
  const paths = listed.split("\0").filter((path) => path !== "");
  // git also lists files of the index that were just deleted.
  const there = await Promise.all(
    paths.map((path) =>
      Deno.lstat(`${root}/${path}`).then((info) => !info.isDirectory, () => false)
    ),
  );
  return paths.filter((_, index) => there[index]).sort();
}
