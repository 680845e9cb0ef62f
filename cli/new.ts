// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup new`: makes the folder of a new module.
 *
 * @module
 */

import { newProject } from "../template/new.ts";
import type { Command } from "./command.ts";
import { translate } from "./harness_error.ts";
import { print } from "./output.ts";

const USAGE = `usage: kup new FOLDER

Makes FOLDER with a client module, its messages, and tests for the host
driver and for a kernel. Its last part is the module's name.`;

/** The command. */
export const command: Command = {
  usage: { text: USAGE, words: 1 },
  least: 1,
  async run(line): Promise<void> {
    print(await translate(newProject(line.words[0]!)));
  },
};
