// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a guest's runner decides without a guest: limits, folders, and which processes end with it.
 */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "../../deps.ts";
import { checkSeries, explainMissing, seriesOn } from "../../harness/kernel.ts";
import { parseStanzas } from "../../harness/version.ts";
import { runNewestKernel } from "../checks/vm.ts";
import { Tally } from "../lib/tally.ts";
import { HarnessError } from "../../harness/error.ts";
import { guestConfig } from "../../harness/library.ts";
import { readModuleFolder } from "../../harness/module.ts";
import { guestLimits, NO_LIMITS, SilenceWatch } from "../../harness/silence.ts";
import { makeWorkFolder } from "../../harness/work.ts";
import { CONFIG } from "../checks/static.ts";
import { exists, ROOT } from "../lib/paths.ts";
import { until } from "../lib/until.ts";
import { loadsModules } from "../vm/job.ts";

Deno.test("SilenceWatch ends a guest that prints nothing, and never one that is slow", () => {
  const watch = new SilenceWatch({ silence: 1000, total: 1e9 }, 0);
  assertEquals(watch.look(999, 0), undefined);
  for (let time = 999; time < 1e6; time += 999) {
    assertEquals(watch.look(time, time), undefined);
  }
  const last = 999 * 1001;
  assertEquals(watch.look(last, 1), undefined);
  assertEquals(watch.look(last + 999, 1), undefined);
  assertMatch(watch.look(last + 1000, 1) ?? "", /printed nothing for 1 s; VM_SILENCE sets/);
});

Deno.test("SilenceWatch ends a guest that prints without an end, and never a shell", () => {
  const watch = new SilenceWatch({ silence: 1000, total: 7_200_000 }, 5);
  for (let time = 5; time < 7_200_005; time += 500) assertEquals(watch.look(time, time), undefined);
  assertMatch(watch.look(7_200_005, 1) ?? "", /continued to print for 2\.0 hours/);
  assertEquals(new SilenceWatch(NO_LIMITS, 0).look(1e12, 0), undefined);
});

Deno.test("guestLimits() accepts a number of seconds above 0, and names anything else", () => {
  assertEquals(guestLimits(undefined).silence, 300_000);
  assertEquals(guestLimits("").silence, 300_000);
  assertEquals(guestLimits("0.5").silence, 500);
  const { silence, total } = guestLimits("100000");
  assert(total > silence);
  for (const wrong of ["0", "-1", "5m", "1e3", "NaN", " "]) {
    assertThrows(() => guestLimits(wrong), HarnessError, `VM_SILENCE must be a number`);
  }
});

Deno.test("checkSeries() names the series that exist", () => {
  checkSeries("6.1");
  checkSeries("6.12");
  checkSeries("7.x");
  checkSeries("debug");
  for (const wrong of ["", "6.13", "6", "latest"]) {
    const message = `"${wrong}" is no kernel of the harness; name one of 6.1, 6.12, 7.x, `;
    assertThrows(() => checkSeries(wrong), HarnessError, message);
  }
});

Deno.test("seriesOn() names the kernels that there are for arm64", () => {
  assertEquals(seriesOn("7.x", "amd64"), "7.x");
  assertEquals(seriesOn("6.12", "arm64"), "6.12-arm64");
  assertEquals(seriesOn("6.1-arm64", "arm64"), "6.1-arm64");
  for (const series of ["7.x", "debug"]) {
    assertThrows(() => seriesOn(series, "arm64"), HarnessError, `6.1 and 6.12, and no ${series}.`);
  }
  assertThrows(() => seriesOn("6.12", "mips"), HarnessError, "name amd64 or arm64.");
});

Deno.test("explainMissing() names the versions that the archive has instead, and a way", () => {
  const stanzas = parseStanzas(
    "Package: linux\nVersion: 8.0.3-1\n\nPackage: linux\nVersion: 8.1-1\n",
  );
  const message = explainMissing("linux", "7", stanzas);
  assertMatch(
    message,
    /^[^\n]* no linux of series 7 .* 8\.0\.3-1, 8\.1-1\); name [^\n]*KUP_MIRROR/,
  );
  assertMatch(explainMissing("linux", "7", []), /has: none\)/);
});

Deno.test("runNewestKernel() skips a kernel that is not to be had, with the reason", async () => {
  const tally = new Tally();
  await runNewestKernel(tally, "7.y");
  assertEquals([tally.names("passed"), tally.names("failed")], [[], []]);
  assertMatch(tally.names("skipped").join(), /^Linux 7\.y: "7\.y" is no kernel of the harness; /);
});

/** Whether a process still runs; one that only waits to be reaped has ended. */
async function runs(pid: number): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}

/** A real QEMU that boots nothing and waits without a limit. */
const QEMU = [
  ...["qemu-system-x86_64", "-nodefaults", "-no-user-config"],
  ...["-machine", "none", "-display", "none"],
];

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const) {
  Deno.test(`spawnBound() leaves no QEMU behind when ${signal} ends its runner`, async () => {
    const options = ["--no-check", "--config", CONFIG];
    const runner = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", ...options, `${ROOT}/tests/unit/bound_runner.ts`, ...QEMU],
      stdout: "piped",
    }).spawn();
    const reader = runner.stdout.getReader();
    const { value } = await reader.read();
    const pid = Number(new TextDecoder().decode(value));
    // The shell in between has become QEMU.
    const name = () => Deno.readTextFile(`/proc/${pid}/comm`);
    await until(async () => (await name()).startsWith("qemu"), "QEMU runs");
    runner.kill(signal);
    await runner.status;
    try {
      await until(async () => !await runs(pid), "QEMU has ended");
    } finally {
      if (await runs(pid)) Deno.kill(pid, "SIGKILL");
      await reader.cancel();
    }
  });
}

Deno.test("makeWorkFolder() removes the folders of dead runners, and no others", async () => {
  const parent = await Deno.makeTempDir({ prefix: "kup-work-" });
  try {
    await Deno.mkdir(`${parent}/boot-6.1-gone`);
    await Deno.writeTextFile(`${parent}/boot-6.1-gone/lock`, "");
    await Deno.mkdir(`${parent}/boot-6.1-old`);
    await Deno.mkdir(`${parent}/other`);
    await using first = await makeWorkFolder(parent, "6.12");
    await Deno.writeTextFile(`${first.path}/log`, "kept");
    {
      await using second = await makeWorkFolder(parent, "6.12");
      assert(await exists(`${second.path}/lock`));
      assertEquals(await Deno.readTextFile(`${first.path}/log`), "kept");
    }
    const left = (await Array.fromAsync(Deno.readDir(parent))).map(({ name }) => name).sort();
    assertEquals(left, [first.path.slice(parent.length + 1), "lock", "other"]);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});

async function withFolder(
  files: Record<string, string>,
  body: (folder: string) => Promise<void>,
): Promise<void> {
  const parent = await Deno.realPath(await Deno.makeTempDir({ prefix: "kup-own-" }));
  const folder = `${parent}/it's a módule`;
  try {
    for (const [name, text] of Object.entries({ ...files, ".git/config": "" })) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    await body(folder);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

Deno.test("readModuleFolder() takes sources and scripts, and no products of builds", async () => {
  const files = {
    "Kbuild": "obj-m := a.o",
    "a.c": "",
    "a.o": "",
    "a.ko": "",
    "a.mod.c": "",
    "Module.symvers": "",
    "tests/a test.ts": "",
    "node_modules/b/b.js": "",
  };
  await withFolder(files, async (folder) => {
    await Deno.symlink("a.c", `${folder}/linked.c`);
    await Deno.symlink("..", `${folder}/around`);
    await Deno.symlink("missing", `${folder}/dangling`);
    const own = await readModuleFolder(`${folder}/`);
    assertEquals(own, { folder, files: ["Kbuild", "a.c", "linked.c", "tests/a test.ts"] });
  });
  assertEquals((await readModuleFolder("examples/ticker")).folder, `${ROOT}/examples/ticker`);
});

Deno.test("readModuleFolder() names why a folder is no module's", async () => {
  const refused = async (path: string, message: string) => {
    await assertRejects(() => readModuleFolder(path), HarnessError, message);
  };
  await refused(
    "/nowhere/at/all",
    `"/nowhere/at/all" is not a folder; name a folder that is there.`,
  );
  await refused("Makefile", `"Makefile" is not a folder`);
  await refused("/", "holds everything; name a module's own folder.");
  for (const whole of [".", "..", ROOT]) await refused(whole, "holds the whole of KUP");
  await withFolder({ "a.c": "" }, (folder) => refused(folder, "has no Kbuild and no Makefile"));
});

Deno.test("guestConfig() maps every name that scripts have for the project to the project", () => {
  const library = "/usr/lib/kup/mod.ts";
  const plain = JSON.parse(guestConfig(undefined, [], ["/kup/tests/std/cli"]));
  assertEquals(plain.imports, { "@kup/kup": library });
  assertEquals(plain.links, ["/kup/tests/std/cli"]);

  const own = `{"imports":{"kup":"jsr:@kup/kup@^0.1","@kup/kup":"jsr:/@kup/kup@1","x":"./x.ts"}}`;
  const script = `import a from "jsr:@kup/kup@1.2.3";\nimport b from 'jsr:@kup/kup';`;
  const { imports } = JSON.parse(guestConfig(own, [script], []));
  assertEquals(imports, {
    "kup": library,
    "@kup/kup": library,
    "x": "./x.ts",
    "jsr:@kup/kup@1.2.3": library,
    "jsr:@kup/kup": library,
  });
});

Deno.test("loadsModules() finds a command that loads the module itself", () => {
  const loads = (command: string) => loadsModules({ kind: "command", command });
  assert(loads("insmod /lib/modules/a.ko channels=3 && true"));
  assert(loads("cd x; busybox insmod a.ko"));
  assert(!loads("deno run --allow-ffi uninsmodded.ts"));
  assert(!loadsModules({ kind: "shell" }));
});
