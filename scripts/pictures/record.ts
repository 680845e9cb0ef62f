// SPDX-License-Identifier: BSD-3-Clause
/**
 * Records `docs/pictures/terminal.cast`: what `kup` prints, with the times at which it does. One
 * command runs on the host driver of this machine, the others in an emulated one, with a kernel.
 * The format is asciicast 2. `make recording` calls it; `make pictures` makes an SVG of the result.
 *
 *     deno run -A scripts/pictures/record.ts
 */

import { boot } from "../../harness/boot.ts";
import { CHECKOUT } from "../../harness/files.ts";
import { must } from "../../harness/process.ts";
import { quote } from "../../harness/quote.ts";
import type { Vm } from "../../harness/vm.ts";

const OUTPUT = `${CHECKOUT}/docs/pictures/terminal.cast`;

/** The size of the terminal. */
const [COLUMNS, ROWS] = [80, 40];

/** What the programs are that are called `kup` in the recording. */
const KUP = ["deno", "run", "-A", "--quiet", "--no-check", "--config"];

/** The time between the end of a command and the next prompt, in seconds. */
const PAUSE = 0.6;

/** The events of a recording, and the clock that they have. */
class Recording {
  readonly #events: [number, "o", string][] = [];
  #now = 0;

  /** Records a command and its output. `run` passes on what is printed. */
  async command(line: string, run: (put: (text: string) => void) => Promise<void>): Promise<void> {
    this.#put(`$ ${line}\r\n`);
    const [start, begun] = [performance.now(), this.#now + PAUSE];
    await run((text) => {
      this.#now = begun + (performance.now() - start) / 1000;
      this.#put(text.replaceAll("\n", "\r\n"));
    });
    this.#now += PAUSE;
  }

  #put(text: string): void {
    this.#events.push([Number(this.#now.toFixed(3)), "o", text]);
  }

  toString(): string {
    const title = "kup ping on the host driver; kup list and kup top in Linux 6.12, emulated";
    const head = { version: 2, width: COLUMNS, height: ROWS, title };
    return [head, ...this.#events].map((line) => `${JSON.stringify(line)}\n`).join("");
  }
}

/** Runs `kup` on this machine. */
async function onHost(config: string, args: readonly string[], put: (text: string) => void) {
  const [, ...options] = KUP;
  const child = new Deno.Command(Deno.execPath(), {
    args: [...options, `${CHECKOUT}/${config}`, `${CHECKOUT}/cli.ts`, ...args],
    env: { NO_COLOR: "1", COLUMNS: String(COLUMNS) },
    stdout: "piped",
  }).spawn();
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) put(text);
  if (!(await child.status).success) throw new Error(`kup ${args.join(" ")} has failed`);
}

/** Copies what `kup` needs into a folder that the guest has. */
async function stage(folder: string): Promise<void> {
  const parts = ["mod.ts", "cli.ts", "cli", "src", "bind", "harness", "template"];
  await must(["cp", "-r", "--", ...parts.map((part) => `${CHECKOUT}/${part}`), folder]);
}

async function inGuest(vm: Vm, args: readonly string[], put: (text: string) => void) {
  const decoder = new TextDecoder();
  const command = [...KUP, "deno.json", "cli.ts", ...args].map(quote).join(" ");
  const { status, output } = await vm.run(command, {
    output: (bytes) => put(decoder.decode(bytes, { stream: true })),
  });
  if (status !== 0) throw new Error(`kup ${args.join(" ")} has failed: ${output}`);
}

/** Starts programs that use channels; they end with the guest. */
async function startUsers(vm: Vm): Promise<void> {
  const users = ["bench --seconds 60", "ping --count 1000000 --interval 5 --bytes 4096"];
  for (const user of users) {
    const command = `${KUP.join(" ")} deno.json cli.ts ${user} /dev/kup/echo`;
    await vm.run(`setsid ${command} </dev/null >/dev/null 2>&1 &`);
  }
  const attached = "cat /proc/[0-9]*/maps | grep -c /dev/kup/echo";
  const { status } = await vm.run(
    `for i in $(seq 120); do [ $(${attached}) -lt 8 ] || exit 0; sleep 1; done; exit 1`,
  );
  if (status !== 0) throw new Error("the programs have not attached their channels in two minutes");
}

async function main(config: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "kup-recording-" });
  try {
    await stage(folder);
    const recording = new Recording();
    const ping = ["ping", "host:echo"];
    await recording.command(`kup ${ping.join(" ")}`, (put) => onHost(config, ping, put));
    const vm = await boot({ share: [folder], progress: (line) => console.log(line) });
    await startUsers(vm);
    for (const args of [["list"], ["top", "--count", "3"]]) {
      await recording.command(`kup ${args.join(" ")}`, (put) => inGuest(vm, args, put));
    }
    await vm.stop();
    await Deno.writeTextFile(OUTPUT, recording.toString());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

await main(Deno.env.get("KUP_DENO_CONFIG") ?? "deno.json");
