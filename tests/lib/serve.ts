// SPDX-License-Identifier: BSD-3-Clause
/** The published package, over HTTP. */

import { ROOT } from "./paths.ts";

/** Serves these files of the checkout, and nothing else. `asked` gets the paths of all requests. */
export function servePublished(
  files: readonly string[],
  asked = new Set<string>(),
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname.slice(1);
    asked.add(path);
    if (!files.includes(path)) return new Response("There is no such file.", { status: 404 });
    const kind = path.endsWith(".json") ? "json" : "typescript";
    const headers = { "content-type": `application/${kind}` };
    return new Response(await Deno.readFile(`${ROOT}/${path}`), { headers });
  });
}
