// SPDX-License-Identifier: BSD-3-Clause
/** What the tests do to the guest: the modules, child processes, and looking at /proc. */

export const PATH = "/dev/kup/echo";
const ROOT = new URL("../../../", import.meta.url);

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}

/** Unloads the echo client; its device goes, whoever has it open. */
export async function unloadEcho(): Promise<void> {
  await run("rmmod", "kup_echo");
}

export async function loadEcho(...parameters: string[]): Promise<void> {
  await run("insmod", "/lib/modules/kup_echo.ko", ...parameters);
}

/** Runs `body` with an echo client that has these parameters, and puts the usual one back. */
export async function withEcho(parameters: string[], body: () => Promise<void>): Promise<void> {
  await unloadEcho();
  await loadEcho(...parameters);
  try {
    await body();
  } finally {
    await unloadEcho();
    await loadEcho();
  }
}

/** A script in a Deno of its own: `import`s work as in a file at the project's top. */
export function script(source: string, flags: string[] = ["--allow-ffi"]): Deno.Command {
  const body = `import * as kup from "${new URL("mod.ts", ROOT).href}";\n${source}`;
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-prompt",
      ...flags,
      `data:text/javascript,${encodeURIComponent(body)}`,
    ],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a script to its end. */
export async function runScript(
  source: string,
  flags?: string[],
): Promise<{ code: number; signal: Deno.Signal | null; out: string; error: string }> {
  const { code, signal, stdout, stderr } = await script(source, flags).output();
  const decoder = new TextDecoder();
  return { code, signal, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

/** Processor time of a process so far, in clock ticks of 10 ms. */
export function processorTicks(pid: number | "self"): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** The kernel threads that serve the echo device's channels. */
export function echoThreads(): number[] {
  const pids: number[] = [];
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    try {
      const name = Deno.readTextFileSync(`/proc/${entry.name}/comm`);
      if (name.startsWith("kup/echo:")) pids.push(Number(entry.name));
    } catch {
      // It ended while we looked.
    }
  }
  return pids;
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until it is so; fails after `seconds`. */
export async function until(condition: () => boolean, what: string, seconds = 10): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(5);
  }
}
