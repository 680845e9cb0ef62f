// SPDX-License-Identifier: BSD-3-Clause
/** `kup cat`: formats, modes, ends. */

import { assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { interrupt, kup, kupCommand, startKup } from "../lib/cli.ts";
import { capture } from "../lib/process.ts";

Deno.test("kup cat sends each line, and ends when the device has ended", async () => {
  for (const mode of ["1", "2", "3"]) {
    const args = ["cat", "--parameters", `mode=${mode}`, "host:echo"];
    const { code, stdout, output } = await kup(args, { input: "one\n\ntwo\nthree" });
    assertEquals([code, stdout], [0, "one\n\ntwo\nthree\n"], output);
  }
});

Deno.test("kup cat ends at once when the input is empty", async () => {
  assertEquals(await kup(["cat", "host:echo"]), { code: 0, stdout: "", output: "" });
});

Deno.test("kup cat carries any bytes with length, and as hex", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const { code, stdout, output } = await kup(
    ["cat", "--input", "length", "--format", "hex", "host:echo"],
    { input: Uint8Array.of(0, 1, 0, 0, ...bytes, 0, 0, 0, 0, 1, 0, 0, 0, 10) },
  );
  assertEquals(code, 0, output);
  assertEquals(stdout, `${bytes.toHex()}\n\n0a\n`);
  const back = await kup(["cat", "--input", "hex", "--format", "length", "host:echo"], {
    input: "6162 63\n\n0a\n",
  });
  assertEquals(back.stdout, "\x03\0\0\0abc\x01\0\0\0\n");
});

Deno.test("kup cat has types in JSON", async () => {
  const { code, stdout } = await kup(["cat", "--format", "json", "--type", "5", "host:echo"], {
    input: '{"text":"ä","type":7}\n{"hex":"ff"}\n',
  });
  assertEquals(code, 0);
  assertEquals(stdout.trim().split("\n").map((line) => JSON.parse(line)), [
    { type: 7, length: 2, text: "ä" },
    { type: 5, length: 1, hex: "ff" },
  ]);
});

Deno.test("kup cat has the stamps of a device with stamps in JSON", async () => {
  const args = ["cat", "--input", "lines", "--format", "json", "--parameters", "stamps=1"];
  const { stdout } = await kup([...args, "host:echo"], { input: "a\nb\n" });
  const messages = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(messages.map(({ sequence }) => sequence), [0, 1]);
  assertMatch(messages[0].timeNs, /^\d+$/);
});

Deno.test("kup cat refuses input that is not of its format, with the line", async () => {
  const cases: [string, string, RegExp][] = [
    ["hex", "61\n6\n", /Line 2 of the input is not hexadecimal/],
    ["json", "{}\n", /Line 1 of the input has no bytes/],
    ["json", "x\n", /Line 1 of the input is not JSON/],
    ["json", "null\n", /Line 1 of the input has no bytes/],
    ["json", '{"text":"a","type":-1}\n', /Line 1 of the input has a type/],
    ["length", "abc", /ends inside a message/],
    ["length", "\xff\xff\xff\x7f", /is it length-prefixed/],
  ];
  for (const [format, input, wanted] of cases) {
    const bytes = Uint8Array.from(input, (char) => char.charCodeAt(0));
    const { code, output } = await kup(["cat", "--input", format, "host:echo"], { input: bytes });
    assertEquals(code, 1, output);
    assertMatch(output.trimEnd().split("\n").at(-1)!, wanted);
  }
});

Deno.test("kup cat refuses a line that is longer than the longest message", async () => {
  const { code, output } = await kup(["cat", "host:echo"], { input: "x".repeat(300_000) });
  assertEquals(code, 1);
  assertMatch(output, /^kup cat: A line of the input has more than \d+ bytes.*\n$/);
  const hex = await kup(["cat", "--input", "hex", "host:echo"], { input: "00".repeat(300_000) });
  assertEquals(hex.code, 1);
  assertMatch(hex.output, /^kup cat: A message of 300000 bytes is too long.*\n$/);
});

Deno.test("kup cat refuses an input without an end, and without lines", async () => {
  const zeros = ["bash", "-c", '"$@" </dev/zero', "bash", ...kupCommand(["cat", "host:echo"])];
  const { code, output } = await capture(zeros);
  assertEquals(code, 1);
  assertMatch(output, /^kup cat: .*\n$/);
});

Deno.test("kup says that its output can't be written", async () => {
  const full = ["bash", "-c", '"$@" >/dev/full', "bash", ...kupCommand(["list", "host:echo"])];
  const { code, output } = await capture(full);
  assertEquals(code, 1);
  assertMatch(output, /^kup list: Standard output can't be written.*\n$/);
});

Deno.test("kup cat ends quietly when its reader is gone", async () => {
  const command = kupCommand(["cat", "host:echo"]);
  const { code, stdout, output } = await capture([
    "bash",
    "-c",
    'yes | "$@" | head -1; exit ${PIPESTATUS[1]}',
    "bash",
    ...command,
  ]);
  assertEquals([code, stdout, output], [0, "y\n", "y\n"]);
});

Deno.test("kup cat gives an answer before the input ends", async () => {
  await using child = startKup(["cat", "host:echo"]);
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  for (const word of ["first\n", "second\n"]) {
    await writer.write(new TextEncoder().encode(word));
    const { value } = await reader.read();
    assertEquals(new TextDecoder().decode(value), word);
  }
  await writer.close();
  assertEquals((await reader.read()).done, true);
  await child.stderr.cancel();
  assertEquals((await child.status).code, 0);
});

Deno.test("kup cat ends at Ctrl-C with 130, at SIGTERM with 143, whatever it waits for", async () => {
  const cases: ["SIGINT" | "SIGTERM", ...string[]][] = [
    ["SIGINT", "--receive"],
    ["SIGINT", "--parameters", "mode=1"],
    ["SIGINT", "--parameters", "mode=2"],
    ["SIGINT", "--parameters", "mode=3"],
    ["SIGTERM", "--parameters", "mode=1"],
  ];
  for (const [signal, ...options] of cases) {
    await using child = startKup(["cat", ...options, "host:echo"]);
    const writer = child.stdin.getWriter();
    if (options[0] !== "--receive") {
      await writer.write(new TextEncoder().encode("on\n"));
      const reader = child.stdout.getReader();
      await reader.read();
      reader.releaseLock();
    }
    await interrupt(child, signal);
    const { code } = await child.status;
    assertEquals(code, signal === "SIGINT" ? 130 : 143);
    await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
    await writer.close().catch(() => {});
  }
});

Deno.test("kup cat reports a call that was answered with a status", async () => {
  const args = ["cat", "--type", String(0xfffe0001), "--input", "hex", "--parameters", "mode=3"];
  const { code, output } = await kup([...args, "host:echo"], { input: "07000000\n" });
  assertEquals(code, 0);
  assertStringIncludes(output, "status 7");
});
