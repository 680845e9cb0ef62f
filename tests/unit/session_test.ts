// SPDX-License-Identifier: BSD-3-Clause
/** How a guest is judged, from what it sends and how it ends. */

import { assert, assertEquals, assertMatch } from "../../deps.ts";
import type { Ended } from "../../harness/guest.ts";
import { explain, findProblems, readTests } from "../../harness/judge.ts";
import { type GuestEvent, GuestReader, runLine } from "../../harness/protocol.ts";
import { judge } from "../vm/session.ts";

const WELL: Ended = { code: 0, complaints: "", announced: true, faults: [] };
const QUIET = "[    0.1] booting\n";

function junit(...cases: string[]): string {
  return `<testsuites name="deno test" tests="${cases.length}"><testsuite name="a" tests="0">` +
    `${cases.join("")}</testsuite></testsuites>`;
}
const PASSED = '<testcase name="good"></testcase>';
const SKIPPED = '<testcase name="left out"><skipped/></testcase>';
const FAILED = '<testcase name="bad"><failure message="no">no</failure></testcase>';

/** What a reader returns for a text that comes in pieces of this size. */
function read(text: string, size: number): GuestEvent[] {
  const reader = new GuestReader();
  const bytes = new TextEncoder().encode(text);
  const events: GuestEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    events.push(...reader.push(bytes.subarray(at, at + size)));
  }
  return events;
}

const XML = "<x>é\nend\nexit 3\n</x>";
const SESSION = "kup-guest 2\nfault early\nready\nexit 7\n" +
  `junit ${new TextEncoder().encode(XML).length}\n${XML}done\nexit 0\ndone\nfault late\nend\n`;

Deno.test("GuestReader.push() reads a session in pieces of any size", () => {
  for (let size = 1; size <= SESSION.length; size++) {
    assertEquals(read(SESSION, size), [
      { kind: "fault", text: "early" },
      { kind: "ready" },
      { kind: "exit", status: 7 },
      { kind: "junit", xml: XML },
      { kind: "done" },
      { kind: "exit", status: 0 },
      { kind: "done" },
      { kind: "fault", text: "late" },
      { kind: "end" },
    ]);
  }
});

Deno.test("GuestReader.push() returns nothing of a message that is cut off", () => {
  const whole = read(SESSION, 1);
  for (let length = 0; length < SESSION.length; length++) {
    const events = read(SESSION.slice(0, length), 7);
    assertEquals(events, whole.slice(0, events.length));
  }
  assertEquals(read("kup-guest 2\njunit 5\n<x/>", 3), []);
});

Deno.test("GuestReader.push() ends at a line that is not of the protocol", () => {
  for (const line of ["Oops", "exit x", "exit", "junit -1", "ready now"]) {
    assertEquals(read(`kup-guest 2\n${line}\nend\n`, 4), [{ kind: "broken", line }]);
  }
  assertEquals(read("login:\nready\n", 4), [{ kind: "broken", line: "login:" }]);
});

Deno.test("runLine() keeps a script with newlines and any letters in one line", () => {
  const script = "echo 'é'\necho 2\n";
  const [, text = ""] = /^run (\S+)\n$/.exec(runLine(script)) ?? [];
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  assertEquals(new TextDecoder().decode(bytes), script);
});

Deno.test("findProblems() finds none in a guest that ended as it was asked to", () => {
  assertEquals(findProblems(WELL, QUIET), []);
});

Deno.test("findProblems() refuses a guest that ended by itself, however it ended", () => {
  const ended = { ...WELL, announced: false };
  assertEquals(findProblems(ended, QUIET), ["the guest ended before it was asked to"]);
});

Deno.test("findProblems() refuses a guest that was ended, with the reason", () => {
  const ended = { ...WELL, code: 137, announced: false, stopped: "it printed nothing" };
  assertEquals(findProblems(ended, QUIET), ["the guest was ended: it printed nothing"]);
});

Deno.test("findProblems() names the kernel's trouble before all that may follow from it", () => {
  const log = "[ 9.0] BUG: unable to handle page fault\n[ 9.1] Kernel panic\n";
  const ended = { ...WELL, announced: false, faults: ["insmod a.ko: no"] };
  assertEquals(findProblems(ended, log), [
    "kernel log: [ 9.0] BUG: unable to handle page fault",
    "kernel log: [ 9.1] Kernel panic",
    "insmod a.ko: no",
  ]);
});

Deno.test("findProblems() names a leak before the line that announces it", () => {
  const leak = "[ 9.2] kmemleak: unreferenced object, 1 times (size 128)";
  const announcement = "[ 9.1] kmemleak: 1 new suspected memory leaks (see /sys)";
  assertEquals(findProblems(WELL, `${announcement}\n${leak}\n`), [
    `kernel log: ${leak}`,
    `kernel log: ${announcement}`,
  ]);
});

Deno.test("findProblems() reports a failure of QEMU itself", () => {
  const ended = { ...WELL, code: 1, complaints: "qemu: no such image\n" };
  assertEquals(findProblems(ended, QUIET), [
    "QEMU ended with exit status 1",
    "QEMU says: qemu: no such image",
  ]);
});

Deno.test("explain() ends with the cause, after the log and a few other problems", () => {
  const problems = ["the cause", ...Array.from({ length: 20 }, (_, index) => `more ${index}`)];
  const judged = { problems, cause: problems[0], log: "/log", seconds: 1 };
  const text = explain(judged, Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join(""));
  const lines = text.split("\n");
  assertEquals(lines.at(-1), "the cause");
  assert(lines.length < 80 && lines.includes("line 499") && !lines.includes("line 0"));
  assertMatch(text, /also: more 0\n[^]*\(12 more problems\)/);
});

Deno.test("readTests() reports tests that leave no report, or an empty one", () => {
  assertEquals(readTests(undefined).problem, "the tests left no report");
  for (const report of [junit(), junit(SKIPPED, SKIPPED)]) {
    assertEquals(readTests(report).problem, "no test was run");
  }
  assertEquals(readTests(junit(SKIPPED, PASSED)).problem, undefined);
  assertMatch(readTests("<testsuites").problem ?? "", /Not a JUnit report/);
});

const JUDGED = { problems: [], cause: undefined, log: "/log", seconds: 1 };

Deno.test("judge() reports a command's exit status, but not as the kernel's problem", () => {
  const { problems, logMatters } = judge(JUDGED, { status: 1, output: "" });
  assertEquals(problems, ["the command ended with exit status 1"]);
  assertEquals(logMatters, false);
});

Deno.test("judge() needs no other problem for a guest with a failed test to be bad", () => {
  const { tests } = readTests(junit(PASSED, FAILED));
  const judged = judge(JUDGED, { status: 1, output: "", ok: false, tests });
  assertEquals(judged.problems, []);
  assertEquals(judged.tests.map(({ outcome }) => outcome), ["passed", "failed"]);
});

Deno.test("judge() reports a test run that dies beside its passing tests", () => {
  const problem = "deno test ended with exit status 1";
  const { tests } = readTests(junit(PASSED));
  const judged = judge(JUDGED, { status: 1, output: "", ok: false, tests, problem });
  assertEquals(judged.problems, [problem]);
});
