// SPDX-License-Identifier: BSD-3-Clause
/** Loads and unloads client modules of the host driver from TypeScript. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../deps.ts";
import { type KupErrorCode, open, unload } from "../../mod.ts";
import { throwsWith } from "../conformance/lib/errors.ts";

const ENOENT = 2;
const EEXIST = 17;
const EINVAL = 22;
const ERANGE = 34;

const PATH = "host:echo";

Deno.test("open() loads the echo client, and unload() unloads it once", () => {
  open(PATH).close();
  const again = throwsWith("busy", () => open(PATH, { parameters: {} }), EEXIST);
  assertStringIncludes(again.message, "loaded already");
  unload(PATH);
  const twice = throwsWith("not-found", () => unload(PATH), ENOENT);
  assertStringIncludes(twice.message, "not loaded");
  throwsWith("not-found", () => open("host:kup/echo"), ENOENT);
});

Deno.test("open() passes parameters to the module, and names one that is wrong", () => {
  {
    using device = open(PATH, { parameters: { channels: 2, name: "kup/mine" } });
    assertEquals([device.channels, device.name], [2, "kup/mine"]);
    using same = open("host:kup/mine");
    assertEquals(same.channels, 2);
  }
  unload(PATH);
  const bad: [Record<string, string | number>, KupErrorCode, number][] = [
    [{ chanels: 2 }, "refused", EINVAL],
    [{ channels: "many" }, "refused", EINVAL],
    [{ channels: 2 ** 32 }, "refused", ERANGE],
    [{ channels: 2000 }, "refused", EINVAL],
    [{ name: "/x" }, "refused", EINVAL],
  ];
  for (const [parameters, code, errno] of bad) {
    const error = throwsWith(code, () => open(PATH, { parameters }), errno);
    assert(error.message.startsWith(`${PATH}: `), error.message);
    // The failed load leaves nothing.
    throwsWith("not-found", () => unload(PATH), ENOENT);
  }
  assertStringIncludes(
    throwsWith("refused", () => open(PATH, { parameters: { chanels: 2 } }), EINVAL).message,
    "chanels",
  );
});

Deno.test("open() throws a TypeError for parameters that make no sense", () => {
  // deno-lint-ignore no-explicit-any
  for (const parameters of [null, 7, "channels=2"] as any[]) {
    assertThrows(() => open(PATH, { parameters }), TypeError);
  }
  for (const name of ["a b", "a=b", "", "a\0b"]) {
    assertThrows(() => open(PATH, { parameters: { [name]: 1 } }), TypeError);
  }
  for (const value of ["a b", "a\nb", "a\0b"]) {
    assertThrows(() => open(PATH, { parameters: { name: value } }), TypeError);
  }
  assertThrows(() => open("/dev/kup/echo", { parameters: {} }), TypeError);
  assertThrows(() => unload("/dev/kup/echo"), TypeError);
  assertThrows(() => unload(""), TypeError);
});
