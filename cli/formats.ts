// SPDX-License-Identifier: BSD-3-Clause
/**
 * How messages look on standard input and output.
 *
 * @module
 */

import type { Gap } from "../mod.ts";
import { Failure } from "./command.ts";
import { UsageError } from "./command_line.ts";
import { spellJson } from "./output.ts";

/** A message that is going to be sent. */
export interface Outgoing {
  readonly data: Uint8Array<ArrayBuffer>;
  /** Undefined: the command line's. */
  readonly type: number | undefined;
}

/** A message that was received, or a reply to a call. */
export interface Incoming {
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly gap?: Gap | undefined;
  readonly timestampNs?: bigint | undefined;
  readonly cpu?: number | undefined;
  readonly sequence?: number | undefined;
}

/** A way to write messages. */
export interface Format {
  /**
   * Reads all messages of some input.
   *
   * @param most How many bytes a message may have. An input may have no end, and no line either.
   */
  read(input: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Outgoing>;
  /** The bytes of one message in the output; undefined: a gap that this format can't have. */
  write(message: Incoming): Uint8Array | undefined;
}

const encoder = new TextEncoder();
/** Only bytes that are UTF-8 can be text in JSON. */
const strict = new TextDecoder("utf-8", { fatal: true });

/** How many bytes of JSON one byte of a message takes at most, and what is around it. */
const JSON_FACTOR = 8;
const JSON_EXTRA = 1024;

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const NEWLINE = 10;

/** The lines of an input, without their ends; the last one may have none. */
async function* lines(
  input: AsyncIterable<Uint8Array>,
  most: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of input) {
    let from = 0;
    for (let at; (at = chunk.indexOf(NEWLINE, from)) >= 0; from = at + 1) {
      yield join([...parts, chunk.subarray(from, at)]);
      parts = [];
      length = 0;
    }
    if (from < chunk.length) parts.push(chunk.slice(from));
    length += chunk.length - from;
    if (length > most) {
      throw new Failure(`A line of the input has more than ${most} bytes; send shorter messages.`);
    }
  }
  if (parts.length > 0) yield join(parts);
}

async function* readLines(
  input: AsyncIterable<Uint8Array>,
  most: number,
): AsyncGenerator<Outgoing> {
  for await (const data of lines(input, most)) yield { data, type: undefined };
}

async function* textLines(input: AsyncIterable<Uint8Array>, most: number) {
  let number = 0;
  for await (const line of lines(input, JSON_FACTOR * most + JSON_EXTRA)) {
    number++;
    const text = new TextDecoder().decode(line).trim();
    if (text !== "") yield { text, number };
  }
}

function fromHex(text: string, where: string): Uint8Array<ArrayBuffer> {
  const digits = text.replaceAll(/\s/g, "");
  if (/^([0-9a-f]{2})*$/i.test(digits)) return Uint8Array.fromHex(digits);
  throw new Failure(`${where} is not hexadecimal: write two digits for each byte.`);
}

async function* readHex(
  input: AsyncIterable<Uint8Array>,
  most: number,
): AsyncGenerator<Outgoing> {
  for await (const { text, number } of textLines(input, most)) {
    yield { data: fromHex(text, `Line ${number} of the input`), type: undefined };
  }
}

function fromJson(text: string, where: string): Outgoing {
  const advice = `write {"text": "…"} or {"hex": "…"}, and "type" if you want one.`;
  let value: { text?: unknown; hex?: unknown; type?: unknown };
  try {
    value = JSON.parse(text);
  } catch {
    throw new Failure(`${where} is not JSON: ${advice}`);
  }
  const type = value?.type;
  const isType = Number.isInteger(type) && Number(type) >= 0 && Number(type) < 2 ** 32;
  if (type !== undefined && !isType) {
    throw new Failure(`${where} has a type that is not an integer from 0 to 4294967295.`);
  }
  const number = type === undefined ? undefined : Number(type);
  if (typeof value?.text === "string") return { data: encoder.encode(value.text), type: number };
  if (typeof value?.hex === "string") return { data: fromHex(value.hex, where), type: number };
  throw new Failure(`${where} has no bytes: ${advice}`);
}

async function* readJson(
  input: AsyncIterable<Uint8Array>,
  most: number,
): AsyncGenerator<Outgoing> {
  for await (const { text, number } of textLines(input, most)) {
    yield fromJson(text, `Line ${number} of the input`);
  }
}

/** Each message is preceded by its length, 4 bytes, little-endian. */
async function* readPrefixed(
  input: AsyncIterable<Uint8Array>,
  most: number,
): AsyncGenerator<Outgoing> {
  let rest = new Uint8Array(0);
  for await (const chunk of input) {
    rest = join([rest, chunk]);
    for (;;) {
      if (rest.length < 4) break;
      const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0, true);
      if (length > most) {
        throw new Failure(
          `The input has a message of ${length} bytes, and ${most} are possible; is it ` +
            "length-prefixed?",
        );
      }
      if (rest.length < 4 + length) break;
      yield { data: rest.slice(4, 4 + length), type: undefined };
      rest = rest.subarray(4 + length);
    }
  }
  if (rest.length > 0) throw new Failure("The input ends inside a message; is it length-prefixed?");
}

function toJson({ bytes, type, gap, timestampNs, cpu, sequence }: Incoming): string {
  const stamp = timestampNs === undefined ? {} : { timeNs: String(timestampNs), cpu, sequence };
  if (gap !== undefined) return spellJson({ gap, ...stamp });
  let content: { text: string } | { hex: string };
  try {
    content = { text: strict.decode(bytes) };
  } catch {
    content = { hex: bytes.toHex() };
  }
  return spellJson({ type, length: bytes.length, ...content, ...stamp });
}

/** Not for a gap. */
function message(bytes: (incoming: Incoming) => Uint8Array): Format["write"] {
  return (incoming) => incoming.gap === undefined ? bytes(incoming) : undefined;
}

function prefixed({ bytes }: Incoming): Uint8Array {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, bytes.length, true);
  return join([header, bytes]);
}

const FORMATS: Readonly<Record<string, Format>> = {
  lines: {
    read: readLines,
    write: message(({ bytes }) => join([bytes, Uint8Array.of(NEWLINE)])),
  },
  length: { read: readPrefixed, write: message(prefixed) },
  hex: { read: readHex, write: message(({ bytes }) => encoder.encode(`${bytes.toHex()}\n`)) },
  json: { read: readJson, write: (incoming) => encoder.encode(`${toJson(incoming)}\n`) },
};

/** @throws {UsageError} If there is no such format. */
export function findFormat(option: string, name: string): Format {
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format !== undefined) return format;
  const names = Object.keys(FORMATS).join(", ");
  throw new UsageError(`--${option} takes one of ${names}, not "${name}".`);
}
