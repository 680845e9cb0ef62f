// SPDX-License-Identifier: BSD-3-Clause
/** Writes the C header with the checks. */

import type { Enum, Field, Struct, Type } from "./model.ts";
import { isReserved } from "./model.ts";
import { findTag, type Plan, type Shape } from "./plan.ts";
import { licence } from "./typescript.ts";

function indent(depth: number): string {
  return "\t".repeat(depth);
}

/** The assertions, which the checker undefines again. */
const ASSERTIONS = `
#define KUP_BIND_SAME(test, what) _Static_assert(test, what " has changed: run kup bind")
#define KUP_BIND_SIZE(type, bytes) KUP_BIND_SAME(sizeof(type) == (bytes), #type)
#define KUP_BIND_FIELD(type, field, at, bytes)                                                     \\
	KUP_BIND_SAME(__builtin_offsetof(type, field) == (at) &&                                   \\
			      sizeof(((type *)0)->field) == (bytes),                               \\
		      #type ", " #field)
#define KUP_BIND_CAST(type, field, value) ((__typeof__(((type *)0)->field))(value))
#define KUP_BIND_SIGNED(type, field)                                                               \\
	KUP_BIND_SAME(KUP_BIND_CAST(type, field, -1) < 0 && !KUP_BIND_CAST(type, field, 0.5),      \\
		      #type ", " #field)
#define KUP_BIND_UNSIGNED(type, field)                                                             \\
	KUP_BIND_SAME(KUP_BIND_CAST(type, field, -1) > 0 && !KUP_BIND_CAST(type, field, 0.5),      \\
		      #type ", " #field)
#define KUP_BIND_FLOAT(type, field)                                                                \\
	KUP_BIND_SAME(KUP_BIND_CAST(type, field, 0.5) < 1 && KUP_BIND_CAST(type, field, 0.5) > 0,  \\
		      #type ", " #field)
#define KUP_BIND_BOOL(type, field)                                                                 \\
	KUP_BIND_SAME(KUP_BIND_CAST(type, field, 2) == 1, #type ", " #field)
`;

const ASSERTIONS_END = [...ASSERTIONS.matchAll(/^#define (\w+)/gm)]
  .map(([, name]) => `#undef ${name}\n`).join("");

/** Assertions about a field, which fail when it is not as it was. */
function assertField({ spelling }: Struct, path: string, offset: number, type: Type): string[] {
  const lines = [`KUP_BIND_FIELD(${spelling}, ${path}, ${offset}, ${type.size});`];
  let element = type;
  let one = path;
  while (element.kind === "array") {
    element = element.element;
    one += "[0]";
  }
  if (element.kind === "integer") {
    lines.push(`KUP_BIND_${element.signed ? "SIGNED" : "UNSIGNED"}(${spelling}, ${one});`);
  } else if (element.kind === "float") lines.push(`KUP_BIND_FLOAT(${spelling}, ${one});`);
  else if (element.kind === "bool") lines.push(`KUP_BIND_BOOL(${spelling}, ${one});`);
  return lines;
}

/** All fields of a struct, with those of the structs in it that have no name of their own. */
function assertFields(root: Struct, struct: Struct, base: number, prefix = ""): string[] {
  return struct.fields.flatMap((field) => {
    const { name, type } = field;
    const offset = base + field.offset;
    const path = prefix + name;
    let one = type;
    let element = path;
    while (one.kind === "array") {
      one = one.element;
      element += "[0]";
    }
    const lines = name === "" ? [] : assertField(root, path, offset, type);
    if ((one.kind !== "struct" && one.kind !== "union") || one.struct.name !== "") return lines;
    const inside = name === "" ? prefix : `${element}.`;
    return [...lines, ...assertFields(root, one.struct, offset, inside)];
  });
}

function assertShape({ struct }: Shape): string {
  if (struct.spelling === "" || struct.isUnion) return "";
  const size = `KUP_BIND_SIZE(${struct.spelling}, ${struct.size});`;
  return [size, ...assertFields(struct, struct, 0)].map((line) => `${line}\n`).join("");
}

function assertConstants(plan: Plan): string {
  return plan.constants.map(({ name, value }) => {
    // The smallest number has no literal in C.
    const test = value < 0n
      ? `(long long)(${name}) == -${-value - 1n}ll - 1`
      : `(unsigned long long)(${name}) == ${value}ull`;
    return `KUP_BIND_SAME(${test}, "${name}");\n`;
  }).join("");
}

/** Writes the statements that check a value. */
class Statements {
  #loops = 0;

  /** `inZero`: the struct (or a union) is in a reserved field. */
  struct(expression: string, struct: Struct, depth: number, inZero = false): string {
    return struct.fields.map((field) => this.#field(expression, struct, field, depth, inZero))
      .join("");
  }

  #field(
    expression: string,
    struct: Struct,
    field: Field,
    depth: number,
    inZero: boolean,
  ): string {
    const inner = field.name === "" ? expression : `${expression}.${field.name}`;
    const isZero = inZero || isReserved(field.name);
    if (field.type.kind !== "union" || isZero) {
      return this.#type(inner, field.type, isZero, depth);
    }
    const { tag, members } = findTag(struct, field);
    const tabs = indent(depth);
    const cases = field.type.struct.fields.map((member) => {
      const body = this.#type(`${inner}.${member.name}`, member.type, false, depth + 1);
      if (body === "") return "";
      return `${tabs}case ${members.get(member.name)!.name}:\n${body}${tabs}\tbreak;\n`;
    }).join("");
    if (cases === "") return "";
    return `${tabs}switch (${expression}.${tag.name}) {\n${cases}${tabs}default:\n` +
      `${tabs}\tbreak;\n${tabs}}\n`;
  }

  #type(expression: string, type: Type, isZero: boolean, depth: number): string {
    const refuse = (condition: string) =>
      `${indent(depth)}if (${condition})\n${indent(depth + 1)}return -22;\n`;
    switch (type.kind) {
      case "array":
      case "text":
        return this.#loop(expression, type, isZero, depth);
      case "struct":
        return this.struct(expression, type.struct, depth, isZero);
      case "bool":
        // As a byte: a bool with another value has none in C.
        return refuse(`*(const unsigned char *)&${expression} > ${isZero ? 0 : 1}`);
      case "enum":
        return refuse(isZero ? `${expression} != 0` : notOne(expression, type.values));
      case "integer":
      case "float":
        return isZero ? refuse(`${expression} != 0`) : "";
      case "union":
        return isZero ? this.struct(expression, type.struct, depth, isZero) : "";
    }
  }

  #loop(
    expression: string,
    type: Extract<Type, { kind: "array" | "text" }>,
    isZero: boolean,
    depth: number,
  ): string {
    const index = `i${this.#loops++}`;
    const tabs = indent(depth);
    const count = type.kind === "text" ? type.size : type.count;
    const head = `${tabs}for (${index} = 0; ${index} < ${count}; ${index}++)`;
    const one = `${expression}[${index}]`;
    let text = "";
    if (type.kind === "text" && !isZero) {
      text = `${tabs}for (${index} = 0; ${index} < ${count} && ${one}; ${index}++)\n` +
        `${tabs}\t;\n${tabs}if (${index} == ${count}) /* there is no NUL */\n` +
        `${tabs}\treturn -22;\n`;
    } else {
      const element = type.kind === "text"
        ? { kind: "integer", size: 1, signed: true, big: false } as const
        : type.element;
      const body = this.#type(one, element, isZero, depth + 1);
      if (body !== "") text = `${head} {\n${body}${tabs}}\n`;
    }
    this.#loops--;
    return text;
  }
}

/** A condition: none of the enum's values. Runs of values are compared by their ends. */
function notOne(expression: string, { values, signed }: Enum): string {
  const sorted = [...new Set(values.map(({ value }) => value))].sort((a, b) => a < b ? -1 : 1);
  const runs: [bigint, bigint][] = [];
  for (const value of sorted) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] + 1n === value) last[1] = value;
    else runs.push([value, value]);
  }
  const cast = `(${signed ? "long long" : "unsigned long long"})${expression}`;
  const spell = (value: bigint) =>
    signed && value < 0n ? `(-${-value - 1n}ll - 1)` : `${value}${signed ? "ll" : "ull"}`;
  return runs.map(([least, most]) => {
    if (least === most) return `${cast} != ${spell(least)}`;
    if (least === 0n && !signed) return `${cast} > ${spell(most)}`;
    return `(${cast} < ${spell(least)} || ${cast} > ${spell(most)})`;
  }).join(" && ");
}

function checkFunction({ struct }: Shape): string {
  const body = new Statements().struct("record->is", struct, 1);
  const indices = [...new Set(body.match(/\bi\d+(?= = 0;)/g))].join(", ");
  const usesRecord = body.includes("record->is");
  return `/* The payload of a ${struct.spelling}. 0, or -EINVAL. */\n` +
    `static inline int check_${struct.name}(const void *data, unsigned long length)\n{\n` +
    (usesRecord
      ? `\tconst struct {\n\t\t${struct.spelling} is;\n` +
        "\t} __attribute__((packed)) *record = data; /* it may be anywhere */\n"
      : "") +
    (indices === "" ? "" : `\tunsigned long ${indices};\n`) +
    `\n\tif (length != ${struct.size})\n\t\treturn -22;\n` +
    (usesRecord ? "" : "\t(void)data;\n") + `${body}\treturn 0;\n}\n`;
}

/** The functions for all records that the user sends. */
function checkRecords(plan: Plan, name: string): string {
  const kinds = plan.directions.filter(({ toUser }) => !toUser).flatMap(({ kinds }) => kinds);
  if (kinds.length === 0) return "";
  const unique = [...new Set(kinds.map(({ shape }) => shape))];
  const members = unique.map(({ struct }) => `\t${struct.spelling} ${struct.name};\n`).join("");
  const cases = kinds.map(({ constant, shape }) =>
    `\tcase ${constant.name}:\n\t\treturn check_${shape.struct.name}(data, length);\n`
  ).join("");
  return `
/* A record that the user sends: the member with the name of its struct. */
union ${name}_from_user {
${members}};

/*
 * Checks a record: its type, its length, and each field. The data must be a copy, which the user
 * can't change after the check. 0, or -EINVAL.
 */
static inline int ${name}_check(unsigned int type, const void *data, unsigned long length)
{
	switch (type) {
${cases}	default:
		return -22;
	}
}

/*
 * Copies a record that lies in the ring, where the user can change it at any moment, and checks the
 * copy. 0, or -EINVAL; then the copy must not be used.
 */
static inline int ${name}_take(unsigned int type, const void *data, unsigned long length,
			       union ${name}_from_user *copy)
{
	if (length > sizeof(*copy))
		return -22;
	__builtin_memcpy(copy, data, length);
	return ${name}_check(type, copy, length);
}
`;
}

/** Returns the text of the C header. `source` is the header's name; `name` is it without `.h`. */
export function writeChecker(plan: Plan, source: string, name: string, command: string): string {
  const spdx = licence(plan.header.text);
  const guard = `${name.toUpperCase()}_CHECK_H`;
  const named = plan.shapes.filter(({ struct }) => struct.name !== "" && !struct.isUnion);
  // Those of other headers have their functions in the other headers' checkers.
  const own = named.filter(({ struct }) => plan.header.structs.includes(struct));
  return (spdx === "" ? "" : `/* SPDX-License-Identifier: ${spdx} */\n`) +
    `/* Generated from ${source} by \`${command}\`. Do not edit. */\n/* clang-format off */\n` +
    `#ifndef ${guard}\n#define ${guard}\n\n#include "${source}"\n\n` +
    "#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n" +
    "#error the messages are little-endian, as all machines that KUP runs on\n#endif\n" +
    `${ASSERTIONS}\n${assertConstants(plan)}${named.map(assertShape).join("")}` +
    `${ASSERTIONS_END}\n` +
    own.map(checkFunction).join("\n") + `${checkRecords(plan, name)}\n#endif\n`;
}
