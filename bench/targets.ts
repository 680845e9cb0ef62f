// SPDX-License-Identifier: BSD-3-Clause
/** The targets, and whether a run meets them. */

import { formatNumber } from "./arithmetic.ts";
import type { Absent, GroupResult, SideResult, Verdict } from "./results.ts";
import { formatFigure } from "./table.ts";

/** What each row of targets is about. */
export const TITLES: Readonly<Record<number, string>> = {
  1: "round trip, two processors",
  2: "live stream to the user, 64 bytes",
  3: "for await",
  4: "live stream to the kernel, 64 bytes",
  5: "large messages in place",
  6: "copies of 64 KiB",
  7: "round trip against other ways",
  8: "wake-up of a sleeping consumer",
  9: "1,000 idle channels",
  10: "both sides on one processor",
  11: "in a real kernel (`make bench-vm`)",
  12: "start of a script",
  13: "four kernel threads that send",
  14: "100,000 messages a second, read within 10 ms",
  15: "typed messages",
};

/** A side by its group and name. */
type Place = readonly [group: string, side: string];

interface Limit {
  readonly most?: number;
  readonly least?: number;
}

interface Target extends Limit {
  readonly row: number;
  readonly what: string;
  readonly side: Place;
  /** The figure is a ratio to that of the slowest of these, or a figure of its own. */
  readonly to?: readonly Place[];
  /** Of a latency: which percentile; by default the figure is the best quarter of the rounds. */
  readonly percentile?: "p99" | "median";
  readonly toPercentile?: "p99" | "median";
  /** How the figure is shown: a rate in millions a second, times of another side, or a number. */
  readonly as: "rate" | "times" | "speed" | "value";
}

/** `side` takes at most `most` times as long as `to`. */
function atMost(row: number, what: string, side: Place, most: number, to: Place): Target {
  return { row, what, side, to: [to], most, as: "times" };
}

/** `side` is at least `least` times as fast as the slowest of `to`. */
function faster(row: number, what: string, side: Place, least: number, ...to: Place[]): Target {
  return { row, what, side, to, least, as: "speed" };
}

/** `side` makes at least `least` millions a second. */
function rate(row: number, what: string, side: Place, least: number): Target {
  return { row, what, side, least, as: "rate" };
}

const echo = (side: string): Place => ["echo", side];
const echo32 = (side: string): Place => ["echo32", side];
const toUser = (side: string): Place => ["to-user", side];
const toKernel = (side: string): Place => ["to-kernel", side];
const peers = (side: string): Place => ["peers", side];
const waking = (side: string): Place => ["waking", side];
const many = (side: string): Place => ["many", side];
const oneCore = (side: string): Place => ["one-core", side];
const vm = (side: string): Place => ["vm", side];

export const TARGETS: readonly Target[] = [
  atMost(1, "TypeScript to SPSC queue, 64 B", echo("TypeScript"), 1, echo("SPSC queue")),
  atMost(1, "TypeScript to SPSC queue, 32 B", echo32("TypeScript"), 1, echo32("SPSC queue")),
  atMost(1, "TypeScript to C, 64 B", echo("TypeScript"), 1.15, echo("C")),
  atMost(1, "TypeScript to C, 32 B", echo32("TypeScript"), 1.15, echo32("C")),
  atMost(1, "C to SPSC queue, 64 B", echo("C"), 0.85, echo("SPSC queue")),
  atMost(1, "C to SPSC queue, 32 B", echo32("C"), 0.85, echo32("SPSC queue")),
  atMost(1, "C to the predecessor's protocol, 64 B", echo("C"), 0.7, echo("predecessor")),
  rate(2, "C, 64 a call", toUser("C, 64 a call"), 80),
  faster(
    2,
    "C, 64 a call, to its slower side alone",
    toUser("C, 64 a call"),
    0.8,
    toUser("C, reader alone"),
    toUser("C, producer alone, 64 a call"),
  ),
  rate(2, "C, one a call", toUser("C, one a call"), 15),
  rate(2, "TypeScript, receiveBatch", toUser("receiveBatch"), 30),
  rate(2, "TypeScript, drain", toUser("drain"), 60),
  rate(3, "live", toUser("for await"), 15),
  rate(3, "burst", toUser("for await, burst"), 15),
  rate(4, "C", toKernel("C"), 40),
  rate(4, "trySend", toKernel("trySend"), 12),
  rate(
    4,
    "trySend, while the kernel's side sleeps",
    toKernel("trySend, while the kernel's side sleeps"),
    30,
  ),
  rate(4, "sendBatch of 64", toKernel("sendBatch of 64"), 30),
  faster(
    4,
    "reserve and commit to trySend",
    toKernel("reserve and commit"),
    0.7,
    toKernel(
      "trySend",
    ),
  ),
  atMost(5, "64 KiB to 64 B, not copied", ["sizes", "64 KiB, answer"], 1.2, [
    "sizes",
    "64 bytes, answer",
  ]),
  atMost(6, "message.copy() to new Uint8Array(view)", ["copies", "message.copy()"], 1.1, [
    "copies",
    "new Uint8Array(bytes)",
  ]),
  atMost(6, "message.copyInto() to target.set(view)", ["copies", "message.copyInto()"], 1.15, [
    "copies",
    "target.set(bytes)",
  ]),
  faster(7, "to pipes by FFI", peers("KUP"), 70, peers("pipes by FFI")),
  faster(7, "to Unix sockets by FFI", peers("KUP"), 70, peers("Unix sockets by FFI")),
  faster(7, "to postMessage", peers("KUP"), 70, peers("postMessage")),
  faster(7, "to Atomics.wait", peers("KUP"), 70, peers("Atomics.wait")),
  faster(7, "to ringbuf.js", peers("KUP"), 1, peers("ringbuf.js")),
  {
    ...atMost(
      8,
      "receive() to a pipe in the event loop",
      waking("receive()"),
      1.2,
      waking(
        "pipe in the event loop",
      ),
    ),
    percentile: "median",
    toPercentile: "median",
  },
  {
    ...atMost(
      8,
      "receiveSync() to read(2) of a pipe",
      waking("receiveSync()"),
      1.3,
      waking(
        "read(2) of a pipe",
      ),
    ),
    percentile: "median",
    toPercentile: "median",
  },
  {
    ...atMost(8, "receive(): p99 to p50", waking("receive()"), 3, waking("receive()")),
    percentile: "p99",
    toPercentile: "median",
  },
  {
    ...atMost(
      8,
      "receive(): 1,000 channels to a pipe",
      many("receive(), 1,000 channels"),
      1.2,
      many(
        "pipe in the event loop",
      ),
    ),
    percentile: "median",
    toPercentile: "median",
  },
  {
    row: 9,
    what: "processor time in two seconds, ms",
    side: many("processor time while idle, in ms"),
    most: 10,
    as: "value",
  },
  {
    row: 9,
    what: "memory of a channel beside its rings, both sides",
    side: many("memory of an attached channel"),
    most: 12 * 1024,
    as: "value",
  },
  atMost(10, "echo, TypeScript to a pipe", oneCore("TypeScript, echo"), 1.5, oneCore("pipe, echo")),
  atMost(10, "echo, C to a pipe", oneCore("C, echo"), 1.5, oneCore("pipe, echo")),
  ...["TypeScript, receiveBatch", "TypeScript, trySend", "C, to the user", "C, to the kernel"].map(
    (side) => faster(10, `stream, ${side}, to a pipe`, oneCore(side), 1.5, oneCore("pipe, stream")),
  ),
  atMost(
    11,
    "echo to read and write through a thread",
    vm("KUP, echo"),
    0.05,
    vm(
      "read and write, echo",
    ),
  ),
  faster(11, "stream to read of 64 bytes", vm("KUP, stream"), 5, vm("read, stream")),
  {
    row: 11,
    what: "wake-ups for each 16 KiB, a watermark of 16 KiB",
    side: vm("wake-ups by watermark"),
    most: 1.1,
    as: "value",
  },
  { row: 12, what: "first message, ms", side: ["start", "first message"], most: 12e6, as: "value" },
  faster(13, "four to one", ["threads", "four threads"], 0.7, ["threads", "one thread"]),
  faster(13, "four to one, 64 a call", ["threads", "four threads, 64 a call"], 0.7, [
    "threads",
    "one thread, 64 a call",
  ]),
  {
    row: 14,
    what: "wake-ups in 10 ms",
    side: ["watermark", "wake-ups in 10 ms"],
    most: 1.1,
    as: "value",
  },
  atMost(
    14,
    "kup_try_send to one without a reader",
    ["watermark", "kup_try_send, reader within 10 ms"],
    2,
    ["watermark", "kup_try_send, without a reader"],
  ),
  atMost(15, "a reader to a hand-written DataView", ["typed", "reader"], 1.1, [
    "typed",
    "DataView by hand",
  ]),
];

/** The rows of a run that measures everything on this machine; the others need a kernel. */
export const ROWS = Object.keys(TITLES).map(Number);

function find(groups: readonly GroupResult[], [group, side]: Place): SideResult | undefined {
  return groups.find(({ name }) => name === group)?.sides.find(({ name }) => name === side);
}

function value(side: SideResult, percentile: Target["percentile"]): number {
  return percentile === undefined ? side.summary.quarter : side.summary[percentile];
}

function compare(target: Target, side: SideResult, others: readonly SideResult[]) {
  const own = value(side, target.percentile);
  if (target.as === "rate") {
    return { figure: 1e3 / own, measured: `${formatNumber(1e3 / own)} M/s` };
  }
  if (others.length === 0) return { figure: own, measured: formatFigure(own, side.unit) };
  const other = Math.max(...others.map((one) => value(one, target.toPercentile)));
  const figure = target.as === "speed" ? other / own : own / other;
  const figures = `${formatFigure(own, side.unit)} to ${formatFigure(other, side.unit)}`;
  return { figure, measured: `${figure.toFixed(2)}x (${figures})` };
}

function targetText(target: Target): string {
  const limit = target.most ?? target.least ?? 0;
  const sign = target.most !== undefined ? "≤" : "≥";
  if (target.as === "rate") return `${sign} ${limit} M/s`;
  if (target.as === "value") return `${sign} ${limit >= 1e6 ? `${limit / 1e6} ms` : limit}`;
  return `${sign} ${limit}x`;
}

function judge(target: Target, groups: readonly GroupResult[], absent: readonly Absent[]): Verdict {
  const { row, what, side, to = [] } = target;
  const places = [side, ...to];
  const missing = places.find((place) => find(groups, place) === undefined);
  const base = { row, what, target: targetText(target) };
  if (missing !== undefined) {
    const why = absent.find(({ what }) => missing.includes(what))?.why ?? "not part of this run";
    return { ...base, measured: "", outcome: "not measured", why: `${missing[1]}: ${why}` };
  }
  const others = to.map((place) => find(groups, place)!);
  const { figure, measured } = compare(target, find(groups, side)!, others);
  const met = figure <= (target.most ?? Infinity) && figure >= (target.least ?? -Infinity);
  return { ...base, measured, figure, outcome: met ? "met" : "missed" };
}

/** Compares a run with the targets of some rows. */
export function judgeAll(
  groups: readonly GroupResult[],
  absent: readonly Absent[],
  rows: readonly number[] = ROWS,
): Verdict[] {
  return TARGETS.filter(({ row }) => rows.includes(row))
    .map((target) => judge(target, groups, absent));
}
