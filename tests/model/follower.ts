/** Readers of the history: commits as `changes` gives them must be those that were made, exactly. */
import assert from "node:assert/strict";
import { type CommitRecord, HistoryGoneError, type Key } from "../../mod.ts";
import { assertValue, show } from "./compare.ts";
import { isInside, type ModelCommit, type ModelOperation } from "./model.ts";
import { keyName } from "./values.ts";
import type { World } from "./world.ts";

/** A record must be what the model knows of that commit. */
export function assertRecord(world: World, record: CommitRecord, commit: ModelCommit): void {
  const what = `changes, version ${commit.version}`;
  assert.equal(record.version, commit.version, what);
  assert.equal(record.timestamp, commit.timestamp, `${what}: timestamp`);
  if (commit.reset) {
    assert.deepEqual(record.changes, [{ type: "reset", version: commit.version }], what);
    return;
  }
  const made = commit.operations.flatMap((one) => one.type === "clear" ? cleared(world, one, commit.version) : [one]);
  // Whose a key space was before a restore dealt them anew may not be known after a reopening: a reset stands for that.
  const resets = record.changes.filter(({ type }) => type === "reset").length;
  if (resets > 0) {
    assert.ok(resets === 1 && commit.version <= world.unmappedUntil, `${what}: a reset`);
    assert.ok(made.some(({ space }) => space !== ""), `${what}: a reset for nothing`);
    for (const { namespace = [] } of record.changes) {
      assert.ok([...made, { space: "" }].some(({ space }) => space === namespace.join("/")), `${what}: ${namespace}`);
    }
  }
  const isTold = (space: string): boolean => space === "" || resets === 0;
  const expected = made.filter(({ space }) => isTold(space));
  const actual = record.changes.filter(({ type, namespace }) => type !== "reset" && isTold(namespace?.join("/") ?? ""));
  assert.equal(actual.length, expected.length, `${what}: how many`);
  if (commit.operations.some(({ type }) => type === "clear")) {
    // In which order key spaces are cleared says nothing.
    actual.sort((a, b) => compareNames(a.namespace?.join("/") ?? "", b.namespace?.join("/") ?? ""));
    expected.sort((a, b) => compareNames(a.space, b.space));
  }
  for (const [i, change] of actual.entries()) {
    const operation = expected[i]!;
    assert.equal(change.type, operation.type, what);
    if (operation.type === "clear") continue;
    assert.equal(change.namespace?.join("/") ?? "", operation.space, `${what}: namespace`);
    assert.equal(change.version, commit.version, `${what}: version of a change`);
    if (operation.type === "deleteRange") {
      assert.equal(boundName(change.start) ?? "", operation.start, `${what}: start`);
      assert.equal(boundName(change.end), operation.end, `${what}: end`);
      continue;
    }
    assert.equal(boundName(change.key), operation.key, `${what}: key`);
    if (operation.type === "delete") continue;
    const entry = change.entry!;
    const { tags, expiresAt } = operation;
    assertValue(entry.value, { ...operation, version: 0, timestamp: 0 }, `${what}: ${show(operation.key)}`);
    assert.deepEqual(entry.tags, tags, `${what}: tags`);
    assert.equal(entry.expiresAt, expiresAt, `${what}: expiresAt`);
    assert.equal(entry.version, commit.version, `${what}: version of an entry`);
  }
}

function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function boundName(key: Key | undefined): string | undefined {
  return key === undefined ? undefined : keyName(key);
}

/** What `clear` does, key space by key space. */
function cleared(world: World, { space }: ModelOperation, version: number): ModelOperation[] {
  return world.spaces.filter(({ name }) =>
    isInside(name, space) && (name === "" || world.model.existsAt(name, version))
  )
    .map(({ name }) => ({ type: "deleteRange", space: name, start: "", end: undefined }));
}

/** Whether nothing ever leaves the log under these limits. */
function keepsAll(world: World): boolean {
  return (world.options.history?.maxBytes ?? Infinity) >= 2 ** 30;
}

/** Reads the history after some version, as it is now. */
export async function readChanges(world: World): Promise<void> {
  const { random, model } = world;
  const since = Math.max(firstVersion(world) - 1, random.chance(0.2) ? 0 : model.version - random.below(60));
  const expected = model.since(since);
  world.note(`changes since ${since}`);
  let at = 0;
  try {
    for await (const record of world.db.changes({ since })) {
      const commit = expected[at++];
      assert.ok(commit !== undefined, `changes goes on to version ${record.version}`);
      assertRecord(world, record, commit);
    }
  } catch (error) {
    if (!(error instanceof HistoryGoneError)) throw error;
    assert.ok(!keepsAll(world), `nothing had to leave the log: ${error.message}`);
    assert.equal(at, 0, "history is refused at once or not at all");
    return;
  }
  assert.equal(at, expected.length, "changes end early");
  world.allDurable();
}

/** The oldest version that the model still knows of. */
function firstVersion(world: World): number {
  return world.model.commits[0]?.version ?? world.model.version + 1;
}

/** Somebody who follows the history live. */
export class Follower {
  readonly #world: World;
  readonly #changes: AsyncIterator<CommitRecord>;
  #last: number;
  #begun = false;

  constructor(world: World) {
    this.#world = world;
    this.#last = Math.max(firstVersion(world) - 1, world.model.version - world.random.below(20));
    this.#changes = world.db.changes({ since: this.#last, live: true });
  }

  /** Reads some of what was committed; false: the history it wanted to begin with is gone. */
  async read(count: number): Promise<boolean> {
    for (; count > 0 && this.#last < this.#world.model.version; count--) {
      try {
        const { value, done } = await this.#changes.next();
        assert.ok(!done, "live changes end");
        assertRecord(this.#world, value, this.#world.model.since(this.#last)[0]!);
        this.#last = value.version;
        this.#begun = true;
      } catch (error) {
        if (!(error instanceof HistoryGoneError) || this.#begun || keepsAll(this.#world)) throw error;
        return false;
      }
    }
    return true;
  }

  /** The version read last. */
  get last(): number {
    return this.#last;
  }

  /** Leaves. */
  async end(): Promise<void> {
    await this.#changes.return?.();
  }
}

/** Begins to follow, reads on, or leaves. */
export async function useFollower(world: World): Promise<void> {
  const { random, followers } = world;
  if (followers.length === 0 || (followers.length < 3 && random.chance(0.2))) {
    followers.push(new Follower(world));
    return;
  }
  const at = random.below(followers.length);
  const there = await followers[at]!.read(random.weighted([[3, random.between(1, 10)], [1, 10_000]]));
  if (there && random.chance(0.9)) return;
  await followers[at]!.end();
  followers.splice(at, 1);
}
