// SPDX-License-Identifier: BSD-3-Clause
import { assertEquals, assertRejects } from "../../deps.ts";
import { checkWorkflow, type Surroundings } from "../checks/workflows.ts";

const AROUND: Surroundings = {
  files: [".github/workflows/ci.yml"],
  targets: (folder) => Promise.resolve(folder === "." ? ["test", "unit"] : ["check"]),
};

/** A workflow with one job that has these lines. */
function workflow(...lines: string[]): string {
  return ["on: push", "permissions: { contents: read }", "jobs:", "  a:", ...lines].join("\n");
}

function steps(...lines: string[]): string {
  return workflow(
    "    timeout-minutes: 9",
    "    steps:",
    ...lines.map((line) => `      - ${line}`),
  );
}

Deno.test("checkWorkflow() accepts targets of make, pinned actions and own workflows", async () => {
  const pinned = `actions/checkout@${"0123456789".repeat(4)}`;
  const good = steps(
    "run: make test",
    "run: make unit FILE=a/b",
    "run: make -C c check",
    `uses: ${pinned}`,
  );
  assertEquals(await checkWorkflow(good, AROUND), []);
  assertEquals(await checkWorkflow(workflow("    uses: ./.github/workflows/ci.yml"), AROUND), []);
});

Deno.test("checkWorkflow() names what is not a target, not pinned, or not there", async () => {
  const cases: [line: string, problem: string][] = [
    ["run: make tset", 'a: "make tset": there is no target tset'],
    ["run: make -C c test", 'a: "make -C c test": there is no target test'],
    ["run: deno publish", 'a: "deno publish" is not a target of make'],
    ["run: make test; rm a", 'a: "make test; rm a" is not a target of make'],
    ["uses: actions/checkout@v7", "a: actions/checkout@v7 names no commit by its hash"],
    ["uses: ./.github/workflows/c.yml", "a: ./.github/workflows/c.yml is not there"],
    ["name: nothing", "a: a step has to have either `uses` or `run`"],
  ];
  for (const [line, problem] of cases) {
    assertEquals(await checkWorkflow(steps(line), AROUND), [problem]);
  }
});

Deno.test("checkWorkflow() names jobs without a limit, unknown needs, and wide permissions", async () => {
  const job = workflow("    needs: b", "    steps:", "      - run: make test");
  assertEquals(await checkWorkflow(job.replace("read", "write"), AROUND), [
    "its `permissions` are not `contents: read`; a job may ask for more",
    "a: it has no `timeout-minutes`",
    "a: it needs b, which is no job",
  ]);
});

Deno.test("checkWorkflow() refuses what is not YAML", async () => {
  await assertRejects(() => checkWorkflow("jobs: [\n", AROUND), SyntaxError, "line");
});
