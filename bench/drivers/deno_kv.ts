/** @module */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import type { Driver, DriverKind } from "./driver.ts";

interface Kv {
  get(key: string[]): Promise<{ value: Uint8Array | null }>;
  set(key: string[], value: Uint8Array): Promise<unknown>;
  list(
    selector: { start: string[]; end: string[] },
    options: { limit?: number; batchSize: number },
  ): AsyncIterable<{ key: string[]; value: Uint8Array }>;
  atomic(): Atomic;
  close(): void;
}

interface Atomic {
  set(key: string[], value: Uint8Array): Atomic;
  commit(): Promise<{ ok: boolean }>;
}

/** Deno KV on its local SQLite file. It has no settings: neither cache nor durability can be chosen. */
export const denoKv: DriverKind = {
  name: "Deno KV",
  runtimes: ["deno"],
  async open(directory: string): Promise<Driver> {
    const { Deno } = globalThis as unknown as { Deno: { openKv(path: string): Promise<Kv> } };
    const kv = await Deno.openKv(join(directory, "kv.sqlite"));
    return {
      async putBatch(pairs: readonly Pair[]) {
        const atomic = kv.atomic();
        for (const [key, value] of pairs) atomic.set([key], value);
        if (!(await atomic.commit()).ok) throw new Error("Deno KV refused a batch.");
      },
      put: (key, value) => kv.set([key], value),
      get: async (key) => (await kv.get([key])).value,
      async scan(start, limit, visit) {
        let seen = 0;
        const options = limit === Infinity ? { batchSize: 500 } : { limit, batchSize: Math.min(500, limit) };
        for await (const { key, value } of kv.list({ start: [start ?? ""], end: ["~"] }, options)) {
          visit(key[0]!, value);
          seen++;
        }
        return seen;
      },
      settle() {},
      close: () => kv.close(),
    };
  },
};
