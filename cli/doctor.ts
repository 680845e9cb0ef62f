// SPDX-License-Identifier: BSD-3-Clause
/**
 * `kup doctor`: looks at all that KUP needs here, and says what to do.
 *
 * @module
 */

import { KupError, open } from "../mod.ts";
import { ABI_VERSION } from "../src/abi.ts";
import { MINIMUM_DENO } from "../src/runtime.ts";
import { type Command, Failure, reasonOf } from "./command.ts";
import { dim, green, red, yellow } from "./deps.ts";
import { findDevices } from "./device.ts";
import { oneLine, print, printJson } from "./output.ts";

const USAGE = `usage: kup doctor [--json] [DEVICE]...

Looks at Deno, the native library, the kernel module and its devices, and
says what to do about each that is missing. The exit status is 1 if
something is.

  DEVICE   all devices of the system if none is given (Deno needs -A)
  --json   print an array of objects

What Deno does not permit to look at is reported as unknown.`;

/** The result of one look. `advice` is for all but "ok". */
interface Finding {
  readonly what: string;
  readonly state: "ok" | "missing" | "unknown";
  readonly found: string;
  readonly advice?: string;
}

/** A version that is too old does not come this far: the host driver's check fails. */
function checkDeno(): Finding {
  return { what: "Deno", state: "ok", found: `${Deno.version.deno} (needs ${MINIMUM_DENO})` };
}

/** A round trip through the native library, which needs no kernel module. */
async function checkLibrary(): Promise<Finding> {
  const what = "native library";
  try {
    using device = open("host:echo");
    using channel = await device.attach({ wait: false });
    await channel.send("hello");
    const message = await channel.receive();
    if (message?.text() !== "hello") throw new Failure("The host driver's echo does not answer.");
    return { what, state: "ok", found: "host:echo echoes" };
  } catch (error) {
    const advice = error instanceof KupError
      ? "Do what the line says; without the library nothing works."
      : "Report this as a fault of KUP.";
    return { what, state: "missing", found: reasonOf(error), advice };
  }
}

function checkModule(): { finding: Finding; devices: readonly string[] } {
  const what = "kernel module";
  try {
    const devices = findDevices();
    if (devices === undefined) {
      const advice = "Load it (`make load` in KUP's folder, or `insmod kup.ko`), then the module " +
        "that makes your device; or use host: devices, which need none.";
      return {
        finding: { what, state: "missing", found: "kup is not loaded", advice },
        devices: [],
      };
    }
    const found = `loaded, with ${devices.length} devices`;
    const advice = "Load the module that makes your device, for example kup_echo.ko.";
    return {
      finding: devices.length > 0
        ? { what, state: "ok", found }
        : { what, state: "missing", found, advice },
      devices,
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const advice = "Run Deno with -A to look.";
    return {
      finding: { what, state: "unknown", found: "not permitted to look", advice },
      devices: [],
    };
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  "not-found": "Load the module that makes it; `dmesg` has its complaints.",
  "not-permitted": "Run as root, or load the module with `permissions=` and `group=`, or add a " +
    "udev rule for the node.",
  "abi-mismatch": "Build the kernel module and this version of KUP from the same release.",
  "not-a-device": "Name a KUP device; `kup list` finds them.",
};

/** The host driver loads files, and needs no module of the kernel. */
const HOST_ADVICE: Readonly<Record<string, string>> = {
  "not-found": "Name host:echo, or a module of your own by its path: host:FILE.so.",
  "not-permitted": "Look at the permissions of the file and of its folder.",
  "abi-mismatch": "Build the module again, with the headers of this version of KUP.",
  "not-a-device": "`kup modinfo` describes such a file.",
};

function checkDevice(path: string): Finding {
  const what = path;
  try {
    using device = open(path);
    const { channels, channelsFree, abiVersion } = device.info();
    const found = `ABI ${abiVersion}, ${channelsFree} of ${channels} channels free`;
    if (channelsFree > 0) return { what, state: "ok", found };
    const advice = "`kup list` shows the processes that have the channels.";
    return { what, state: "missing", found, advice };
  } catch (error) {
    if (!(error instanceof KupError)) throw error;
    const known = path.startsWith("host:") ? HOST_ADVICE : ADVICE;
    const { code, message } = error;
    const found = message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
    const advice = known[code] ?? "Do what the line says.";
    return { what, state: "missing", found, advice };
  }
}

const JSR = "https://jsr.io/@kup/kup/meta.json";
const JSR_PATIENCE_MS = 5000;

/** Unknown at worst: a program that is cached, or bundled, does not need it. */
async function checkJsr(): Promise<Finding> {
  const what = "JSR";
  if (Deno.permissions.querySync({ name: "net", host: "jsr.io" }).state !== "granted") {
    const advice = "Run Deno with --allow-net=jsr.io to look.";
    return { what, state: "unknown", found: "not permitted to look", advice };
  }
  try {
    const answer = await fetch(JSR, { signal: AbortSignal.timeout(JSR_PATIENCE_MS) });
    await answer.body?.cancel();
    return { what, state: "ok", found: `answers (${answer.status})` };
  } catch (error) {
    const advice = "Look at HTTPS_PROXY and DENO_TLS_CA_STORE; what is cached runs without it.";
    return { what, state: "unknown", found: reasonOf(error), advice };
  }
}

const COLOURS = { ok: green, missing: red, unknown: yellow };

function show({ what, state, found, advice }: Finding): void {
  print(`${COLOURS[state](state.padEnd(7))}  ${oneLine(`${what}: ${found}`)}`);
  if (advice !== undefined) print(dim(`         ${advice}`));
}

/** The command. */
export const command: Command = {
  usage: { text: USAGE, flags: ["json"], words: Infinity },
  async run(line): Promise<number> {
    const { finding, devices } = checkModule();
    const named = line.words.length > 0;
    const needsModule = !named || line.words.some((path) => !path.startsWith("host:"));
    const findings: Finding[] = [
      checkDeno(),
      { what: "contract", state: "ok", found: `ABI ${ABI_VERSION}` },
      await checkLibrary(),
      ...(needsModule ? [finding] : []),
      ...(named ? line.words : devices).map(checkDevice),
      await checkJsr(),
    ];
    if (line.flag("json")) printJson(findings);
    else findings.forEach(show);
    return findings.some(({ state }) => state === "missing") ? 1 : 0;
  },
};
