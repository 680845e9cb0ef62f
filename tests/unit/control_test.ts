// SPDX-License-Identifier: BSD-3-Clause
/** Control records: those that a channel receives, those of later versions, and lies. */

import { assertEquals } from "../../deps.ts";
import { CONTROL_END, CONTROL_GAP, CONTROL_OPTIONAL, CONTROL_PASS, GAP_AT } from "../../src/abi.ts";
import { assertRejectsWith, test } from "./attached.ts";

test(
  "Channel.receive() skips optional control records that it does not know",
  async (channel, kernel) => {
    for (const low of [0, CONTROL_GAP, CONTROL_PASS, 12345]) {
      kernel.control(CONTROL_OPTIONAL + low, 40);
      kernel.send("message");
      const message = await channel.receive();
      assertEquals([message?.text(), message?.gap, message?.pass], ["message", undefined, false]);
    }
    kernel.control(CONTROL_OPTIONAL);
    assertEquals(channel.tryReceive(), undefined);
  },
);

test("Channel.receive() accepts a gap that is longer than it knows", async (channel, kernel) => {
  kernel.control(CONTROL_GAP, GAP_AT.SIZE + 8);
  const message = await channel.receive();
  assertEquals([message?.gap === undefined, message?.length, message?.type], [false, 0, 0]);
});

for (
  const [name, mode, kind, length] of [
    ["a gap that is too short", 1, CONTROL_GAP, GAP_AT.SIZE - 1],
    ["a pass on a stream channel", 1, CONTROL_PASS, 0],
    ["a gap on a turn channel", 2, CONTROL_GAP, GAP_AT.SIZE],
    ["an end with a payload", 1, CONTROL_END, 8],
    ["an end on a turn channel", 2, CONTROL_END, 0],
    ["a kind that shares its low bits with a known one", 1, 32 + CONTROL_GAP, GAP_AT.SIZE],
  ] as const
) {
  test(`Channel.receive() breaks at ${name}`, async (channel, kernel) => {
    kernel.control(kind, length);
    await assertRejectsWith(channel.receive(), "broken");
  }, { mode });
}
