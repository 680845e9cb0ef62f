// SPDX-License-Identifier: BSD-3-Clause
/** `deno publish` refuses a module whose native libraries are missing or stale. */

import { assert, assertRejects, assertStringIncludes } from "../../deps.ts";
import { Copy } from "../lib/copy.ts";
import { capture, CommandError, type Finished, must } from "../lib/process.ts";

const HEADER = "native/kup_user.h";

/** All that publishing and `make abi` read. */
async function checkout(): Promise<Copy> {
  const generated = [HEADER, "kmod/uapi/kup_abi.h", "scripts/gen_abi.ts", "scripts/contract.ts"];
  const copy = await Copy.make(
    "deno.json",
    "LICENSE",
    "README.md",
    "bind",
    "harness",
    ...generated,
  );
  // The library alone: the command line needs JSR.
  await copy.edit(
    "deno.json",
    (text) => text.replace(/"\.\/\w+": "\.\/\w+\.ts",?|,(?= "\.\/\w+":)/g, ""),
  );
  return copy;
}

/** Does all but the last step. */
async function publish(copy: Copy, ...options: string[]): Promise<Finished> {
  const command = [Deno.execPath(), "publish", "--dry-run", ...options];
  return await capture(command, { cwd: copy.folder, env: { NO_COLOR: "1" } });
}

/** Missing libraries are found also without the checks, which take most of the time. */
const UNCHECKED = ["--no-check", "--allow-slow-types"];

/** What `make abi` runs. */
async function makeAbi(copy: Copy, ...options: string[]): Promise<void> {
  const command = [Deno.execPath(), "run", "-A", "--no-config", "scripts/gen_abi.ts", ...options];
  await must(command, { cwd: copy.folder });
}

Deno.test("deno publish refuses a bare checkout", async () => {
  await using copy = await checkout();
  await copy.removeEmbedded();
  const { code, output } = await publish(copy, ...UNCHECKED);
  assert(code !== 0, output);
  assertStringIncludes(output, "src/embedded/built_by_make.ts");
});

Deno.test("deno publish refuses a checkout where only `make native` was run", async () => {
  await using copy = await checkout();
  await copy.makeStub();
  const { code, output } = await publish(copy, ...UNCHECKED);
  assert(code !== 0, output);
  assertStringIncludes(output, "src/publish_after_make_prebuilt.ts");
  // Programs that import it type-check all the same.
  await must([Deno.execPath(), "check", "mod.ts"], { cwd: copy.folder });
});

Deno.test("deno publish refuses libraries that were built for other declarations", async () => {
  await using copy = await checkout();
  await copy.edit(HEADER, (text) => text.replace("(void);", "(int what);"));
  await makeAbi(copy);
  const { code, output } = await publish(copy);
  assert(code !== 0, output);
  assertStringIncludes(output, "const builtFor: typeof CONTRACT = contract;");
});

Deno.test("make abi gives the contract another name in another version, and not after a comment", async () => {
  await using copy = await checkout();
  await copy.edit(HEADER, (text) => text.replace("/*", "/* Any words.\n"));
  await makeAbi(copy, "--check");
  await copy.edit("deno.json", (text) => text.replace(/("version": "\d+)/, "$19"));
  await assertRejects(() => makeAbi(copy, "--check"), CommandError, "make abi");
});
