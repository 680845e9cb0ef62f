// SPDX-License-Identifier: BSD-3-Clause
// The checks of src/symbols.ts, on headers that differ from the real one in one place.
import { pathToFileURL } from "node:url";
import { generateSymbols, Unavailable } from "../../scripts/gen_symbols.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../../deps.ts";
import { checkCompiled, checkGenerated } from "../checks/bindings.ts";
import { ROOT } from "../lib/paths.ts";

const hasCargo = await generateSymbols().then(() => true, (error) => {
  if (error instanceof Unavailable) return false;
  throw error;
});
const hasZig = Deno.env.has("KUP_ZIG");

/** Calls `use` with a copy of the header in which one text, which it must contain, is replaced. */
async function withChange(from: string, to: string, use: (header: string) => Promise<void>) {
  const header = await Deno.readTextFile(`${ROOT}/native/kup_user.h`);
  assertStringIncludes(header, from);
  const folder = await Deno.makeTempDir({ prefix: "kup header " });
  try {
    await Deno.writeTextFile(`${folder}/kup_user.h`, header.replace(from, to));
    await use(`${folder}/kup_user.h`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CHANGES = [
  {
    what: "a parameter's type",
    from: "kup_user_wait(int32_t fd, uint32_t events",
    to: "kup_user_wait(int32_t fd, uint64_t events",
    problem: /kup_user_wait\b.*u64/,
  },
  {
    what: "a parameter that has become a pointer",
    from: "kup_user_kick(int32_t fd)",
    to: "kup_user_kick(int32_t *fd)",
    problem: /kup_user_kick\b.*buffer/,
  },
  {
    what: "a result's type",
    from: "KUP_USER_DENO_CALL int32_t kup_user_close(",
    to: "KUP_USER_DENO_CALL void kup_user_close(",
    problem: /kup_user_close\b.*void/,
  },
  {
    what: "one parameter more, on the next line",
    from: "kup_user_info(int32_t fd,",
    to: "kup_user_info(int32_t fd, uint32_t\n\t\tbytes,",
    problem: /kup_user_info\b.*i32.*u32.*buffer/,
  },
  {
    what: "a call that has become marked",
    from: "KUP_USER_CALL int32_t kup_user_release_range(",
    to: "KUP_USER_DENO_CALL int32_t kup_user_release_range(",
    problem: /kup_user_release_range\b/,
  },
  {
    what: "a call that is no longer marked",
    from: "KUP_USER_DENO_CALL int32_t kup_user_pipe(",
    to: "KUP_USER_CALL int32_t kup_user_pipe(",
    problem: /kup_user_pipe\b/,
  },
];

for (const { what, from, to, problem } of CHANGES) {
  Deno.test({
    name: `checkGenerated() finds ${what}`,
    ignore: !hasCargo,
    fn: () =>
      withChange(from, to, async (header) => {
        const result = await checkGenerated(header);
        assert(typeof result === "string");
        assertMatch(result, problem);
      }),
  });
  Deno.test({
    name: `checkCompiled() finds ${what}`,
    ignore: !hasZig,
    fn: () =>
      withChange(
        from,
        to,
        async (header) => assertMatch(await checkCompiled(header) ?? "", problem),
      ),
  });
}

Deno.test({
  name: "checkGenerated() and checkCompiled() accept a header in which only a comment changed",
  ignore: !hasCargo || !hasZig,
  fn: () =>
    withChange(
      "/*\n * ATTACH",
      "/* KUP_USER_DENO_CALL int32_t none(void);\n * ATTACH",
      async (header) => {
        assertEquals(await checkGenerated(header), undefined);
        assertEquals(await checkCompiled(header), undefined);
      },
    ),
});

Deno.test({
  name: "generateSymbols() names a declaration with a type that it does not know",
  ignore: !hasCargo,
  fn: () =>
    withChange("kup_user_kick(int32_t fd)", "kup_user_kick(uint16_t fd)", async (header) => {
      const refused = () => generateSymbols(pathToFileURL(header));
      const { message } = await assertRejects(refused, Error, "kup_user_kick(uint16_t fd)");
      assertStringIncludes(message, "read_type()");
    }),
});
