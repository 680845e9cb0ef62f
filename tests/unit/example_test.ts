// SPDX-License-Identifier: BSD-3-Clause
/**
 * The examples on the host driver; tests/kernel/example_test.ts runs the same files in a kernel.
 */

import { assert, assertEquals, assertMatch } from "../../deps.ts";
import {
  THERMO_ASK,
  THERMO_COLD,
  THERMO_GOOD,
  THERMO_HOT,
  THERMO_LIMITS,
  THERMO_READING,
  THERMO_REFUSED,
  ThermoAskWriter,
  ThermoLimitsWriter,
  ThermoToUser,
} from "../../examples/typed/messages.ts";
import { open } from "../../mod.ts";
import { CONFIG } from "../checks/static.ts";
import { findPrograms } from "../lib/example.ts";
import { ROOT } from "../lib/paths.ts";
import { patience } from "../lib/until.ts";

async function output(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

function example(...args: string[]): Promise<string> {
  return output(Deno.execPath(), "run", "--no-check", "--allow-ffi", "--config", CONFIG, ...args);
}

Deno.test("examples/ticker ticks in this process", async () => {
  await output("make", "-s", "-C", "examples/ticker");
  const out = await example("examples/ticker/ticker.ts");
  assertMatch(out, /^ticker, channel 0 of 4\n(tick \d+ after \S+ ms\n){5}$/);
});

Deno.test("examples/store answers calls in this process", async () => {
  await output("make", "-s", "-C", "examples/store");
  const out = await example("examples/store/store.ts");
  assertMatch(
    out,
    /^store has "7 7 7 7\.\.\." under "key 7"\n100 of 100 values .*\n100 keys .*\n"key 7" is undefined now\n$/,
  );
});

Deno.test("examples/typed sends typed messages in this process", async () => {
  await output("make", "-s", "-C", "examples/typed");
  const out = await example("examples/typed/typed.ts");
  const readings = ["18 degrees, too cold", ...[19, 20, 21].map((t) => `${t} degrees, good`)];
  const lines = [...readings, "22 degrees, too hot"].map((line) => `the cellar: ${line}\n`);
  assertEquals(out, lines.join(""));
});

Deno.test("examples/typed refuses messages whose fields are not as they must be", async () => {
  await output("make", "-s", "-C", "examples/typed");
  using device = open(`host:${ROOT}/examples/typed/typed.so`);
  using channel = await device.attach();
  const limits = new Uint8Array(ThermoLimitsWriter.SIZE);
  new ThermoLimitsWriter().at(limits).place = "here";
  const lies: [type: number, data: Uint8Array][] = [
    [THERMO_LIMITS, limits.subarray(1)],
    [THERMO_LIMITS, limits.with(24, 2)], // a bool
    [THERMO_LIMITS, limits.with(25, 1)], // padding
    [THERMO_LIMITS, limits.map((byte, i) => i >= 8 && i < 24 ? 120 : byte)], // no NUL
    [1, new Uint8Array(40)], // what only the kernel sends
    [99, new Uint8Array(4)],
    [THERMO_ASK, new Uint8Array(60_000)],
  ];
  const records = new ThermoToUser();
  for (const [type, data] of lies) {
    await channel.send(data, { type });
    const signal = AbortSignal.timeout(patience());
    const record = records.read((await channel.receive({ signal }))!);
    assert(record.recordType === THERMO_REFUSED);
    assertEquals(record.type, type);
  }
});

Deno.test("examples/typed compares readings with the smallest and the largest limits", async () => {
  await output("make", "-s", "-C", "examples/typed");
  using device = open(`host:${ROOT}/examples/typed/typed.so`);
  using channel = await device.attach();
  const limits = new ThermoLimitsWriter();
  const records = new ThermoToUser();
  const ask = new ThermoAskWriter();
  const cases = [
    [-(2 ** 31), 2 ** 31 - 1, THERMO_GOOD],
    [2 ** 31 - 1, 2 ** 31 - 1, THERMO_COLD],
    [-(2 ** 31), -(2 ** 31), THERMO_HOT],
    [18_000, 18_000, THERMO_GOOD],
  ] as const;
  for (const [least, most, state] of cases) {
    {
      using room = await channel.reserve(ThermoLimitsWriter.SIZE);
      limits.at(room).least = least;
      limits.most = most;
      limits.place = "here";
      room.commit({ type: THERMO_LIMITS });
    }
    {
      using room = await channel.reserve(ThermoAskWriter.SIZE);
      ask.at(room).count = 1;
      room.commit({ type: ask.recordType });
    }
    const record = records.read((await channel.receive())!);
    assert(record.recordType === THERMO_READING);
    assertEquals(record.state, state, `${least} to ${most}`);
  }
});

/** The reader that is slow loses the rest of what the others get. */
const CHAT =
  /^ann got 2000 lines, 1 private, .* 0\nbob got 2000 .* 0 .* 0\nsam got (\d+) .* 0 .* (\d+)\n$/;

Deno.test("examples/chat broadcasts in this process, also to a slow reader", async () => {
  await output("make", "-s", "-C", "examples/chat");
  const out = await example("examples/chat/chat.ts");
  const [, got, lost] = out.match(CHAT) ?? [];
  assertEquals(Number(got) + Number(lost), 2000, out);
  assert(Number(got) > 500 && Number(lost) > 500, out);
});

Deno.test("examples/gate asks this process, and decides by itself without an answer", async () => {
  await output("make", "-s", "-C", "examples/gate");
  const out = await example("examples/gate/gate.ts");
  // More come while it counts.
  assertMatch(out, /^[1-9]\d+ visitors of gate have passed\nand one was refused, .* in time\n$/);
});

Deno.test("examples/echo.ts exchanges messages and measures", async () => {
  const out = await example("examples/echo.ts", "--seconds", "0.1");
  assertMatch(out, /received.*hello, kernel/);
  assertMatch(out, /blocking.*per second/);
  assertMatch(out, /\d+ messages, \d+ kicks/);
});

/** Runs a program to its end, with any exit status. */
async function run(command: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

/**
 * Checks `--help` and a list of wrong command lines; each has the words that its sentence must
 * contain.
 */
async function checkUsage(
  program: readonly string[],
  name: string,
  wrong: readonly [args: string[], sentence: RegExp][],
): Promise<void> {
  const [command = "", ...first] = program;
  for (const option of ["--help", "-h"]) {
    const { code, out, error } = await run(command, ...first, option);
    assertEquals([code, error], [0, ""], `${name} ${option}`);
    assertMatch(out, new RegExp(`^usage: .*${name}.*\n\n[A-Z]`));
  }
  for (const [args, sentence] of wrong) {
    const { code, out, error } = await run(command, ...first, ...args);
    assertEquals([code, out], [2, ""], `${name} ${args.join(" ")}`);
    assertMatch(error, sentence);
    assertMatch(error, new RegExp(`^error: [^\n]+\n\nusage: .*${name}`));
  }
}

const DEVICE_ONLY: [args: string[], sentence: RegExp][] = [
  [["--sped"], /There is no option --sped\./],
  [["--seconds", "1"], /There is no option --seconds\./],
  [["-x", "host:echo"], /There is no option -x\./],
  [["host:echo", "host:other"], /"host:other" is one argument too many\./],
  [[""], /An argument is empty\./],
];

function script(path: string): string[] {
  const options = ["--no-check", "--no-prompt", "--config", CONFIG];
  return [Deno.execPath(), "run", ...options, path];
}

Deno.test("examples explain themselves, and refuse wrong arguments", async () => {
  await checkUsage(script("examples/ticker/ticker.ts"), "examples/ticker/ticker.ts", DEVICE_ONLY);
  // The others share its code, so it is enough that each uses it.
  const programs = (await findPrograms()).filter((path) => path !== "ticker/ticker.ts");
  assert(programs.length > 10);
  for (const path of programs) {
    const [command = "", ...first] = script(`examples/${path}`);
    const { code, out, error } = await run(command, ...first, "-x");
    assertEquals([code, out], [2, ""], path);
    assertMatch(error, new RegExp(`^error: There is no option -x\\.\n\nusage: .*${path}`));
  }
});

Deno.test("bench/main.ts explains itself, and refuses wrong arguments", async () => {
  await checkUsage(script("bench/main.ts"), "make bench", [
    [["--fast"], /There is no option --fast\./],
    [["--output"], /--output needs a value\./],
    [["host:echo"], /"host:echo" is neither a group nor a row from 1 to 15\./],
  ]);
});

Deno.test("examples/echo.ts explains itself, and refuses wrong arguments", async () => {
  const numbers = ["0x10", "-1", "1e3", "many", "1,5", "Infinity", "9999999", ""];
  await checkUsage(script("examples/echo.ts"), "examples/echo.ts", [
    ...DEVICE_ONLY.filter(([args]) => args[0] !== "--seconds"),
    ...numbers.flatMap((number): [string[], RegExp][] => [
      [[`--seconds=${number}`], /(--seconds (takes a number from 0\.001 to 3600|needs)|no option)/],
      [[`--spin=${number}`], /(--spin (takes a number from 0 to 1000000|needs)|no option)/],
    ]),
    [["--seconds", "0"], /--seconds takes a number from 0\.001 to 3600, not "0"\./],
    [["--seconds"], /--seconds needs a value\./],
  ]);
});

Deno.test("examples/ticker and others without their device end with one sentence, and no usage", async () => {
  const [command = "", ...first] = script("examples/monitor.ts");
  const { code, out, error } = await run(command, ...first, "--", "/dev/kup/missing");
  assertEquals([code, out], [1, ""]);
  assertMatch(error, /^[^\n]+\n$/);
});

Deno.test("examples/echo.c explains itself, exchanges messages, and refuses wrong arguments", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-echo-" });
  try {
    const prefix = `${folder}/usr`;
    await output("make", "-s", "-C", "native", "install", `PREFIX=${prefix}`);
    const program = `${folder}/echo`;
    const paths = [`-I${prefix}/include/kup`, `-L${prefix}/lib`, `-Wl,-rpath,${prefix}/lib`];
    const flags = ["-Wall", "-Wextra", "-Werror", ...paths];
    await output("cc", ...flags, "-o", program, "examples/echo.c", "-lkup");
    await checkUsage([program], "echo", [
      [["--sped"], /There is no such option: "--sped"/],
      [["host:echo", "-x"], /There is no such option: "-x"/],
      [["host:echo", "host:other"], /This is one argument too many: "host:other"/],
      [[""], /DEVICE is empty/],
    ]);
    assertMatch(
      await output(program, "host:echo"),
      /of type 7: hello, kernel\n.*written in place/s,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
