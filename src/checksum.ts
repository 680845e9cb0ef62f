// SPDX-License-Identifier: BSD-3-Clause

/**
 * FNV-1a over the 32-bit words of the bytes, and then over the bytes that are left. Byte by byte, a
 * library would take 4 ms, a large part of a program's start. All machines that there are libraries
 * for are little-endian.
 *
 * @param bytes They begin at the beginning of their buffer.
 */
export function checksum(bytes: Uint8Array<ArrayBuffer>): number {
  const words = new Int32Array(bytes.buffer, 0, bytes.length >> 2);
  let hash = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ words[i]!, 0x01000193);
  for (let i = 4 * words.length; i < bytes.length; i++) {
    hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  }
  return hash >>> 0;
}
