// SPDX-License-Identifier: BSD-3-Clause
/** What a static check is. */

import type { Checked } from "./cache.ts";

/** The result of a check that this machine can't do, with the reason. */
export class Skip {
  constructor(readonly reason: string) {}
}

/** A check passes when it returns undefined; a text is the reason why it failed. */
export interface Check extends Checked {
  /** Runs each time: it is fast, or others need what it makes. */
  readonly always?: boolean;
  readonly run: () => Promise<string | Skip | undefined>;
}
