// SPDX-License-Identifier: BSD-3-Clause
/** Decides what is generated from a header, and refuses what can't be. */

import { BindError } from "./mistake.ts";
import {
  type Constant,
  type Enum,
  type Field,
  type Header,
  isReserved,
  type Struct,
  type Type,
} from "./model.ts";
import { checkConstant, className, Names, propertyName } from "./names.ts";

/** The type that isn't an array. */
export type Item = Exclude<Type, { kind: "array" }>;

/** The condition for a member of a union: that the tag has this value. */
export interface Guard {
  /** Of the tag, from where the struct (for a union that has a name: the union) begins. */
  readonly offset: number;
  readonly tag: string;
  readonly values: Enum;
  readonly constant: Constant;
}

/** A field as TypeScript sees it: those of anonymous structs and unions are the parent's own. */
export interface Property {
  readonly name: string;
  /** How C names it, from the struct on: `position.x`. */
  readonly path: string;
  readonly offset: number;
  /** The lengths of its arrays, the outermost first. */
  readonly lengths: readonly number[];
  readonly item: Item;
  /** The class of a struct or a union. */
  readonly class: string;
  readonly comment: string;
  readonly guard: Guard | undefined;
}

/** A struct, or a union in one, with a class of its own. */
export interface Shape {
  readonly class: string;
  readonly struct: Struct;
  readonly properties: readonly Property[];
  /** The constant of the record that the struct is the payload of. */
  record?: string;
}

/** A kind of record. */
export interface Kind {
  readonly constant: Constant;
  readonly shape: Shape;
}

/** The records that one side sends. */
export interface Direction {
  readonly class: string;
  readonly toUser: boolean;
  readonly kinds: readonly Kind[];
}

/** All that is generated. */
export interface Plan {
  readonly header: Header;
  readonly constants: readonly Constant[];
  readonly enums: readonly { readonly class: string; readonly values: Enum }[];
  /** Each behind those that it contains. */
  readonly shapes: readonly Shape[];
  readonly directions: readonly Direction[];
  /** What the user should know, as sentences. */
  readonly notes: readonly string[];
}

/** An item with the lengths of the arrays around it. */
export function unwrap(type: Type): { lengths: number[]; item: Item } {
  const lengths: number[] = [];
  while (type.kind === "array") {
    lengths.push(type.count);
    type = type.element;
  }
  return { lengths, item: type };
}

/** The tag of each member of a union: from the nearest enum before it whose values name them. */
export function findTag(
  outer: Struct,
  union: Field,
): { tag: Field; values: Enum; members: Map<string, Constant> } {
  const { struct } = union.type as Extract<Type, { kind: "union" }>;
  const before = outer.fields.slice(0, outer.fields.indexOf(union)).reverse();
  for (const tag of before) {
    if (tag.type.kind !== "enum") continue;
    const members = new Map<string, Constant>();
    for (const { name } of struct.fields) {
      const ending = name.toUpperCase();
      const constant = tag.type.values.values.find(({ name }) =>
        name === ending || name.endsWith(`_${ending}`)
      );
      if (constant !== undefined) members.set(name, constant);
    }
    const different = new Set([...members.values()].map(({ value }) => value)).size;
    if (different === struct.fields.length && !members.has("")) {
      return { tag, values: tag.type.values, members };
    }
  }
  const [first] = struct.fields;
  throw new BindError(
    `The ${
      union.name === "" ? "union" : `union "${union.name}"`
    } in ${outer.spelling} has no tag: put a field of an enum type before ` +
      `it, with a value for each member, such as KIND_${(first?.name ?? "x").toUpperCase()} for ` +
      `"${first?.name ?? "x"}".`,
  );
}

/** A union that several structs contain is one class, so its tag must be at one place. */
function checkDistance(shape: Shape, { outer, union }: { outer: Struct; union: Field }): void {
  const { tag } = findTag(outer, union);
  const guard = shape.properties[0]?.guard;
  if (guard === undefined || guard.offset === tag.offset - union.offset) return;
  throw new BindError(
    `The tag of the union "${union.name}" in ${outer.spelling} is at another distance than in ` +
      `other structs with ${shape.struct.spelling}: put it at the same distance before the union.`,
  );
}

class Planner {
  readonly shapes: Shape[] = [];
  readonly #classes = new Names("TypeScript");
  readonly #shapes = new Map<Struct, Shape>();
  readonly #enums = new Map<Enum, string>();

  /** Adds an enum. One without a name has constants, and no type. */
  enum(values: Enum): void {
    if (this.#enums.has(values)) return;
    if (values.name === "") return void this.#enums.set(values, "");
    const name = className("enum", values.name);
    this.#classes.add(name, values.spelling);
    this.#enums.set(values, name);
  }

  get enums() {
    return [...this.#enums].filter(([, name]) => name !== "")
      .map(([values, name]) => ({ class: name, values }));
  }

  /** The enums whose values are constants. */
  get used(): Enum[] {
    return [...this.#enums.keys()];
  }

  reserve(name: string, what: string): void {
    this.#classes.add(name, what);
  }

  /** Adds the struct's shape, behind those of the structs in it. */
  shape(struct: Struct, name: string, tag?: { outer: Struct; union: Field }): Shape {
    const known = this.#shapes.get(struct);
    if (known !== undefined) {
      if (tag !== undefined) checkDistance(known, tag);
      return known;
    }
    const properties: Property[] = [];
    const names = new Names(struct.spelling || `class ${name}`);
    if (tag === undefined) this.#collect(struct, struct, name, "", 0, undefined, properties);
    else this.#members(tag.outer, tag.union, name, "", -tag.union.offset, properties);
    for (const property of properties) names.add(property.name, `field "${property.path}"`);
    for (const { name: own, path, item, lengths } of properties) {
      if (item.kind === "integer" && item.size === 8) {
        names.add(`${own}Number`, `the number of field "${path}"`);
      }
      if (lengths.length > 0 && item.kind !== "struct" && item.kind !== "union") {
        names.add(`set${own[0]!.toUpperCase()}${own.slice(1)}`, `the setter of field "${path}"`);
      }
    }
    this.#classes.add(name, struct.spelling || `class ${name}`);
    this.#classes.add(`${name}Writer`, `the writer of ${struct.spelling || name}`);
    const shape: Shape = { class: name, struct, properties };
    this.#shapes.set(struct, shape);
    this.shapes.push(shape);
    return shape;
  }

  /** Fields of `struct`, which begins at `base` of `root`. */
  #collect(
    root: Struct,
    struct: Struct,
    owner: string,
    prefix: string,
    base: number,
    guard: Guard | undefined,
    out: Property[],
  ): void {
    for (const field of struct.fields) {
      if (field.name === "" && field.type.kind === "struct") {
        const { struct: inner } = field.type;
        this.#collect(root, inner, owner, prefix, base + field.offset, guard, out);
      } else if (field.name === "" && field.type.kind === "union") {
        this.#members(struct, field, owner, prefix, base, out);
      } else if (!isReserved(field.name)) {
        out.push(this.#property(struct, field, owner, prefix, base, guard));
      }
    }
  }

  /** The members of a union, each with the value that its tag must have. */
  #members(
    outer: Struct,
    union: Field,
    owner: string,
    prefix: string,
    base: number,
    out: Property[],
  ): void {
    const { struct } = union.type as Extract<Type, { kind: "union" }>;
    const { tag, values, members } = findTag(outer, union);
    for (const member of struct.fields) {
      const constant = members.get(member.name)!;
      const guard = { offset: base + tag.offset, tag: tag.name, values, constant };
      const at = base + union.offset;
      out.push(this.#property(struct, member, owner, prefix, at, guard));
    }
  }

  #property(
    outer: Struct,
    field: Field,
    owner: string,
    prefix: string,
    base: number,
    guard: Guard | undefined,
  ): Property {
    const { lengths, item } = unwrap(field.type);
    const name = propertyName(field.name, outer.spelling || owner);
    let inner = "";
    if (item.kind === "struct" || item.kind === "union") {
      const { struct } = item;
      const own = struct.name === ""
        ? `${owner}${name[0]!.toUpperCase()}${name.slice(1)}`
        : className(item.kind, struct.name);
      if (item.kind === "union" && lengths.length > 0) {
        throw new BindError(
          `The field "${field.name}" in ${outer.spelling || owner} is an array of unions, which ` +
            "have no tags: make it an array of structs that contain a tag and a union.",
        );
      }
      const tag = item.kind === "union" ? { outer, union: field } : undefined;
      inner = this.shape(struct, own, tag).class;
    } else if (item.kind === "enum") {
      if (item.size > 4) {
        throw new BindError(
          `The field "${field.name}" in ${
            outer.spelling || owner
          } is an enum with 64 bits: use an ` +
            "integer, and constants.",
        );
      }
      this.enum(item.values);
    }
    const { comment, offset } = field;
    const path = prefix + field.name;
    return { name, path, offset: base + offset, lengths, item, class: inner, comment, guard };
  }
}

/** The record that each value of the enum stands for. */
function kinds(values: Enum, structs: readonly Struct[], planner: Planner): Kind[] {
  return values.values.map((constant) => {
    if (constant.value < 0n || constant.value > 0xffffffffn) {
      throw new BindError(
        `The record type ${constant.name} is ${constant.value}: choose one from 0 to 2^32-1.`,
      );
    }
    const name = constant.name.toLowerCase();
    const struct = structs.find((struct) =>
      !struct.isUnion && (struct.name === name || struct.name === `${name}_t`)
    );
    if (struct === undefined) {
      throw new BindError(
        `The record type ${constant.name} has no struct: declare "struct ${name}" in the header, ` +
          `or "struct ${name} {};" if the record has no payload.`,
      );
    }
    const shape = planner.shape(struct, className("struct", struct.name));
    shape.record ??= constant.name;
    return { constant, shape };
  });
}

function checkTypes(direction: string, kinds: readonly Kind[]): void {
  const known = new Map<bigint, string>();
  for (const { constant: { name, value } } of kinds) {
    const other = known.get(value);
    if (other !== undefined) {
      throw new BindError(
        `The record types ${other} and ${name}, ${direction}, are both ${value}: give each record ` +
          "a number of its own.",
      );
    }
    known.set(value, name);
  }
}

const DIRECTION = /^(\w+?)_(to_user|to_kernel|both_ways)$/;

function directions(header: Header, planner: Planner): Direction[] {
  const groups = new Map<string, { toUser: Kind[]; toKernel: Kind[] }>();
  for (const values of header.enums) {
    const [, name = "", way] = values.name.match(DIRECTION) ?? [];
    if (way === undefined) continue;
    const group = groups.get(name) ?? { toUser: [], toKernel: [] };
    groups.set(name, group);
    const all = kinds(values, header.structs, planner);
    if (way !== "to_kernel") group.toUser.push(...all);
    if (way !== "to_user") group.toKernel.push(...all);
  }
  const found: Direction[] = [];
  for (const [name, { toUser, toKernel }] of groups) {
    checkTypes("to the user", toUser);
    checkTypes("to the kernel", toKernel);
    const own = className("enum", name);
    if (toUser.length > 0) found.push({ class: `${own}ToUser`, toUser: true, kinds: toUser });
    if (toKernel.length > 0) {
      found.push({ class: `${own}ToKernel`, toUser: false, kinds: toKernel });
    }
  }
  return found;
}

/** The bytes without a field behind each field of the struct and of the structs in it. */
function findHoles(struct: Struct, found: Set<string>): void {
  let end = 0;
  let last = "";
  for (const field of [...struct.fields, undefined]) {
    const begin = field === undefined ? struct.size : field.offset;
    if (begin > end && last !== "") {
      const bytes = begin - end === 1 ? "a byte" : `${begin - end} bytes`;
      found.add(
        `${struct.spelling || "an anonymous struct"} has ${bytes} of padding behind "${last}", ` +
          "which a kernel that copies the struct sends as they are: clear the struct first, or " +
          `add "unsigned char pad[${begin - end}];" there.`,
      );
    }
    if (field === undefined) break;
    end = field.offset + field.type.size;
    last = field.name || "an anonymous field";
    const { item } = unwrap(field.type);
    if (item.kind === "struct") findHoles(item.struct, found);
  }
}

/** Where the compiler left bytes without a field. A kernel that copies the struct sends them. */
function paddingNotes(kinds: readonly Kind[]): string[] {
  const found = new Set<string>();
  for (const { shape: { struct } } of kinds) findHoles(struct, found);
  return [...found];
}

/** Checks a header, and decides what is generated from it. */
export function makePlan(header: Header): Plan {
  const planner = new Planner();
  for (const values of header.enums) {
    if (!DIRECTION.test(values.name)) planner.enum(values);
  }
  for (const struct of header.structs.filter(({ isUnion }) => !isUnion)) {
    planner.shape(struct, className("struct", struct.name));
  }
  const ways = directions(header, planner);
  for (const { class: name } of ways) {
    planner.reserve(name, `the records of ${name}`);
    planner.reserve(`${name}Record`, `the type of ${name}`);
  }
  checkUnions(header, planner);
  const constants = [
    ...header.macros,
    ...new Set([...header.enums, ...planner.used]),
  ].flatMap((one) => "values" in one ? one.values : [one]);
  for (const { name } of constants) planner.reserve(checkConstant(name), `constant ${name}`);
  if (constants.length === 0 && planner.shapes.length === 0) {
    throw new BindError(
      "The header declares no struct, enum or integer itself: name the header that does, since " +
        "what it includes is not bound.",
    );
  }
  const toUser = ways.filter(({ toUser }) => toUser).flatMap(({ kinds }) => kinds);
  return {
    header,
    constants,
    enums: planner.enums,
    shapes: planner.shapes,
    directions: ways,
    notes: [
      ...paddingNotes(toUser),
      ...header.others.map((name) =>
        `${name} is left out, because it is no integer that the compiler can compute.`
      ),
    ],
  };
}

/** A union of its own has no tag. */
function checkUnions(header: Header, planner: Planner): void {
  for (const struct of header.structs.filter(({ isUnion }) => isUnion)) {
    const isUsed = planner.shapes.some((shape) => shape.struct === struct);
    if (isUsed) continue;
    throw new BindError(
      `The ${struct.spelling} has no tag: put it into a struct, behind a field of an enum type with ` +
        "a value for each member.",
    );
  }
}
