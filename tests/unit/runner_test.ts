// SPDX-License-Identifier: BSD-3-Clause
import { assert, assertEquals, assertFalse } from "../../deps.ts";
import { Skip } from "../checks/check.ts";
import { countCTests, countTests } from "../checks/unit.ts";
import { findUnused } from "../checks/unused.ts";
import { RunBeside } from "../lib/beside.ts";
import { Tally } from "../lib/tally.ts";
import { runCheck } from "../run.ts";
import { findWarnings } from "../../harness/build.ts";

const ONE_PASSED = '<testsuites name="deno test" tests="1"><testsuite name="a">' +
  '<testcase name="good"></testcase></testsuite></testsuites>';

Deno.test("Tally.ok is false for a run in which nothing was tested", () => {
  const tally = new Tally();
  assertFalse(tally.ok);
  tally.record("skipped", "one");
  assertFalse(tally.ok);
  tally.record("passed", "two");
  assert(tally.ok);
  tally.record("failed", "three");
  assertFalse(tally.ok);
  assertEquals(tally.verdict, "1 passed, 1 failed, 1 skipped");
});

Deno.test("RunBeside.finish() counts what the other run wrote at its end", async () => {
  const tally = new Tally();
  tally.record("passed", "one");
  const other = new Tally();
  other.record("passed", "two");
  other.record("failed", "three");
  other.record("skipped", "four");
  const script = `echo "the other run's output"; echo '${JSON.stringify(other)}' >"$0"`;
  await new RunBeside(["sh", "-c", script]).finish(tally, "other");
  assertEquals(tally.verdict, "2 passed, 1 failed, 1 skipped");
  assertEquals(tally.names("failed"), ["three"]);
});

Deno.test("RunBeside.finish() counts a run without results, or a failed one, as one failure", async () => {
  const empty = JSON.stringify(new Tally());
  for (const script of ["true", 'echo {} >"$0"; exit 3', "kill -9 $$", `echo '${empty}' >"$0"`]) {
    const tally = new Tally();
    await new RunBeside(["sh", "-c", script]).finish(tally, "other");
    assertEquals(tally.verdict, "0 passed, 1 failed, 0 skipped", script);
  }
});

Deno.test("countTests() counts a run that fails beside its passing tests as one failure", () => {
  const tally = new Tally();
  countTests(tally, "unit", ONE_PASSED, 1);
  assertEquals(tally.verdict, "1 passed, 1 failed, 0 skipped");
});

Deno.test("countTests() counts a run without a report as one failure", () => {
  const tally = new Tally();
  countTests(tally, "unit", "", 0);
  assertEquals(tally.verdict, "0 passed, 1 failed, 0 skipped");
});

Deno.test("countTests() counts a filter that leaves out every test as one failure, and names it", () => {
  const skipped = ONE_PASSED.replace("></testcase>", "><skipped/></testcase>");
  const tally = new Tally();
  countTests(tally, "unit", skipped, 0, "much");
  assertEquals(tally.names("failed"), [`unit: no test was run; no test's name holds "much"`]);
  assertEquals(tally.verdict, "0 passed, 1 failed, 0 skipped");
});

Deno.test("countCTests() counts the lines that the programs print", () => {
  const tally = new Tally();
  countCTests(tally, "ok a ring wraps\nnoise\nnot ok b\nskip c\n", 1);
  assertEquals(tally.verdict, "1 passed, 1 failed, 1 skipped");
});

Deno.test(
  "countCTests() counts programs that print nothing, or die beside passing tests, as a " +
    "failure",
  () => {
    const silent = new Tally();
    countCTests(silent, "", 0);
    assertEquals(silent.verdict, "0 passed, 1 failed, 0 skipped");
    const dying = new Tally();
    countCTests(dying, "ok a\n", 2);
    assertEquals(dying.verdict, "1 passed, 1 failed, 0 skipped");
  },
);

Deno.test(
  "findWarnings() finds a compiler's warning, and ignores the kernel build's harmless " +
    "ones",
  () => {
    const output = [
      "  CC [M]  kmod/kup.o",
      "kmod/kup.c:3:5: warning: no previous prototype for 'f' [-Wmissing-prototypes]",
      "warning: the compiler differs from the one used to build the kernel",
      "WARNING: modpost: missing MODULE_DESCRIPTION() in kup.o",
      "Skipping BTF generation for kup.ko due to unavailability of vmlinux",
    ].join("\n");
    assertEquals(findWarnings(output).length, 2);
  },
);

Deno.test("runCheck() counts a check that can't be done as skipped, with the reason", async () => {
  const tally = new Tally();
  await runCheck(tally, { name: "a", run: () => Promise.resolve(new Skip("no cargo")) });
  await runCheck(tally, { name: "b", run: () => Promise.resolve("a reason") });
  await runCheck(tally, { name: "c", run: () => Promise.resolve(undefined) });
  assertEquals(tally.verdict, "1 passed, 1 failed, 1 skipped");
  assertEquals(tally.names("skipped"), ["a: no cargo"]);
});

Deno.test("findUnused() returns the names that no file imports from deps.ts", () => {
  const deps = 'export { a, b as c, d } from "jsr:x@1";\nexport { type E, f } from "jsr:y@1";\n';
  const users = [
    'import { a as other } from "../deps.ts";',
    'import { f } from "./elsewhere.ts";\nimport { type E } from "../../deps.ts";',
  ];
  assertEquals(findUnused(deps, users), ["c", "d", "f"]);
  assertEquals(findUnused(deps, [...users, 'import {\n  c,\n  d,\n  f,\n} from "./deps.ts";']), []);
});
