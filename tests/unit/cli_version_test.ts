// SPDX-License-Identifier: BSD-3-Clause
/** `kup version`, and the one version that all parts have. */

import { assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { ABI_VERSION } from "../../src/abi.ts";
import config from "../../deno.json" with { type: "json" };
import { kup } from "../lib/cli.ts";
import { ROOT } from "../lib/paths.ts";

Deno.test("kup --version is kup version, and names the ABI and Deno", async () => {
  const { code, stdout } = await kup(["--version"], { permissions: [] });
  assertEquals(code, 0);
  assertEquals(stdout, `kup ${config.version}\nABI ${ABI_VERSION}\nDeno ${Deno.version.deno}\n`);
  const described = await kup(["version", "--json", "host:echo"]);
  assertEquals(JSON.parse(described.stdout).devices, [{ path: "host:echo", abi: ABI_VERSION }]);
});

Deno.test("kup version fails for a device that can't be opened", async () => {
  const { code, stdout, output } = await kup(["version", "/dev/null"]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(output, /^kup version: \/dev\/null: [^\n]*\n$/);
});

Deno.test("deno.json's version is that of the kernel module and of the port", async () => {
  const read = (path: string) => Deno.readTextFile(`${ROOT}/${path}`);
  assertStringIncludes(
    await read("kmod/os/linux/module.c"),
    `MODULE_VERSION("${config.version}");`,
  );
  assertMatch(
    await read("ports/kup-kmod/Makefile"),
    new RegExp(`^DISTVERSION=\\s+${RegExp.escape(config.version)}$`, "m"),
  );
});
