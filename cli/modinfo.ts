// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup modinfo`: name, description, parameters and version of a client module's file.
 *
 * @module
 */

import { type Command, Failure, reasonOf } from "./command.ts";
import { Elf } from "./elf.ts";
import { oneLine, print, printJson, table } from "./output.ts";

const USAGE = `usage: kup modinfo [--json] FILE

Describes a client module without loading it: FILE.ko for Linux, or
FILE.so for the host driver. Deno needs --allow-read=FILE.

  --json   print an object`;

interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly value?: string | number | undefined;
  readonly description?: string | undefined;
}

interface Module {
  readonly file: string;
  readonly kind: "Linux" | "host driver";
  readonly machine: string;
  readonly name: string;
  readonly description: string | undefined;
  readonly version: string | undefined;
  readonly license?: string | undefined;
  /** The kernel that it was built for. */
  readonly kernel?: string | undefined;
  readonly depends?: string | undefined;
  readonly parameters: readonly Parameter[];
}

function read(path: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new Failure(`To read ${path}, run Deno with --allow-read=${path}.`);
    }
    if (error instanceof Deno.errors.NotFound) {
      throw new Failure(`There is no file ${path}; build the module first.`);
    }
    throw new Failure(`${path} can't be read; name another file (${reasonOf(error)}).`);
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
}

/** The pairs "key=value", as the kernel's build puts them into a module. */
function fromKernel(bytes: Uint8Array, elf: Elf, file: string): Module {
  const pairs = new TextDecoder().decode(bytes).split("\0").filter((pair) => pair.includes("="))
    .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)] as const);
  const all = (key: string) => pairs.filter(([name]) => name === key).map(([, value]) => value);
  const one = (key: string) => all(key)[0] || undefined;
  const split = (value: string) =>
    [value.slice(0, value.indexOf(":")), value.slice(value.indexOf(":") + 1)] as const;
  const descriptions = new Map(all("parm").map(split));
  return {
    file,
    kind: "Linux",
    machine: elf.machine,
    name: one("name") ?? baseName(file),
    description: one("description"),
    version: one("version"),
    license: one("license"),
    kernel: one("vermagic")?.split(" ")[0],
    depends: one("depends"),
    parameters: all("parmtype").map(split).map(([name, type]) => ({
      name,
      type,
      description: descriptions.get(name),
    })),
  };
}

/** See kup_host_client and kup_host_parameter in kmod/os/host/kup_system.h. */
const CLIENT = { version: 0, description: 24 };
const PARAMETER = { name: 0, number: 8, initialNumber: 24, initialString: 32, size: 40 };

function fromHost(client: number, elf: Elf, file: string): Module {
  const section = elf.section("kup_parameters");
  const parameters: Parameter[] = [];
  const end = section === undefined ? 0 : section.address + section.size;
  for (let at = section?.address ?? 0; at < end; at += PARAMETER.size) {
    const isNumber = elf.pointer(at + PARAMETER.number) !== 0;
    parameters.push({
      name: elf.text(at + PARAMETER.name) ?? "",
      type: isNumber ? "number" : "string",
      value: isNumber
        ? elf.u32(at + PARAMETER.initialNumber)
        : elf.text(at + PARAMETER.initialString),
    });
  }
  return {
    file,
    kind: "host driver",
    machine: elf.machine,
    name: baseName(file),
    description: elf.text(client + CLIENT.description),
    version: `host interface ${elf.u32(client + CLIENT.version)}`,
    parameters,
  };
}

function describe(file: string): Module {
  const foreign = new Failure(
    `${file} is not a client module of KUP: it has neither a kernel module's description nor ` +
      "KUP_MODULE; build it as docs/kernel.md or docs/host-driver.md describes.",
  );
  try {
    const elf = new Elf(read(file), file);
    const modinfo = elf.section(".modinfo");
    if (modinfo !== undefined) return fromKernel(modinfo.bytes, elf, file);
    const client = elf.symbol("kup_host_client");
    if (client !== undefined) return fromHost(client, elf, file);
  } catch (error) {
    if (error instanceof RangeError) throw new Failure(`${file} is damaged; build it again.`);
    throw error;
  }
  throw foreign;
}

/** The command. */
export const command: Command = {
  usage: { text: USAGE, flags: ["json"], words: 1 },
  least: 1,
  // deno-lint-ignore require-await -- all commands are asynchronous.
  async run(line): Promise<void> {
    const { parameters, ...module } = describe(line.words[0]!);
    if (line.flag("json")) return printJson({ ...module, parameters });
    for (const [title, value] of Object.entries(module)) {
      if (value !== undefined) print(`${title.padEnd(12)} ${oneLine(value)}`);
    }
    if (parameters.length === 0) return;
    print("\nparameters:");
    const rows = parameters.map(({ name, type, value, description }) => ({
      name,
      type,
      ...(value === undefined ? {} : { value }),
      ...(description === undefined ? {} : { description }),
    }));
    table(rows).forEach(print);
  },
};
