// SPDX-License-Identifier: BSD-3-Clause
/**
 * Shows on any machine what `forward.ts` has stored and stores: each message, in the order in which
 * the server got it, and each gap.
 *
 *     deno run --allow-net --allow-env --allow-sys examples/nats/subscribe.ts
 */

import { program } from "../program.ts";
import { connectTo, jetstream, STREAM } from "./server.ts";

const USAGE = {
  text: `usage: deno run --allow-net --allow-env --allow-sys examples/nats/subscribe.ts
           [--server ADDRESS]

Shows what is in the stream KUP of a NATS server, and what comes, until Ctrl-C.

  --server ADDRESS  127.0.0.1:4222 if not given`,
  values: ["server"],
  words: 0,
};

await program(USAGE, async (line) => {
  const nats = await connectTo(line.value("server", "127.0.0.1:4222"));
  try {
    // Remembers its place, and continues there when the server is back.
    const consumer = await jetstream(nats, { timeout: 1000 }).consumers.get(STREAM);
    const messages = await consumer.consume({ expires: 1000 });
    line.signal.addEventListener("abort", () => messages.stop());
    for await (const { subject, headers, data } of messages) {
      const [number, type, gap] = ["Number", "Type", "Gap"].map((name) =>
        headers?.get(`Kup-${name}`)
      );
      const what = gap ? `${gap} messages are missing` : `type ${type}, ${data.length} bytes`;
      console.log(`${subject} ${number}: ${what}`);
    }
  } finally {
    await nats.close();
  }
});
