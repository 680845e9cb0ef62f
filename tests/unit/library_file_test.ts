// SPDX-License-Identifier: BSD-3-Clause
/**
 * The embedded library through a temporary file, as on FreeBSD. Scripts take this system for
 * FreeBSD: with the same names of files and the same calls, and a loader with the same rules. Only
 * the library itself is for this system.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { Copy } from "../lib/copy.ts";
import { ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";

const { arch } = Deno.build;

/**
 * Runs a test with a copy of the module that has a library for this "FreeBSD", and a folder `own`.
 */
async function onFreeBsd(test: (copy: Copy) => Promise<void>): Promise<void> {
  await using copy = await Copy.make();
  const libraries = await Deno.readTextFile(`${copy.folder}/src/embedded/linux-${arch}.ts`);
  await copy.edit(
    `src/embedded/freebsd-${arch}.ts`,
    () => libraries.replace("export const gnu", "export const freebsd"),
  );
  await Deno.mkdir(`${copy.folder}/own`);
  await test(copy);
}

function begin(copy: Copy): string {
  return `
    import { open } from ${JSON.stringify(`file://${copy.folder}/mod.ts`)};
    const { build, dlopen } = Deno;
    Object.defineProperty(Deno, "build", { value: { ...build, os: "freebsd" } });
    Deno.dlopen = (name, ...rest) => dlopen(name === "libc.so.7" ? "libc.so.6" : name, ...rest);`;
}

/** One round trip on the device of its argument. */
const ROUND_TRIP = `
  using device = open(Deno.args[0]);
  using channel = await device.attach({ spin: 0 });
  await channel.send("there and back");
  console.log((await channel.receive()).text());`;

function command(copy: Copy, script: string, permission = "--allow-ffi"): string[] {
  const url = `data:text/javascript,${encodeURIComponent(begin(copy) + script)}`;
  return [Deno.execPath(), "run", permission, "--no-prompt", "--no-config", url];
}

async function list(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

Deno.test("open() loads the embedded library from a file in TMPDIR, and removes the file", () =>
  onFreeBsd(async (copy) => {
    const own = `${copy.folder}/own`;
    const script = `${ROUND_TRIP}
      const maps = Deno.readTextFileSync("/proc/self/maps");
      console.log(maps.match(/\\/\\S*libkup\\S*( \\(deleted\\))?/)[0]);`;
    // To look at the map is what needs the other permissions.
    const whole = [...command(copy, script, "-A"), "host:echo"];
    const [echo, place] = (await must(whole, { env: { TMPDIR: own } })).split("\n");
    assertEquals(echo, "there and back");
    assertMatch(place!, /^\/.*\/own\/libkup-[0-9a-f]{16}\.so\.\w{6} \(deleted\)$/);
    assertEquals(await list(own), []);
  }));

Deno.test("open() needs no permission but FFI for a temporary file, and loads client modules", () =>
  onFreeBsd(async (copy) => {
    const client = `${copy.folder}/upper.so`;
    const headers = ["-I", `${ROOT}/kmod`, "-I", `${ROOT}/kmod/os/host`];
    const source = `${ROOT}/tests/unit/clients/upper.c`;
    await must(["cc", "-shared", "-fPIC", ...headers, source, "-o", client]);
    const env = { TMPDIR: `${copy.folder}/own` };
    const out = await must([...command(copy, ROUND_TRIP), `host:${client}`], { env });
    assertEquals(out, "THERE AND BACK\n");
  }));

const WORKER = `
  onmessage = async ({ data }) => {
    Atomics.add(data, 0, 1);
    while (Atomics.load(data, 0) < 4);
    const device = open("host:echo");
    await device.attach();
    postMessage(device.info().channels);
  };`;

Deno.test("open() in four workers at once uses one library from a temporary file", () =>
  onFreeBsd(async (copy) => {
    const worker = `data:text/javascript,${encodeURIComponent(begin(copy) + WORKER)}`;
    const script = `
      const start = new Int32Array(new SharedArrayBuffer(4));
      await Promise.all(Array.from({ length: 4 }, () => new Promise((resolve) => {
        const worker = new Worker(${JSON.stringify(worker)}, { type: "module" });
        worker.onmessage = resolve;
        worker.postMessage(start);
      })));
      const { channels, channelsFree } = open("host:echo").info();
      console.log(channels - channelsFree);
      Deno.exit();`;
    const env = { TMPDIR: `${copy.folder}/own` };
    assertEquals(await must(command(copy, script, "-A"), { env }), "4\n");
    assertEquals(await list(env.TMPDIR), []);
  }));

/** Shell commands that make a folder unfit, in a mount name space of their own. */
const UNFIT: Record<string, (folder: string) => string> = {
  "is mounted noexec": (folder) => `mount -t tmpfs -o noexec none ${folder}`,
  "has no room": (folder) => `mount -t tmpfs -o size=16k none ${folder}`,
  "can't be written to": (folder) => `mount -t tmpfs -o ro none ${folder}`,
};

const isRoot = Deno.uid() === 0;

for (const [why, spoil] of Object.entries(UNFIT)) {
  Deno.test({
    name: `open() loads the library from another folder if TMPDIR ${why}`,
    ignore: !isRoot,
    fn: () =>
      onFreeBsd(async (copy) => {
        const env = { TMPDIR: `${copy.folder}/own` };
        const wrapper = ["unshare", "-m", "sh", "-ec", `${spoil(env.TMPDIR)}; exec "$@"`, "sh"];
        const out = await must([...wrapper, ...command(copy, ROUND_TRIP), "host:echo"], { env });
        assertEquals(out, "there and back\n");
      }),
  });
}

Deno.test({
  name: "open() says what to do if no folder is fit for the library, and leaves no file",
  ignore: !isRoot,
  fn: () =>
    onFreeBsd(async (copy) => {
      const own = `${copy.folder}/own`;
      const mount = (folder: string, option: string) =>
        `mount --bind '${folder}' '${folder}'; mount -o remount,bind,${option} '${folder}'`;
      // The checkout may lie in one of these folders.
      const deno = Deno.execPath().replace(/\/[^/]*$/, "");
      const spoil = [mount("/tmp", "noexec"), mount("/var/tmp", "noexec"), mount(deno, "exec")];
      const wrapper = ["unshare", "-m", "sh", "-ec", `${spoil.join("; ")}; exec "$@"`, "sh"];
      const script = `
        try {
          open("host:echo");
        } catch (error) {
          console.log(error.code, error.message, error.cause.errors.length);
        }`;
      const env = { TMPDIR: own };
      const { stdout } = await capture([...wrapper, ...command(copy, script)], { env });
      assertMatch(stdout, /^library /);
      assertStringIncludes(stdout, "set TMPDIR");
      assertStringIncludes(stdout, "option `library`");
      assertMatch(stdout, / 3\n$/);
      assertEquals(await list(own), []);
    }),
});

Deno.test("open() without a library advises what builds one on FreeBSD", async () => {
  await using copy = await Copy.make();
  await copy.makeStub();
  const script = `try { open("host:echo"); } catch (error) { console.log(error.message); }`;
  assertStringIncludes(await must(command(copy, script)), "`gmake -C native`");
});
