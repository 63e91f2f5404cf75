/**
 * A hot copy over HTTP: the server streams one point in time while it goes on writing.
 *
 * Runs on `Deno.serve`, `Bun.serve` or `node:http`, fetches its own export once, restores it beside, and stops.
 *
 *     node examples/serve_export.ts
 *
 * @module
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { DB } from "@holdfast/db";
import { count, fact, promise, scratch, size, step, time, timed, title } from "./show.ts";

interface Server {
  kind: string;
  port: number;
  stop(): Promise<void>;
}

type Handler = (request: { url: string }) => Response;

/** The two global objects that only one runtime has each, as far as they are used here. */
const { Deno, Bun } = globalThis as unknown as {
  Deno?: {
    serve(
      options: { port: number; hostname: string; onListen: () => void },
      handler: Handler,
    ): { addr: { port: number }; shutdown(): Promise<void> };
  };
  Bun?: {
    serve(options: { port: number; hostname: string; fetch: Handler }): { port: number; stop(): Promise<void> };
  };
};

async function serve(handler: Handler): Promise<Server> {
  const at = { port: 0, hostname: "127.0.0.1" };
  if (Deno !== undefined) {
    const server = Deno.serve({ ...at, onListen: () => {} }, handler);
    return { kind: "Deno.serve", port: server.addr.port, stop: () => server.shutdown() };
  }
  if (Bun !== undefined) {
    const server = Bun.serve({ ...at, fetch: handler });
    return { kind: "Bun.serve", port: server.port, stop: () => server.stop() };
  }
  const server = createServer(async (request, reply) => {
    const response = handler({ url: `http://${at.hostname}${request.url}` });
    reply.writeHead(response.status, Object.fromEntries(response.headers));
    // A client that goes away ends the stream, and with it the hold on the exported version.
    await pipeline(response.body === null ? [] : Readable.fromWeb(response.body as never), reply).catch(() => {});
  });
  await new Promise<void>((resolve) => server.listen(at.port, at.hostname, resolve));
  return {
    kind: "node:http",
    port: (server.address() as AddressInfo).port,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

title("A hot export over HTTP");
await using home = await scratch("serve");
await using db = await DB.open(`${home.path}/live`, { durability: "interval" });
await db.setMany(Array.from({ length: 20_000 }, (_, i) => [`reading/${String(i).padStart(6, "0")}`, { value: i }]));

step("Serve");
const server = await serve(({ url }) => {
  if (new URL(url).pathname !== "/export.tar") return new Response("Not here; try /export.tar\n", { status: 404 });
  return new Response(db.exportStream({ format: "tar" }), { headers: { "content-type": "application/x-tar" } });
});
fact("listening with", `${server.kind} on port ${server.port}`);

step("Download, while the server writes on");
let writing = true;
let written = 0;
const writer = (async () => {
  while (writing) await db.set(`later/${written++}`, "not part of the copy");
})();
const restored = await timed(async () => {
  const response = await fetch(`http://127.0.0.1:${server.port}/export.tar`);
  let bytes = 0;
  const counted = response.body!.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length;
        controller.enqueue(chunk);
      },
    }),
  );
  await DB.restore(counted, `${home.path}/copy`);
  return bytes;
});
writing = false;
await writer;
await server.stop();
fact("downloaded and restored", `${size(restored.result)} in ${time(restored.ms)}`);
fact("written meanwhile", `${count(written)} entries`);

step("Open the copy");
await using copy = await DB.open(`${home.path}/copy`);
fact("readings", count(await copy.count({ prefix: "reading/" })));
promise(await copy.count({ prefix: "reading/" }) === 20_000, "the copy holds all 20,000 readings");
// Every earlier write is in, no later one is: the keys are later/0 .. later/n-1 without a hole.
const later = await copy.count({ prefix: "later/" });
promise(
  later === 0 || await copy.has(`later/${later - 1}`),
  "and of what was written meanwhile exactly what came before its moment",
);
