// SPDX-License-Identifier: BSD-3-Clause
/** Compares a kernel's configuration with what was wanted. */

const OPTION = /^(CONFIG_\w+)=(.*)$|^# (CONFIG_\w+) is not set$/;

/** Options and their values; one that is not set is "n". */
export function parseOptions(text: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name, value, off] = OPTION.exec(line) ?? [];
    if (name !== undefined && value !== undefined) options.set(name, value);
    else if (off !== undefined) options.set(off, "n");
  }
  return options;
}

/**
 * Returns one line for each option of `wanted` that has another value in `got`. The kernel's own
 * configuration drops options that it does not know or can't have, without a message.
 */
export function checkOptions(wanted: string, got: string): string[] {
  const real = parseOptions(got);
  return [...parseOptions(wanted)].filter(([name, value]) => (real.get(name) ?? "n") !== value)
    .map(([name, value]) => `${name} is ${real.get(name) ?? "n"}, not ${value}`);
}
