// SPDX-License-Identifier: BSD-3-Clause
/** The version stands in one place, and a release has a tag and an entry in the changelog. */

import { assertEquals, assertMatch, assertStringIncludes } from "../../deps.ts";
import { ROOT } from "../lib/paths.ts";
import { capture, must } from "../lib/process.ts";

const FILES = [
  "deno.json",
  "kmod/os/linux/module.c",
  "ports/kup-kmod/Makefile",
  "scripts/version.ts",
];

/** A checkout of its own, with a version that no other file has. */
class Checkout {
  readonly folder = Deno.makeTempDirSync({ prefix: "kup-release-" });

  static async make(): Promise<Checkout> {
    const checkout = new Checkout();
    for (const path of FILES) {
      const text = await Deno.readTextFile(`${ROOT}/${path}`);
      const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
      await checkout.write(path, text.replaceAll(version, "1.2.3"));
    }
    await checkout.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n- A change.\n");
    await checkout.write(
      "README.md",
      'import "jsr:@kup/kup@1.2";\nimport "jsr:@kup/kup@^1.2.0";\n',
    );
    await checkout.git("init", "-q");
    await checkout.commit();
    return checkout;
  }

  async write(path: string, text: string): Promise<void> {
    const full = `${this.folder}/${path}`;
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(full, text);
  }

  read(path: string): Promise<string> {
    return Deno.readTextFile(`${this.folder}/${path}`);
  }

  async git(...args: string[]): Promise<void> {
    const names = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
    await must(["git", ...names, ...args], { cwd: this.folder });
  }

  async commit(): Promise<void> {
    await this.git("add", "-A");
    await this.git("commit", "-qm", "A commit");
  }

  /** Runs the script; returns its complaints, or "" if there are none. */
  async version(word: string): Promise<string> {
    const script = `${this.folder}/scripts/version.ts`;
    const { code, output } = await capture([
      Deno.execPath(),
      "run",
      "-A",
      "--no-config",
      script,
      word,
    ]);
    return code === 0 ? "" : output;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("version.ts --check names each place that has another version", async () => {
  using checkout = await Checkout.make();
  assertEquals(await checkout.version("--check"), "");
  const module = await checkout.read("kmod/os/linux/module.c");
  await checkout.write("kmod/os/linux/module.c", module.replace("1.2.3", "1.2.4"));
  await checkout.write("docs/new.md", "KUP 1.2.3 does this.\n");
  await checkout.write("docs/old.md", 'import "jsr:@kup/kup@0.9";\n');
  const wrong = await checkout.version("--check");
  assertStringIncludes(wrong, "kmod/os/linux/module.c has the version 1.2.4");
  assertStringIncludes(wrong, "docs/new.md repeats the version");
  assertStringIncludes(wrong, "docs/old.md imports @kup/kup@0.9");
});

Deno.test("version.ts VERSION writes it everywhere, and --released wants a tag and an entry", async () => {
  using checkout = await Checkout.make();
  assertEquals(await checkout.version("1.3.0"), "");
  assertEquals(await checkout.version("--check"), "");
  assertEquals(
    await checkout.read("README.md"),
    'import "jsr:@kup/kup@1.3";\nimport "jsr:@kup/kup@^1.3.0";\n',
  );
  assertMatch(
    await checkout.read("CHANGELOG.md"),
    /^# Changelog\n\n## Unreleased\n\n## 1\.3\.0 \(\d{4}-\d\d-\d\d\)\n\n- A change\.\n$/,
  );
  await checkout.commit();
  assertStringIncludes(await checkout.version("--released"), "this commit has no tag v1.3.0");
  await checkout.git("tag", "v1.3.0");
  assertEquals(await checkout.version("--released"), "");
  const changes = await checkout.read("CHANGELOG.md");
  await checkout.write("CHANGELOG.md", changes.replace("## 1", "- Another.\n\n## 1"));
  assertStringIncludes(await checkout.version("--released"), 'under "Unreleased"');
});

Deno.test("docs/versions.md has the numbers of the sources", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/versions.md`);
  const numbers: readonly (readonly [row: string, path: string, pattern: RegExp])[] = [
    ["`KUP_ABI_VERSION`", "kmod/uapi/kup_abi.h", /#define KUP_ABI_VERSION (\d+)/],
    ["`KUP_USER_INTERFACE`", "native/kup_user.h", /#define KUP_USER_INTERFACE (\d+)/],
    ["`KUP_HOST_VERSION`", "kmod/os/host/kup_system.h", /#define KUP_HOST_VERSION (\d+)/],
    ["the soname", "native/Makefile", /-soname,(libkup\.so\.\d+)/],
    ["the file's version", "cli/recording.ts", /version: (\d+)/],
  ];
  for (const [row, path, pattern] of numbers) {
    const actual = (await Deno.readTextFile(`${ROOT}/${path}`)).match(pattern)?.[1];
    const line = page.split("\n").find((text) => text.includes(`| ${row}`)) ?? "";
    assertEquals(line.split("|")[3]?.replaceAll("`", "").trim(), actual, row);
  }
});
