import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CommitEvent } from "../../lib/engine/types.ts";
import type { Definition } from "../../lib/db/catalog/definition.ts";
import type { Context } from "../../lib/db/context.ts";
import { PendingChanges } from "../../lib/db/watching/pending.ts";
import { watchFor } from "../../lib/db/watching/watchers.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { withSeeds } from "../tree/model.ts";
import { withDb } from "./helpers.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (of: Uint8Array): string => new TextDecoder().decode(of);

/** A database as far as watches see it: two key spaces, and commits that are told by hand. */
function told() {
  const listeners = new Set<(event: CommitEvent) => void>();
  const spaces = [4, 6].map((space) => ({ space, prefix: Uint8Array.of(space), since: 0 }) as Definition);
  const context = {
    engine: {
      onCommit(listener: (event: CommitEvent) => void) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    catalog: { spacesAt: () => new Map(spaces.map((one) => [one.space, one])) },
  } as unknown as Context;
  let version = 0;
  const commit = (fill: (batch: Batch) => void): void => {
    const batch = new Batch();
    fill(batch);
    version++;
    for (const listener of listeners) listener({ version, timestamp: version, ops: batch.ops.view() });
  };
  return { listeners, spaces, context, commit };
}

const keyIn = (definition: Definition, key: string): Uint8Array => Uint8Array.of(...definition.prefix, ...bytes(key));

describe("the watches of a database", () => {
  it("go through a commit together, and through none when the last has ended", () => {
    const { listeners, spaces, context } = told();
    const ends = Array.from({ length: 100 }, (_, i) => {
      const wanted = { definition: spaces[i % 2]!, keys: undefined, prefix: bytes(`${i}`) };
      return watchFor(context, new PendingChanges(wanted, () => {}));
    });
    assert.equal(listeners.size, 1);
    for (const end of ends) end();
    assert.equal(listeners.size, 0);
  });

  it("listen to one signal together, and end by it", () =>
    withDb(async (db) => {
      let adds = 0;
      const abort = new AbortController();
      const { signal } = abort;
      const add = signal.addEventListener.bind(signal);
      signal.addEventListener = ((...args: Parameters<typeof add>) => (adds++, add(...args))) as typeof add;
      const watches = Array.from({ length: 100 }, (_, i) => db.watch({ keys: [`${i}`] }, { signal }));
      assert.equal(adds, 1);
      await watches[0]!.return!();
      const ends = Promise.allSettled(watches.map((watch) => watch.next()));
      abort.abort(new Error("enough"));
      const [left, ...others] = await ends;
      assert.equal(left!.status, "fulfilled");
      for (const other of others) assert.match(String(other.status === "rejected" && other.reason), /enough/);
    }));

  it("are told of what they want, each of them, and of nothing else", () => {
    withSeeds(40, (random) => {
      const { spaces, context, commit } = told();
      const key = (): string =>
        Array.from({ length: 1 + random.below(4) }, () => random.pick(["a", "b", "ä"])).join("");
      const some = Array.from({ length: 30 }, () => {
        const definition = random.pick(spaces);
        const keys = random.chance(2) ? undefined : Array.from({ length: random.below(4) }, key);
        const prefix = keys === undefined && !random.chance(8) ? key() : "";
        const pending = new PendingChanges(
          { definition, keys: keys?.map(bytes), prefix: bytes(prefix) },
          () => one.calls++,
        );
        const one = { definition, keys, prefix, pending, calls: 0, end: () => {} };
        one.end = watchFor(context, pending);
        return one;
      });
      for (let n = 0; n < 60; n++) {
        const definition = random.pick(spaces);
        const [changed, other] = [key(), key()].sort();
        const isRange = random.chance(5);
        commit((batch) => {
          if (isRange) batch.deleteRange(keyIn(definition, changed!), keyIn(definition, other!));
          else if (random.chance(3)) batch.delete(keyIn(definition, changed!));
          else batch.put(keyIn(definition, changed!), Uint8Array.of(0));
        });
        for (const one of some) {
          const begins = changed!.startsWith(one.prefix);
          const isMet = isRange
            ? one.keys?.some((each) => each >= changed! && each < other!) ?? (begins && changed! < other!)
            : one.keys?.includes(changed!) ?? begins;
          const isTold = one.calls > 0;
          const shown = `${one.keys ?? one.prefix}: ${changed} ${isRange ? other : ""}`;
          // A range may also begin before a prefix and reach into it.
          if (isRange && one.keys === undefined && isTold) assert.equal(one.definition, definition, shown);
          else assert.equal(isTold, one.definition === definition && isMet, shown);
          for (let change = one.pending.take(); change !== undefined; change = one.pending.take()) {
            if (change.type === "deleteRange") continue;
            const found = text(change.key.subarray(definition.prefix.length));
            assert.ok(one.keys?.includes(found) ?? found.startsWith(one.prefix), found);
          }
          one.calls = 0;
        }
        if (n === 40) {
          // Those that ended hear of nothing more; others of the same keys go on.
          for (const one of some.splice(0, 10)) one.end();
        }
      }
    });
  });
});
