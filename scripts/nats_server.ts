// SPDX-License-Identifier: BSD-3-Clause
/**
 * Gets what examples/nats and its test need: Debian's nats-server, which is unpacked in `.cache/`
 * and not installed, and the client from npm. Prints the server's path.
 *
 *     deno run -A scripts/nats_server.ts
 */

import { Archive } from "../harness/debian.ts";
import { cacheFolder, exists, fillOnce } from "../harness/files.ts";
import { must } from "../harness/process.ts";

const FOLDER = `${cacheFolder()}/nats-server`;

/** The server's program, after this script has run. */
export const NATS_SERVER = `${FOLDER}/usr/sbin/nats-server`;

if (import.meta.main) {
  if (!await exists(FOLDER)) console.error("setup: nats-server from Debian's archive into .cache");
  await fillOnce(FOLDER, (temporary) =>
    Archive.open(async (archive) => {
      await archive.unpack(["nats-server"], temporary);
      await must([NATS_SERVER.replace(FOLDER, temporary), "--version"]);
    }));
  const programs = ["forward.ts", "subscribe.ts"]
    .map((name) => new URL(`../examples/nats/${name}`, import.meta.url).pathname);
  await must([Deno.execPath(), "cache", "--quiet", ...programs]);
  console.log(NATS_SERVER);
}
