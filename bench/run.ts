// SPDX-License-Identifier: BSD-3-Clause
/** A run of the benchmarks: what all groups share. */

import { type Channel, type Device, open } from "../mod.ts";
import { summarise } from "./arithmetic.ts";
import { BUILD, type Order, type Place, Rounds } from "./native.ts";
import type { Absent, GroupResult, Latencies, SideKind, SideResult, Unit } from "./results.ts";

/** One thing to measure. */
export interface Side {
  readonly name: string;
  readonly kind: SideKind;
  /** @default {"ns"} */
  readonly unit?: Unit;
  /** Does one round, and returns its figure: in most groups, the ns of an item. */
  readonly round: () => number | Promise<number>;
}

/** How a run is made. */
export interface RunOptions {
  /** The processors that this process may use. */
  readonly processors: readonly number[];
  /** A few tiny rounds only: a test that everything works. */
  readonly quick: boolean;
  /** The client module's path for `open`, and that of a device of it by name. */
  readonly device: (name: string) => string;
}

/** A group: what alternates in one run. */
export interface Group {
  /** A word, for the command line. */
  readonly name: string;
  readonly title: string;
  /** The rows of targets that need it. */
  readonly rows: readonly number[];
  /** @throws {Missing} If it can't be measured here. */
  readonly run: (run: Run) => Promise<void>;
}

/** Why something can't be measured on this machine. */
export class Missing extends Error {
  override readonly name = "Missing";
}

/** The first rounds warm up compilers and caches; they don't count. */
const WARM_UP_ROUNDS = 8;

/**
 * After this time a group is content with fewer rounds. On a busy machine a round takes much
 * longer: a side that waits for one without a processor does so for a whole slice.
 */
const BUDGET_MS = 25_000;
const LEAST_ROUNDS = 12;

/** Long enough for the other side's thread to stop spinning, and to sleep. */
const REST_US = 200;

/** The results of one group while it runs, and what its rounds need. */
export class Run implements Disposable {
  readonly rounds = new Rounds();
  readonly absent: Absent[] = [];
  readonly #options: RunOptions;
  readonly #sides: SideResult[] = [];
  readonly #latencies: Latencies[] = [];
  readonly #opened: Disposable[] = [];
  readonly #handles: number[] = [];

  constructor(options: RunOptions) {
    this.#options = options;
  }

  get quick(): boolean {
    return this.#options.quick;
  }

  /** @throws {Missing} If there is only one processor. */
  get twoProcessors(): Place {
    const [mine, theirs] = this.#options.processors;
    if (mine === undefined || theirs === undefined) {
      throw new Missing("it needs two processors");
    }
    return { mine, theirs };
  }

  /** The system decides; a kernel's threads don't inherit the attaching thread's processor. */
  get anyProcessors(): Place {
    return { mine: -1, theirs: -1 };
  }

  get oneProcessor(): Place {
    const [mine = -1] = this.#options.processors;
    return { mine, theirs: mine };
  }

  /** How many items a round has, or fewer if the run is quick. */
  items(count: number): number {
    return this.quick ? Math.max(16, count >> 8 << 4) : count;
  }

  /** The path of a device of the client module. */
  path(device: string): string {
    return this.#options.device(device);
  }

  /** Opens a device of the client module. */
  device(name = "bench"): Device {
    return this.#keep(open(this.path(name)));
  }

  /** Attaches a channel whose kernel thread runs on the other side's processor. */
  async attach(place: Place, device: Device = this.device()): Promise<Channel> {
    this.rounds.pin(place.theirs);
    try {
      return this.#keep(await device.attach({ wait: false }));
    } finally {
      this.rounds.pin(place.mine);
    }
  }

  /** Returns a side whose rounds are in C, or nothing if this build does not have it. */
  inC(name: string, kind: SideKind, round: string, place: Place, order: Order): Side[] {
    if (!this.rounds.has(round)) {
      this.absent.push({ what: name, why: `this build has no "${round}"` });
      return [];
    }
    return [{ name, kind, round: this.rounds.round(round, -1, place, order) }];
  }

  /** A channel of the library for programs in C. Close it by ending the run. */
  openInC(place: Place, device = "bench"): number {
    const handle = this.rounds.open(this.path(device), place);
    this.#handles.push(handle);
    return handle;
  }

  /** Has something disposed when the group ends. */
  #keep<T extends Disposable>(resource: T): T {
    this.#opened.push(resource);
    return resource;
  }

  keep<T extends Disposable>(resource: T): T {
    return this.#keep(resource);
  }

  /**
   * Measures sides that alternate: a round of each, again and again. The first rounds don't count.
   * It makes fewer rounds if they take too long.
   */
  async alternate(sides: readonly Side[], rounds: number, rest = REST_US): Promise<void> {
    const values = sides.map((): number[] => []);
    const first = this.quick ? 0 : WARM_UP_ROUNDS;
    const wanted = first + (this.quick ? 2 : rounds);
    const end = performance.now() + BUDGET_MS;
    for (let round = 0; round < wanted; round++) {
      if (performance.now() > end && round >= first + LEAST_ROUNDS) break;
      for (const [index, side] of sides.entries()) {
        this.rounds.symbols.bench_sleep(rest);
        const result = side.round();
        const figure = typeof result === "number" ? result : await result;
        if (round >= first) values[index]!.push(figure);
      }
    }
    sides.forEach((side, index) => this.record(side, values[index]!));
  }

  /** Adds figures that were measured in another way. */
  record(side: Omit<Side, "round">, values: readonly number[]): void {
    const { name, kind, unit = "ns" } = side;
    const rounds = values.map((value) => Math.round(value * 100) / 100);
    this.#sides.push({ name, kind, unit, summary: summarise(rounds), rounds });
  }

  /** Adds the times of single events. */
  recordLatencies(name: string, kind: SideKind, values: ArrayLike<number>): void {
    const rounded = Array.from(values, (value) => Math.max(1, Math.round(value)));
    this.#latencies.push({ name, kind, summary: summarise(rounded), values: rounded });
  }

  /** What the group has measured. */
  result(group: Group): GroupResult {
    const { name, title } = group;
    return { name, title, sides: this.#sides, latencies: this.#latencies };
  }

  [Symbol.dispose](): void {
    for (const resource of this.#opened.reverse()) resource[Symbol.dispose]();
    for (const handle of this.#handles) this.rounds.symbols.bench_close(handle);
    this.rounds.pin(-1);
    this.rounds[Symbol.dispose]();
  }
}

/** The path for `open` of a device of the client module, on the host driver. */
export function hostDevice(name: string): string {
  return name === "bench" ? `host:${BUILD}/bench.so` : `host:${name}`;
}
