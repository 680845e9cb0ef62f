// SPDX-License-Identifier: BSD-3-Clause
/**
 * Debian's archive, with an apt state of our own: nothing is installed, nothing in /etc is changed,
 * and of it only the mirror that this machine already uses is read. Root is not needed.
 */

import { HarnessError } from "./error.ts";
import { cacheFolder, exists, lockFile } from "./files.ts";
import { capture, CommandError, must } from "./process.ts";
import { parseStanzas, type Stanza } from "./version.ts";

/** The releases of Debian whose kernels and tools are used. */
export type Release = "bookworm" | "trixie";

/** The parts of a release that are needed. */
function suitesOf(release: Release): string[] {
  return ["", "-updates", "-backports"].map((part) => `${release}${part}`);
}

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The machine that packages are for, unless a name has another (`libc6:arm64`). */
const NATIVE = "amd64";

function configuration(home: string, architectures: readonly string[]): string {
  const settings: Record<string, string> = {
    "Dir::State": home,
    "Dir::State::lists": `${home}/lists`,
    // An empty list of installed packages: this machine's own packages must not affect the choice.
    "Dir::State::status": `${home}/status`,
    "Dir::Cache": `${home}/cache`,
    "Dir::Etc::sourcelist": `${home}/sources.list`,
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
    // The index of a snapshot, which KUP_MIRROR may name, is old.
    ...Deno.env.get("KUP_MIRROR") ? { "Acquire::Check-Valid-Until": "false" } : {},
  };
  const list = architectures.map((name) => ` "${name}";`).join("");
  return Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`).join("") +
    `APT::Architectures {${list} };\n`;
}

/** The mirror of `$KUP_MIRROR`, or the one that this machine's own apt uses for Debian proper. */
async function mirror(): Promise<string> {
  const own = Deno.env.get("KUP_MIRROR");
  if (own) return own;
  const format = "$(REPO_URI) $(CODENAME) $(COMPONENT)";
  const listed = await must(["apt-get", "indextargets", "--format", format, "Origin: Debian"]);
  const lines = listed.split("\n").map((line) => line.split(" "));
  // Security has an archive of its own, which has no backports.
  const found = lines.find(([, suite, component]) =>
    component === "main" && suite !== undefined && !suite.endsWith("-security")
  );
  if (found?.[0] === undefined) {
    throw new HarnessError(
      "download",
      "apt knows no Debian mirror on this machine; run `apt-get update` as root, and try again.",
    );
  }
  return found[0];
}

/** What else an archive is opened with. */
export interface ArchiveOptions {
  /** @default {"bookworm"} */
  readonly release?: Release;
  /** Packages for these architectures are there too, by names such as `libc6:arm64`. */
  readonly foreign?: readonly string[];
}

/** The archive as it was when it was opened. */
export class Archive {
  readonly #home: string;
  readonly #debs = `${cacheFolder()}/debs`;
  readonly #env: Record<string, string>;

  private constructor(readonly release: Release) {
    this.#home = `${cacheFolder()}/apt${release === "bookworm" ? "" : `-${release}`}`;
    this.#env = { APT_CONFIG: `${this.#home}/apt.conf` };
  }

  /**
   * Fetches the archive's index and passes the archive to `use`. One call at a time with one cache:
   * two apts can't share a state.
   *
   * @throws {HarnessError} `"download"` when the archive can't be reached.
   */
  static async open<T>(
    use: (archive: Archive) => Promise<T>,
    { release = "bookworm", foreign = [] }: ArchiveOptions = {},
  ): Promise<T> {
    const archive = new Archive(release);
    for (const folder of ["lists/partial", "cache/archives/partial"]) {
      await Deno.mkdir(`${archive.#home}/${folder}`, { recursive: true });
    }
    await Deno.mkdir(archive.#debs, { recursive: true });
    using _lock = await lockFile(`${archive.#home}/kup.lock`);
    await archive.#update([NATIVE, ...foreign]);
    return await use(archive);
  }

  async #update(architectures: readonly string[]): Promise<void> {
    if (!await exists(KEYRING)) {
      throw new HarnessError(
        "tool",
        "The harness gets kernels from Debian's archive, and this machine lacks its keys; " +
          "install them with: apt-get install debian-archive-keyring",
      );
    }
    const uri = await mirror();
    const sources = suitesOf(this.release)
      .map((suite) => `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`);
    await Deno.writeTextFile(`${this.#home}/sources.list`, sources.join(""));
    await Deno.writeTextFile(`${this.#home}/status`, "");
    await Deno.writeTextFile(
      `${this.#home}/apt.conf`,
      configuration(this.#home, architectures),
    );
    await this.#fetch(["apt-get", "update", "-q", "--error-on=any"]);
  }

  async #fetch(command: readonly string[], cwd?: string): Promise<void> {
    try {
      await must(command, { env: this.#env, ...cwd === undefined ? {} : { cwd } });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const [reason = "it says nothing"] = error.finished.output.match(/^E: .*$/m) ?? [];
      throw new HarnessError(
        "download",
        `Debian's archive can't be read (${reason}); check the network, and try again. ` +
          `What is fetched stays in ${cacheFolder()}.`,
        { cause: error },
      );
    }
  }

  /** All versions that the archive has under a name; none if it does not know the name. */
  async show(name: string): Promise<Stanza[]> {
    const { stdout } = await capture(["apt-cache", "show", "-a", name], { env: this.#env });
    return parseStanzas(stdout);
  }

  /** These packages and all that they depend on, as apt would choose them, with their versions. */
  async closure(names: readonly string[]): Promise<string[]> {
    const command = ["apt-get", "install", "-s", "--no-install-recommends", ...names];
    const listed = await must(command, { env: this.#env });
    return [...listed.matchAll(/^Inst (\S+) \((\S+) /gm)].map(([, name, version]) =>
      `${name}=${version}`
    );
  }

  /** Fetches packages, which apt checks against the signed index, and returns their files. */
  async #download(names: readonly string[]): Promise<string[]> {
    const folder = await Deno.makeTempDir({ dir: this.#debs, prefix: "tmp-" });
    try {
      await this.#fetch(["apt-get", "download", "-q", ...names], folder);
      const files: string[] = [];
      for await (const entry of Deno.readDir(folder)) {
        await Deno.rename(`${folder}/${entry.name}`, `${this.#debs}/${entry.name}`);
        files.push(`${this.#debs}/${entry.name}`);
      }
      return files.sort();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  /**
   * Fetches packages and unpacks them into a folder, without installing anything. The folder's
   * `kup-packages` has the sum and the name with the version of each.
   */
  async unpack(names: readonly string[], folder: string): Promise<void> {
    const debs = await this.#download(names);
    // The folders that are links belong to base-files.
    const isFirst = (deb: string) => /\/(?:base-files|usr-is-merged)_[^/]*$/.test(deb);
    for (const deb of [...debs.filter(isFirst), ...debs.filter((deb) => !isFirst(deb))]) {
      await must(["dpkg-deb", "-x", deb, folder]);
    }
    const sums = await must(["sha256sum", ...debs.map((deb) => deb.slice(this.#debs.length + 1))], {
      cwd: this.#debs,
    });
    await Deno.writeTextFile(`${folder}/kup-packages`, sums, { append: true });
  }
}
