// SPDX-License-Identifier: BSD-3-Clause
/**
 * The names that a block in a document may use without declaring them: such a block is a part of a
 * program, and its text explains them. The check of documents imports this file into each block. A
 * declaration in the block takes precedence.
 */

import type * as assert from "../../deps.ts";
import type * as typed from "../../examples/typed/messages.ts";
import type * as kup from "../../mod.ts";

declare global {
  var open: typeof kup.open;
  var waitForDevice: typeof kup.waitForDevice;
  var unload: typeof kup.unload;
  var mistakes: typeof kup.mistakes;
  var KupError: typeof kup.KupError;
  type KupError = kup.KupError;
  var CallError: typeof kup.CallError;
  type CallError = kup.CallError;
  var CallStatus: typeof kup.CallStatus;
  type Channel = kup.Channel;
  type Message = kup.Message;
  type Device = kup.Device;

  var assertEquals: typeof assert.assertEquals;

  var device: kup.Device;
  var channel: kup.Channel;
  var message: kup.Message;
  var signal: AbortSignal;
  var file: Deno.FsFile;
  var source: ReadableStream<Uint8Array<ArrayBuffer>>;
  var sum: number;
  /** Methods of calls. */
  var GET: number;
  var DECIDE: number;

  /** What the reader's program does. */
  function use(message: kup.Message): void;
  function answer(message: kup.Message): kup.Data;
  function decide(bytes: Uint8Array, signal: AbortSignal): Promise<kup.Data>;

  var ThermoToUser: typeof typed.ThermoToUser;
  var ThermoReading: typeof typed.ThermoReading;
  var ThermoLimitsWriter: typeof typed.ThermoLimitsWriter;
  var THERMO_READING: typeof typed.THERMO_READING;
  var THERMO_REFUSED: typeof typed.THERMO_REFUSED;
}
