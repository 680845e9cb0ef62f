// SPDX-License-Identifier: BSD-3-Clause
/**
 * Devices and channels, one after the other: the code that calls.ts has in its main thread and in
 * its workers.
 */

import type { Device } from "../../mod.ts";
import { runCalls } from "./calling.ts";
import { openSomething, unloadAndLoad, unloadNow } from "./opening.ts";
import { int, oneOf, type Random, sleep } from "./random.ts";
import { type Commands, common, expected, fail, Session } from "./session.ts";

/** How the process ends, with everything open that is open then. */
export const ENDINGS = ["exit", "return", "close", "error", "rejection"] as const;
export type Ending = typeof ENDINGS[number];

/** What the parent process passes on. */
export interface Task extends Commands {
  path: string;
  seed: number;
  seconds: number;
  ending: Ending;
  /** How many workers run at once. */
  workers: number;
}

/** Set when the time is up: then nothing new begins. */
export const state = { over: false };

/** Imported when it is used, so that a worker exists before the library does. */
export function library(): Promise<typeof import("../../mod.ts")> {
  return import("../../mod.ts");
}

export function isHost(task: Task): boolean {
  return task.path.startsWith("host:");
}

async function attachAndRun(device: Device, random: Random, task: Task, end: number) {
  const closes = random.chance(0.1);
  const attaching = device.attach({
    ...(random.chance(0.3) ? { channel: int(random, 0, device.channels - 1) } : {}),
    spin: oneOf(random, [0, 0, 100, 2000]),
    wait: random.chance(0.8),
    signal: AbortSignal.timeout(int(random, 5, 300)),
  });
  if (closes && random.chance(0.5)) device.close();
  else if (closes) setTimeout(() => device.close(), int(random, 0, 3));
  const channel = await attaching;
  common.calls++;
  if (random.chance(0.3)) device.close();
  if (channel.mode === "call") return await runCalls(channel, random, end);
  const disturb = isHost(task) ? () => unloadNow(task.path) : () => {};
  await new Session(channel, random, { ...task, disturb }).run(end);
}

/** One device, from its opening to its end. */
async function visit(task: Task, random: Random, end: number): Promise<void> {
  const { open, waitForDevice } = await library();
  if (isHost(task) && random.chance(0.1)) openSomething(open, random);
  if (isHost(task) && random.chance(0.05)) await unloadAndLoad(task.path, random);
  const device = random.chance(0.3)
    ? await waitForDevice(task.path, { signal: AbortSignal.timeout(int(random, 0, 300)) })
    : open(task.path);
  try {
    const { channels, channelsFree } = device.info();
    if (channelsFree > channels) fail("more channels than there are");
    await attachAndRun(device, random, task, end);
  } finally {
    if (!state.over || random.chance(0.5)) device.close();
  }
}

/** Devices and channels, one after the other, until the time is up. */
export async function act(task: Task, random: Random): Promise<void> {
  const end = performance.now() + 1000 * task.seconds;
  while (!state.over && performance.now() < end) {
    try {
      await visit(task, random, end);
    } catch (error) {
      expected(error);
    }
    await sleep(0);
  }
}
