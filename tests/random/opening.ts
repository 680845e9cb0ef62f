// SPDX-License-Identifier: BSD-3-Clause
/** Random paths and options for `open` and `unload` on the host driver, most of them wrong. */

import { KupError, type open as Open, unload } from "../../mod.ts";
import { int, oneOf, type Random } from "./random.ts";
import { common, count, expected, fail } from "./session.ts";

/** What can't be opened. Each call must fail with an error, and do no other harm. */
const PATHS: readonly unknown[] = [
  "",
  "host:",
  "host:/",
  "host:x.so",
  "host:.so",
  "host:../",
  "host:../../../../../../../../etc/passwd",
  "host:/etc/passwd",
  "host:/dev/null",
  "host:/dev/zero.so",
  "host:/tmp",
  "host:echo\0",
  "\0",
  "host:\ud800",
  "host:\udfff.so",
  "host:\u{1f600}",
  "host: echo",
  "host:echo ",
  "host:ECHO",
  "HOST:echo",
  "host:host:echo",
  "host:%s%s%s%n",
  `host:${"x".repeat(63)}`,
  `host:${"x".repeat(64)}`,
  `host:${"x".repeat(5000)}`,
  `host:${"x".repeat(5000)}.so`,
  `host:${"/x".repeat(3000)}.so`,
  `host:${"x".repeat(1 << 20)}`,
  "/dev/null",
  "/dev",
  "/no/such/device",
  "\ud800",
  undefined,
  null,
  5,
  NaN,
  {},
  [],
  ["host:echo"],
  Symbol.iterator,
  () => "host:echo",
  { toString: () => "host:echo" },
];

const PARAMETERS: readonly unknown[] = [
  null,
  5,
  "channels=1",
  [],
  ["channels=1"],
  { nonsense: 1 },
  { channels: -1 },
  { channels: 0.5 },
  { channels: NaN },
  { channels: 2 ** 32 },
  { channels: 1e300 },
  { channels: 1025 },
  { channels: "" },
  { channels: "x" },
  { channels: null },
  { channels: {} },
  { channels: Symbol.iterator },
  { to_user_pages: 3 },
  { to_user_pages: 2 ** 17 },
  { to_kernel_pages: 2 ** 31 },
  { spin: 1e9 },
  { permissions: 0o7777 },
  { name: "" },
  { name: "/" },
  { name: "a b" },
  { name: "a\0b" },
  { name: "..", channels: 1 },
  { name: "x".repeat(64) },
  { name: "x".repeat(100_000) },
  { "": 1 },
  { "a=b": 1 },
  { "channels=1 spin": 1 },
  {
    get channels() {
      throw new RangeError("a getter that throws");
    },
  },
  new Proxy({}, {
    ownKeys() {
      throw new RangeError("a proxy that throws");
    },
  }),
];

/** Wrong arguments are TypeErrors and RangeErrors; all other failures are KupErrors. */
function check(error: unknown, allowed: string): void {
  if (error instanceof TypeError || error instanceof RangeError) return;
  if (error instanceof KupError && error.code === allowed) return;
  if (error instanceof KupError && error.code === "refused") fail(`${error.stack}`);
  expected(error);
}

// deno-lint-ignore no-explicit-any
function any(value: unknown): any {
  return value;
}

function openPath(open: typeof Open, random: Random): void {
  const path = any(oneOf(random, PATHS));
  try {
    if (random.chance(0.3)) unload(path);
    else open(path).close();
  } catch (error) {
    check(error, "not-a-device");
    return;
  }
  fail(`opened, or unloaded: ${String(path).slice(0, 100)}`);
}

function openWith(open: typeof Open, random: Random): void {
  const parameters = oneOf(random, PARAMETERS);
  // The parameters for a module that is loaded are not read.
  if (random.chance(0.5)) unloadNow("host:echo");
  try {
    open("host:echo", { parameters: any(parameters) }).close();
  } catch (error) {
    check(error, "refused");
    return;
  }
  // A module without parameters: it has no names.
  if (!Array.isArray(parameters) || parameters.length > 0) fail("these parameters were taken");
}

/** A path that can't be opened, or parameters that no module accepts. */
export function openSomething(open: typeof Open, random: Random): void {
  common.calls++;
  if (random.chance(0.5)) openPath(open, random);
  else openWith(open, random);
}

/** Unloads the echo client, during any other call. */
export function unloadNow(path: string): void {
  try {
    unload(path);
    count("unloaded in a call");
  } catch (error) {
    expected(error);
  }
}

/**
 * Unloads the echo client while others use it, and loads it again with other parameters, unless
 * another caller loads it first.
 */
export async function unloadAndLoad(path: string, random: Random): Promise<void> {
  const { open } = await import("../../mod.ts");
  common.calls++;
  try {
    unload(path);
    count("unloaded");
  } catch (error) {
    expected(error);
  }
  try {
    const pages = () => 2 ** int(random, 0, 6);
    const parameters = {
      ...(random.chance(0.5) ? { channels: int(random, 1, 12) } : {}),
      ...(random.chance(0.5) ? { to_user_pages: pages() } : {}),
      ...(random.chance(0.5) ? { to_kernel_pages: String(pages()) } : {}),
      ...(random.chance(0.5) ? { spin: oneOf(random, [0, 1, 50, 10_000, 0xffffffff]) } : {}),
      ...(random.chance(0.2) ? { name: "kup/other" } : {}),
      ...(random.chance(0.6) ? { mode: oneOf(random, [2, 2, 3]) } : {}),
    };
    open(path, { parameters }).close();
    count("loaded");
  } catch (error) {
    expected(error);
  }
}
