// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a run of the benchmarks has measured. It is also the format of the file with the raw
 * results, as JSON.
 */

import type { Summary } from "./arithmetic.ts";
import type { Machine } from "./machine.ts";

/** Counts the changes of the format that break a reader. */
export const FORMAT = 1;

/** One thing that was measured, in many rounds. */
export interface SideResult {
  /** Unique in its group. */
  readonly name: string;
  /** What it is to KUP. */
  readonly kind: SideKind;
  readonly unit: Unit;
  /** Of the rounds. */
  readonly summary: Summary;
  /** Each round, in order. */
  readonly rounds: readonly number[];
}

/** KUP itself; a peer that does the same job; or a limit of the machine. */
export type SideKind = "kup" | "peer" | "limit";

/** Nanoseconds per item, or what else was measured. */
export type Unit = "ns" | "bytes" | "count";

/** The times of single events, in ns. */
export interface Latencies {
  /** Of the side whose events they are. */
  readonly name: string;
  readonly kind: SideKind;
  readonly summary: Summary;
  readonly values: readonly number[];
}

/** What alternated in one run, so its figures can be compared. */
export interface GroupResult {
  /** A word, for the command line. */
  readonly name: string;
  readonly title: string;
  readonly sides: readonly SideResult[];
  readonly latencies: readonly Latencies[];
}

/** A peer, or something else, that was not measured. */
export interface Absent {
  readonly what: string;
  readonly why: string;
}

/** The outcome of one comparison with a target. */
export interface Verdict {
  /** The target's row, from 1 to 14. */
  readonly row: number;
  readonly what: string;
  /** What was measured, as text. Empty if it was not. */
  readonly measured: string;
  /** The figure that is compared; absent if something was not measured. */
  readonly figure?: number;
  /** As text. */
  readonly target: string;
  readonly outcome: "met" | "missed" | "not measured";
  /** Why it was not measured. */
  readonly why?: string;
}

/** All of a run. */
export interface Report {
  readonly format: typeof FORMAT;
  /** When the run began, as an ISO date. */
  readonly date: string;
  readonly seconds: number;
  /** A few tiny rounds only; the figures mean nothing. */
  readonly quick: boolean;
  readonly machine: Machine;
  readonly groups: readonly GroupResult[];
  readonly absent: readonly Absent[];
  readonly verdicts: readonly Verdict[];
}
