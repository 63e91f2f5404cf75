import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type ClientRequest, createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import process from "node:process";
import { after, describe, it } from "node:test";
import { azure } from "../../../lib/adapters/azure.ts";
import { s3 } from "../../../lib/adapters/s3.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";

const seen: IncomingMessage[] = [];
/** Told of each request that is not answered. */
let onWaiting = (): void => {};
const server = createServer((request, response) => {
  seen.push(request);
  request.on("error", () => {}).resume();
  if (/\/p\/waits(?:\?|$)/.test(request.url!)) return onWaiting();
  if (/\/p\/breaks(?:\?|$)/.test(request.url!)) return request.socket.resetAndDestroy();
  // Services of both kinds say so, and connections stay open.
  const lastModified = new Date(0).toUTCString();
  request.once("end", () => {
    response.writeHead(request.method === "PUT" ? 201 : 200, { etag: '"1"', "last-modified": lastModified }).end();
  });
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
after(() => {
  server.closeAllConnections();
  server.close();
});

const STORES: Readonly<Record<string, (deadline: number) => ObjectStore>> = {
  "S3Store": (deadline) =>
    s3("s3://bucket/p", {
      endpoint,
      credentials: { accessKeyId: "one", secretAccessKey: "two" },
      deadline,
      attempts: 1,
    }),
  "AzureStore": (deadline) =>
    azure("azure://account/container/p", {
      endpoint: `${endpoint}/account`,
      accountKey: btoa("key"),
      deadline,
      attempts: 1,
    }),
};

for (const [name, open] of Object.entries(STORES)) {
  describe(`${name}, on a connection that served before,`, () => {
    const sent = async (run: (store: ObjectStore) => Promise<unknown>, deadline = 60_000): Promise<string[]> => {
      const store = open(deadline);
      await store.put("first", new Uint8Array(1));
      seen.length = 0;
      await run(store);
      const [{ socket }] = seen as [IncomingMessage];
      if (!socket.destroyed) await new Promise<void>((resolve) => void socket.once("close", () => resolve()));
      await store.put("last", new Uint8Array(1));
      return seen.map(({ method, url }) => `${method} ${url!.replace(/^.*\/p\/|\?.*$/g, "")}`);
    };

    it("sends no request again that was aborted", async () => {
      const reason = new Error("enough");
      const requests = await sent(async (store) => {
        const giveUp = new AbortController();
        onWaiting = () => giveUp.abort(reason);
        await assert.rejects(store.delete("waits", { signal: giveUp.signal }), (error) => error === reason);
      });
      assert.deepEqual(requests, ["DELETE waits", "PUT last"]);
    });

    it("sends no request again that had its deadline", async () => {
      onWaiting = () => {};
      const requests = await sent((store) => assert.rejects(store.delete("waits"), /no answer within/), 200);
      assert.deepEqual(requests, ["DELETE waits", "PUT last"]);
    });

    it("outlives it when it breaks behind one that was given up as it was made", async () => {
      if (!("Deno" in globalThis)) return; // Deno's own.
      const store = open(60_000);
      await store.put("first", new Uint8Array(1));
      const giveUp = new AbortController();
      const { reuseSocket } = Agent.prototype as unknown as {
        reuseSocket(socket: Socket, request: ClientRequest): void;
      };
      Object.assign(Agent.prototype, {
        reuseSocket(this: Agent, socket: Socket, request: ClientRequest) {
          reuseSocket.call(this, socket, request);
          process.nextTick(() => giveUp.abort(new Error("enough")));
        },
      });
      try {
        await assert.rejects(store.put("large", new Uint8Array(3e6), { signal: giveUp.signal }), /enough/);
      } finally {
        Object.assign(Agent.prototype, { reuseSocket });
      }
      const uncaught: unknown[] = [];
      const note = (error: unknown): void => void uncaught.push(error);
      process.on("uncaughtException", note);
      await assert.rejects(store.put("breaks", new Uint8Array(1)), { code: "STORAGE" });
      await store.put("last", new Uint8Array(1));
      process.off("uncaughtException", note);
      assert.deepEqual(uncaught, []);
    });
  });
}
