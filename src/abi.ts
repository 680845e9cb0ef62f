// SPDX-License-Identifier: BSD-3-Clause
// Generated from kmod/uapi/kup_abi.h by scripts/gen_abi.ts (`make abi`). Do not edit.

/**
 * The contract's numbers. The header explains what they mean, and which side writes which word.
 * Offsets and sizes are in bytes.
 *
 * @module
 */

/** A hash of both headers and the version; each library contains the one it was built for. */
export const CONTRACT = "6a02014192d9442d";
export const ABI_VERSION = 1;
/** each polled word has a cache line to itself */
export const LINE = 128;
/** records begin and end at multiples of this */
export const RECORD_ALIGN = 8;
/** sizeof(struct kup_record_header) */
export const RECORD_HEADER = 8;
/** and at least one page */
export const MIN_RING = 4096;
/** 256 MiB: lengths have 28 bits */
export const MAX_RING = 0x10000000;
/** channels of one device */
export const MAX_CHANNELS = 1024;
/** a device's name with its NUL */
export const NAME_MAX = 64;
/** ATTACH: any free channel */
export const CHANNEL_ANY = 0xffffffff;
export const RECORD_RESERVE = 40;
export const RECORD_LENGTH = 0xfffffff;
/** finished; a consumer stops at a record without it */
export const RECORD_READY = 0x80000000;
/** contains nothing: skip it */
export const RECORD_DISCARD = 0x40000000;
/** not a message: its type is one of KUP_CONTROL_* */
export const RECORD_CONTROL = 0x20000000;
export const TYPE_RESERVED = 0xffff0000;
/** to the user: a kup_gap follows */
export const CONTROL_GAP = 1;
/** turn mode: gives the turn; no payload */
export const CONTROL_PASS = 2;
/** stream mode: the sender sends nothing more; no payload */
export const CONTROL_END = 3;
export const CONTROL_OPTIONAL = 0x80000000;
/** "KUPCHNL1" in memory, little endian */
export const MAGIC = 0x314c4e484350554bn;
/** STATS only: no process is attached */
export const STATE_FREE = 0;
export const STATE_OPEN = 1;
/** by the kernel's side: read what is there, then stop */
export const STATE_CLOSED = 2;
/** the user's side broke the protocol: see error */
export const STATE_BROKEN = 3;
/** STATS only: the user is gone, the kernel client still reads */
export const STATE_DRAINING = 4;
export const ERROR_NONE = 0;
/** to_kernel.head: not aligned, behind what was seen, or beyond the ring */
export const ERROR_HEAD = 1;
/** to_user.tail: not aligned, backwards, or beyond head */
export const ERROR_TAIL = 2;
/** a record that is longer than the ring allows, or ends beyond head */
export const ERROR_LENGTH = 3;
/** a record with flags, or of a control kind, that a user may not send */
export const ERROR_FLAGS = 4;
/** turn mode: a send out of turn; a pass with a payload */
export const ERROR_TURN = 5;
/** call mode: a bad frame; a request in a slot that is in use */
export const ERROR_CALL = 6;
/** a record behind an END; an END with a payload */
export const ERROR_END = 7;
/** full duplex, many records in flight */
export const MODE_STREAM = 1;
/** one side at a time sends: a layer */
export const MODE_TURN = 2;
/** requests and replies: a layer */
export const MODE_CALL = 3;
/** from here on: layers of clients */
export const MODE_CLIENTS = 0x80000000;
/** producers that must not sleep report losses in GAP records */
export const FEATURE_GAP = 1n;
/** ATTACH takes ring sizes */
export const FEATURE_SIZES = 2n;
/** a kup_stamp before each payload; required */
export const FEATURE_STAMPS = 4n;
/** stream mode: each side may end its direction by an END record */
export const FEATURE_END = 8n;
export const FEATURES_OPTIONAL = 11n;
/** all of this version */
export const FEATURES = 15n;
export const STAMP_RESERVE = 32;
export const CLOCK_NONE = 0;
export const CLOCK_MONOTONIC = 1;
/** requests of one side that are not answered yet */
export const CALLS = 64;
export const CALL_REQUEST = 1;
export const CALL_REPLY = 2;
export const CALL_CANCEL = 3;
export const CALL_OPTIONAL = 0x80000000;
export const STATUS_RESERVED = 0xffff0000;
export const STATUS_OK = 0;
/** the other side answers no requests */
export const STATUS_NO_HANDLER = 0xffff0001;
/** its handler does not know the method */
export const STATUS_NO_METHOD = 0xffff0002;
/** its handler failed; the data may be a sentence in UTF-8 */
export const STATUS_FAILED = 0xffff0003;
/** the reply is longer than its ring allows */
export const STATUS_TOO_LONG = 0xffff0004;
/** the ring has no room for the reply now: ask again */
export const STATUS_NO_ROOM = 0xffff0005;
/** the handler stopped because of the cancel */
export const STATUS_CANCELLED = 0xffff0006;
export const ATTACH_NOWAIT = 1;
export const ATTACH_DRAIN_MS = 1000;

/** Offsets in `struct kup_record_header`, and its size as `bytes`. */
export const RECORD_HEADER_AT = {
  /** written by the producer; atomic */
  lengthFlags: 0,
  /** a tag of the clients, without a meaning to KUP; or a kind */
  type: 4,
  SIZE: 8,
} as const;

/** Offsets in `struct kup_gap`, and its size as `bytes`. */
export const GAP_AT = {
  records: 0,
  /** of payload */
  bytes: 8,
  SIZE: 16,
} as const;

/** Offsets in `struct kup_stamp`, and its size as `bytes`. */
export const STAMP_AT = {
  /** of the clock that INFO names */
  timeNs: 0,
  /** the number of the processor that made the reservation */
  cpu: 8,
  /** the number of the message; of a GAP: of the first one that was lost */
  sequence: 12,
  SIZE: 16,
} as const;

/** Offsets in `struct kup_call`, and its size as `bytes`. */
export const CALL_AT = {
  /** chosen by the caller; the slot is id % KUP_CALLS */
  id: 0,
  /** KUP_CALL_* */
  kind: 8,
  /** of a reply: 0, the clients' own, or KUP_STATUS_*; otherwise 0 */
  status: 12,
  SIZE: 16,
} as const;

/** Offsets in `struct kup_kernel_page`, and its size as `bytes`. */
export const KERNEL_PAGE_AT = {
  magic: 0,
  abiVersion: 8,
  mode: 12,
  features: 16,
  required: 24,
  instance: 32,
  pageSize: 40,
  channel: 44,
  /** the number of attaches of this channel number, this one included */
  generation: 48,
  /** ring sizes, not doubled */
  toUserBytes: 52,
  toKernelBytes: 56,
  /** how long the kernel's side spins before it sleeps, at most */
  spinUs: 60,
  state: 128,
  error: 132,
  toUserHead: 256,
  toUserProducerEvent: 384,
  toKernelTail: 512,
  toKernelConsumerEvent: 640,
  toUserRecords: 768,
  toUserPayload: 776,
  /** records lost by producers that must not sleep */
  droppedNoSpace: 784,
  droppedTooLong: 792,
  /** how often the kernel's side woke the user */
  wakeups: 800,
  toKernelRecords: 896,
  toKernelPayload: 904,
  /** how often the kernel's side went to sleep */
  sleeps: 912,
  SIZE: 1024,
} as const;

/** Offsets in `struct kup_user_page`, and its size as `bytes`. */
export const USER_PAGE_AT = {
  toKernelHead: 0,
  toKernelProducerEvent: 128,
  toUserTail: 256,
  toUserConsumerEvent: 384,
  SIZE: 512,
} as const;

/** Offsets in `struct kup_info`, and its size as `bytes`. */
export const INFO_AT = {
  abiVersion: 0,
  /** this handle's channel, or KUP_CHANNEL_ANY while it has none */
  attached: 4,
  /** a process may ignore these */
  features: 8,
  /** a process must understand these */
  required: 16,
  mode: 24,
  pageSize: 28,
  channels: 32,
  channelsFree: 36,
  /** the size that ATTACH gives for 0 */
  toUserBytes: 40,
  toKernelBytes: 44,
  /** the largest size that it gives */
  maxToUserBytes: 48,
  maxToKernelBytes: 52,
  /** of this handle's channel; 0 while it has none */
  attachedToUserBytes: 56,
  attachedToKernelBytes: 60,
  name: 64,
  /** this device's number; no other one gets it until the next boot */
  instance: 128,
  /** of all channels, since the device was created */
  attaches: 136,
  spinUs: 144,
  /** of the stamps: KUP_CLOCK_*; KUP_CLOCK_NONE if there are none */
  clock: 148,
  SIZE: 256,
} as const;

/** Offsets in `struct kup_attach`, and its size as `bytes`. */
export const ATTACH_AT = {
  /** in: KUP_ABI_VERSION */
  abiVersion: 0,
  /** in: KUP_ATTACH_NOWAIT or 0 */
  flags: 4,
  /** in: all feature bits that the caller understands */
  understood: 8,
  /** in: INFO's, or 0 for any; out: INFO's */
  instance: 16,
  /** in: a number or KUP_CHANNEL_ANY; out: the channel's number */
  channel: 24,
  /** in: 0; out: as in the kernel page */
  generation: 28,
  /** in: a size, or 0; out: the ring's size */
  toUserBytes: 32,
  toKernelBytes: 36,
  /** in: 0; out: where the last area ends, KUP_MAP_BYTES */
  mapBytes: 40,
  SIZE: 128,
} as const;

/** Offsets in `struct kup_stats`, and its size as `bytes`. */
export const STATS_AT = {
  /** in: a number */
  channel: 0,
  /** out from here on: KUP_STATE_* */
  state: 4,
  /** of the current user; KUP_ERROR_* */
  error: 8,
  /** how often the channel was attached */
  generation: 12,
  toUserRecords: 16,
  toUserPayload: 24,
  droppedNoSpace: 32,
  droppedTooLong: 40,
  toKernelRecords: 48,
  toKernelPayload: 56,
  /** how often the kernel's side woke the user */
  wakeups: 64,
  /** how often the kernel's side went to sleep */
  sleeps: 72,
  /** KICK calls by attached handles */
  kicks: 80,
  /** all ioctl calls by attached handles, KICK included */
  ioctls: 88,
  /** looks by poll at attached handles: one per call and per wake-up */
  polls: 96,
  /** ring sizes, not doubled */
  toUserBytes: 104,
  toKernelBytes: 108,
  /** the bytes between tail and head: records not given back yet */
  toUserUsed: 112,
  toKernelUsed: 116,
  /** that attached the channel, by the caller's numbers; 0: not visible */
  process: 120,
  SIZE: 128,
} as const;
