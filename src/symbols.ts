// SPDX-License-Identifier: BSD-3-Clause
// Generated from native/kup_user.h by tools/bindgen (`make bindings`). Do not edit.

/**
 * The calls of the native library that TypeScript makes, as `Deno.dlopen` takes them. A comment
 * names a call's parameters; the header documents the call.
 *
 * Every call returns a negative errno on failure. No call is `nonblocking`: that would occupy one
 * of a few threads, and wake up later than the waiter does. Calls that take and return 32-bit
 * numbers only are fast: the JIT makes them without leaving its code.
 *
 * @module
 */

export const SYMBOLS = {
  kup_user_abi_version: { parameters: [], result: "i32" },
  kup_user_interface: { parameters: [], result: "i32" },
  /** (const char *path) */
  kup_user_open: { parameters: ["buffer"], result: "i32" },
  /** (fd) */
  kup_user_host_open_again: { parameters: ["i32"], result: "i32" },
  /** (fd) */
  kup_user_close: { parameters: ["i32"], result: "i32" },
  /** (fd, struct kup_info *info) */
  kup_user_info: { parameters: ["i32", "buffer"], result: "i32" },
  /** (fd, struct kup_stats *stats) */
  kup_user_stats: { parameters: ["i32", "buffer"], result: "i32" },
  /** (fd, struct kup_attach *attach) */
  kup_user_attach: { parameters: ["i32", "buffer"], result: "i32" },
  /** (fd) */
  kup_user_kick: { parameters: ["i32"], result: "i32" },
  /** (fd, events, timeout_ms) */
  kup_user_wait: { parameters: ["i32", "u32", "f64"], result: "i32" },
  /** (const char *module, const char *parameters) */
  kup_user_host_load: { parameters: ["buffer", "buffer"], result: "i32" },
  /** (const char *module) */
  kup_user_host_unload: { parameters: ["buffer"], result: "i32" },
  /** (const char *module, char *text, bytes) */
  kup_user_host_mistakes: { parameters: ["buffer", "buffer", "u32"], result: "i32" },
  /** (char *text, bytes) */
  kup_user_host_error: { parameters: ["buffer", "u32"], result: "i32" },
  /** (fd, isolate) */
  kup_user_own: { parameters: ["i32", "i32"], result: "i32" },
  /** (fd) */
  kup_user_disown: { parameters: ["i32"], result: "i32" },
  /** (fd) */
  kup_user_held: { parameters: ["i32"], result: "i32" },
  /** (fd, page_size, to_user_bytes, to_kernel_bytes, uint64_t *address) */
  kup_user_map: { parameters: ["i32", "u32", "u32", "u32", "buffer"], result: "i32" },
  /** (address, bytes) */
  kup_user_unmap: { parameters: ["u64", "u64"], result: "i32" },
  /** (int32_t *fds) */
  kup_user_pipe: { parameters: ["buffer"], result: "i32" },
  /** (fd, pipe) */
  kup_user_waiter_add: { parameters: ["i32", "i32"], result: "i32" },
  /** (fd, id, events) */
  kup_user_waiter_arm: { parameters: ["i32", "i32", "u32"], result: "i32" },
  /** (fd, id, at_ms) */
  kup_user_waiter_alarm: { parameters: ["i32", "i32", "f64"], result: "i32" },
  /** (fd, id) */
  kup_user_waiter_remove: { parameters: ["i32", "i32"], result: "i32" },
  kup_user_now: { parameters: [], result: "f64" },
  kup_user_now_coarse: { parameters: [], result: "f64" },
  kup_user_yield: { parameters: [], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;
