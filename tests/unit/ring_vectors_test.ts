// SPDX-License-Identifier: BSD-3-Clause
import { assert, assertEquals } from "../../deps.ts";
import { RingBench } from "../vectors/ring_bench.ts";

const text = await Deno.readTextFile(new URL("../vectors/ring.txt", import.meta.url));
const cases = text.split(/^case /m).slice(1);

Deno.test("ring.txt has vectors", () => {
  assert(cases.length > 50);
});

for (const part of cases) {
  const [name, first, ...operations] = part.trimEnd().split("\n");
  Deno.test(`ring.ts does what ring.txt says: ${name}`, () => {
    const [size, position, controls, stamped] = first!.split(" ").slice(1).map(Number);
    const bench = new RingBench(size!, position!, controls!, stamped === 1);
    for (const line of operations) {
      const operation = line.slice(0, line.indexOf(" | "));
      assertEquals(`${operation} | ${bench.run(operation)}`, line);
    }
  });
}
