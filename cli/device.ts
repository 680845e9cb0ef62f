// SPDX-License-Identifier: BSD-3-Clause
/**
 * Finding, opening and attaching devices, as all commands do it.
 *
 * @module
 */

import { type Channel, type ChannelTotals, type Device, open } from "../mod.ts";
import { type Context, Failure } from "./command.ts";
import { type CommandLine, UsageError } from "./command_line.ts";

/** The part of a usage that describes {@linkcode CHANNEL_VALUES} and {@linkcode CHANNEL_FLAGS}. */
export const CHANNEL_TEXT = `  --channel N    attach this channel; any free one if it is not given
  --wait         wait for a free channel
  --parameters P "NAME=VALUE ...": load a host: module with these`;
export const CHANNEL_VALUES: readonly string[] = ["channel", "parameters"];
export const CHANNEL_FLAGS: readonly string[] = ["wait"];

/** An option's value as an integer, or undefined if it is not given. */
export function integer(
  line: CommandLine,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const value = line.value(name);
  if (value === undefined) return undefined;
  const number = /^(\d+|0x[0-9a-f]+)$/i.test(value) ? Number(value) : NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`--${name} takes an integer from ${least} to ${most}, not "${value}".`);
}

/**
 * Opens the device that the command line names, with the parameters for its host module.
 *
 * @param path The device, as the command line names it.
 */
export function openNamed(path: string, line: CommandLine): Device {
  const given = line.value("parameters");
  if (given === undefined) return open(path);
  if (!path.startsWith("host:")) {
    throw new UsageError("--parameters is for host: devices; insmod takes those of others.");
  }
  const pairs = given.trim().split(/\s+/).map((pair) => /^(\w+)=(.*)$/.exec(pair));
  const wrong = pairs.includes(null);
  if (wrong) throw new UsageError(`--parameters takes "NAME=VALUE ...", not "${given}".`);
  const parameters = Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2]!]));
  return open(path, { parameters });
}

/** Attaches a channel as the command line asks for it. */
export async function attach(
  device: Device,
  line: CommandLine,
  { signal }: Context,
): Promise<Channel> {
  const channel = integer(line, "channel", 0, 2 ** 32 - 1);
  if (channel !== undefined && channel >= device.channels) {
    throw new Failure(
      `${device.path} has no channel ${channel}; its channels are 0 to ${device.channels - 1}.`,
    );
  }
  const which = channel === undefined ? {} : { channel };
  return await device.attach({ ...which, wait: line.flag("wait"), signal });
}

const CLASS = "/sys/class/kup";

/** Where Linux lists the devices, and FreeBSD the usual ones. */
function listing(): string {
  return Deno.build.os === "linux" ? CLASS : "/dev/kup";
}

/**
 * The paths of the system's devices. Only KUP's own are looked at, since opening a foreign device
 * may do something.
 *
 * @returns Undefined if the module `kup` is not loaded.
 * @throws {Failure} If Deno does not permit to look.
 */
export function findDevices(): string[] | undefined {
  try {
    const names = [...Deno.readDirSync(listing())].map(({ name }) => name).sort();
    // The kernel can't have a slash in these names.
    return names.map((name) =>
      Deno.build.os === "linux" ? `/dev/${name.replaceAll("!", "/")}` : `/dev/kup/${name}`
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new Failure(
      `To find the devices, kup has to read ${listing()}: run Deno with -A, or name the devices.`,
    );
  }
}

/** The devices that the command line names, or all that there are. */
export function namedDevices({ words }: CommandLine): readonly string[] {
  if (words.length > 0) return words;
  const found = findDevices();
  if (found === undefined) {
    throw new Failure(
      "The module kup is not loaded, so there are no devices: load it, or name a device such as " +
        "host:echo.",
    );
  }
  return found;
}

/** Opens several devices, and closes them together. */
export function openAll(paths: readonly string[]): Device[] & Disposable {
  const devices: Device[] = [];
  const close = () => devices.forEach((device) => device.close());
  try {
    for (const path of paths) devices.push(open(path));
  } catch (error) {
    close();
    throw error;
  }
  return Object.assign(devices, { [Symbol.dispose]: close });
}

/** The name of a process, if this user and Deno's permissions let it be read. */
function processName(number: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${number}/comm`).trim();
  } catch {
    return undefined;
  }
}

/** By whom a channel is attached, in words; empty if it is free. */
export function describeUser(
  { state, process }: Pick<ChannelTotals, "state" | "process">,
): string {
  if (state === "free") return "";
  if (process === undefined) return "another process";
  if (process === Deno.pid) return `${process} (kup)`;
  const name = processName(process);
  return name === undefined ? String(process) : `${process} (${name})`;
}

/** The numbers from 0 to a device's last channel. */
export function channelsOf(device: Device): number[] {
  return Array.from({ length: device.channels }, (_, number) => number);
}
