// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes `src/symbols.ts` from the native library's header, with the Rust program in
 * `tools/bindgen/`:
 *
 *     deno run -A scripts/gen_symbols.ts
 *
 * `make check` compares the committed file with what this generates.
 */

import { fileURLToPath } from "node:url";

const ROOT = new URL("../", import.meta.url);
const HEADER = new URL("native/kup_user.h", ROOT);
const MANIFEST = new URL("tools/bindgen/Cargo.toml", ROOT);

/** The committed file. */
export const OUTPUT = new URL("src/symbols.ts", ROOT);

/** The generator can't run on this machine, through no fault of the checkout's. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}

interface Finished {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(program: string, args: string[], input = ""): Promise<Finished> {
  const child = new Deno.Command(program, {
    args,
    cwd: ROOT,
    env: {
      // All that cargo fetches and builds stays with the project.
      CARGO_HOME: fileURLToPath(new URL(".cache/cargo", ROOT)),
      CARGO_TARGET_DIR: fileURLToPath(new URL(".cache/bindgen", ROOT)),
      CARGO_TERM_COLOR: "never",
      NO_COLOR: "1",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [output] = await Promise.all([
    child.output(),
    new Blob([input]).stream().pipeTo(child.stdin).catch(ignoreBrokenPipe),
  ]);
  const text = new TextDecoder();
  return {
    success: output.success,
    stdout: text.decode(output.stdout),
    stderr: text.decode(output.stderr).trim(),
  };
}

/** A program that reads no input, or fails before it has, shows why by its exit status. */
function ignoreBrokenPipe(error: unknown): void {
  if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
}

async function cargo(verb: string, ...args: string[]): Promise<Finished> {
  return await run("cargo", [
    verb,
    "--locked",
    "--manifest-path",
    fileURLToPath(MANIFEST),
    ...args,
  ]);
}

/** Without a toolchain, rustup's `cargo` is there and fails. */
async function needCargo(): Promise<void> {
  const found = await run("cargo", ["--version"]).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (found?.success) return;
  throw new Unavailable("there is no cargo here: get Rust 1.63 or newer (apt-get install cargo)");
}

/** Asks the network only for what isn't in the cache. */
async function fetchCrates(): Promise<void> {
  if ((await cargo("fetch", "--offline")).success) return;
  const { success, stderr } = await cargo("fetch");
  if (success) return;
  // That is a Cargo.lock which doesn't fit its Cargo.toml.
  if (stderr.includes("--locked")) throw new Error(stderr);
  const [reason = stderr] = /^error.*/m.exec(stderr) ?? [];
  throw new Unavailable(`cargo can't fetch its crates (${reason})`);
}

/**
 * Returns the text of `src/symbols.ts` for a header.
 *
 * @throws {Unavailable} where cargo or its crates can't be had.
 * @throws {Error} if the program doesn't build, or can't read the header.
 */
export async function generateSymbols(header: URL = HEADER): Promise<string> {
  await needCargo();
  await fetchCrates();
  const table = await cargo("run", "--offline", "--quiet", "--", fileURLToPath(header));
  if (!table.success) throw new Error(table.stderr);
  // For a symbol that is longer than a line.
  const config = ["--config", fileURLToPath(new URL("deno.json", ROOT))];
  const formatted = await run(
    Deno.execPath(),
    ["fmt", ...config, "--ext", "ts", "-"],
    table.stdout,
  );
  if (!formatted.success) throw new Error(formatted.stderr);
  return formatted.stdout;
}

async function main(): Promise<number> {
  try {
    await Deno.writeTextFile(OUTPUT, await generateSymbols());
    return 0;
  } catch (error) {
    console.error(`bindings: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
