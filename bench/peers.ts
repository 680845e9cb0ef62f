// SPDX-License-Identifier: BSD-3-Clause
/**
 * Peers that are fetched: queues from Debian's packages, ringbuf.js from npm, and iceoryx2 from
 * crates.io. What is fetched is pinned, checked, and kept in `.cache/peers/`. A peer that can't be
 * had is left out, with a reason.
 */

import { CACHE, exists, fillOnce, ROOT } from "../tests/lib/paths.ts";
import { capture, must } from "../tests/lib/process.ts";
import { Archive } from "../harness/debian.ts";
import { firstLine } from "./machine.ts";
import { BUILD } from "./native.ts";
import type { Absent } from "./results.ts";

const PEERS = `${CACHE}/peers`;

/** Debian 12's. apt checks them against the archive's signed index. */
const DEBIAN = [
  { name: "boost::lockfree::spsc_queue", package: "libboost1.74-dev=1.74.0+ds1-21" },
  { name: "ReaderWriterQueue", package: "libreaderwriterqueue-dev=1.0.6-1" },
] as const;

const RINGBUF = {
  package: "ringbuf.js@0.4.0",
  file: "ringbuf.js-0.4.0.tgz",
  sha512:
    "Y3BCsmTw/Ns70UAz2oVyMlaga+Sxac+fW8sXgdyiW75+ZtG4xh3cCSfBArzDK/s2FFZ67KzjFOu5ggKqqLaKmg==",
} as const;

/** The folder of the headers from Debian's packages. */
export const HEADERS = `${PEERS}/debian/usr/include`;

function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n").at(-1)!;
}

/** Fetches the headers of queues in C++, once. Returns the peers that can't be had. */
export async function fetchHeaders(): Promise<Absent[]> {
  if (await exists(HEADERS)) return [];
  try {
    const packages = DEBIAN.map((peer) => peer.package);
    await fillOnce(`${PEERS}/debian`, async (folder) => {
      console.error(`bench: getting ${packages.join(" and ")}`);
      await Archive.open((archive) => archive.unpack(packages, folder));
    });
    return [];
  } catch (error) {
    const why = `its Debian package can't be fetched: ${reason(error)}`;
    return DEBIAN.map(({ name }) => ({ what: name, why }));
  }
}

const ICEORYX2 = "libbench_iceoryx2.so";

/**
 * Builds the peer in Rust, once, where cargo is there; `Cargo.lock` pins its dependencies. Returns
 * why there is none.
 */
export async function buildIceoryx2(quick: boolean): Promise<Absent[]> {
  const absent = (why: string) => [{ what: "iceoryx2", why }];
  const built = `${PEERS}/iceoryx2/release/${ICEORYX2}`;
  if (!await exists(built)) {
    if (quick) return absent("a quick run does not build it");
    if (await firstLine(["cargo", "--version"]) === "") return absent("there is no cargo");
    console.error("bench: building iceoryx2 with cargo, which takes minutes, once");
    const manifest = `${ROOT}/bench/iceoryx2/Cargo.toml`;
    const folders = ["--manifest-path", manifest, "--target-dir", `${PEERS}/iceoryx2`];
    const { code, output } = await capture(["cargo", "build", "--release", "--locked", ...folders]);
    if (code !== 0) return absent(`cargo can't build it: ${output.trim().split("\n").at(-1)}`);
  }
  await Deno.mkdir(BUILD, { recursive: true });
  await Deno.copyFile(built, `${BUILD}/${ICEORYX2}`);
  return [];
}

async function hashOf(file: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-512", await Deno.readFile(file));
  return new Uint8Array(hash).toBase64();
}

/** Fetches ringbuf.js, once. Returns the URL of its module, or why there is none. */
export async function loadRingbuf(): Promise<
  { url: string; missing?: undefined } | { url?: undefined; missing: string }
> {
  const folder = `${PEERS}/ringbuf`;
  try {
    await fillOnce(folder, async (temporary) => {
      console.error(`bench: getting ${RINGBUF.package} from npm`);
      const pack = ["npm", "pack", RINGBUF.package, "--silent", "--pack-destination", temporary];
      await must(pack);
      const file = `${temporary}/${RINGBUF.file}`;
      if (await hashOf(file) !== RINGBUF.sha512) {
        throw new Error("what npm has fetched has another hash than it should have");
      }
      await must(["tar", "-xzf", file, "-C", temporary]);
    });
    return { url: `file://${folder}/package/dist/index.mjs` };
  } catch (error) {
    return { missing: `npm can't fetch it: ${reason(error)}` };
  }
}
