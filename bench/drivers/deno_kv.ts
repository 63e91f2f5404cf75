/** @module */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import type { Driver, DriverKind } from "./driver.ts";

interface Entry {
  key: string[];
  value: Uint8Array | null;
  versionstamp: string | null;
}

interface Kv {
  get(key: string[]): Promise<Entry>;
  getMany(keys: string[][]): Promise<Entry[]>;
  delete(key: string[]): Promise<void>;
  set(key: string[], value: Uint8Array): Promise<unknown>;
  list(
    selector: { start: string[]; end: string[] },
    options: { limit?: number; batchSize: number },
  ): AsyncIterable<{ key: string[]; value: Uint8Array }>;
  atomic(): Atomic;
  close(): void;
}

interface Atomic {
  check(...entries: Entry[]): Atomic;
  set(key: string[], value: Uint8Array): Atomic;
  delete(key: string[]): Atomic;
  commit(): Promise<{ ok: boolean }>;
}

/**
 * Deno KV on its local SQLite file. It has no settings: neither cache nor durability can be chosen; and a value has
 * 64 KiB at most.
 */
export const denoKv: DriverKind = {
  name: "Deno KV",
  runtimes: ["deno"],
  features: ["transactions"],
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
      delete: (key) => kv.delete([key]),
      async deleteBatch(keys) {
        const atomic = kv.atomic();
        for (const key of keys) atomic.delete([key]);
        if (!(await atomic.commit()).ok) throw new Error("Deno KV refused a batch.");
      },
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
      async transaction(keys, change) {
        for (;;) {
          const entries = await kv.getMany(keys.map((key) => [key]));
          const [first, second] = change(entries[0]!.value, entries[1]!.value);
          const atomic = kv.atomic().check(...entries).set([keys[0]], first).set([keys[1]], second);
          if ((await atomic.commit()).ok) return;
        }
      },
      settle() {},
      close: () => kv.close(),
    };
  },
};
