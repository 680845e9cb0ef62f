// SPDX-License-Identifier: BSD-3-Clause
/** An example as a program that runs, whose output a test reads while it comes. */

import { assert, assertEquals } from "../../deps.ts";
import { exists, ROOT } from "./paths.ts";
import { projectFiles } from "./process.ts";
import { until } from "./until.ts";

/** What this machine uses; see scripts/deno_config.ts. In a guest it is not set. */
export const CONFIG = Deno.env.get("KUP_DENO_CONFIG") ?? "deno.json";

/** A program whose output is collected. It is killed with the object if it still runs. */
export class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>[];
  #ended = false;
  /** What the program has printed so far. */
  out = "";
  error = "";

  constructor(
    command: string,
    args: readonly string[],
    cwd = ROOT,
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#child = new Deno.Command(command, {
      args: [...args],
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const read = async (
      from: ReadableStream<Uint8Array<ArrayBuffer>>,
      add: (t: string) => void,
    ) => {
      for await (const text of from.pipeThrough(new TextDecoderStream())) add(text);
    };
    this.#reading = [
      read(this.#child.stdout, (text) => this.out += text),
      read(this.#child.stderr, (text) => this.error += text),
    ];
    this.#child.status.then(() => this.#ended = true);
  }

  /** Waits until the output matches; fails if the program ends before. */
  async prints(pattern: RegExp): Promise<void> {
    await until(() => {
      if (pattern.test(this.out)) return true;
      if (this.#ended) throw new Error(`ended without ${pattern}:\n${this.out}${this.error}`);
      return false;
    }, `${pattern} in the output`).catch((error) => {
      throw new Error(`${error.message}\n${this.out.slice(-2000)}${this.error}`);
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for the end. Returns the exit status and all output. */
  async finish(): Promise<{ code: number; out: string; error: string }> {
    const { code } = await this.#child.status;
    await Promise.all(this.#reading);
    return { code, out: this.out, error: this.error };
  }

  /** Sends Ctrl-C to a program that must then end with status 0 and without an error. */
  async interrupt(): Promise<string> {
    this.kill("SIGINT");
    const { code, out, error } = await this.finish();
    assertEquals([code, error], [0, ""], out);
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.kill("SIGKILL");
    await this.finish();
  }
}

/** The paths of all programs below `examples` that can be run. */
export async function findPrograms(): Promise<string[]> {
  const found: string[] = [];
  for (const path of await projectFiles("examples/*.ts")) {
    const text = await Deno.readTextFile(`${ROOT}/${path}`);
    if (/^await program\(/m.test(text)) found.push(path.slice("examples/".length));
  }
  return found;
}

/** The options of Deno in the line that examples/README.md has for an example. */
export async function optionsOf(path: string): Promise<string[]> {
  const readme = await Deno.readTextFile(`${ROOT}/examples/README.md`);
  const [line] = readme.match(new RegExp(`deno run [^\n]*\\bexamples/${path}`)) ?? [];
  if (line === undefined) throw new Error(`examples/README.md does not say how ${path} is run`);
  return line.split(" ").slice(2, -1);
}

/** Starts an example as the README says, with these arguments. */
export async function startExample(path: string, ...args: string[]): Promise<Running> {
  const options = ["--no-check", "--no-prompt", "--config", CONFIG, ...await optionsOf(path)];
  return new Running(Deno.execPath(), ["run", ...options, `examples/${path}`, ...args]);
}

/**
 * Runs examples/joblog until it has begun two new files, and then checks that they are small enough
 * and have all lines: the last ones, or with `keepsAll` all that it has written.
 */
export async function runJobLog(keepsAll: boolean, ...device: string[]): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kup-joblog-" });
  try {
    const log = `${folder}/jobs.log`;
    const keep = keepsAll ? 1000 : 2;
    const options = ["--bytes=5000", `--keep=${keep}`, log, ...device];
    await using example = await startExample("joblog/joblog.ts", ...options);
    await until(() => exists(`${log}.2`), "two new files");
    const [, count] = /^Writing to .*\nwrote (\d+) lines\n$/.exec(await example.interrupt()) ?? [];
    assert(count !== undefined, example.out);
    const old = (await Array.fromAsync(Deno.readDir(folder))).length - 1;
    assert(keepsAll || old === keep, `${old} old files`);
    const files = Array.from({ length: old }, (_, i) => `${log}.${old - i}`).concat(log);
    const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
    const sizes = texts.map((text) => new TextEncoder().encode(text).length);
    assert(sizes.every((size) => size <= 5000), sizes.join());
    const lines = texts.join("").trimEnd().split("\n");
    if (keepsAll) assertEquals(lines.length, Number(count));
    checkJobs(lines);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Fails unless each line is about the next job, or reports the jobs that are missing. */
function checkJobs(lines: readonly string[]): void {
  let next: number | undefined;
  for (const line of lines) {
    const [, missing] = / warning (\d+) lines are missing$/.exec(line) ?? [];
    const [, job] = /^\S+Z \w+ cpu \d+ job (\d+): the job .* µs\)$/.exec(line) ?? [];
    if (job !== undefined) assertEquals(Number(job), next ?? Number(job), line);
    else assert(missing !== undefined, line);
    if (job !== undefined) next = Number(job) + 1;
    else if (next !== undefined) next += Number(missing);
  }
}
