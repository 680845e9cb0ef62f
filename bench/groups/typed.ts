// SPDX-License-Identifier: BSD-3-Clause
/** Six fields of a message of 64 bytes: by a reader that `kup bind` wrote, and by hand. */

import type { Message } from "../../mod.ts";
import { ChannelRounds } from "../channel.ts";
import type { Group, Run, Side } from "../run.ts";
import { BenchBytes, BenchTyped, Bytes } from "../typed.ts";

/** Messages that are in the ring before the time begins. */
const BURST = 800;
const READS = 400_000;

const reader = new BenchTyped();

/** The number, and the other fields, so that no read of them can be left out. */
function sum(number: number, others: number): number {
  return number + (others & 0);
}

function byReader(message: Message): number {
  const { number, temperature, flags, kind, mean, least } = reader.at(message);
  return sum(number, temperature + flags + kind + mean + least);
}

function byView({ view }: Message): number {
  return sum(
    view.getUint32(0, true),
    view.getInt32(8, true) + view.getUint16(12, true) + view.getUint8(14) +
      view.getFloat64(16, true) + view.getFloat32(24, true),
  );
}

function byReads(message: Message): number {
  return sum(
    message.u32(0),
    message.i32(8) + message.u16(12) + message.u8(14) + message.f64(16) + message.f32(24),
  );
}

/** The same of plain bytes, without a channel. */
function overBytes(run: Run): Side[] {
  const count = run.items(READS);
  const data = new ArrayBuffer(64 * 16);
  const view = new DataView(data);
  const bytes = new Bytes(data);
  const reader = new BenchBytes();
  const side = (name: string, kind: Side["kind"], read: (at: number) => number): Side => ({
    name,
    kind,
    round() {
      let sum = 0;
      const start = run.rounds.symbols.bench_now();
      for (let i = 0; i < count; i++) sum += read((i & 15) * 64);
      const end = run.rounds.symbols.bench_now();
      if (sum !== 0) throw new Error("The bytes are zero, and the sum is not.");
      return (end - start) / count;
    },
  });
  return [
    side("reader, bytes", "kup", (at) => {
      const { number, temperature, flags, kind, mean, least } = reader.at(bytes, at);
      return number + temperature + flags + kind + mean + least;
    }),
    // What the reader does more: it checks that the whole struct is there, before the first field.
    side("DataView by hand, bytes, checked", "limit", (at) => {
      if (!(at + 64 <= view.byteLength)) throw new RangeError(`There are not 64 bytes at ${at}.`);
      return view.getUint32(at, true) + view.getInt32(at + 8, true) +
        view.getUint16(at + 12, true) +
        view.getUint8(at + 14) + view.getFloat64(at + 16, true) + view.getFloat32(at + 24, true);
    }),
    side(
      "DataView by hand, bytes",
      "limit",
      (at) =>
        view.getUint32(at, true) + view.getInt32(at + 8, true) + view.getUint16(at + 12, true) +
        view.getUint8(at + 14) + view.getFloat64(at + 16, true) + view.getFloat32(at + 24, true),
    ),
  ];
}

export const typed: Group = {
  name: "typed",
  title: "A message of 64 bytes, of which six fields are read",
  rows: [15],
  async run(run) {
    const channel = new ChannelRounds(await run.attach(run.twoProcessors), run.rounds);
    const command = { work: "produce", count: run.items(BURST), length: 64, batch: 64 } as const;
    const side = (name: string, kind: Side["kind"], use: (message: Message) => number): Side => ({
      name,
      kind,
      round: () => channel.burst(command, use),
    });
    await run.alternate([
      side("reader", "kup", byReader),
      side("DataView by hand", "limit", byView),
      side("reads by hand", "limit", byReads),
      ...overBytes(run),
    ], 400);
  },
};
