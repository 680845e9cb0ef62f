// SPDX-License-Identifier: BSD-3-Clause
/**
 * Shows the readings of the thermometer, whose messages `kup bind` made types of:
 *
 *     make -C examples/typed
 *     deno run --allow-ffi examples/typed/typed.ts              # in this process
 *     deno run --allow-ffi examples/typed/typed.ts /dev/typed   # in a kernel with typed.ko
 */

import { type Channel, open } from "jsr:@kup/kup@0";
import { program } from "../program.ts";
import {
  THERMO_COLD,
  THERMO_GOOD,
  THERMO_HOT,
  THERMO_LIMITS,
  THERMO_READING,
  THERMO_REFUSED,
  ThermoAskWriter,
  ThermoLimitsWriter,
  type ThermoState,
  ThermoToUser,
} from "./messages.ts";

const HERE = import.meta.resolve("./typed.so");

const USAGE = {
  text: `usage: deno run --allow-ffi examples/typed/typed.ts [DEVICE]

Shows readings of the thermometer, until it is too hot.

  DEVICE   host:${HERE} if not given, which \`make -C examples/typed\` builds;
           /dev/typed in a kernel that has typed.ko`,
  words: 1,
};

const STATES: Readonly<Record<ThermoState, string>> = {
  [THERMO_COLD]: "too cold",
  [THERMO_GOOD]: "good",
  [THERMO_HOT]: "too hot",
};

const ask = new ThermoAskWriter();
const limits = new ThermoLimitsWriter();

async function setLimits(channel: Channel, least: number, most: number): Promise<void> {
  using room = await channel.reserve(ThermoLimitsWriter.SIZE);
  limits.at(room).least = least;
  limits.most = most;
  limits.place = "the cellar";
  room.commit({ type: THERMO_LIMITS });
}

async function askFor(channel: Channel, count: number): Promise<void> {
  using room = await channel.reserve(ThermoAskWriter.SIZE);
  ask.at(room).count = count;
  room.commit({ type: ask.recordType });
}

/** Prints what comes, until a reading is too hot or a message was refused. */
async function watch(channel: Channel): Promise<void> {
  const records = new ThermoToUser();
  for await (const message of channel) {
    const record = records.read(message);
    switch (record.recordType) {
      case THERMO_READING:
        console.log(
          `${record.place}: ${record.millidegrees / 1000} degrees, ${STATES[record.state]}`,
        );
        if (record.state === THERMO_HOT) return;
        break;
      case THERMO_REFUSED:
        console.log(`the module refused a message of type ${record.type}`);
        return;
    }
  }
}

async function main(path: string): Promise<void> {
  using device = open(path);
  using channel = await device.attach();
  await setLimits(channel, 19_000, 21_000);
  await askFor(channel, 10);
  await watch(channel);
}

await program(USAGE, ({ words }) => main(words[0] ?? `host:${HERE}`));
