// SPDX-License-Identifier: BSD-3-Clause
/** The mistakes of client modules that the host driver finds: one planted mistake each. */

import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../deps.ts";
import { KupError, mistakes, open, unload } from "../../mod.ts";
import { ClientModules } from "../lib/client_modules.ts";
import { capture } from "../lib/process.ts";

const modules = new ClientModules();
const planted = await modules.build("mistakes");

/** What unload throws, or "". */
function unloading(path: string): string {
  try {
    unload(path);
    return "";
  } catch (error) {
    assert(error instanceof KupError && error.code === "mistakes", String(error));
    return error.message;
  }
}

/** Runs the client with this mistake: one message, one answer, then unload. */
async function run(fault: string, options: { checks?: boolean } = {}): Promise<string> {
  {
    using device = open(planted, { parameters: { fault }, ...options });
    using channel = await device.attach();
    await channel.send("x");
    await channel.receive();
  }
  return unloading(planted);
}

/** Mistakes after which the user still gets its answer, and what the sentence has. */
const CASES: readonly (readonly [fault: string, ...words: string[]])[] = [
  ["commit_twice", "kup_commit of a reservation that kup_commit has finished already"],
  ["discard_committed", "kup_discard of a reservation that kup_commit has finished already"],
  ["write_behind", "finds that 3 bytes behind a reservation of 5 bytes were written"],
  ["write_before", "finds that 2 bytes before a reservation of 5 bytes were written"],
  ["write_late", "bytes of a reservation of 5 bytes were written after kup_commit at write_late"],
  ["peek_again", "kup_try_peek returns a message again that was peeked at"],
  ["never_release", "was never released"],
  ["release_twice", "kup_release of a message that kup_release has released already"],
  ["release_received", "kup_release of a message that kup_receive has released already"],
  ["destroy", "kup_device_destroy(mistakes) from a callback of the same device"],
  ["sleep_in_spinlock", "kup_sleep_ms may sleep, but this thread holds a kup_spinlock"],
  ["allocate_in_spinlock", "kup_alloc may sleep, but this thread holds a kup_spinlock"],
  ["sleep_in_monitor", "kup_pause may sleep for long, but this thread holds a kup_monitor"],
  ["lock_twice", "kup_monitor_lock of a lock that this thread holds already"],
  ["spin_twice", "kup_spinlock_lock of a lock that this thread holds already"],
  ["never_unlock", "serve has returned with a kup_monitor held"],
  ["unlock_free", "kup_monitor_unlock of a lock that this thread does not hold"],
  ["wake_free", "kup_monitor_wake of a monitor that this thread does not hold"],
  ["free_twice", "kup_free of memory that was given back already"],
  ["join_twice", "kup_thread_join of something that was given back already"],
  ["sleep_in_timer", "kup_breathe may sleep, but is called in a context that may not"],
  ["destroy_own_timer", "kup_timer_destroy from the timer's callback itself"],
  ["destroy_twice", "kup_device_destroy of a device that was destroyed already"],
  ["leave_memory", "123 bytes of memory are left after unload, from kup_alloc at load+0x"],
  ["leave_timer", "1 kup_timer is left after unload, from kup_timer_create at load+0x"],
  ["leave_monitor", "1 kup_monitor is left after unload, from kup_monitor_create at load+0x"],
  ["leave_spinlock", "1 kup_spinlock is left after unload, from kup_spinlock_create at load+0x"],
  ["leave_thread", "1 kup_thread is left after unload, from kup_thread_start at load+0x"],
];

for (const [fault, ...words] of CASES) {
  Deno.test(`unload() throws the mistake of a client: ${fault}`, async () => {
    const message = await run(fault);
    for (const word of words) assertStringIncludes(message, word);
    assertStringIncludes(message, "mistakes0.so");
    assertEquals(message.split("\n").length, 2, message);
    assertEquals(mistakes(planted), message.split("\n").slice(1));
  });
}

Deno.test("mistakes() has a reservation that is open for a second while its user waits", async () => {
  {
    using device = open(planted, { parameters: { fault: "never_commit" } });
    using channel = await device.attach();
    await channel.send("x");
    const waiting = channel.receive();
    while (mistakes(planted).length === 0) await new Promise((done) => setTimeout(done, 50));
    const [sentence = ""] = mistakes("host:mistakes");
    assertStringIncludes(sentence, "mistakes, channel 0: a reservation of 37 bytes has been open");
    assertStringIncludes(sentence, "made at never_commit+0x");
    device.close();
    channel.close();
    await waiting.catch(() => {});
  }
  assertStringIncludes(unloading(planted), "a reservation of 37 bytes");
});

Deno.test("mistakes() has a serve that does not return, and unload() waits for it", async () => {
  {
    using device = open(planted, { parameters: { fault: "stay" } });
    using channel = await device.attach();
    await channel.send("x");
    await channel.receive();
  }
  const message = unloading(planted);
  assertStringIncludes(message, "serve has not returned 5 s after");
  assertStringIncludes(message, "its last call was kup_sleep_ms at stay+0x");
});

Deno.test("unload() throws busy instead of waiting for a serve that never returns", async () => {
  {
    using device = open(planted, { parameters: { fault: "stay_late" } });
    using channel = await device.attach();
    await channel.send("x");
    await channel.receive();
  }
  const hung = await modules.build("mistakes", "-DHUNG");
  const device = open(hung, { parameters: { fault: "hang", name: "hung" } });
  const channel = await device.attach();
  await channel.send("x");
  await channel.receive();
  channel.close();
  device.close();
  for (let i = 0; i < 2; i++) {
    const error = assertThrows(() => unload(hung), KupError, "has not returned");
    assertEquals(error.code, "busy");
  }
  assertStringIncludes(mistakes(hung).join("\n"), "serve has not returned 5 s after");
  // This one was found long ago, but returns now.
  assertStringIncludes(unloading(planted), "serve has not returned 5 s after the user was gone");
});

Deno.test("mistakes() of a device's name has those of the module that made it last", async () => {
  const other = await modules.build("mistakes", "-DOTHER", "-O1");
  const turns = [
    [other, "commit_twice", "kup_commit of a reservation"],
    [planted, "free_twice", "kup_free of memory"],
    [other, "join_twice", "kup_thread_join of something"],
  ] as const;
  for (const [path, fault, word] of turns) {
    {
      using device = open(path, { parameters: { fault } });
      using channel = await device.attach();
      await channel.send("x");
      await channel.receive();
    }
    unloading(path);
    assertStringIncludes(mistakes("host:mistakes").join("\n"), word);
  }
});

Deno.test("open() with checks: false finds no mistake", async () => {
  for (const fault of ["commit_twice", "never_release", "leave_memory", "sleep_in_monitor"]) {
    assertEquals(await run(fault, { checks: false }), "");
  }
  assertThrows(() => open(planted, { checks: 1 as unknown as boolean }), TypeError);
  assertThrows(() => open("/dev/null", { checks: true }), TypeError);
});

Deno.test("KUP_HOST_CHECKS ends the process at the first mistake, or turns the checks off", async () => {
  const program = `
    import { open, unload } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
    const path = ${JSON.stringify(planted)};
    {
      using device = open(path, { parameters: { fault: "commit_twice" } });
      using channel = await device.attach();
      await channel.send("x");
      await channel.receive();
    }
    try { unload(path); } catch ({ code }) { console.log(code); }`;
  const url = `data:text/javascript,${encodeURIComponent(program)}`;
  const deno = [Deno.execPath(), "run", "--no-config", "--no-check", "--allow-ffi", url];
  const cases = [["0", 0, ""], ["1", 0, "mistakes\n"], ["abort", 134, ""], ["2", 0, "mistakes\n"]];
  for (const [value, code, stdout] of cases) {
    const ended = await capture(deno, { env: { KUP_HOST_CHECKS: String(value) } });
    assertEquals([ended.code, ended.stdout], [code, stdout], ended.output);
    assertEquals(ended.output.includes("kup_commit of a reservation"), value !== "0");
    assertEquals(ended.output.includes("must be 0, 1 or abort"), value === "2");
  }
});

Deno.test("unload() and mistakes() report nothing about a client without mistakes", async () => {
  assertEquals(await run("none"), "");
  for (const name of ["fail_to_answer", "read_elsewhere", "lock_many"]) {
    assertEquals(await run(name), "", name);
  }
  assertEquals(mistakes(planted), []);
  assertEquals(mistakes("host:nothing"), []);
});
