// SPDX-License-Identifier: BSD-3-Clause
/** `kup record`, `kup replay` and their file format. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "../../deps.ts";
import { Failure } from "../../cli/command.ts";
import {
  decodeGap,
  encodeGap,
  encodeHead,
  encodeRecord,
  type Head,
  Reader,
  type Recorded,
} from "../../cli/recording.ts";
import { interrupt, kup, kupCommand, startKup } from "../lib/cli.ts";
import { capture } from "../lib/process.ts";
import { patience, until } from "../lib/until.ts";

const HEAD: Head = {
  name: "kup/echo",
  mode: "stream",
  stamps: true,
  abiVersion: 1,
  ringBytes: { toUser: 65536, toKernel: 4096 },
  channel: 3,
  began: 1_700_000_000_000.5,
};

const RECORDS: Recorded[] = [
  { kind: "sent", type: 7, nanoseconds: 5n, bytes: Uint8Array.of(1, 2, 3), stamp: undefined },
  { kind: "gap", type: 0, nanoseconds: -1n, bytes: encodeGap(2, 300), stamp: undefined },
  {
    kind: "received",
    type: 2 ** 32 - 1,
    nanoseconds: 10n ** 15n,
    bytes: new Uint8Array(0),
    stamp: { cpu: 1, sequence: 2 ** 32 - 1 },
  },
];

const WHOLE = Uint8Array.from([encodeHead(HEAD), ...RECORDS.map(encodeRecord)].flatMap(
  (part) => [...part],
));

/** A folder that is removed with the object. */
function folder() {
  const path = Deno.makeTempDirSync({ prefix: "kup-record-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function readAll(file: string): { head: Head; records: Recorded[] } {
  using reader = new Reader(file);
  const head = reader.head();
  const records: Recorded[] = [];
  for (let one; (one = reader.next()) !== undefined;) records.push(one);
  return { head, records };
}

Deno.test("Reader returns what encodeHead() and encodeRecord() were given", () => {
  using temporary = folder();
  const file = `${temporary.path}/whole`;
  Deno.writeFileSync(file, WHOLE);
  assertEquals(readAll(file), { head: HEAD, records: RECORDS });
});

Deno.test("Reader finds a file that is cut off at any byte, or ends behind a record", () => {
  using temporary = folder();
  const file = `${temporary.path}/cut`;
  const ends = RECORDS.map((_, index) =>
    encodeHead(HEAD).length +
    RECORDS.slice(0, index).reduce((sum, one) => sum + encodeRecord(one).length, 0)
  );
  for (let length = 0; length < WHOLE.length; length++) {
    Deno.writeFileSync(file, WHOLE.subarray(0, length));
    if (ends.includes(length)) {
      assertEquals(readAll(file).records, RECORDS.slice(0, ends.indexOf(length)));
    } else assertThrows(() => readAll(file), Failure, file);
  }
});

Deno.test("Reader refuses other versions, byte orders, modes and lengths", () => {
  using temporary = folder();
  const file = `${temporary.path}/changed`;
  for (const at of [0, 7, 8, 12, 17, 20, 52, 55]) {
    const bytes = WHOLE.slice();
    bytes[at] = 0xee;
    Deno.writeFileSync(file, bytes);
    assertThrows(() => readAll(file), Failure, file);
  }
  const bytes = WHOLE.slice();
  bytes[encodeHead(HEAD).length + 3] = 0xee;
  Deno.writeFileSync(file, bytes);
  assertThrows(() => readAll(file), Failure, "cut off or damaged");
});

Deno.test("Reader skips records of a kind that it does not know", () => {
  using temporary = folder();
  const file = `${temporary.path}/newer`;
  const bytes = WHOLE.slice();
  bytes[encodeHead(HEAD).length + 4] = 9;
  Deno.writeFileSync(file, bytes);
  assertEquals(readAll(file).records, RECORDS.slice(1));
});

Deno.test("kup record writes what was sent and received, and kup replay sends it again", async () => {
  using temporary = folder();
  const file = `${temporary.path}/echo.kup`;
  const record = await kup(
    ["record", "--input", "lines", "--type", "9", "--parameters", "stamps=1", "host:echo", file],
    { input: "a\nbb\n", permissions: ["--allow-ffi", `--allow-write=${file}`] },
  );
  assertEquals([record.code, record.output], [0, `2 messages in ${file}\n`]);
  const { head, records } = readAll(file);
  assertEquals([head.name, head.stamps], ["kup/echo", true]);
  assertEquals(records.filter(({ kind }) => kind === "sent").map(({ type }) => type), [9, 9]);
  const received = records.filter(({ kind }) => kind === "received");
  assertEquals(received.map(({ bytes }) => new TextDecoder().decode(bytes)), ["a", "bb"]);
  assertEquals(received.map(({ stamp }) => stamp?.sequence), [0, 1]);
  assert(received[0]!.nanoseconds <= received[1]!.nanoseconds);

  const permissions = ["--allow-ffi", `--allow-read=${file}`];
  for (const options of [[], ["--fast"]]) {
    const replay = await kup(["replay", ...options, file, "host:echo"], { permissions });
    assertEquals([replay.code, replay.output], [0, "2 messages sent, 2 received\n"]);
  }
  const dump = await kup(["replay", "--json", file], { permissions });
  const lines = dump.stdout.trim().split("\n");
  assertEquals(lines.length, 1 + records.length);
  assertEquals(JSON.parse(lines[0]!).ringBytes, { toUser: 262144, toKernel: 131072 });
});

Deno.test("kup replay keeps the recorded times", async () => {
  using temporary = folder();
  const file = `${temporary.path}/slow.kup`;
  const later: Recorded = { ...RECORDS[0]!, nanoseconds: RECORDS[0]!.nanoseconds + 1_500_000_000n };
  const parts = [encodeHead(HEAD), encodeRecord(RECORDS[0]!), encodeRecord(later)];
  await Deno.writeFile(file, Uint8Array.from(parts.flatMap((part) => [...part])));
  const begin = performance.now();
  const { code, output } = await kup(["replay", file, "host:echo"], {
    permissions: ["--allow-ffi", `--allow-read=${file}`],
  });
  assertEquals(code, 0, output);
  assert(performance.now() - begin >= 1500, "the second message came too early");
});

Deno.test("kup replay --fast does not wait for the recorded times", async () => {
  using temporary = folder();
  const file = `${temporary.path}/years.kup`;
  const later: Recorded = { ...RECORDS[0]!, nanoseconds: RECORDS[0]!.nanoseconds + 10n ** 17n };
  const parts = [encodeHead(HEAD), encodeRecord(RECORDS[0]!), encodeRecord(later)];
  await Deno.writeFile(file, Uint8Array.from(parts.flatMap((part) => [...part])));
  const permissions = ["--allow-ffi", `--allow-read=${file}`];
  const { code, output } = await capture([
    "timeout",
    String(patience() / 1000),
    ...kupCommand(["replay", "--fast", file, "host:echo"], permissions),
  ]);
  assertEquals([code, output], [0, "2 messages sent, 2 received\n"]);
});

Deno.test("kup record stops after --count messages, and after --seconds", async () => {
  using temporary = folder();
  const file = `${temporary.path}/some.kup`;
  const permissions = ["--allow-ffi", `--allow-write=${file}`];
  const counted = await kup(
    ["record", "--count", "2", "--input", "lines", "host:echo", file],
    { input: "a\nb\nc\nd\n", permissions },
  );
  assertEquals(counted.output, `2 messages in ${file}\n`);
  const timed = await kup(["record", "--seconds", "0.1", "host:echo", file], { permissions });
  assertEquals([timed.code, timed.output], [0, `0 messages in ${file}\n`]);
});

/** An echo_produce of kmod/echo/kup_echo.h, for a producer that loses what does not fit. */
function produce(count: number, length: number): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(count), true);
  view.setUint32(8, length, true);
  view.setUint32(12, 3, true);
  return `${bytes.toHex()}\n`;
}

const ECHO_PRODUCE = 0xffff0001;

Deno.test("kup record has each message, or counts it in a gap", async () => {
  using temporary = folder();
  const file = `${temporary.path}/gaps.kup`;
  const { code, output } = await kup(
    ["record", "--input", "hex", "--type", String(ECHO_PRODUCE), "host:echo", file],
    { input: produce(20_000, 4000), permissions: ["--allow-ffi", `--allow-write=${file}`] },
  );
  assertEquals(code, 0, output);
  const { records } = readAll(file);
  const lost = records.filter(({ kind }) => kind === "gap").map(({ bytes }) =>
    decodeGap(bytes).records
  );
  const received = records.filter(({ kind, type }) => kind === "received" && type !== ECHO_PRODUCE);
  assertEquals(received.length + lost.reduce((sum, one) => sum + one, 0), 20_000);
});

Deno.test("kup record leaves a whole file when the disk is full", async () => {
  using temporary = folder();
  const file = `${temporary.path}/full.kup`;
  const options = ["record", "--input", "lines", "host:echo", file];
  const command = kupCommand(options, ["--allow-ffi", `--allow-write=${file}`]);
  // A file may have 2 or 4 MiB, so that there is room for the rings; the messages have more.
  const limit = 'trap "" XFSZ && ulimit -f 4096 && exec "$@"';
  const { code, output } = await capture(["sh", "-c", limit, "sh", ...command], {
    input: `${"x".repeat(7001)}\n`.repeat(1000),
  });
  assertEquals(code, 1);
  assertMatch(output, /^kup record: The recording can't be written; make room for it \(/);
  assert(readAll(file).records.length > 10);
});

Deno.test("kup replay warns once of a recording with gaps", async () => {
  using temporary = folder();
  const file = `${temporary.path}/gaps.kup`;
  await Deno.writeFile(file, WHOLE);
  const { code, output } = await kup(["replay", "--fast", file, "host:echo"], {
    permissions: ["--allow-ffi", `--allow-read=${file}`],
  });
  assertEquals(code, 0, output);
  assertEquals(output.match(/messages are missing/g)?.length, 1);
});

Deno.test("kup record leaves a whole file at Ctrl-C", async () => {
  using temporary = folder();
  const file = `${temporary.path}/cut.kup`;
  const permissions = ["--allow-ffi", `--allow-write=${file}`];
  await using child = startKup(["record", "--input", "lines", "host:echo", file], permissions);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("a\nb\n"));
  const size = 2 * (encodeRecord(RECORDS[0]!).length * 2) + encodeHead(HEAD).length;
  await until(() => fileSize(file) >= size, "both messages are in the file");
  await interrupt(child);
  const [{ code }, error] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assertEquals([code, error], [0, `2 messages in ${file}\n`]);
  assertEquals(readAll(file).records.length, 4);
  await child.stdout.cancel();
  await writer.close().catch(() => {});
});

function fileSize(file: string): number {
  try {
    return Deno.statSync(file).size;
  } catch {
    return 0;
  }
}

Deno.test("kup record and replay say in one sentence what is wrong with a file", async () => {
  using temporary = folder();
  const file = `${temporary.path}/bad`;
  await Deno.writeTextFile(
    file,
    "not a recording, but long enough to have a header of 64 bytes, or more",
  );
  const permissions = ["--allow-ffi", "--allow-read", "--allow-write"];
  const cases: [string[], RegExp][] = [
    [["replay", file, "host:echo"], /is not a recording/],
    [["replay", `${file}.no`, "host:echo"], /There is no file/],
    [["replay", temporary.path, "host:echo"], /is a folder/],
    [["record", "host:echo", temporary.path], /can't be written/],
    [
      ["record", "--parameters", "mode=2", "host:echo", `${file}.new`],
      /only channels in stream mode/,
    ],
  ];
  for (const [args, wanted] of cases) {
    const { code, output } = await kup(args, { permissions });
    assertEquals(code, 1, args.join(" "));
    assertMatch(output, new RegExp(`^kup ${args[0]}: [^\n]*\n$`));
    assertMatch(output, wanted);
  }
});

Deno.test("kup record leaves an older recording as it is when its options are wrong", async () => {
  using temporary = folder();
  const file = `${temporary.path}/old.kup`;
  await Deno.writeFile(file, WHOLE);
  const permissions = ["--allow-ffi", `--allow-write=${file}`];
  const wrong = [["--count", "0"], ["--seconds", "x"], ["--input", "xml"], ["--type", "x"]];
  for (const options of wrong) {
    const args = ["record", ...options, "host:echo", file];
    const { code, output } = await kup(args, { permissions });
    assertEquals(code, 2, output);
    assertEquals(await Deno.readFile(file), WHOLE, options.join(" "));
  }
});

Deno.test("kup replay refuses a message that the device can't take, and names it", async () => {
  using temporary = folder();
  const file = `${temporary.path}/long.kup`;
  const long = { ...RECORDS[0]!, bytes: new Uint8Array(200_000) };
  await Deno.writeFile(file, Uint8Array.from([...encodeHead(HEAD), ...encodeRecord(long)]));
  const { code, output } = await kup(["replay", file, "host:echo"], {
    permissions: ["--allow-ffi", `--allow-read=${file}`],
  });
  assertEquals(code, 1);
  assertStringIncludes(output, "Message 1 of");
});
