/** Transactions: alone, with writes of others in between, and two that meet. */
import assert from "node:assert/strict";
import { ConflictError, type Key, type Transaction } from "../../mod.ts";
import { randomRange, readKey, readRange } from "./compare.ts";
import type { ModelOperation } from "./model.ts";
import { OwnView } from "./own_view.ts";
import { keyName, plainOf, randomKey } from "./values.ts";
import type { World } from "./world.ts";
import { randomEntry, rangeOperations, writeOne } from "./writes.ts";

/** A few reads and writes of one run of a transaction. */
async function act(world: World, tx: Transaction<Key>, view: OwnView): Promise<void> {
  const { random, pool } = world;
  for (let i = random.between(1, 8); i > 0; i--) {
    const space = world.pickSpace();
    const { name, encoding } = space;
    const at = name === "" && random.chance(0.5) ? tx : tx.in(space.handle);
    const kind = random.weighted([[30, "read"], [15, "list"], [35, "set"], [12, "delete"], [6, "range"]]);
    if (kind === "read") await readKey(world, { handle: at, name, encoding }, view, view);
    else if (kind === "list") await readRange(world, { handle: at, name, encoding }, view, view);
    else if (kind === "set") {
      const { key, value, options, operation, scramble } = randomEntry(world, space);
      at.set(key, value, options);
      scramble();
      view.write(operation);
    } else if (kind === "delete") {
      const key = randomKey(random, pool, encoding);
      at.delete(key);
      view.write({ type: "delete", space: name, key: keyName(key) });
    } else {
      const { given, plain: { start, end } } = randomRange(world, encoding, true);
      at.deleteRange(given);
      for (const operation of rangeOperations(name, start, end)) view.write(operation);
    }
  }
}

/** One transaction, amid which others may write. */
export async function transact(world: World): Promise<void> {
  const { random, model } = world;
  // Others write while it runs for the first so many times.
  const meddled = random.chance(0.4) ? random.between(1, 3) : 0;
  const retries = random.pick([0, 1, 5]);
  const fails = random.chance(0.1);
  const durability = random.pick([undefined, "commit", "interval", "buffered"] as const);
  let attempts = 0;
  let last: OwnView | undefined;
  let conflict: boolean | undefined = false;
  world.note(`transaction, ${meddled} writers, ${retries} retries`);
  const run = async (tx: Transaction<Key>): Promise<string> => {
    assert.ok(conflict !== false || attempts === 0, "a transaction is run again without a conflict");
    const view = last = new OwnView(model, world.point());
    attempts++;
    await act(world, tx, view);
    if (attempts <= meddled) {
      for (let i = random.between(1, 4); i > 0; i--) await writeOne(world);
      await act(world, tx, view);
    }
    if (fails && attempts > meddled) throw new Error("the function failed");
    conflict = view.operations.length === 0 ? false : view.conflict;
    return "done";
  };
  const handle = world.spaces[0]!.handle;
  try {
    const result = await handle.transaction(run, { retries, ...(durability === undefined ? {} : { durability }) });
    assert.equal(result, "done");
  } catch (error) {
    if (error instanceof ConflictError) {
      assert.notEqual(conflict, false, "a conflict with nobody");
      assert.equal(attempts, retries + 1, "how often it was run before it gave up");
    } else if (!(error instanceof Error) || error.message !== "the function failed") throw error;
    return world.assertVersion();
  }
  assert.notEqual(conflict, true, "a transaction was committed over a conflict");
  commit(world, last!.operations, durability);
}

/** What a transaction wrote is one commit; one that wrote nothing makes none. */
function commit(
  world: World,
  operations: readonly ModelOperation[],
  durability: "commit" | "interval" | "buffered" | undefined,
): void {
  if (operations.length > 0) {
    const { version } = world.expect(operations);
    world.acknowledge(version, durability);
  }
  world.assertVersion();
}

/** Several transactions append to one list at once: none of them may be lost. */
export async function transactAtOnce(world: World): Promise<void> {
  const { random, model } = world;
  const space = world.pickSpace();
  const key = randomKey(random, world.pool, space.encoding);
  const count = random.between(2, 4);
  world.note(`${count} transactions at once`);
  // Whatever was there before, the first one of them begins a new list.
  const base = model.version;
  const append = (id: number): Promise<void> =>
    space.handle.transaction(async (tx) => {
      const seen = await tx.get<{ base?: number; by?: number[] }>(key);
      const by = seen?.base === base ? seen.by! : [];
      for (let i = random.below(4); i > 0; i--) await undefined;
      tx.set(key, { base, by: [...by, id] });
    }, { retries: 100 });
  await Promise.all(Array.from({ length: count }, (_, id) => append(id)));
  const { by } = (await space.handle.get<{ by: number[] }>(key))!;
  assert.deepEqual(by.toSorted(), Array.from({ length: count }, (_, id) => id), "a transaction was lost");
  by.forEach((_, i) => {
    const value = plainOf({ base, by: by.slice(0, i + 1) });
    const set = { type: "set", space: space.name, key: keyName(key), value, tags: [], expiresAt: undefined } as const;
    world.acknowledge(world.expect([set]).version, undefined);
  });
  world.assertVersion();
}
