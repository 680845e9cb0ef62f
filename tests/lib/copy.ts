// SPDX-License-Identifier: BSD-3-Clause
/** A copy of the module in a folder of its own, without a library beside it. */

import { assert } from "../../deps.ts";
import { ROOT } from "./paths.ts";
import { must } from "./process.ts";

const { os, arch } = Deno.build;

/** The library that `make native` builds, as a path in the checkout. */
export const BUILT = `native/build/libkup-${os}-${arch}.so`;

/** The embedded libraries for this machine. */
export const EMBEDDED = `src/embedded/${os}-${arch}.ts`;

/** The files that `src/embedded.ts` imports. */
const INDEX = "src/embedded/built_by_make.ts";

/** The folder is removed with the object. */
export class Copy implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  /** Copies `mod.ts`, `src` and these other files to a new folder. */
  static async make(...more: readonly string[]): Promise<Copy> {
    const folder = await Deno.makeTempDir({ prefix: "kup-copy-" });
    const copy = new Copy(folder);
    await copy.add("mod.ts", "src", ...more);
    return copy;
  }

  /** Copies more of the checkout's files and folders. */
  async add(...paths: readonly string[]): Promise<void> {
    await must(["cp", "-r", "--parents", ...paths, this.folder]);
  }

  /** Puts the built library into the copy: by default at its place in the checkout. */
  async addBuilt(path = BUILT): Promise<string> {
    const file = `${this.folder}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.copyFile(`${ROOT}/${BUILT}`, file);
    return file;
  }

  /** Changes one of the copy's files. */
  async edit(path: string, change: (text: string) => string): Promise<void> {
    const file = `${this.folder}/${path}`;
    const text = await Deno.readTextFile(file);
    const changed = change(text);
    assert(changed !== text, "nothing was changed");
    await Deno.writeTextFile(file, changed);
  }

  /** As in a checkout just after it was cloned. */
  async removeEmbedded(): Promise<void> {
    await Deno.remove(`${this.folder}/src/embedded`, { recursive: true });
  }

  /** As in a checkout where `make native` was run, and `make prebuilt` was not. */
  async makeStub(): Promise<void> {
    await this.removeEmbedded();
    await this.add("native/Makefile");
    await must(["make", "-s", "-C", `${this.folder}/native`, `../${INDEX}`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}
