// SPDX-License-Identifier: BSD-3-Clause

/**
 * What kind of mistake or trouble ended a call of the harness:
 *
 * - `"setting"`: an argument is wrong, such as a folder that is not there;
 * - `"tool"`: a program that the harness needs is missing;
 * - `"download"`: a kernel, a tool or a module of the tests can't be fetched;
 * - `"build"`: a module does not build;
 * - `"guest"`: the kernel or the machine ended, hung, or can't load a module.
 *
 * @example
 * ```ts
 * import { boot, HarnessError, type HarnessErrorCode } from "jsr:@kup/kup/harness";
 * import { assertRejects } from "jsr:@std/assert@1";
 *
 * const mine: HarnessErrorCode = "setting";
 * const error = await assertRejects(() => boot({ kernel: "2.4" }), HarnessError);
 * if (error.code === mine) console.log("An argument is wrong.");
 * ```
 */
export type HarnessErrorCode = "setting" | "tool" | "download" | "build" | "guest";

/**
 * An error of the harness. Its message ends with the cause, or with what to do.
 *
 * @example
 * ```ts
 * import { boot, HarnessError } from "jsr:@kup/kup/harness";
 *
 * try {
 *   await boot({ modules: ["./missing"] });
 * } catch (error) {
 *   if (!(error instanceof HarnessError)) throw error;
 *   console.log(error.code, error.message);
 * }
 * ```
 */
export class HarnessError extends Error {
  /** The name that a stack begins with. */
  override readonly name = "HarnessError";

  /** The kind of mistake or trouble. */
  readonly code: HarnessErrorCode;

  /** Makes an error whose message is shown to a person. */
  constructor(code: HarnessErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
