// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs a document's blocks as a reader would, in a new home folder that has this checkout as `kup`:
 *
 * - A paragraph with nothing but a bold file name before a block: the block is that file.
 * - A block of `sh`: bash runs it, in the folder and with the variables that the one before has
 *   left. Each command succeeds, unless the paragraph before contains the word "fails": then the
 *   block ends with an error. If the paragraph contains "Ctrl-C", that is pressed as soon as
 *   something was printed.
 * - A block of `text` behind it: what was printed. `…` stands for any text, or as a line for any
 *   lines. If the paragraph before contains the word "vary", each number stands for any number.
 * - A paragraph that begins with "The tests don't run this:" before a block: the rest of the
 *   paragraph is the reason, with which the block counts as skipped.
 *
 * A block of `ts` or `c` without a name is a part of a program: the static checks compile it. Any
 * other block is an error.
 */

import { assert } from "../../deps.ts";
import { type Block, parseMarkdown } from "./markdown.ts";
import { ROOT } from "./paths.ts";
import { must } from "./process.ts";
import { patience } from "./until.ts";

/** What a block asks for. */
export type Step =
  & { readonly line: number }
  & (
    | { readonly kind: "file"; readonly name: string; readonly text: string }
    | {
      readonly kind: "shell";
      readonly text: string;
      readonly fails: boolean;
      readonly interrupted: boolean;
    }
    | { readonly kind: "output"; readonly text: string; readonly varies: boolean }
    | { readonly kind: "skipped"; readonly reason: string }
  );

/** The steps of a document, in order. */
export function stepsOf(document: string): Step[] {
  const steps: Step[] = [];
  for (const block of parseMarkdown(document).blocks) {
    const step = stepOf(block, steps.at(-1)?.kind);
    if (step !== undefined) steps.push(step);
  }
  return steps;
}

function stepOf(block: Block, previous: Step["kind"] | undefined): Step | undefined {
  const { line, language, text, before } = block;
  const [, reason] = /^_?The tests don't run this: (.*?)_?$/.exec(before) ?? [];
  if (reason !== undefined) return { line, kind: "skipped", reason };
  const [, name] = /^\*\*`([^`]+)`\*\*:?$/.exec(before) ?? [];
  if (name !== undefined) return { line, kind: "file", name, text };
  if (language === "sh") {
    const [fails, interrupted] = [/\bfails\b/.test(before), before.includes("Ctrl-C")];
    return { line, kind: "shell", text, fails, interrupted };
  }
  if (language === "text" && previous === "shell") {
    return { line, kind: "output", text, varies: /\bvary\b/.test(before) };
  }
  if (language === "ts" || language === "c") return undefined;
  throw new Error(`Nothing says what the block of line ${line} is; see tests/lib/tutorial.ts.`);
}

/** The pattern of an expected output. */
export function outputPattern(text: string, varies: boolean): RegExp {
  const lines = text.trimEnd().split("\n").map((line) => {
    if (line.trim() === "…") return "(?:.*\n)*?";
    const exact = line.trimEnd().replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll("…", ".*?");
    if (!varies) return `${exact}\n`;
    return exact.replaceAll(/\d+(?:(?:,|\\\.)\d+)*/g, "\\d+(?:[.,]\\d+)*")
      .replaceAll(/ +/g, " +") + "\n";
  });
  return new RegExp(`^\n*${lines.join("")}\n*$`);
}

/** A home folder in which the steps of one document are taken. */
export class Reader implements Disposable {
  readonly #home = Deno.makeTempDirSync({ prefix: "kup-reader-" });
  /** What bash keeps from one block to the next. */
  readonly #state = Deno.makeTempDirSync({ prefix: "kup-reader-state-" });
  #printed = "";

  constructor() {
    Deno.symlinkSync(ROOT, `${this.#home}/kup`);
    Deno.writeTextFileSync(`${this.#state}/folder`, `${this.#home}\n`);
    Deno.writeTextFileSync(`${this.#state}/variables`, "");
  }

  /** @throws If the result is not the document's. */
  async take(step: Step): Promise<void> {
    if (step.kind === "file") {
      const folder = (await Deno.readTextFile(`${this.#state}/folder`)).trimEnd();
      await Deno.writeTextFile(`${folder}/${step.name}`, step.text);
    } else if (step.kind === "shell") {
      await this.#run(step.text, step.fails, step.interrupted);
    } else if (step.kind === "output") {
      const pattern = outputPattern(step.text, step.varies);
      assert(pattern.test(this.#printed), `It printed:\n${this.#printed}\nand not:\n${step.text}`);
    }
  }

  async #run(text: string, fails: boolean, interrupted: boolean): Promise<void> {
    const script = `exec 2>&1
. "$READER_STATE/variables"
cd "$(cat "$READER_STATE/folder")"
trap 'code=$?; pwd >"$READER_STATE/folder"; export -p >"$READER_STATE/variables"; exit $code' EXIT
set -e
${text}`;
    // A session of its own has a process group, to which Ctrl-C goes.
    const child = new Deno.Command("setsid", {
      args: ["bash", "--norc", "-c", script],
      env: this.#environment(),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const signal = (name: string) => must(["kill", `-${name}`, "--", `-${child.pid}`]);
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      signal("KILL");
    }, patience(120));
    let printed = "";
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
      if (printed === "" && interrupted) await signal("INT");
      printed += part;
    }
    const { code } = await child.status;
    clearTimeout(limit);
    this.#printed = printed.replaceAll(/[ \t]+$/gm, "");
    const end = late ? "No end in time" : `Exit status ${code}`;
    assert(!late && (code !== 0) === fails, `${end} of\n${text}\n${this.#printed}`);
  }

  /** Neither the tools of the checkout, which a reader has to find, nor the settings of `make`. */
  #environment(): Record<string, string> {
    const path = (Deno.env.get("PATH") ?? "").split(":").filter((folder) =>
      !folder.startsWith(ROOT)
    );
    return {
      HOME: this.#home,
      PATH: path.join(":"),
      READER_STATE: this.#state,
      LC_ALL: "C.UTF-8",
      NO_COLOR: "1",
      DENO_NO_UPDATE_CHECK: "1",
    };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#home, { recursive: true });
    Deno.removeSync(this.#state, { recursive: true });
  }
}
