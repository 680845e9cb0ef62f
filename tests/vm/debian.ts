// SPDX-License-Identifier: BSD-3-Clause
/**
 * Debian's archive, with an apt state of our own: nothing is installed, nothing in /etc is changed,
 * and of it only the mirror that this machine already uses is read. Root is not needed.
 */

import { CACHE } from "../lib/paths.ts";
import { must } from "../lib/process.ts";
import { parseStanzas, type Stanza } from "./version.ts";

const HOME = `${CACHE}/apt`;
const DEBS = `${CACHE}/debs`;

/** The release whose kernels are tested, and the parts of it that are needed. */
const SUITES = ["bookworm", "bookworm-updates", "bookworm-backports"];

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The machine that packages are for, unless a name has another (`libc6:arm64`). */
const NATIVE = "amd64";

function configuration(architectures: readonly string[]): string {
  const settings: Record<string, string> = {
    "Dir::State": HOME,
    "Dir::State::lists": `${HOME}/lists`,
    // An empty list of installed packages: this machine's own packages must not affect the choice.
    "Dir::State::status": `${HOME}/status`,
    "Dir::Cache": `${HOME}/cache`,
    "Dir::Etc::sourcelist": `${HOME}/sources.list`,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "APT::Architecture": NATIVE,
    // apt drops root to a user that can't write below a home folder.
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    "Acquire::IndexTargets::deb::CNF::DefaultEnabled": "false",
    "Acquire::Retries": "3",
  };
  const list = architectures.map((name) => ` "${name}";`).join("");
  return Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`).join("") +
    `APT::Architectures {${list} };\n`;
}

/** The mirror that this machine's own apt uses for Debian proper. */
async function mirror(): Promise<string> {
  const format = "$(REPO_URI) $(CODENAME) $(COMPONENT)";
  const listed = await must(["apt-get", "indextargets", "--format", format, "Origin: Debian"]);
  const lines = listed.split("\n").map((line) => line.split(" "));
  // Security has an archive of its own, which has no backports.
  const found = lines.find(([, suite, component]) =>
    component === "main" && suite !== undefined && !suite.endsWith("-security")
  );
  if (found?.[0] === undefined) {
    throw new Error("apt knows no Debian mirror here; run `apt-get update` as root and try again");
  }
  return found[0];
}

/** The archive as it was when it was opened. */
export class Archive {
  readonly #env = { APT_CONFIG: `${HOME}/apt.conf` };

  private constructor() {}

  /**
   * Fetches the archive's index and passes the archive to `use`. Packages for other architectures
   * than this machine's are there if they are named in `foreign`. One call at a time in this
   * checkout: two apts can't share a state.
   */
  static async open<T>(
    use: (archive: Archive) => Promise<T>,
    foreign: readonly string[] = [],
  ): Promise<T> {
    for (const folder of ["lists/partial", "cache/archives/partial"]) {
      await Deno.mkdir(`${HOME}/${folder}`, { recursive: true });
    }
    await Deno.mkdir(DEBS, { recursive: true });
    using lock = await Deno.open(`${HOME}/kup.lock`, { create: true, write: true });
    await lock.lock(true);
    const archive = new Archive();
    await archive.#update([NATIVE, ...foreign]);
    return await use(archive);
  }

  async #update(architectures: readonly string[]): Promise<void> {
    const uri = await mirror();
    const sources = SUITES.map((suite) => `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`);
    await Deno.writeTextFile(`${HOME}/sources.list`, sources.join(""));
    await Deno.writeTextFile(`${HOME}/status`, "");
    await Deno.writeTextFile(`${HOME}/apt.conf`, configuration(architectures));
    await must(["apt-get", "update", "-q", "--error-on=any"], { env: this.#env });
  }

  /** All versions that the archive has under a name. */
  async show(name: string): Promise<Stanza[]> {
    return parseStanzas(await must(["apt-cache", "show", "-a", name], { env: this.#env }));
  }

  /** Fetches packages, which apt checks against the signed index, and returns their files. */
  async #download(names: readonly string[]): Promise<string[]> {
    const folder = await Deno.makeTempDir({ dir: DEBS, prefix: "tmp-" });
    try {
      await must(["apt-get", "download", "-q", ...names], { cwd: folder, env: this.#env });
      const files: string[] = [];
      for await (const entry of Deno.readDir(folder)) {
        await Deno.rename(`${folder}/${entry.name}`, `${DEBS}/${entry.name}`);
        files.push(`${DEBS}/${entry.name}`);
      }
      return files.sort();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  /** Fetches packages and unpacks them into a folder, without installing anything. */
  async unpack(names: readonly string[], folder: string): Promise<void> {
    for (const deb of await this.#download(names)) await must(["dpkg-deb", "-x", deb, folder]);
  }
}
