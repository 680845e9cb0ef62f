// SPDX-License-Identifier: BSD-3-Clause
/** The debug kernel's parts that need no kernel: its options, its leaks, its machine. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";
import { checkOptions } from "../../harness/debug_options.ts";
import { findTrouble } from "../../harness/kernel_log.ts";
import { ALL_SERIES, DEBUG_SERIES } from "../../harness/kernel.ts";
import { machineFor } from "../../harness/machine.ts";

Deno.test("checkOptions() finds nothing when all options are as wanted", () => {
  const wanted = 'CONFIG_A=y\n# CONFIG_B is not set\n# a comment\nCONFIG_C="-x"\n';
  assertEquals(checkOptions(wanted, `${wanted}CONFIG_D=y\n`), []);
  // What can't be set is not mentioned at all.
  assertEquals(checkOptions(wanted, 'CONFIG_A=y\nCONFIG_C="-x"\n'), []);
});

Deno.test("checkOptions() names each option that is missing, off, on or has another value", () => {
  const wanted = "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D=16\nCONFIG_E=y\n";
  const got = "# CONFIG_B is not set\nCONFIG_C=y\nCONFIG_D=1600\nCONFIG_E_MORE=y\n";
  assertEquals(checkOptions(wanted, got), [
    "CONFIG_A is n, not y",
    "CONFIG_B is n, not y",
    "CONFIG_C is y, not n",
    "CONFIG_D is 1600, not 16",
    "CONFIG_E is n, not y",
  ]);
});

/** As in /sys/kernel/debug/kmemleak of Linux 6.12. */
const LEAKS = `unreferenced object 0xffff8880067ecc80 (size 64):
  comm "insmod", pid 84, jiffies 4294942210
  hex dump (first 32 bytes):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
    6b 75 70 2f 65 63 68 6f 00 00 00 00 00 00 00 00  kup/echo........
  backtrace (crc 66cee1a):
    __kmalloc_cache_noprof+0x1b3/0x280
    os_alloc+0x22/0x30 [kup]
    kup_handle_open+0x5c/0x160 [kup]
unreferenced object 0xffff888006aa0000 (size 32):
  comm "deno", pid 90, jiffies 4294942999
  hex dump (first 32 bytes):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace (crc 0):
    0xffffffffa0011234
    0xffffffffa0010000
    0xffffffff81000000
`;

/** As in /proc/kallsyms, for the modules' functions and data. */
const SYMBOLS = `ffffffffa0011230 t os_alloc\t[kup]
ffffffffa0011233 d some_data\t[kup]
ffffffffa0010000 T kup_send\t[kup]
ffffffffa0012000 t attach\t[kup_echo]
`;

async function oneLine(text: string, known = SYMBOLS): Promise<string[]> {
  const folder = await Deno.makeTempDir({ prefix: "kup-leaks-" });
  try {
    const [symbols, reports] = [`${folder}/symbols`, `${folder}/reports`];
    await Deno.writeTextFile(symbols, known);
    await Deno.writeTextFile(reports, text);
    const args = ["-f", `${ROOT}/harness/guest/leaks.awk`, symbols, reports];
    const { code, stdout } = await new Deno.Command("awk", { args }).output();
    assertEquals(code, 0);
    return new TextDecoder().decode(stdout).split("\n").slice(0, -1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("leaks.awk writes one line for each kind of leak, with the functions that led to it", async () => {
  const again = LEAKS.replace("c80", "d00").replace("pid 84", "pid 85");
  const lines = await oneLine(LEAKS + again);
  assertEquals(lines, [
    'kmemleak: unreferenced object, 2 times (size 64) comm "insmod": ' +
    "__kmalloc_cache_noprof+0x1b3/0x280 os_alloc+0x22/0x30 kup_handle_open+0x5c/0x160",
    'kmemleak: unreferenced object, 2 times (size 32) comm "deno": ' +
    "os_alloc+? [kup] kup_send+? [kup] 0xffffffff81000000",
  ]);
  assertEquals(findTrouble(lines.join("\n")), lines);
  assertEquals(await oneLine(""), []);
  assertEquals(
    (await oneLine(LEAKS, ""))[1]?.endsWith(
      ": 0xffffffffa0011234 " +
        "0xffffffffa0010000 0xffffffff81000000",
    ),
    true,
  );
});

Deno.test("leaks.awk writes a line that fits into the kernel's log", async () => {
  const long = LEAKS.replace(
    "    os_alloc+0x22/0x30 [kup]\n",
    "    a_function+0x1/0x2\n".repeat(90),
  );
  const lines = await oneLine(long);
  assertEquals(lines.length, 2);
  assert(lines.every((line) => line.length <= 900));
});

Deno.test("machineFor() makes Debian's kernels check memory, and preempt in both ways", async () => {
  const all = await Promise.all(ALL_SERIES.map((series) => machineFor(series)));
  const parameters = all.map(({ parameters }) => parameters.join(" "));
  for (const text of parameters) assertStringIncludes(text, "slub_debug=FZP init_on_free=1");
  assertEquals(parameters.map((text) => text.match(/preempt=\w+/)?.[0]).sort(), [
    "preempt=full",
    "preempt=none",
  ]);
});

Deno.test("machineFor() measures the frequency of the debug kernel's clock", async () => {
  const { parameters } = await machineFor(DEBUG_SERIES);
  const told = /tsc_early_khz=(\d+)/.exec(parameters.join(" "))?.[1];
  assertMatch(told ?? "", /^\d{6,7}$/);
  const again = /tsc_early_khz=(\d+)/.exec((await machineFor(DEBUG_SERIES)).parameters.join(" "))
    ?.[1];
  // Measured twice: with a larger error, time-outs would be wrong.
  assert(Math.abs(Number(told) / Number(again) - 1) < 0.01, `${told} kHz, then ${again} kHz`);
});
