// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup cat`: standard input to a channel, and the channel to standard output.
 *
 * @module
 */

import type { Channel } from "../mod.ts";
import type { Command, Context } from "./command.ts";
import {
  attach,
  CHANNEL_FLAGS,
  CHANNEL_TEXT,
  CHANNEL_VALUES,
  integer,
  openNamed,
} from "./device.ts";
import { findFormat, type Format, type Incoming, type Outgoing } from "./formats.ts";
import { warn, write } from "./output.ts";

const USAGE = `usage: kup cat [OPTION]... DEVICE

Sends standard input to a channel, message by message, and writes the
channel's messages to standard output. At the end of the input it ends
its direction, and goes on until the device has ended, too.

  --format F     how messages look on both sides:
                 lines   text, a line each; the format if none is given
                 length  any bytes, after their length (32 bits, little-endian)
                 hex     two digits for each byte, a line each
                 json    {"type": 7, "text": "…"}, or "hex", a line each
  --input F      the same for standard input alone
  --type N       the type of the messages that have none, 0 if it is not given
  --receive      only receive: do not read standard input
${CHANNEL_TEXT}

In turn mode it sends a message in each turn; in call mode each message
is a call of the method --type, and the reply is written.`;

interface Session {
  readonly channel: Channel;
  readonly output: Format;
  readonly type: number;
  readonly signal: AbortSignal;
  /** Undefined: nothing is sent. */
  readonly input: AsyncGenerator<Outgoing> | undefined;
}

function put({ output }: Session, message: Incoming): void {
  const bytes = output.write(message);
  if (bytes !== undefined) return write(bytes);
  const { gap } = message;
  warn(`kup cat: ${gap?.records} messages are missing here (${gap?.bytes} bytes).`);
}

async function sendAll(session: Session): Promise<void> {
  const { channel, input, signal } = session;
  if (input === undefined) return;
  for await (const { data, type = session.type } of input) {
    await channel.send(data, { type, signal });
  }
  await channel.end({ signal });
}

const NOTHING = new Uint8Array(0);

async function receiveAll(session: Session): Promise<void> {
  const { channel, signal } = session;
  for await (const message of channel.messages({ signal })) {
    const { gap, type, timestampNs, cpu, sequence } = message;
    const bytes = gap === undefined ? message.bytes : NOTHING;
    put(session, { bytes, type, gap, timestampNs, cpu, sequence });
  }
}

/** Both directions at once. The first error ends both. */
async function stream(session: Session): Promise<void> {
  const receiving = receiveAll(session);
  const sending = sendAll(session);
  // The device may end while the input goes on, for example with a terminal.
  await Promise.race([receiving, sending.then(() => receiving)]);
}

async function takeTurns(session: Session): Promise<void> {
  const { channel, input, signal } = session;
  for (;;) {
    const message = await channel.receive({ signal });
    if (message === undefined) return;
    if (!message.pass) put(session, message);
    const next = await input?.next();
    if (next === undefined) await channel.pass({ signal });
    else if (next.done) return;
    else {
      const { data, type = session.type } = next.value;
      await channel.send(data, { type, signal });
    }
  }
}

async function makeCalls({ signal, channel, input, ...others }: Session): Promise<void> {
  const session = { signal, channel, input, ...others };
  for await (const { data, type = session.type } of input ?? []) {
    const reply = await channel.call(type, data, { signal });
    if (!reply.ok) warn(`kup cat: the call was answered with status ${reply.status}`);
    put(session, { bytes: reply.bytes, type });
  }
}

async function converse(session: Session, { signal }: Context): Promise<void> {
  const modes = { stream, turn: takeTurns, call: makeCalls };
  // A read of a terminal can't be ended, so Ctrl-C does not wait for it.
  const stopped = new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );
  await Promise.race([modes[session.channel.mode](session), stopped]);
}

/** The command. */
export const command: Command = {
  usage: {
    text: USAGE,
    values: ["format", "input", "type", ...CHANNEL_VALUES],
    flags: ["receive", ...CHANNEL_FLAGS],
    words: 1,
  },
  least: 1,
  async run(line, context): Promise<void> {
    const name = line.value("format") ?? "lines";
    const output = findFormat("format", name);
    const inputFormat = findFormat("input", line.value("input") ?? name);
    const type = integer(line, "type", 0, 2 ** 32 - 1) ?? 0;
    using device = openNamed(line.words[0]!, line);
    using channel = await attach(device, line, context);
    const input = line.flag("receive") ? undefined : inputFormat.read(
      Deno.stdin.readable,
      channel.maxMessage,
    );
    await converse({ channel, output, type, input, signal: context.signal }, context);
  },
};
