// SPDX-License-Identifier: BSD-3-Clause
/**
 * The parts of a generated module that do not depend on the header. A generated module imports
 * nothing, so it contains those that it needs.
 */

/** A part, and the text that shows that it is needed. */
export interface Part {
  readonly needs: string;
  readonly text: string;
}

export const PARTS: readonly Part[] = [
  {
    needs: "Source",
    text: `
/** What the readers read: a message or a cursor of \`@kup/kup\`, or {@linkcode Bytes}. */
export interface Source {
  readonly length: number;
  u8(offset: number): number;
  u16(offset: number): number;
  u32(offset: number): number;
  i32(offset: number): number;
  f32(offset: number): number;
  f64(offset: number): number;
  u64(offset: number): bigint;
  i64(offset: number): bigint;
  text(offset: number, length: number): string;
}

/** Bytes that are no message, such as a copy of one, to be read in the same way. */
export class Bytes implements Source {
  readonly length: number;
  readonly #view: DataView;

  constructor(data: ArrayBufferLike | ArrayBufferView) {
    this.#view = ArrayBuffer.isView(data)
      ? new DataView(data.buffer, data.byteOffset, data.byteLength)
      : new DataView(data);
    this.length = this.#view.byteLength;
  }

  u8(offset: number): number {
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  i32(offset: number): number {
    return this.#view.getInt32(offset, true);
  }

  f32(offset: number): number {
    return this.#view.getFloat32(offset, true);
  }

  f64(offset: number): number {
    return this.#view.getFloat64(offset, true);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(offset, true);
  }

  i64(offset: number): bigint {
    return this.#view.getBigInt64(offset, true);
  }

  text(offset: number, length: number): string {
    const { buffer, byteOffset } = this.#view;
    return new TextDecoder().decode(new Uint8Array(buffer, byteOffset + offset, length));
  }
}

const NOTHING: Source = new Bytes(new ArrayBuffer(0));
`,
  },
  {
    needs: "Target",
    text: `
/** What the writers write: a reservation of \`@kup/kup\`, or an array of bytes. */
export type Target = Uint8Array | { readonly bytes: Uint8Array };

const NO_ROOM = new DataView(new ArrayBuffer(0));
`,
  },
  {
    needs: "short(",
    text: `
function short(name: string, size: number, offset: number, length: number): RangeError {
  const from = offset === 0 ? "" : \` from offset \${offset} on\`;
  return new RangeError(\`\${name} takes \${size} bytes\${from}, and there are \${length}.\`);
}
`,
  },
  {
    needs: "element(",
    text: `
function element(index: number, count: number, name: string): number {
  if (index >>> 0 === index && index < count) return index;
  throw new RangeError(\`\${name} has no element \${index}: use 0 to \${count - 1}.\`);
}
`,
  },
  {
    needs: "otherMember(",
    text: `
function otherMember(name: string, tag: string, value: string): TypeError {
  return new TypeError(\`\${name} is not there: look first whether \${tag} is \${value}.\`);
}
`,
  },
  {
    needs: "unknownType(",
    text: `
function unknownType(name: string, type: number): RangeError {
  return new RangeError(
    \`\${name} has no record of type \${type}: the other side uses another version of the header.\`,
  );
}
`,
  },
  {
    needs: "textOf(",
    text: `
/** The text before the first NUL. */
function textOf(source: Source, at: number, size: number): string {
  const text = source.text(at, size);
  const end = text.indexOf("\\0");
  return end < 0 ? text : text.slice(0, end);
}
`,
  },
  {
    needs: "whole(",
    text: `
function whole(value: number, least: number, most: number, name: string): number {
  if (value >= least && value <= most && Math.floor(value) === value) return value;
  throw new RangeError(\`\${name} takes an integer from \${least} to \${most}, not \${value}.\`);
}
`,
  },
  {
    needs: "large(",
    text: `
function large(value: bigint, least: bigint, most: bigint, name: string): bigint {
  if (value >= least && value <= most) return value;
  throw new RangeError(\`\${name} takes an integer from \${least} to \${most}, not \${value}.\`);
}
`,
  },
  {
    needs: "putText(",
    text: `
/** Writes text and a NUL; the rest is cleared. */
function putText(view: DataView, at: number, size: number, value: string, name: string): void {
  const room = new Uint8Array(view.buffer, view.byteOffset + at, size).fill(0);
  const { read, written } = new TextEncoder().encodeInto(value, room.subarray(0, size - 1));
  if (read < value.length || room.subarray(0, written).includes(0)) {
    room.fill(0);
    throw new RangeError(\`\${name} takes at most \${size - 1} bytes of text, without a NUL.\`);
  }
}
`,
  },
];
