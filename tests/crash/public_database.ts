/** A database as its users see it, small enough that a few writes make files of every kind, and what it holds as text. */
import assert from "node:assert/strict";
import type { DB, OpenOptions } from "../../mod.ts";
import type { MemoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";

/** Where it lies. */
export const PATH = "/data";

/** A value that fills a file of its own. */
export const long = (label: string): string => `${label} `.repeat(120);

/** What a simulated machine has beside its disk: clocks that go on through accidents, and a source of ids. */
export class Clockwork {
  #ids = 0;
  #clock = 1_000_000;
  #monotonic = 0;

  /** Limits under which this little makes tables, blobs and compactions. */
  options(fileSystem: MemoryFileSystem): OpenOptions {
    return {
      fileSystem,
      clock: () => this.#clock++,
      flushInterval: 2 ** 31 - 1,
      memtableBytes: 1024,
      blobBytes: 1024,
      tuning: {
        blockBytes: 256,
        tableBytes: 2048,
        level0Tables: 3,
        levelBytes: 4096,
        reserve: false,
        randomId: () => {
          const id = new Uint8Array(16);
          // Both ends: names of temporary files take the first bytes.
          new DataView(id.buffer).setUint32(0, ++this.#ids);
          new DataView(id.buffer).setUint32(12, this.#ids);
          return id;
        },
        random: () => 0.5,
        delay: () => Promise.resolve(),
        monotonic: () => this.#monotonic += 0.05,
      },
    };
  }

  /** One that goes on from here by itself. */
  fork(): Clockwork {
    const fork = new Clockwork();
    fork.#ids = this.#ids;
    fork.#clock = this.#clock;
    fork.#monotonic = this.#monotonic;
    return fork;
  }
}

/** Everything there is, as text; along the way, unless told not to, that the index of tags says the same as the entries. */
export async function stateOf(db: DB, { index = true } = {}): Promise<string> {
  const lines: string[] = [];
  const inner = db.namespace("log").namespace("inner");
  for (const [name, space] of [["", db], ["log", db.namespace("log")], ["log/inner", inner]] as const) {
    const tagged = new Map<string, string[]>();
    for await (const { key, value, version, tags } of space.list()) {
      lines.push(`${name} ${key} ${version} ${tags} ${JSON.stringify(value)}`);
      for (const tag of tags) tagged.set(tag, [...tagged.get(tag) ?? [], key]);
    }
    for (const tag of index ? ["admin", "old", "new"] : []) {
      const keys: string[] = [];
      for await (const { key } of space.list({ tag })) keys.push(key);
      assert.deepEqual(keys, tagged.get(tag) ?? [], `the index of tag ${tag} in "${name}"`);
    }
  }
  return lines.join("\n");
}

/** The same without versions, which a restore gives anew. */
export function withoutVersions(state: string): string {
  return state.replaceAll(/^(\S* \S+) \d+ /gm, "$1 ");
}
