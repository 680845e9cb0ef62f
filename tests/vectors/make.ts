// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writes `ring.txt`: operations on a ring, and the results of `src/ring.ts`. `tests/c` checks that
 * `kmod/core/ring.c` has the same results, so a change of either side alone is found.
 *
 *     deno run -A tests/vectors/make.ts
 */

import {
  CONTROL_END,
  CONTROL_GAP,
  CONTROL_OPTIONAL,
  CONTROL_PASS,
  RECORD_CONTROL,
  RECORD_DISCARD,
  RECORD_LENGTH,
  RECORD_READY,
} from "../../src/abi.ts";
import { RingBench } from "./ring_bench.ts";

const HELP = `# SPDX-License-Identifier: BSD-3-Clause
# Written by tests/vectors/make.ts; replayed by tests/unit/ring_vectors_test.ts and tests/c.
#
# case NAME                       a new case
# new SIZE POSITION CONTROLS [1]  a ring of zeros; head, tail and both sides stand at POSITION; its
#                                 consumer takes these kinds, a mask, and skips optional ones; with
#                                 1, peek expects stamps, and leaves them out
# OPERATION | RESULT | STATE
#
# Results begin with KUP_RING_*. Bytes are hexadecimal, "-" is none. STATE: head, tail, producer_event,
# consumer_event, whether the producer is owed a wake-up (then forgotten), FNV-1a of the ring's bytes.
#
# put TYPE BYTES [FLAGS]          reserve, fill and commit in one; also tells whether it wakes
# put_stamped TIME CPU SEQUENCE TYPE BYTES      the same with a stamp, without FLAGS
# reserve LENGTH                  also tells the position
# fill POSITION BYTES             the payload of a reserved record
# commit POSITION RESERVED LENGTH TYPE FLAGS    tells whether it wakes
# room SPACE, refresh             the producer's look at tail
# announce_room POSITION          the producer's event
# peek                            also tells the payload's offset, length, type, control, bytes
# release                         what peek has found; publish, settle: all that was released
# announce_record [POSITION]      the consumer's event; its cursor without POSITION
# ready                           its look without consuming
# poke WORD VALUE, poke_data OFFSET VALUE       writes a word behind both sides' backs
`;

const GAPS = 1 << CONTROL_GAP;
const PASSES = 1 << CONTROL_PASS;
const ENDS = 1 << CONTROL_END;
const lines: string[] = [HELP];
let bench: RingBench;

function begin(name: string, size: number, position = 0, controls = GAPS, stamped = false): void {
  lines.push(`case ${name}`, `new ${size} ${position} ${controls}${stamped ? " 1" : ""}`);
  bench = new RingBench(size, position, controls, stamped);
}

/** Runs an operation; returns the words of its result. */
function run(operation: string): string[] {
  const outcome = bench.run(operation);
  lines.push(`${operation} | ${outcome}`);
  return outcome.split(" | ")[0]!.split(" ");
}

function take(): boolean {
  if (run("peek")[0] !== "0") return false;
  return run("release")[0] === "0";
}

/** Recognisable bytes. */
function payload(length: number, seed: number): string {
  if (length === 0) return "-";
  return Uint8Array.from({ length }, (_, i) => seed + i * 7 + 1).toHex();
}

function wraps(): void {
  for (let offset = 0; offset < 64; offset += 8) {
    begin(`a record that begins at offset ${offset} of 64`, 64, offset);
    for (const length of [0, 1, 20, 33, 48, 49]) {
      run(`put ${length} ${payload(length, offset)}`);
      run("room 8");
      take();
    }
  }
  for (const position of [0x7fffffe8, 0x7ffffff8, 0xffffffe8, 0xfffffff8]) {
    begin(`positions pass ${position}`, 64, position);
    for (let i = 0; i < 6; i++) {
      run(`put ${position} ${payload(5 + i, i)}`);
      run(`put ${i} ${payload(i, i)}`);
      run("announce_record");
      take();
      run(`announce_room ${(position + 16 * i) >>> 0}`);
      take();
      run("refresh");
    }
  }
}

function records(): void {
  begin("a consumer stops at an unfinished record", 64);
  run("reserve 8");
  run("put 2 0102");
  run("peek");
  run("ready");
  run("announce_record");
  run(`fill 0 ${payload(8, 9)}`);
  run("commit 0 8 8 1 0");
  run("ready");
  while (take());
  begin("discarded records are skipped, also the last one", 128);
  for (const [i, flags] of [RECORD_DISCARD, 0, RECORD_DISCARD, RECORD_DISCARD].entries()) {
    run(`reserve ${i}`);
    run(`commit ${[0, 8, 24, 40][i]} ${i} ${i} 5 ${flags}`);
  }
  run("announce_room 56");
  while (take());
  for (let length = 0; length <= 24; length++) {
    begin(`a record of 24 bytes is shortened to ${length}`, 64, 48);
    run("reserve 24");
    run(`fill 48 ${payload(length, length)}`);
    run(`commit 48 24 ${length} 3 0`);
    run("put 4 aa");
    while (take());
  }
  begin("a full ring has no room, and a smaller record may fit", 64);
  run(`put 1 ${payload(24, 1)}`);
  run("put 2 01020304050607080910111213141516ff");
  run("put 3 0102030405060708");
  run("room 8");
  run("put 3 -");
  run("room 0");
  run("put 4 -");
  while (take());
  begin("64 records may be open, and finish in any order", 4096);
  for (let i = 0; i < 65; i++) run("reserve 0");
  run("put 9 aa");
  for (let i = 63; i >= 0; i--) run(`commit ${8 * i} 0 0 ${i} 0`);
  run("commit 0 0 0 1 0");
  run("put 9 aa");
  while (take());
  begin("no more than 256 discarded records in one look", 4096);
  for (let i = 0; i < 300; i++) {
    run("reserve 0");
    run(`commit ${8 * i} 0 0 0 ${RECORD_DISCARD}`);
  }
  run("put 1 77");
  run("peek");
  while (take());
}

/** When a consumer publishes its tail. */
function tails(): void {
  begin("a tail is published where nothing is left, and where an eighth is unpublished", 256);
  for (let i = 0; i < 12; i++) run(`put ${i} ${payload(i, i)}`);
  while (take());
  begin("a tail is published on demand", 256);
  for (let i = 0; i < 3; i++) run(`put ${i} -`);
  take();
  run("publish");
  run("publish");
  while (take());
  for (const event of [0, 8, 16, 24]) {
    begin(`a tail is published for a producer that sleeps for ${event}`, 512);
    for (let i = 0; i < 5; i++) run(`put ${i} -`);
    take();
    run(`announce_room ${event}`);
    while (take());
  }
  begin("headers that head does not cover", 256);
  for (let i = 0; i < 32; i++) run(`poke_data ${8 * i} ${RECORD_READY}`);
  run("poke head 24");
  while (take());
  begin("headers that head does not cover, before a producer that sleeps for room", 256);
  for (let i = 0; i < 32; i++) run(`poke_data ${8 * i} ${RECORD_READY}`);
  run("announce_room 16");
  while (take());
  begin("one header that head does not cover", 256);
  run("put 1 -");
  run(`poke_data 8 ${RECORD_READY}`);
  while (take());
  run("settle");
  begin("discarded headers that head does not cover", 256);
  for (let i = 0; i < 32; i++) run(`poke_data ${8 * i} ${RECORD_READY + RECORD_DISCARD}`);
  run("peek");
  run("peek");
}

function events(): void {
  for (const event of [0, 8, 16, 24, 32, 0xfffffff8]) {
    begin(`a producer that sleeps for tail ${event}`, 64);
    run(`put 1 ${payload(8, 1)}`);
    run(`put 2 ${payload(8, 2)}`);
    run(`announce_room ${event}`);
    while (take());
  }
  for (const event of [0, 16, 32]) {
    begin(`a consumer that sleeps for record ${event}`, 64);
    run(`poke consumer_event ${event}`);
    run("reserve 8");
    run("reserve 8");
    run("commit 16 8 8 0 0");
    run("commit 0 8 8 0 0");
    run("put 1 -");
  }
  for (const event of [8, 24, 40]) {
    begin(`a consumer that sleeps for what contains ${event}`, 128);
    run(`announce_record ${event}`);
    run(`put 1 ${payload(16, 1)}`);
    run(`put 2 ${payload(20, 2)}`);
    run("reserve 8");
    run("put 3 -");
    run("commit 56 8 0 4 0");
  }
}

function lies(): void {
  for (const [word, value] of [["tail", 4], ["tail", 56], ["tail", 0xfffffff8]] as const) {
    begin(`a tail that lies: ${value}`, 64);
    run(`put 1 ${payload(40, 3)}`);
    run(`poke ${word} ${value}`);
    for (const operation of ["room 8", "room 32", "refresh", "reserve 20", "put 0 -"]) {
      run(operation);
    }
    run(`put 0 ${payload(20, 3)}`);
    run("poke tail 8");
    run("refresh");
    run("poke tail 0");
    run("refresh");
  }
  for (const value of [4, 72, 104, 8, 16, 0xfffffff8, 0x80000000]) {
    begin(`a head that lies: ${value}`, 64, 16);
    run(`put 1 ${payload(8, 3)}`);
    run(`poke head ${value}`);
    run("ready");
    take();
    run("settle");
    run("poke head 32");
    run("publish");
    run("settle");
    take();
  }
  for (
    const word of [
      RECORD_LENGTH,
      49,
      48,
      8 + 0x10000000,
      8 + 0x10000000 + RECORD_DISCARD,
      8 + RECORD_CONTROL,
      8 + RECORD_CONTROL + RECORD_DISCARD,
      RECORD_LENGTH + RECORD_DISCARD,
    ]
  ) {
    begin(`a header that lies: ${word}`, 64, 8);
    run(`put 4 ${payload(8, 1)}`);
    run(`poke_data 8 ${word}`);
    run("ready");
    run("peek");
    run(`poke_data 8 ${RECORD_READY + word}`);
    run("ready");
    take();
    run(`poke_data 8 ${RECORD_READY + 8}`);
    take();
  }
}

function controls(): void {
  begin("a control record has a kind in the place of a type", 64, 0, GAPS + PASSES);
  run("reserve 16");
  run(`commit 0 16 16 ${CONTROL_GAP} ${RECORD_CONTROL}`);
  take();
  run(`put ${CONTROL_PASS} - ${RECORD_CONTROL}`);
  run("announce_record");
  take();
  run(`put ${CONTROL_GAP} 01`);
  take();
  for (const kind of [0, CONTROL_GAP, CONTROL_END, 31, 32, 33, 34, 64, 0x7fffffff]) {
    begin(`a consumer that takes passes refuses kind ${kind}`, 64, 48, PASSES);
    run(`put ${kind} 0102 ${RECORD_CONTROL}`);
    run("ready");
    run("peek");
    run(`poke_data 52 ${CONTROL_PASS}`);
    take();
  }
  begin("a consumer that takes ends returns one, and the record behind it", 64, 24, ENDS);
  run("announce_record");
  run(`put 5 01`);
  run(`put ${CONTROL_END} - ${RECORD_CONTROL}`);
  take();
  run("announce_record");
  take();
  run(`put 6 02`);
  take();
  for (const low of [0, CONTROL_GAP, 2 ** 31 - 1]) {
    const kind = CONTROL_OPTIONAL + low;
    begin(`the optional kind ${kind} is skipped`, 64, 8, GAPS);
    run(`put ${kind} ${payload(9, 3)} ${RECORD_CONTROL}`);
    run("announce_room 32");
    run(`put 7 0102`);
    run("ready");
    take();
    run("peek");
  }
}

function ends(): void {
  for (const event of [0, 16, 24]) {
    begin(`an end for a consumer that sleeps for ${event}`, 64, 0, ENDS);
    run(`announce_record ${event}`);
    run("put 5 01");
    run(`put ${CONTROL_END} - ${RECORD_CONTROL}`);
    while (take());
  }
  begin("an end behind an open reservation and discarded records", 128, 8, ENDS);
  run("reserve 8");
  run("reserve 4");
  run("reserve 0");
  run(`commit 40 0 0 ${CONTROL_END} ${RECORD_CONTROL}`);
  run("peek");
  run(`commit 24 4 4 0 ${RECORD_DISCARD}`);
  run("commit 8 8 2 7 0");
  while (take());
  run("put 1 02");
  while (take());
  begin("a discarded record is no end", 64, 0, ENDS);
  run("reserve 4");
  run(`commit 0 4 4 ${CONTROL_END} ${RECORD_DISCARD}`);
  run("peek");
  run(`poke_data 16 ${RECORD_READY + RECORD_CONTROL + RECORD_DISCARD}`);
  run(`poke_data 20 ${CONTROL_END}`);
  run("peek");
}

function stamps(): void {
  const all = GAPS + ENDS;
  begin("stamps are left out", 256, 2 ** 32 - 96, all, true);
  const times = [1, 2 ** 32, 2n ** 63n - 1n, 2n ** 64n - 1n];
  for (const [i, time] of times.entries()) {
    run("announce_record");
    run(`put_stamped ${time} ${i} ${2 ** 32 - 2 + i % 2} ${i} ${payload(7 * i, i)}`);
    take();
  }
  run(`put_stamped 9 9 9 9 ${payload(56, 1)}`);
  run(`put_stamped 9 9 9 9 ${payload(216, 1)}`);
  while (take());
  run(`put_stamped 9 9 9 9 ${payload(217, 1)}`);
  run(`put_stamped 9 9 9 9 ${payload(216, 1)}`);
  while (take());
  for (
    const [kind, name] of [[0, "a message"], [CONTROL_GAP, "a gap"], [
      CONTROL_END,
      "an end",
    ]] as const
  ) {
    const flags = kind === 0 ? 0 : RECORD_CONTROL;
    for (const length of [0, 1, 8, 15, 16, 17, 24]) {
      begin(`${name} of ${length} bytes where stamps are expected`, 128, 40, all, true);
      run(`put_stamped 1 2 3 4 05`);
      run(`put ${kind} ${payload(length, 1)} ${flags}`);
      run(`put_stamped 1 2 4 4 06`);
      while (take());
      run("ready");
      run("peek");
    }
  }
  begin("discarded and optional records need no stamp", 128, 0, all, true);
  run("reserve 4");
  run(`commit 0 4 4 0 ${RECORD_DISCARD}`);
  run(`put ${CONTROL_OPTIONAL} - ${RECORD_CONTROL}`);
  run("put_stamped 7 0 1 2 aa");
  while (take());
  begin("a stamped record behind an open reservation", 128, 16, all, true);
  run("announce_record");
  run("reserve 24");
  run("put_stamped 8 1 2 3 bb");
  run("peek");
  run(`fill 16 ${payload(24, 5)}`);
  run("commit 16 24 20 6 0");
  while (take());
}

/** The same numbers on every machine. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** One operation of a mixture; `open` has the records that are reserved and not committed. */
function mix(
  next: (below: number) => number,
  size: number,
  i: number,
  open: [string, number][],
): void {
  const kind = next(8);
  const length = next(size / 2);
  if (kind < 2) {
    run(`put ${next(2 ** 32)} ${payload(length, i)}`);
  } else if (kind === 2 && open.length < 3) {
    const [result, position] = run(`reserve ${length}`);
    if (result === "0") open.push([position!, length]);
  } else if (kind === 3 && open.length > 0) {
    const [[position, reserved]] = open.splice(next(open.length), 1) as [[string, number]];
    const flags = next(3) === 0 ? RECORD_DISCARD : 0;
    const shorter = flags === 0 ? next(reserved + 1) : reserved;
    run(`commit ${position} ${reserved} ${shorter} ${i} ${flags}`);
  } else if (kind === 4) {
    run("announce_record");
  } else if (kind === 5) {
    run(next(2) === 0 ? "publish" : `announce_room ${8 * next(2 ** 29)}`);
  } else {
    take();
  }
}

function mixtures(): void {
  for (const [seed, size] of [[1, 64], [2, 128], [3, 256], [4, 64]] as const) {
    const next = random(seed);
    begin(`a mixture, ${seed}`, size, 2 ** 32 - 160 * seed);
    const open: [string, number][] = [];
    for (let i = 0; i < 150; i++) mix(next, size, i, open);
  }
}

for (const part of [wraps, records, tails, events, lies, controls, ends, stamps, mixtures]) part();
await Deno.writeTextFile(new URL("ring.txt", import.meta.url), lines.join("\n") + "\n");
