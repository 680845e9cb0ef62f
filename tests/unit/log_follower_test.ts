// SPDX-License-Identifier: BSD-3-Clause
import { assertEquals } from "../../deps.ts";
import { followLog, LogLines } from "../../harness/log_follower.ts";
import { until } from "../lib/until.ts";

Deno.test("LogLines.add() returns whole lines, from the modules' loading on", () => {
  const lines = new LogLines();
  assertEquals([...lines.add("[1.0] booting\n[2.0] kup: load")], []);
  assertEquals([...lines.add("ing\r\n[3.0] WARN")], ["[2.0] kup: loading"]);
  assertEquals([...lines.add("ING\n\n")], ["[3.0] WARNING", ""]);
});

Deno.test("followLog() shows a log up to its last line, also if it comes late", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.remove(path);
    const done = new AbortController();
    const shown: string[] = [];
    const following = followLog(path, done.signal, (line) => shown.push(line));
    await Deno.writeTextFile(path, "kup: one\n");
    await until(() => shown.length > 0, "the first line is shown");
    assertEquals(shown, ["kup: one"]);
    await Deno.writeTextFile(path, "two\n", { append: true });
    done.abort();
    await following;
    assertEquals(shown, ["kup: one", "two"]);
  } finally {
    await Deno.remove(path);
  }
});
