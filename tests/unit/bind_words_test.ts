// SPDX-License-Identifier: BSD-3-Clause
/** A header of its own for `kup bind`, with the names that TypeScript reserves. */

import { assertEquals } from "../../deps.ts";
import { kup } from "../lib/cli.ts";
import { must } from "../lib/process.ts";

const HEADER = `
#ifndef FLEET_H
#define FLEET_H
#include <stdint.h>
#define FLEET_ENGINES 4
enum fleet_to_user { FLEET_REPORT = 3 };
enum fleet_to_kernel { FLEET_DELETE = 9 };
enum fleet_state { FLEET_NEW, FLEET_DELETE_LATER = 5 };
enum fleet_what { FLEET_WHAT_NONE, FLEET_WHAT_POSITION, FLEET_WHAT_CLASS };
struct fleet_engine {
	uint64_t hours;
	int16_t temperature[3];
	uint8_t in;
	uint8_t function;
};
struct fleet_position {
	int64_t lat;
	int64_t lon;
};
struct fleet_report {
	uint64_t id;
	enum fleet_state new;
	uint32_t class;
	uint32_t length;
	uint32_t delete;
	struct fleet_engine engines[FLEET_ENGINES];
	struct {
		uint64_t await;
		struct fleet_position home;
	} yield;
	enum fleet_what what;
	union {
		struct fleet_position position;
		uint64_t class;
	} value;
};
struct fleet_delete {
	uint64_t id;
	uint32_t arguments;
	uint32_t eval;
};
#endif
`;

const SOURCE = `
#include "fleet.h"
#include "fleet_check.h"
void fill(struct fleet_report *report)
{
	*report = (struct fleet_report){
		.id = 0xfedcba9876543210ull, .new = FLEET_DELETE_LATER, .class = 1, .length = 2, .delete = 3,
		.engines[2] = { .hours = 1ull << 40, .temperature = { -1, 2, -3 }, .in = 4, .function = 5 },
		.yield = { .await = 6, .home = { .lat = -7, .lon = 8 } },
		.what = FLEET_WHAT_POSITION, .value.position = { .lat = -9, .lon = 10 },
	};
}
int same(const void *bytes)
{
	struct fleet_report report;

	fill(&report);
	return __builtin_memcmp(bytes, &report, sizeof(report)) == 0;
}
int check(unsigned int type, const void *bytes, unsigned int length)
{
	return fleet_check(type, bytes, length);
}
`;

// deno-lint-ignore no-explicit-any -- it is written by the test.
type Generated = any;

const FUNCTIONS = {
  fill: { parameters: ["buffer"], result: "void" },
  same: { parameters: ["buffer"], result: "i32" },
  check: { parameters: ["u32", "buffer", "u32"], result: "i32" },
} as const;

Deno.test("kup bind reads and writes a header with reserved names as C does", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kup-bind-words-" });
  try {
    await Deno.writeTextFile(`${folder}/fleet.h`, HEADER);
    await Deno.writeTextFile(`${folder}/fleet.c`, SOURCE);
    const bound = await kup(["bind", "--quiet", `${folder}/fleet.h`], { permissions: ["-A"] });
    assertEquals([bound.code, bound.output], [0, ""]);
    await must([Deno.execPath(), "check", "--no-config", `${folder}/fleet.ts`]);
    const flags = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", `${folder}/fleet.so`];
    await must(["cc", ...flags, `${folder}/fleet.c`]);
    const library = Deno.dlopen(`${folder}/fleet.so`, FUNCTIONS);
    try {
      compare(await import(`file://${folder}/fleet.ts`), library.symbols);
    } finally {
      library.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function compare(
  fleet: Generated,
  c: Deno.DynamicLibrary<typeof FUNCTIONS>["symbols"],
): void {
  const bytes = new Uint8Array(fleet.FleetReport.SIZE);
  c.fill(bytes);
  const report = new fleet.FleetReport().at(new fleet.Bytes(bytes));
  assertEquals([report.id, report.new], [0xfedcba9876543210n, fleet.FLEET_DELETE_LATER]);
  assertEquals([report.class, report.length, report.delete], [1, 2, 3]);
  const engine = report.engines(2);
  assertEquals([engine.hours, engine.hoursNumber], [1n << 40n, 2 ** 40]);
  assertEquals([0, 1, 2].map((i) => engine.temperature(i)), [-1, 2, -3]);
  assertEquals([engine.in, engine.function], [4, 5]);
  assertEquals([report.yield.await, report.yield.home.lat], [6n, -7n]);
  assertEquals([report.what, report.value.position.lat], [fleet.FLEET_WHAT_POSITION, -9n]);

  const written = new Uint8Array(fleet.FleetReport.SIZE).fill(0xff);
  const writer = new fleet.FleetReportWriter().at(written);
  writer.id = 0xfedcba9876543210n;
  writer.new = fleet.FLEET_DELETE_LATER;
  [writer.class, writer.length, writer.delete] = [1, 2, 3];
  writer.engines(2).hoursNumber = 2 ** 40;
  for (const [i, value] of [-1, 2, -3].entries()) writer.engines(2).setTemperature(i, value);
  [writer.engines(2).in, writer.engines(2).function] = [4, 5];
  [writer.yield.await, writer.yield.home.lat, writer.yield.home.lon] = [6n, -7n, 8n];
  // The member sets the tag.
  [writer.value.position.lat, writer.value.position.lon] = [-9n, 10n];
  assertEquals(c.same(written), 1);

  const order = new Uint8Array(fleet.FleetDelete.SIZE);
  new fleet.FleetDeleteWriter().at(order).arguments = 7;
  assertEquals(c.check(fleet.FLEET_DELETE, order, order.length), 0);
  assertEquals(c.check(fleet.FLEET_DELETE, order, order.length - 1), -22);
  assertEquals(c.check(fleet.FLEET_REPORT, order, order.length), -22);
}

const RESERVED = `
struct place { int x; float y; };
struct order {
	unsigned char tag;
	struct place pad;
	struct place reserved[2];
	union { unsigned char a; _Bool b; } reserved1;
};
enum shop_to_kernel { ORDER = 1 };
`;

/** Sets each byte of a record to 1, one at a time, and prints those for which it is accepted. */
const ACCEPTED = `
#include <stdio.h>
#include "shop_check.h"
int main(void)
{
	unsigned char bytes[sizeof(struct order)] = { 0 };
	unsigned int i;

	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i] = 1;
		if (shop_check(ORDER, bytes, sizeof(bytes)) == 0)
			printf("%u ", i);
		bytes[i] = 0;
	}
	return shop_check(ORDER, bytes, sizeof(bytes));
}
`;

Deno.test("kup bind's checker refuses reserved structs that are not zero", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/shop.h`, RESERVED);
    await Deno.writeTextFile(`${folder}/shop.c`, ACCEPTED);
    const bound = await kup(["bind", "--quiet", `${folder}/shop.h`], { permissions: ["-A"] });
    assertEquals([bound.code, bound.output], [0, ""]);
    await must(["cc", "-Wall", "-Wextra", "-Werror", "-o", `${folder}/shop`, `${folder}/shop.c`]);
    // The tag, and the padding of the compiler, which programs in C don't clear.
    assertEquals(await must([`${folder}/shop`]), "0 1 2 3 29 30 31 ");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
