// SPDX-License-Identifier: BSD-3-Clause
/** `kup` as a person uses it: each command with good and bad input, as a process. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../../deps.ts";
import { Failure } from "../../cli/command.ts";
import { COMMANDS } from "../../cli/commands.ts";
import { describeUser } from "../../cli/device.ts";
import { Patience } from "../../cli/echo.ts";
import { table } from "../../cli/output.ts";
import { encodeHead } from "../../cli/recording.ts";
import { kup, kupCommand } from "../lib/cli.ts";
import { capture } from "../lib/process.ts";
import { sleep, until } from "../lib/until.ts";

const NAMES = Object.keys(COMMANDS);
/** Those whose first word is a device. */
const WITH_DEVICE = ["info", "ping", "cat", "top", "bench", "list", "version"];

/** A folder that is removed at the end. */
async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "kup-cli-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What goes to standard error only. */
function complaint({ stdout, output }: { stdout: string; output: string }): string {
  return output.slice(stdout.length);
}

Deno.test("kup --help lists every command", async () => {
  const { code, stdout } = await kup(["--help"]);
  assertEquals(code, 0);
  for (const name of NAMES) assertMatch(stdout, new RegExp(`^  ${name} +\\S`, "m"));
});

Deno.test("kup COMMAND --help names each of its options", async () => {
  for (const [name, entry] of Object.entries(COMMANDS)) {
    const loaded = await entry.load();
    const { code, stdout } = await kup([name, "--help"], { permissions: [] });
    assertEquals(code, 0, name);
    assertMatch(stdout, new RegExp(`^usage: kup ${name}\\b`));
    if ("bind" in loaded) continue;
    const { values = [], flags = [] } = loaded.command.usage;
    for (const option of [...values, ...flags]) assertStringIncludes(stdout, `--${option}`, name);
  }
});

Deno.test("kup help COMMAND is kup COMMAND --help", async () => {
  const { stdout } = await kup(["ping", "--help"]);
  assertEquals(await kup(["help", "ping"]), { code: 0, stdout, output: stdout });
  assertEquals((await kup(["help", "nope"])).code, 2);
});

Deno.test("kup refuses a wrong command line with one sentence and status 2", async () => {
  const wrong = [
    [],
    ["nope"],
    ["constructor"],
    ["ping"],
    ["ping", "--nope", "host:echo"],
    ["ping", "--count", "0", "host:echo"],
    ["ping", "--count", "many", "host:echo"],
    ["ping", "host:echo", "host:echo"],
    ["cat", "--format", "xml", "host:echo"],
    ["top", "--interval", "0", "host:echo"],
    ["ping", "--parameters", "mode", "host:echo"],
    ["ping", "--parameters", "mode=2", "/dev/null"],
    ["modinfo"],
    ["replay", "x.kup"],
  ];
  for (const args of wrong) {
    const { code, stdout, output } = await kup(args);
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertMatch(output, /^kup: .*[.]\n$/, args.join(" "));
  }
});

Deno.test("kup says in one sentence what is wrong with a device, with status 1", async () => {
  for (const name of WITH_DEVICE) {
    for (const path of ["/dev/null", "/dev/kup/nope", "host:nope", "/dev", "/etc/passwd"]) {
      const finished = await kup([name, path]);
      assertEquals([finished.code, finished.stdout], [1, ""], `${name} ${path}`);
      assertMatch(complaint(finished), new RegExp(`^kup ${name}: [^\n]*${path}: [^\n]*[.]\n$`));
    }
  }
});

Deno.test("kup shows a device's name in one line, whatever it contains", async () => {
  for (const name of ["list", "info"]) {
    const { code, output } = await kup([name, "/dev/a\nb\x1b[2J"]);
    assertEquals(code, 1);
    assertMatch(output, /^kup \w+: \/dev\/a\\x0ab\\x1b\[2J: [^\n]*\n$/);
  }
});

Deno.test("describeUser() and table() let no process's name move the cursor", async () => {
  const script = 'printf "a\\033[2J\\nb" >/proc/$$/comm; echo; read -r line';
  await using child = new Deno.Command("sh", {
    args: ["-c", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const user = describeUser({ state: "open", process: child.pid });
  const shown = `${child.pid} (a\\x1b[2J\\x0ab)`;
  assertEquals(table([{ user }], Infinity)[1], shown);
  assertEquals(table([{ user }], 1), [`user  ${shown}`]);
  await child.stdin.close();
  await reader.cancel();
});

Deno.test("kup replay --json prints no control character of a recording", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/a.kup`;
  const head = { name: "a\x1b\x7f\x9b2J", mode: "stream", stamps: false, abiVersion: 1 } as const;
  const rings = { ringBytes: { toUser: 1, toKernel: 1 }, channel: 0, began: 0 };
  await Deno.writeFile(file, encodeHead({ ...head, ...rings }));
  const { stdout } = await kup(["replay", "--json", file], { permissions: ["--allow-read"] });
  assertEquals(JSON.parse(stdout).name, head.name);
  assertMatch(stdout, /^[ -~]*\n$/);
});

Deno.test("kup names what describes a file that is no module of the host driver", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/not.so`;
  await Deno.writeTextFile(file, "not a module");
  const { code, output } = await kup(["info", `host:${file}`]);
  assertEquals(code, 1);
  assertMatch(output, /^kup info: host:[^\n]*not\.so: [^\n]*`kup modinfo`[^\n]*\n$/);
});

Deno.test("kup ends with status 1 and a sentence when its output has no room", async () => {
  const own = [["version"], ["bind", "--help"], ["top", "--count", "1", "host:echo"]];
  for (const args of [...own, ...["list", "info", "doctor"].map((name) => [name, "host:echo"])]) {
    const command = 'exec "$@" >/dev/full';
    const run = await capture(["sh", "-c", command, "sh", ...kupCommand(args)]);
    assertEquals(run.code, 1, args.join(" "));
    assertMatch(run.output, new RegExp(`^kup ${args[0]}: [^\n]*No space left on device\\)?\\.\n$`));
  }
});

Deno.test("kup replay says that a file can't be read", async () => {
  const permissions = ["-A"];
  const { code, output } = await kup(["replay", "/proc/self/mem", "host:echo"], { permissions });
  assertEquals(code, 1);
  assertMatch(output, /^kup replay: \/proc\/self\/mem can't be read; [^\n]*\.\n$/);
});

Deno.test("kup new refuses the words of C and of KUP, and names that are too long", async () => {
  await using folder = await temporaryFolder();
  for (const name of ["int", "linux", "kup", "a".repeat(32), "9a", "x y"]) {
    const run = await kup(["new", `${folder.path}/${name}`], { permissions: ["-A"] });
    assertEquals(run.code, 2, name);
    assertMatch(run.output, /^kup: [^\n]*\.\n$/);
  }
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("kup names the flag of Deno that is missing", async () => {
  const cases: [string[], string][] = [
    [["ping", "host:echo"], "--allow-ffi"],
    [["list"], "-A"],
    [["top"], "-A"],
    [["modinfo", "x.ko"], "--allow-read=x.ko"],
    [["replay", "x.kup", "host:echo"], "--allow-read=x.kup"],
  ];
  for (const [args, flag] of cases) {
    const finished = await kup(args, { permissions: [] });
    assertEquals([finished.code, finished.stdout], [1, ""], args.join(" "));
    assertStringIncludes(complaint(finished), flag);
    assertEquals(complaint(finished).trimEnd().split("\n").length, 1, finished.output);
  }
  const record = await kup(["record", "host:echo", "x.kup"]);
  assertEquals(record.code, 1);
  assertStringIncludes(record.output, "--allow-write=x.kup");
});

Deno.test("kup refuses a channel that the device does not have, or that is taken", async () => {
  const { code, output } = await kup(["ping", "--channel", "8", "host:echo"]);
  assertEquals(code, 1);
  assertStringIncludes(output, "0 to 7");
  const refused = await kup(["ping", "--parameters", "refuse=16", "host:echo"]);
  assertEquals(refused.code, 1);
  assertMatch(refused.output, /^kup ping: host:echo: .*\n$/);
});

Deno.test("kup list and info describe a device as text and as JSON", async () => {
  const list = await kup(["list", "host:echo"]);
  assertEquals(list.code, 0);
  assert(!list.stdout.includes("\x1b"), "there are colours in a pipe");
  assertMatch(list.stdout, /^device +mode .*\nhost:echo +stream +0\/8 /);
  const [listed] = JSON.parse((await kup(["list", "--json", "host:echo"])).stdout);
  assertEquals([listed.path, listed.totals.length], ["host:echo", 8]);
  const info = await kup(["info", "host:echo"]);
  assertMatch(info.stdout, /^name +kup\/echo$/m);
  const described = JSON.parse((await kup(["info", "--json", "host:echo"])).stdout);
  assertEquals([described.mode, described.channels], ["stream", 8]);
});

Deno.test("kup list shows the other devices when one can't be opened", async () => {
  const { code, stdout, output } = await kup(["list", "/dev/null", "host:echo"]);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "host:echo");
  assertStringIncludes(output, "/dev/null");
});

Deno.test("kup ping measures round trips in each mode", async () => {
  for (const mode of ["1", "2", "3"]) {
    const args = ["ping", "--json", "--count", "20", "--parameters", `mode=${mode}`, "host:echo"];
    const { code, stdout, output } = await kup(args);
    assertEquals(code, 0, output);
    const { microseconds } = JSON.parse(stdout);
    assertEquals(microseconds.count, 20);
    assert(microseconds.min <= microseconds.p50 && microseconds.p50 <= microseconds.max);
  }
});

Deno.test("kup ping prints percentiles and a histogram, without colours in a pipe", async () => {
  const { code, stdout } = await kup(["ping", "--count", "50", "host:echo"]);
  assertEquals(code, 0);
  for (const title of ["p50", "p99", "max"]) assertMatch(stdout, new RegExp(`^  ${title} `, "m"));
  assertMatch(stdout, /^ +\d+ us +\d+ #+$/m);
  assert(!stdout.includes("\x1b"));
});

Deno.test("kup ping refuses a message that the channel can't carry", async () => {
  const { code, output } = await kup(["ping", "--bytes", "10000000", "host:echo"]);
  assertEquals(code, 1);
  assertMatch(output, /^kup ping: The longest message of this channel has \d+ bytes/);
});

Deno.test("kup bench measures several sizes", async () => {
  const { code, stdout, output } = await kup(["bench", "--json", "--seconds", "0.02", "host:echo"]);
  assertEquals(code, 0, output);
  const results = JSON.parse(stdout) as { bytes: number; messagesPerSecond: number }[];
  assertEquals(results.map(({ bytes }) => bytes), [8, 64, 512, 4096, 16384]);
  for (const { messagesPerSecond } of results) assert(messagesPerSecond > 0);
});

Deno.test("ping and bench lose their patience only while they could have seen an answer", async () => {
  using patience = new Patience(new AbortController().signal, "host:mute", 100);
  await patience.rest(300);
  assertEquals(patience.signal.aborted, false);
  const end = performance.now() + 300;
  while (performance.now() < end);
  await sleep(0);
  assertEquals(patience.signal.aborted, false);
  await until(() => patience.signal.aborted, "no answer");
  assertMatch(String(patience.signal.reason), /host:mute has not answered for 0\.1 s/);
  await assertRejects(() => patience.rest(0), Failure, "has not answered");
});

Deno.test("kup top looks as often as it is asked to", async () => {
  const args = ["top", "--json", "--count", "2", "--interval", "0.05", "host:echo"];
  const { code, stdout } = await kup(args);
  assertEquals(code, 0);
  const looks = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(looks.map((look) => look.length), [8, 8]);
});

Deno.test("kup doctor reports what it can't look at as unknown", async () => {
  const { code, stdout } = await kup(["doctor", "--json", "host:echo"]);
  assertEquals(code, 0);
  const findings = JSON.parse(stdout) as { what: string; state: string; advice?: string }[];
  const states = new Map(findings.map(({ what, state }) => [what, state]));
  assertEquals([states.get("native library"), states.get("host:echo")], ["ok", "ok"]);
  assertEquals(states.get("JSR"), "unknown");
  for (const { state, advice } of findings) assertEquals(advice !== undefined, state !== "ok");
});

Deno.test("kup doctor fails for a device that does not work, and says what to do", async () => {
  const { code, stdout } = await kup(["doctor", "/dev/null"]);
  assertEquals(code, 1);
  assertMatch(stdout, /^missing +\/dev\/null: .*\n +Name a KUP device/m);
});

Deno.test("kup doctor names a device once, and no kernel module for one of the host driver", async () => {
  const { code, stdout } = await kup(["doctor", "host:none"]);
  assertEquals(code, 1);
  assertMatch(stdout, /^missing +host:none: No device .*\n +Name host:echo, .*:FILE\.so\.$/m);
});
