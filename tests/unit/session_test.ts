// SPDX-License-Identifier: BSD-3-Clause
import { assertEquals } from "../../deps.ts";
import { commandJob, shellJob, testJob } from "../vm/job.ts";
import { judge } from "../vm/session.ts";
import { parseVerdict } from "../vm/verdict.ts";

const WELL = { code: 0, complaints: "" };
const QUIET = "[    0.1] booting\n";

function junit(...cases: string[]): string {
  return `<testsuites name="deno test" tests="${cases.length}"><testsuite name="a" tests="0">` +
    `${cases.join("")}</testsuite></testsuites>`;
}
const PASSED = '<testcase name="good"></testcase>';
const SKIPPED = '<testcase name="left out"><skipped/></testcase>';
const FAILED = '<testcase name="bad"><failure message="no">no</failure></testcase>';

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("parseVerdict() reads a verdict with its JUnit report, with any bytes in it", () => {
  const xml = "<x>\nend\nexit 3\n</x>";
  const text = `kup-verdict 1\nexit 0\njunit ${xml.length}\n${xml}end\n`;
  assertEquals(parseVerdict(bytes(text)), { faults: [], exit: 0, junit: xml });
});

Deno.test("parseVerdict() counts faults before the command and after it", () => {
  const text = "kup-verdict 1\nfault early\nexit 0\nfault late\njunit 4\n<x/>end\n";
  assertEquals(parseVerdict(bytes(text))?.faults, ["early", "late"]);
  const verdict = { faults: ["a module can't be unloaded"], exit: 0, junit: junit(PASSED) };
  assertEquals(judge(testJob(""), WELL, QUIET, verdict).problems, ["a module can't be unloaded"]);
});

Deno.test("parseVerdict() refuses a verdict that is cut off anywhere", () => {
  const whole = "kup-verdict 1\nfault a b\nexit 7\njunit 4\n<x/>end\n";
  assertEquals(parseVerdict(bytes(whole))?.faults, ["a b"]);
  for (let length = 0; length < whole.length; length++) {
    assertEquals(parseVerdict(bytes(whole.slice(0, length))), undefined);
  }
});

Deno.test("judge() accepts a guest whose tests pass", () => {
  const verdict = { faults: [], exit: 0, junit: junit(PASSED) };
  const { problems, tests } = judge(testJob(""), WELL, QUIET, verdict);
  assertEquals(problems, []);
  assertEquals(tests.map(({ outcome }) => outcome), ["passed"]);
});

Deno.test("judge() needs no other problem for a guest with a failed test to be bad", () => {
  const verdict = { faults: [], exit: 1, junit: junit(PASSED, FAILED) };
  const { problems, tests } = judge(testJob(""), WELL, QUIET, verdict);
  assertEquals(problems, []);
  assertEquals(tests.map(({ outcome }) => outcome), ["passed", "failed"]);
});

Deno.test("judge() refuses a guest without a verdict, however it ended", () => {
  assertEquals(judge(commandJob("true"), WELL, QUIET, undefined).problems, [
    "the guest gave no verdict",
  ]);
});

Deno.test("judge() refuses a guest that was ended, with the reason", () => {
  const ended = { ...WELL, code: 137, stopped: "it printed nothing" };
  assertEquals(judge(commandJob("true"), ended, QUIET, undefined).problems, [
    "the guest was ended: it printed nothing",
    "the guest gave no verdict",
  ]);
});

Deno.test("judge() refuses a guest with trouble in its kernel log although all tests pass", () => {
  const verdict = { faults: [], exit: 0, junit: junit(PASSED) };
  const log = "[ 9.0] WARNING: CPU: 0 PID: 1 at kup.c:1\n";
  assertEquals(judge(testJob(""), WELL, log, verdict).problems, [
    "kernel log: [ 9.0] WARNING: CPU: 0 PID: 1 at kup.c:1",
  ]);
});

Deno.test("judge() reports a command's exit status other than 0, but not as the kernel's problem", () => {
  const { problems, logMatters } = judge(commandJob("false"), WELL, QUIET, { faults: [], exit: 1 });
  assertEquals(problems, ["the command ended with exit status 1"]);
  assertEquals(logMatters, false);
});

Deno.test("judge() reports a test run that dies beside its passing tests", () => {
  const verdict = { faults: [], exit: 1, junit: junit(PASSED) };
  assertEquals(judge(testJob(""), WELL, QUIET, verdict).problems, [
    "the command ended with exit status 1",
  ]);
});

Deno.test("judge() reports a test run that leaves no report, or an empty one", () => {
  assertEquals(judge(testJob(""), WELL, QUIET, { faults: [], exit: 0 }).problems, [
    "the tests left no report",
  ]);
  for (const report of [junit(), junit(SKIPPED, SKIPPED)]) {
    const empty = { faults: [], exit: 0, junit: report };
    assertEquals(judge(testJob(""), WELL, QUIET, empty).problems, ["no test was run"]);
  }
  const some = { faults: [], exit: 0, junit: junit(SKIPPED, PASSED) };
  assertEquals(judge(testJob("good"), WELL, QUIET, some).problems, []);
});

Deno.test("judge() reports a module that can't be loaded, and the command that was not run", () => {
  const verdict = { faults: ["insmod kup.ko: Invalid argument"] };
  assertEquals(judge(commandJob("true"), WELL, QUIET, verdict).problems, [
    "insmod kup.ko: Invalid argument",
    "the command was not run",
  ]);
});

Deno.test("judge() reports a failure of QEMU itself", () => {
  const ended = { code: 1, complaints: "qemu: no such image\n" };
  assertEquals(judge(shellJob(), ended, QUIET, undefined).problems, [
    "QEMU ended with exit status 1",
    "QEMU says: qemu: no such image",
  ]);
});
