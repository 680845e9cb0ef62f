// SPDX-License-Identifier: BSD-3-Clause
import { assertEquals, assertThrows } from "../../deps.ts";
import { JunitError, parseJunit } from "../../harness/junit.ts";

/** As Deno 2.9 writes it, shortened. */
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="0" time="0.245">
    <testsuite name="./tests/a_test.ts" tests="3" disabled="1" errors="0" failures="1">
        <testcase name="one passes" classname="./tests/a_test.ts" time="0.041" line="3" col="6">
        </testcase>
        <testcase name="one is &lt;left out&gt; &amp; &quot;quoted&quot;" classname="./tests/a_test.ts" time="0.000">
            <skipped/>
        </testcase>
        <testcase name="one fails" classname="./tests/a_test.ts" time="0.010" line="9" col="6">
            <failure message="Error: no&#10;    at x">Error: no &lt;here&gt;
    at x</failure>
        </testcase>
    </testsuite>
    <testsuite name="./tests/b_test.ts" tests="1" disabled="0" errors="0" failures="0">
        <testcase name="another passes" classname="./tests/b_test.ts" time="0.1"/>
    </testsuite>
</testsuites>
`;

Deno.test("parseJunit() reads a report test by test", () => {
  const tests = parseJunit(REPORT);
  assertEquals(tests.map(({ name, outcome }) => [name, outcome]), [
    ["one passes", "passed"],
    ['one is <left out> & "quoted"', "skipped"],
    ["one fails", "failed"],
    ["another passes", "passed"],
  ]);
  assertEquals(tests[2]?.message, "Error: no");
  assertEquals(tests[3]?.file, "./tests/b_test.ts");
});

Deno.test("parseJunit() returns an empty list for a report with no tests", () => {
  assertEquals(parseJunit('<testsuites name="deno test" tests="0" failures="0"/>'), []);
});

Deno.test("parseJunit() refuses a report that is cut off", () => {
  const cut = REPORT.slice(0, REPORT.indexOf("</testsuites>"));
  assertThrows(() => parseJunit(cut), JunitError, "cut off");
});

Deno.test("parseJunit() refuses a report that lists fewer tests than it counts", () => {
  assertThrows(() => parseJunit(REPORT.replace('tests="4"', 'tests="5"')), JunitError, "lists 4");
});

Deno.test("parseJunit() refuses text that is no report", () => {
  assertThrows(() => parseJunit(""), JunitError, "Not a JUnit report");
});

Deno.test("parseJunit() reads the report of a real run of Deno, with its counts", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      `${folder}/real_test.ts`,
      `Deno.test("good", () => {});
       Deno.test("bad <&> \\"x\\"", () => { throw new Error("on purpose"); });
       Deno.test.ignore("left out", () => {});
       Deno.test("stepped", async (t) => { await t.step("a step", () => {}); });`,
    );
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-config", "--quiet", `--junit-path=${folder}/junit.xml`, folder],
      stdout: "null",
      stderr: "null",
    }).output();
    const tests = parseJunit(await Deno.readTextFile(`${folder}/junit.xml`));
    assertEquals(code, 1);
    assertEquals(tests.map(({ name, outcome }) => `${outcome} ${name}`).sort(), [
      'failed bad <&> "x"',
      "passed good",
      "passed stepped",
      "passed stepped > a step",
      "skipped left out",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
