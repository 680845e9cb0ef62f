// SPDX-License-Identifier: BSD-3-Clause
/** Ends a program by a signal, with the exit status that shells have for it. */

/** The signals, and their exit statuses. */
export const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** The reason of an abort by a signal. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor(readonly status: number) {
    super("A signal has ended the program.");
  }
}

/** Returns a signal that the first of {@linkcode SIGNALS} aborts. The second ends the process. */
export function abortAtSignals(): AbortSignal {
  const interrupt = new AbortController();
  for (const [name, status] of Object.entries(SIGNALS)) {
    Deno.addSignalListener(name as keyof typeof SIGNALS, () => {
      if (interrupt.signal.aborted) Deno.exit(statusOf(interrupt.signal));
      interrupt.abort(new Interrupted(status));
    });
  }
  return interrupt.signal;
}

/** The exit status of a run that a signal has aborted. */
export function statusOf({ reason }: AbortSignal): number {
  return reason instanceof Interrupted ? reason.status : SIGNALS.SIGINT;
}
