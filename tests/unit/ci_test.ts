// SPDX-License-Identifier: BSD-3-Clause
/** `.ci/run`, with Makefiles whose targets only print what the real ones might print. */

import { assertEquals, assertMatch } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";

/** Runs it in a folder where `make test` and `make test-debug` have these recipes. */
async function ci(test: string, debug: string) {
  const folder = await Deno.makeTempDir({ prefix: "kup-ci-" });
  try {
    await Deno.mkdir(`${folder}/.ci`);
    await Deno.copyFile(`${ROOT}/.ci/run`, `${folder}/.ci/run`);
    const makefile = `test:\n\t@${test}\ntest-debug:\n\t@${debug}\n`;
    await Deno.writeTextFile(`${folder}/Makefile`, makefile);
    const env = Deno.env.toObject();
    for (const name of ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"]) delete env[name];
    const { code, stdout } = await new Deno.Command(`${folder}/.ci/run`, {
      env,
      clearEnv: true,
      stdin: "null",
    }).output();
    const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
    return { code, lines, last: lines.at(-1) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const WELL = "echo 10 passed, 0 failed, 2 skipped";

Deno.test(".ci/run ends with the sum of both runs' counts", async () => {
  const { code, last } = await ci(WELL, "echo 5 passed, 0 failed, 1 skipped");
  assertEquals([code, last], [0, "15 passed, 0 failed, 3 skipped"]);
});

Deno.test(".ci/run fails when one run fails, and still runs both", async () => {
  const bad = "echo 3 passed, 1 failed, 0 skipped; exit 1";
  for (const [test = "", debug = ""] of [[WELL, bad], [bad, WELL]]) {
    const { code, last } = await ci(test, debug);
    assertEquals([code !== 0, last], [true, "13 passed, 1 failed, 2 skipped"]);
  }
});

Deno.test(".ci/run counts a run that ends without a verdict as a failure", async () => {
  const early = [
    "exit 7",
    "exit 0",
    "echo dying; kill -9 $$$$",
    "echo 4 passed, 0 failed",
    WELL + " or so",
  ];
  for (const dead of early) {
    for (const [test = "", debug = ""] of [[WELL, dead], [dead, WELL]]) {
      const { code, last, lines } = await ci(test, debug);
      assertEquals([code !== 0, last], [true, "10 passed, 1 failed, 2 skipped"], dead);
      assertMatch(
        lines.join("\n"),
        /make test(-debug)? ended with exit status \d+ and without a v/,
      );
    }
  }
});

Deno.test(".ci/run fails when a run fails that counted no failure", async () => {
  const { code, last } = await ci(WELL, `${WELL}; exit 3`);
  assertEquals([code !== 0, last], [true, "20 passed, 0 failed, 4 skipped"]);
});

Deno.test(".ci/run names at its end what has failed in each run", async () => {
  const summary = (name: string) =>
    `printf "\\nSummary\\nfailed ${name}\\n3 passed, 1 failed, 0 skipped\\n"; exit 1`;
  const { lines } = await ci(summary("one"), summary("another"));
  const end = lines.slice(-11).filter((line) =>
    line.startsWith("failed ") || line.startsWith("make ")
  );
  assertEquals(end, ["make test:", "failed one", "make test-debug:", "failed another"]);
  const { lines: many } = await ci(`echo Summary; seq -f "failed %g" 100; ${WELL}; exit 1`, WELL);
  const again = many.slice(many.indexOf("make test:"));
  assertEquals(again.filter((line) => line.startsWith("failed ")).at(-1), "failed 100");
});
