// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the author of a client module learns when its load fails: the field, its value, and what is
 * wrong with it.
 */

import { assertEquals, assertThrows } from "../../deps.ts";
import { KupError, type KupErrorCode, open, unload } from "../../mod.ts";
import { ClientModules } from "../lib/client_modules.ts";

const modules = new ClientModules();
const wrong = await modules.build("wrong");

type Parameters = Record<string, string | number>;

function failure(parameters: Parameters): KupError {
  return assertThrows(() => open(wrong, { parameters }), KupError);
}

const NO_NAME = "is not a valid device name";
const LETTERS = `it may hold letters, digits, ".", "_", "-" and "/"`;

/** The module's parameters, and the sentence that its config then gets. */
const CONFIGS: readonly (readonly [Parameters, string])[] = [
  [{ null: "config" }, "kup_device_create: config is NULL"],
  [{ null: "ops" }, "kup_device_create: ops is NULL"],
  [{ null: "device" }, "kup_device_create: device is NULL"],
  [{ null: "name" }, "a device's name is NULL"],
  [{ name: "empty" }, `"" ${NO_NAME}: a part of it is empty`],
  [{ name: "/dev/it" }, `"/dev/it" ${NO_NAME}: a part of it is empty`],
  [{ name: "it/" }, `"it/" ${NO_NAME}: a part of it is empty`],
  [{ name: "../it" }, `"../it" ${NO_NAME}: a part of it begins with "."`],
  [{ name: "space" }, `"a b" ${NO_NAME}: ${LETTERS}`],
  [{ name: "strange" }, `"line..." ${NO_NAME}: ${LETTERS}`],
  [{ name: "long" }, `"${"x".repeat(63)}..." ${NO_NAME}: it is longer than 63 characters`],
  [{ channels: 1025 }, "mine/wrong: channels is 1025, more than 1024"],
  [{ to_user_pages: 3 }, "mine/wrong: to_user_pages is 3, which is not a power of two"],
  [{ to_kernel_pages: 48 }, "mine/wrong: to_kernel_pages is 48, which is not a power of two"],
  [{ to_user_pages: 131072 }, "mine/wrong: to_user_pages is 131072, more than 65536"],
  [{ to_kernel_pages: 2 ** 31 }, "mine/wrong: to_kernel_pages is 2147483648, more than 65536"],
  [{ max_to_user_pages: 24 }, "mine/wrong: max_to_user_pages is 24, which is not a power of two"],
  [{ max_to_kernel_pages: 131072 }, "mine/wrong: max_to_kernel_pages is 131072, more than 65536"],
  [
    { to_user_pages: 4, max_to_user_pages: 2 },
    "mine/wrong: max_to_user_pages is 2, less than the default, 4",
  ],
  [{ max_to_kernel_pages: 8 }, "mine/wrong: max_to_kernel_pages is 8, less than the default, 16"],
  [
    { mode: 4 },
    "mine/wrong: mode is 4, not KUP_MODE_STREAM (1), KUP_MODE_TURN (2) or KUP_MODE_CALL (3)",
  ],
  // The decimal number 600, a common mistake.
  [{ permissions: 600 }, "mine/wrong: permissions is 01130, more than 0777 (which is octal)"],
  [{ group: 2 ** 32 - 1 }, "mine/wrong: group is 4294967295, which is not a group's number"],
  [{ stamps: 2 }, "mine/wrong: stamps is 2, not 0 or 1"],
  [
    { stamps: 1, mode: 2 },
    "mine/wrong: stamps is 1 with mode 2, and stamps are for KUP_MODE_STREAM",
  ],
  [
    { stamps: 1, mode: 3 },
    "mine/wrong: stamps is 1 with mode 3, and stamps are for KUP_MODE_STREAM",
  ],
  [{ spin_us: 10001 }, "mine/wrong: spin_us is 10001, more than 10000 and not KUP_NO_SPIN"],
];

Deno.test("kup_device_create() names the field of a wrong config, and its value", async (t) => {
  for (const [parameters, sentence] of CONFIGS) {
    await t.step(sentence, () => {
      const error = failure(parameters);
      assertEquals(
        error.message,
        `${wrong}: Cannot load the module: its load returned -EINVAL (${sentence}).`,
      );
      assertEquals([error.code, error.errno], ["refused", 22]);
    });
  }
});

Deno.test("kup_device_create() accepts values at the limits, and logs nothing", () => {
  const configs: Parameters[] = [
    { channels: 1024 },
    { to_user_pages: 1, to_kernel_pages: 1 },
    { to_user_pages: 1, max_to_user_pages: 1, max_to_kernel_pages: 65536 },
    { mode: 2, permissions: 0o777, group: 2 ** 32 - 2, spin_us: 10000 },
    { spin_us: 2 ** 32 - 1 },
    { stamps: 1, mode: 1 },
    { name: "x".repeat(63) },
    { name: "a.b/c-d/E_9" },
  ];
  for (const parameters of configs) {
    open(wrong, { parameters }).close();
    unload(wrong);
  }
});

Deno.test("kup_device_create() names the device that has the name already", () => {
  const cases = [
    ["mine/wrong", "mine/wrong"],
    ["mine", "mine/wrong"],
    ["mine/wrong/inside", "mine/wrong"],
  ] as const;
  for (const [before, name] of cases) {
    const error = failure({ how: "taken", before, name });
    assertEquals(
      error.message,
      `${wrong}: Cannot load the module: its load returned -EEXIST (${name}: the name is ` +
        `taken by the device ${before}).`,
    );
    assertEquals([error.code, error.errno], ["busy", 17]);
  }
});

Deno.test("kupdev_create(), which returns no errno, names what is wrong with its arguments", () => {
  const cases: readonly (readonly [Parameters, string])[] = [
    [{ null: "name" }, "a device's name is NULL"],
    [{ name: ".hidden" }, `".hidden" ${NO_NAME}: a part of it begins with "."`],
    [{ size: 0 }, "kupdev_create: size is 0, not 1 to 32768 pages"],
    [{ size: 32769 }, "kupdev_create: size is 32769, not 1 to 32768 pages"],
    [{ chan_cnt: 0 }, "kupdev_create: chan_cnt is 0, not 1 to 1024"],
    [{ chan_cnt: 1025 }, "kupdev_create: chan_cnt is 1025, not 1 to 1024"],
  ];
  for (const [parameters, sentence] of cases) {
    assertEquals(
      failure({ ...parameters, how: "kupdev" }).message,
      `${wrong}: Cannot load the module: its load returned -ENXIO (${sentence}).`,
    );
  }
});

Deno.test("open() names the errno of a load that fails without a sentence", () => {
  const cases: readonly (readonly [Parameters, KupErrorCode, number, string])[] = [
    [{ error: 5 }, "refused", 5, "-EIO (5)"],
    [{ error: 11 }, "refused", 11, "-EAGAIN (11)"],
    [{ error: 95 }, "refused", 95, "-EOPNOTSUPP (95)"],
    [{ error: 110 }, "refused", 110, "-ETIMEDOUT (110)"],
    [{ error: 4000 }, "refused", 4000, "an unknown errno (4000)"],
    [{ positive: 5 }, "refused", 22, "5, which is neither 0 nor a negative errno"],
  ];
  for (const [parameters, code, errno, told] of cases) {
    const error = failure(parameters);
    assertEquals(error.message, `${wrong}: Cannot load the module: its load returned ${told}.`);
    assertEquals([error.code, error.errno], [code, errno]);
  }
});

Deno.test("open() names a wrong config also when a thread of the module has it", () => {
  const error = failure({ how: "thread", mode: 9 });
  assertEquals(
    error.message,
    `${wrong}: The module has made no device (mine/wrong: mode is 9, not KUP_MODE_STREAM (1), ` +
      "KUP_MODE_TURN (2) or KUP_MODE_CALL (3)).",
  );
  assertEquals(error.code, "not-found");
  unload(wrong);
});

Deno.test("kup_device_create() names on stderr what its module ignores", async () => {
  const script = `
    import { open, unload } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url))};
    const parameters = { how: "go_on", channels: 2000 };
    try { open("${wrong}", { parameters }); } catch (error) { console.log(error.message); }
    unload("${wrong}");
    // Nothing of an earlier load is left for a later one.
    const other = { error: 5 };
    try { open("${wrong}", { parameters: other }); } catch (error) { console.log(error.message); }`;
  const url = `data:text/javascript,${encodeURIComponent(script)}`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", url],
  }).output();
  const sentence = "mine/wrong: channels is 2000, more than 1024";
  assertEquals(new TextDecoder().decode(stderr), `kup: ${sentence}\n`);
  assertEquals(new TextDecoder().decode(stdout).split("\n"), [
    `${wrong}: The module has made no device (${sentence}).`,
    `${wrong}: Cannot load the module: its load returned -EIO (5).`,
    "",
  ]);
});
