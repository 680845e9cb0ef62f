// SPDX-License-Identifier: BSD-3-Clause
/** A guest that runs: its commands, its output, and its end. */

import { type GuestEvent, GuestReader, runLine, STOP_LINE } from "./protocol.ts";
import { type Boot, startQemu } from "./qemu.ts";
import { type Limits, SilenceWatch } from "./silence.ts";

/** How a guest ended. */
export interface Ended {
  /** QEMU's exit status. */
  readonly code: number;
  /** Why the guest was ended before it ended itself. */
  readonly stopped?: string;
  /** What QEMU itself printed. */
  readonly complaints: string;
  /** Whether the guest has reported that it was about to end. */
  readonly announced: boolean;
  /** What failed in the guest beside commands, such as a module that can't be loaded. */
  readonly faults: readonly string[];
}

/** What a command left. */
export interface Ran {
  readonly status: number;
  readonly output: string;
  /** The JUnit report, if the command left one. */
  readonly junit?: string;
}

/** How often the ports are read, and how often a guest's silence is looked at. */
const READ_EVERY_MS = 100;
const LOOK_EVERY_MS = 1000;

/** Only one call at a time may be in progress. */
export class Guest {
  readonly #boot: Boot;
  readonly #limits: Limits;
  readonly #child: Deno.ChildProcess;
  readonly #events: AsyncGenerator<GuestEvent>;
  readonly #commands: WritableStreamDefaultWriter<Uint8Array>;
  readonly #complaints: Promise<string>;
  readonly #faults: string[] = [];
  #received = 0;
  #seen = 0;
  #announced = false;
  #stopped: string | undefined;
  #ended: Promise<Ended> | undefined;

  private constructor(boot: Boot, limits: Limits, child: Deno.ChildProcess) {
    this.#boot = boot;
    this.#limits = limits;
    this.#child = child;
    this.#events = this.#read();
    this.#commands = child.stdin.getWriter();
    this.#complaints = new Response(child.stderr).text();
  }

  /** Starts a guest. The caller waits for {@linkcode ready}, and always calls {@linkcode stop}. */
  static async start(boot: Boot, limits: Limits): Promise<Guest> {
    return new Guest(boot, limits, await startQemu(boot));
  }

  async *#read(): AsyncGenerator<GuestEvent> {
    const reader = new GuestReader();
    for await (const chunk of this.#child.stdout) {
      this.#received += chunk.length;
      yield* reader.push(chunk);
    }
  }

  /** Waits until commands can be run. Returns false if the guest ends instead. */
  async ready(): Promise<boolean> {
    return await this.#until("ready") !== undefined;
  }

  /**
   * Runs a script in the guest's shell, and passes on what it prints. Returns undefined if the
   * guest ends meanwhile.
   */
  async run(script: string, show: (bytes: Uint8Array) => void): Promise<Ran | undefined> {
    const pieces: Uint8Array[] = [];
    const done = new AbortController();
    const following = this.#follow(done.signal, (bytes) => {
      pieces.push(bytes);
      show(bytes);
    });
    let events: GuestEvent[] | undefined;
    try {
      await this.#send(runLine(script));
      events = await this.#until("done");
    } finally {
      done.abort();
      await following;
    }
    if (events === undefined) return undefined;
    const output = new TextDecoder().decode(await new Blob(pieces as BlobPart[]).arrayBuffer());
    return { output, ...summarise(events) };
  }

  /** The guest may have ended, and its port with it. */
  async #send(line: string): Promise<void> {
    await this.#commands.write(new TextEncoder().encode(line)).catch(() => {});
  }

  /** Passes on what is added to the output, until `signal` is aborted, and then once more. */
  async #follow(signal: AbortSignal, show: (bytes: Uint8Array) => void): Promise<void> {
    for (let last = false; !last;) {
      last = signal.aborted;
      const bytes = await readFrom(this.#boot.output, this.#seen);
      this.#seen += bytes.length;
      if (bytes.length > 0) show(bytes);
      if (!last) await new Promise((resolve) => setTimeout(resolve, READ_EVERY_MS));
    }
  }

  /** Returns what comes before a message of this kind; undefined if the guest ends instead. */
  async #until(kind: GuestEvent["kind"]): Promise<GuestEvent[] | undefined> {
    const events: GuestEvent[] = [];
    const timer = this.#watch();
    try {
      for (;;) {
        const { value, done } = await this.#events.next();
        if (done) return undefined;
        if (value.kind === "end") this.#announced = true;
        if (value.kind === "fault") this.#faults.push(value.text);
        else if (value.kind === "broken") this.end(`its init sends "${value.line}"`);
        else if (value.kind === kind) return events;
        else events.push(value);
      }
    } finally {
      clearInterval(timer);
    }
  }

  /** Ends the guest when it prints nothing for too long. */
  #watch(): ReturnType<typeof setInterval> {
    const watch = new SilenceWatch(this.#limits, performance.now());
    return setInterval(async () => {
      const { log, output } = this.#boot;
      const printed = this.#received + await sizeOf(log) + await sizeOf(output);
      const reason = watch.look(performance.now(), printed);
      if (reason !== undefined) this.end(reason);
    }, LOOK_EVERY_MS);
  }

  /** Ends the guest at once, for this reason. */
  end(reason: string): void {
    if (this.#stopped !== undefined || this.#ended !== undefined) return;
    this.#stopped = reason;
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Lets the guest unload its modules and end, and waits for that. */
  async stop(): Promise<Ended> {
    this.#ended ??= this.#stop();
    return await this.#ended;
  }

  async #stop(): Promise<Ended> {
    if (this.#stopped === undefined && !this.#announced) await this.#send(STOP_LINE);
    // Also reads the rest, since QEMU waits until its output is read.
    while (await this.#until("end") !== undefined);
    const { code } = await this.#child.status;
    const complaints = await this.#complaints;
    await this.#commands.close().catch(() => {});
    return {
      code,
      complaints,
      announced: this.#announced,
      faults: this.#faults,
      ...this.#stopped === undefined ? {} : { stopped: this.#stopped },
    };
  }
}

/** Boots a guest with a shell at this process's terminal, and waits for its end. */
export async function runShell(boot: Boot): Promise<Ended> {
  const child = await startQemu(boot);
  const { code } = await child.status;
  const events = [...new GuestReader().push(await readFrom(boot.output, 0))];
  const faults = events.flatMap((event) => event.kind === "fault" ? [event.text] : []);
  // Ctrl-A X ends QEMU without the guest.
  return { code, complaints: "", announced: true, faults };
}

function summarise(events: readonly GuestEvent[]): { status: number; junit?: string } {
  const result: { status: number; junit?: string } = { status: -1 };
  for (const event of events) {
    if (event.kind === "exit") result.status = event.status;
    if (event.kind === "junit") result.junit = event.xml;
  }
  return result;
}

async function sizeOf(path: string): Promise<number> {
  return (await Deno.stat(path).catch(() => undefined))?.size ?? 0;
}

async function readFrom(path: string, offset: number): Promise<Uint8Array> {
  const size = await sizeOf(path);
  if (size <= offset) return new Uint8Array(0);
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size - offset);
  let read = 0;
  while (read < bytes.length) read += await file.read(bytes.subarray(read)) ?? bytes.length;
  return bytes;
}
