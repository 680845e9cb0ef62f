// SPDX-License-Identifier: BSD-3-Clause

/** A mistake of the user's: the message is one sentence that says what to do. */
export class BindError extends Error {
  override readonly name = "BindError";
  /** The exit code: 2 for a wrong command line, otherwise 1. */
  readonly code: 1 | 2;

  constructor(message: string, code: 1 | 2 = 1) {
    super(message);
    this.code = code;
  }
}
