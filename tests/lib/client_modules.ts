// SPDX-License-Identifier: BSD-3-Clause
/** Client modules of the host driver for tests, built by the command of docs/host-driver.md. */

import { assert } from "../../deps.ts";
import { ROOT } from "./paths.ts";

/** A folder for what one test file builds, removed when the isolate ends. */
export class ClientModules {
  readonly folder = Deno.makeTempDirSync({ prefix: "kup-clients-" });

  constructor() {
    addEventListener("unload", () => Deno.removeSync(this.folder, { recursive: true }));
  }

  /** Builds `tests/unit/clients/NAME.c` by that command, and returns the path for `open`. */
  async build(name: string, ...flags: string[]): Promise<string> {
    const page = await Deno.readTextFile(`${ROOT}/docs/host-driver.md`);
    const [command] = /^cc -shared.*$/m.exec(page) ?? [];
    assert(command !== undefined, "docs/host-driver.md has no command that builds a client module");
    const output = `${this.folder}/${name}${flags.length}.so`;
    const line = command.replaceAll("my_client.so", output)
      .replaceAll("my_client.c", `${ROOT}/tests/unit/clients/${name}.c`)
      .replaceAll("KUP/", `${ROOT}/`);
    const { success, stderr } = await new Deno.Command("sh", {
      args: ["-c", [line, ...flags].join(" ")],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    return `host:${output}`;
  }
}
