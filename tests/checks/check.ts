// SPDX-License-Identifier: BSD-3-Clause
/** What a static check is. */

import type { Checked } from "./cache.ts";

/** The result of a check that this machine can't do, and the reason. */
export class Skip {
  constructor(readonly reason: string) {}
}

/** A check passes when it returns nothing; a text that it returns is the reason why it failed. */
export interface Check extends Checked {
  /** It runs each time: it is fast, or others need what it makes. */
  readonly always?: boolean;
  readonly run: () => Promise<string | Skip | undefined>;
}
