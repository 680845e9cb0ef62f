// SPDX-License-Identifier: BSD-3-Clause
/** The harness without a guest: its commands, its template, its package, and what is missing. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../../deps.ts";
import { stageDependencies } from "../../harness/dependencies.ts";
import { HarnessError } from "../../harness/error.ts";
import { cacheFolder, dirname, hashOf, removeIfThere } from "../../harness/files.ts";
import { runLine } from "../../harness/protocol.ts";
import { CONFIG } from "../checks/static.ts";
import { interrupt } from "../lib/cli.ts";
import { exists, ROOT } from "../lib/paths.ts";
import { capture } from "../lib/process.ts";
import { publishedFiles } from "../lib/published.ts";
import { servePublished } from "../lib/serve.ts";
import { until } from "../lib/until.ts";

const HARNESS = ["run", "-A", "--no-check", "--config", `${ROOT}/${CONFIG}`, `${ROOT}/harness.ts`];

interface Options {
  readonly cwd: string;
  readonly env?: Record<string, string>;
}

/** Runs a command of the harness. */
function kup(args: readonly string[], options: Options) {
  const env = { NO_COLOR: "1", ...options.env };
  return capture([Deno.execPath(), ...HARNESS, ...args], { ...options, env });
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "kup-harness-" }));
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function names(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

Deno.test("kup new makes a module whose types and tests pass on the host driver", () =>
  inFolder(async (cwd) => {
    const made = await kup(["new", "some_name2"], { cwd });
    assertEquals(made.code, 0, made.output);
    const folder = `${cwd}/some_name2`;
    for await (const { name } of Deno.readDir(folder)) {
      const text = await Deno.readTextFile(`${folder}/${name}`);
      assert(!/my_?device/i.test(name + text), `${name} has the template's own name`);
    }
    const checked = await capture([Deno.execPath(), "check", "some_name2_test.ts"], {
      cwd: folder,
    });
    assertEquals(checked.code, 0, checked.output);
    const tested = await kup(["test", "--kernel", "host", "some_name2"], { cwd });
    assertEquals(tested.code, 0, tested.output);
    assertMatch(tested.output, /SomeName2\.add\(\) .* ok/);
    assertStringIncludes(tested.output, "2 passed");
    // A module that does something else fails its tests.
    const source = `${folder}/some_name2.c`;
    const text = await Deno.readTextFile(source);
    await Deno.writeTextFile(source, text.replace("add.a + add.b", "add.a - add.b"));
    const failed = await kup(["test", "--kernel", "host", "some_name2"], { cwd });
    assertEquals(failed.code, 1, failed.output);
  }));

Deno.test("kup new aligns the table of the README for names of any length", () =>
  inFolder(async (cwd) => {
    for (const name of ["a", "a_long_name_for_a_module"]) {
      assertEquals((await kup(["new", name], { cwd })).code, 0);
      const command = [
        "fmt",
        "--no-config",
        "--prose-wrap=preserve",
        "--check",
        `${name}/README.md`,
      ];
      const { code, output } = await capture([Deno.execPath(), ...command], { cwd });
      assertEquals(code, 0, output);
    }
  }));

Deno.test("kup new quotes the folder's path in the commands that it prints", () =>
  inFolder(async (cwd) => {
    await Deno.mkdir(`${cwd}/it's here`);
    const { code, output } = await kup(["new", "it's here/thing"], { cwd });
    assertEquals(code, 0, output);
    const [line = ""] = output.match(/make -C .* test(?= )/) ?? [];
    const word = await capture(["sh", "-c", line.replace("make -C", "printf %s,")], { cwd });
    assertEquals(word.output, "it's here/thing,test,");
  }));

/** Makes a folder for the host driver, with one test that waits for a file `go` there. */
async function writeTest(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/Makefile`, "all:\n");
  const text = `Deno.test("waits", async () => {
  await Deno.writeTextFile(\`started-\${Deno.pid}\`, "");
  const hasCome = () => [...Deno.readDirSync(".")].some(({ name }) => name === "go");
  while (!hasCome()) await new Promise((resolve) => setTimeout(resolve, 20));
});
`;
  await Deno.writeTextFile(`${folder}/waits_test.ts`, text);
}

/** The processes in which that test has begun. */
async function started(folder: string): Promise<number[]> {
  return (await names(folder)).flatMap((name) => name.startsWith("started-") ? +name.slice(8) : []);
}

Deno.test("kup test --kernel host ends its tests at SIGTERM, with status 143", () =>
  inFolder(async (cwd) => {
    await writeTest(`${cwd}/thing`);
    await using child = new Deno.Command(Deno.execPath(), {
      args: [...HARNESS, "test", "--kernel", "host", "thing"],
      cwd,
      env: { KUP_CACHE: "cache" },
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until(async () => (await started(`${cwd}/thing`)).length > 0, "the test has begun");
    await interrupt(child, "SIGTERM");
    assertEquals((await child.status).code, 143);
    const [tests = 0] = await started(`${cwd}/thing`);
    assert(!await exists(`/proc/${tests}`), "the tests outlive the command");
    assertMatch((await names(`${cwd}/cache/host`)).join(), /^\w+\.json\.lock$/);
  }));

/** Whether a process waits for a lock of a file in this folder. */
async function isAwaited(folder: string): Promise<boolean> {
  const locks = await Deno.readTextFile("/proc/locks");
  const inodes = (await names(folder)).map((name) => Deno.statSync(`${folder}/${name}`).ino);
  return inodes.some((inode) => new RegExp(`-> FLOCK .*:${inode} `).test(locks));
}

Deno.test("kup test --kernel host waits for another one in the same folder", () =>
  inFolder(async (cwd) => {
    await writeTest(`${cwd}/thing`);
    const test = () => kup(["test", "--kernel", "host", "thing"], { cwd, env: { KUP_CACHE: "c" } });
    const first = test();
    await until(async () => (await started(`${cwd}/thing`)).length > 0, "the test has begun");
    const second = test();
    await until(() => isAwaited(`${cwd}/c/host`), "the second one waits");
    await Deno.writeTextFile(`${cwd}/thing/go`, "");
    for (const { code, output } of await Promise.all([first, second])) {
      assertEquals(code, 0, output);
    }
  }));

Deno.test("kup new refuses what can't be a module's folder, and leaves nothing behind", () =>
  inFolder(async (cwd) => {
    await Deno.mkdir(`${cwd}/taken`);
    const cases: Record<string, RegExp> = {
      "taken": /^error: taken exists already; name a folder that does not\.\n$/,
      "9lives": /^error: "9lives" can't be the name of a module; use at most 31/,
      "a-b": /^error: "a-b" can't be the name of a module/,
      "nowhere/a": /^error: There is no folder nowhere; make it first\.\n$/,
    };
    for (const [name, message] of Object.entries(cases)) {
      const { code, output } = await kup(["new", name], { cwd });
      assertEquals(code, 2);
      assertMatch(output, message);
    }
    assertEquals(await names(cwd), ["taken"]);
  }));

Deno.test("kup test refuses wrong arguments with one sentence, before anything is fetched", () =>
  inFolder(async (cwd) => {
    await Deno.mkdir(`${cwd}/empty`);
    await Deno.mkdir(`${cwd}/good`);
    await Deno.writeTextFile(`${cwd}/good/Kbuild`, "obj-m := a.o\n");
    await Deno.writeTextFile(`${cwd}/text.ko`, "this is no module");
    const cases: readonly (readonly [string[], RegExp])[] = [
      [["nowhere"], /^error: "nowhere" is not a folder; name a folder that is there\.\n$/],
      [["empty"], /^error: "empty" has no Kbuild and no Makefile; it needs one with "obj-m/],
      [["/"], /^error: "\/" holds everything; name a module's own folder\.\n$/],
      [["--kernel", "5.10", "good"], /^error: "5\.10" is no kernel of the harness; name one of 6/],
      [["--arch", "mips", "good"], /^error: "mips" is no architecture .*name amd64 or arm64\.\n$/],
      [["--arch", "arm64", "--kernel", "7.x", "good"], /^error: For arm64 the harness has 6\.1 /],
      [["--arch", "arm64", "--kernel", "host", "good"], /^error: The host driver runs on this /],
      [["--param", "x", "good"], /^error: --param takes NAME=TEXT, not "x"\./],
      [["--silence", "0", "good"], /^error: --silence takes a number of seconds above 0/],
      [["--kernel", "6.12", "good"], /^error: The cache "[^"]*\/a cache" has a blank or a colon/],
      [["--bad", "good"], /^error: Unknown option '--bad'\./],
    ];
    const env = { KUP_CACHE: "a cache" };
    for (const [args, message] of cases) {
      const { code, output } = await kup(["test", ...args], { cwd, env });
      assertMatch(output.replace(/^kup test: .*\n/gm, ""), message);
      assertEquals(code, 2);
    }
    assert(!await exists(`${cwd}/a cache`), "something was fetched");
  }));

Deno.test("kup test names a program that is missing, and how to get it", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/Kbuild`, "obj-m := a.o\n");
    const env = { KUP_CACHE: `${cwd}/.cache`, PATH: "/nowhere" };
    const { code, output } = await kup(["test"], { cwd, env });
    assertEquals(code, 1);
    assertMatch(output, /error: The harness needs the program apt-get, which is not on this/);
  }));

Deno.test("kup test names a compiler that is missing, and how to get it", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/Kbuild`, "obj-m := a.o\n");
    // As if it were fetched.
    await Deno.mkdir(`${cwd}/.cache/kernel/6.12`, { recursive: true });
    await Deno.writeTextFile(`${cwd}/.cache/kernel/6.12/release`, "6.12.1-cloud-amd64\n");
    await Deno.mkdir(`${cwd}/bin`);
    await Deno.symlink("/usr/bin/make", `${cwd}/bin/make`);
    const env = { KUP_CACHE: `${cwd}/.cache`, PATH: `${cwd}/bin` };
    const { code, output } = await kup(["test"], { cwd, env });
    assertEquals(code, 1);
    assertMatch(output, /error: .* program gcc-12, .*; install it with: apt-get install gcc-12\n$/);
  }));

Deno.test("kup test says so when Debian's archive can't be reached, and keeps no half of it", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/Kbuild`, "obj-m := a.o\n");
    // Nothing listens there.
    const proxy = "http://127.0.0.1:9";
    const env = {
      KUP_CACHE: `${cwd}/.cache`,
      "http_proxy": proxy,
      "https_proxy": proxy,
      "no_proxy": "",
    };
    const { code, output } = await kup(["test"], { cwd, env });
    assertEquals(code, 1);
    assertMatch(output, /error: Debian's archive can't be read \(E: .*\); check the network/);
    assertEquals((await names(`${cwd}/.cache/kernel`)).filter((name) => !/\.lock$/.test(name)), []);
  }));

Deno.test("kup of the published package has KUP's files in its cache, and builds with them", () =>
  inFolder(async (cwd) => {
    await using server = servePublished(await publishedFiles());
    const url = `http://127.0.0.1:${server.addr.port}/harness.ts`;
    const env = {
      DENO_DIR: `${cwd}/deno`,
      XDG_CACHE_HOME: `${cwd}/cache`,
      KUP_CACHE: "",
      NO_COLOR: "1",
    };
    const published = (args: readonly string[]) =>
      capture([Deno.execPath(), "run", "-A", "--no-config", "--quiet", url, ...args], { cwd, env });
    const { code, stdout, output } = await published(["folder"]);
    assertEquals(code, 0, output);
    const folder = stdout.trim();
    assert(folder.startsWith(`${cwd}/cache/kup/package/`), folder);
    for (const file of ["kmod/kup.h", "kmod/Kbuild", "mod.ts", "harness/guest/init"]) {
      const text = await Deno.readTextFile(`${folder}/${file}`);
      assertEquals(text, await Deno.readTextFile(`${ROOT}/${file}`));
    }
    const made = await published(["new", "thing"]);
    assertEquals(made.code, 0, made.output);
    const config = await Deno.readTextFile(`${cwd}/thing/deno.json`);
    assertMatch(config, /"@kup\/kup": "jsr:@kup\/kup@\^\d/);
    const tested = await published(["test", "--kernel", "host", "thing"]);
    assertEquals(tested.code, 0, tested.output);
    assertStringIncludes(tested.output, "2 passed");
  }));

Deno.test("runLine() makes one line of a long script", () => {
  assertMatch(runLine("x\n".repeat(10_000)), /^run [^\n]+\n$/);
});

Deno.test("stageDependencies() fetches the same modules once at a time", () =>
  inFolder(async (folder) => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async () => {
        asked.resolve();
        await answer.promise;
        return new Response("There is no such package.", { status: 404 });
      },
    );
    const name = `npm:kup-${crypto.randomUUID()}@1`;
    await Deno.writeTextFile(`${folder}/a.ts`, `import "${name}";\n`);
    const stage = () =>
      assertRejects(
        () => stageDependencies([{ folder, files: ["a.ts"] }], false),
        HarnessError,
        "what the scripts import can't be fetched here",
      );
    const own = `${cacheFolder()}/dependencies/${await hashOf(name)}`;
    const before = Deno.env.get("NPM_CONFIG_REGISTRY");
    Deno.env.set("NPM_CONFIG_REGISTRY", `http://127.0.0.1:${server.addr.port}`);
    try {
      const first = stage();
      await asked.promise;
      const second = stage();
      await until(() => isAwaited(dirname(own)), "the second one waits");
      answer.resolve();
      await Promise.all([first, second]);
    } finally {
      Deno.env.delete("NPM_CONFIG_REGISTRY");
      if (before !== undefined) Deno.env.set("NPM_CONFIG_REGISTRY", before);
      answer.resolve();
      for (const path of [own, `${own}.lock`]) await removeIfThere(path);
    }
  }));
