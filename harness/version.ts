// SPDX-License-Identifier: BSD-3-Clause
/** Chooses a kernel from Debian's archive. */

/** One package as `apt-cache show` describes it: fields by name. */
export type Stanza = ReadonlyMap<string, string>;

/** Reads the output of `apt-cache show`. Drops folded lines: no field used here has any. */
export function parseStanzas(text: string): Stanza[] {
  return text.split(/\n\n+/).map((paragraph) => {
    const fields = new Map<string, string>();
    for (const line of paragraph.split("\n")) {
      const match = /^([A-Za-z0-9-]+): (.*)$/.exec(line);
      if (match?.[1] !== undefined && match[2] !== undefined) fields.set(match[1], match[2]);
    }
    return fields;
  }).filter((stanza) => stanza.size > 0);
}

/** The names of the packages that a stanza depends on; of alternatives the first. */
export function dependencies(stanza: Stanza): string[] {
  return (stanza.get("Depends") ?? "").split(",").map((one) => one.trim().split(/[\s(|]/, 1)[0])
    .filter((name): name is string => name !== undefined && name !== "");
}

/**
 * Orders versions of one series by their numbers: 6.1.99-1 before 6.1.176-1. That is less than
 * dpkg's order, but the same for upstream's kernel versions.
 */
export function compareVersions(a: string, b: string): number {
  const numbers = (version: string) => (version.match(/\d+/g) ?? []).map(Number);
  const left = numbers(a);
  const right = numbers(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether a version such as `6.1.176-1` belongs to a series such as `6.1` (`6.12.3` does not). */
export function inSeries(version: string, series: string): boolean {
  return version.startsWith(`${series}.`) || version.startsWith(`${series}-`);
}

/** The newest version of a series, or nothing. */
export function newestOf(stanzas: readonly Stanza[], series: string): Stanza | undefined {
  return stanzas
    .filter((stanza) => inSeries(stanza.get("Version") ?? "", series))
    .sort((a, b) => compareVersions(a.get("Version") ?? "", b.get("Version") ?? ""))
    .at(-1);
}
