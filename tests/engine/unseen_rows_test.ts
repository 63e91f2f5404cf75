/** Readers that leap over what nobody sees any more: they must find what one that looks at each row would. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter, encodeText } from "../../lib/base/bytes.ts";
import type { Engine, EngineSnapshot, ViewCursor } from "../../lib/engine/types.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { KIND_TEXT, writeCell } from "../../lib/format/cell.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { spacePrefix } from "../../lib/format/space.ts";
import { Overlay } from "../../lib/tree/overlay.ts";
import { PAUSE } from "../../lib/tree/visible_cursor.ts";
import { Random } from "../tree/model.ts";
import { key, name, open, put, remove, removeRange } from "./fixture.ts";

const ROOT = spacePrefix(0);
const KEYS = 400;

/** The entries after one commit: of each key the version that wrote it, and when it expires. */
type State = ReadonlyMap<number, { version: number; expiresAt: number }>;

/** A cursor on its way, and what it is still to find. */
interface Held {
  cursor: ViewCursor;
  reverse: boolean;
  left: string[];
}

class World {
  readonly #random: Random;
  readonly #fs = memoryFileSystem();
  #engine!: Engine;
  /** Read-only, of the same files. */
  #reader!: Engine;
  #now = 1_000_000;
  /** After each version. */
  readonly #states = new Map<number, State>([[0, new Map()]]);
  #newest: State = new Map();
  #version = 0;
  readonly #snapshots: EngineSnapshot[] = [];
  readonly #held: Held[] = [];
  /** Commits that were not awaited. */
  #commits: Promise<unknown>[] = [];

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  async run(steps: number): Promise<void> {
    const settings = { memtableBytes: 24 * 1024, tableBytes: 8 * 1024, clock: () => this.#now };
    this.#engine = await open(this.#fs, settings);
    this.#reader = await open(this.#fs.otherProcess(), { ...settings, readOnly: true });
    for (let n = 0; n < steps; n++) {
      await this.#step();
      this.#check();
    }
    await this.#settle();
    for (const { cursor } of this.#held) cursor.close();
    for (const snapshot of this.#snapshots) snapshot.release();
    await this.#reader.close();
    await this.#engine.close();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const dice = random.below(100);
    if (dice < 25) this.#write();
    else if (dice < 55) this.#deleteSome();
    else if (dice < 60) this.#deleteRange();
    else if (dice < 70) this.#now += random.below(30);
    else if (dice < 76) this.#snapshots.push(this.#engine.snapshot());
    else if (dice < 80) this.#snapshots.splice(random.below(3), 1)[0]?.release();
    else if (dice < 90) this.#hold();
    else if (dice < 92) await this.#compact();
    else if (dice < 94) await this.#ingest();
    else if (dice < 97) {
      await this.#settle();
      await this.#reader.refresh();
    } else await this.#settle();
    // Now and then commits are in the memtable, and not yet visible.
    const wait = random.below(4);
    if (wait < 2) await this.#settle();
    else if (wait === 2) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#commits);
    this.#commits = [];
  }

  #commit(batch: Batch, change: (state: Map<number, { version: number; expiresAt: number }>, version: number) => void) {
    const version = ++this.#version;
    const state = new Map(this.#newest);
    change(state, version);
    this.#newest = state;
    this.#states.set(version, state);
    this.#commits.push(this.#engine.commit(batch, { durability: "commit" }));
  }

  #write(): void {
    const batch = new Batch();
    const random = this.#random;
    const many = random.chance(6) ? 40 : 1 + random.below(3);
    const first = random.below(KEYS);
    const written: [number, number | undefined][] = [];
    for (let n = 0; n < many; n++) {
      const expiresAt = random.chance(3) ? this.#now + 1 + random.below(60) : undefined;
      written.push([(first + n) % KEYS, expiresAt]);
    }
    for (const [n, expiresAt] of written) {
      batch.putCell(ROOT, encodeText(name(n)), KIND_TEXT, encodeText("v"), [], expiresAt);
    }
    this.#commit(batch, (state, version) => {
      for (const [n, expiresAt = Infinity] of written) state.set(n, { version, expiresAt });
    });
  }

  /** As who empties a queue, from either end, or somewhere between. */
  #deleteSome(): void {
    const batch = new Batch();
    const random = this.#random;
    const there = [...this.#newest.keys()].sort((a, b) => a - b);
    const many = 1 + random.below(40);
    const from = random.pick([0, Math.max(0, there.length - many), random.below(there.length + 1)]);
    const gone = there.slice(from, from + many);
    for (const n of gone) batch.deleteKey(ROOT, encodeText(name(n)));
    this.#commit(batch, (state) => gone.forEach((n) => state.delete(n)));
  }

  #deleteRange(): void {
    const batch = new Batch();
    const from = this.#random.below(KEYS);
    const to = from + 1 + this.#random.below(60);
    batch.deleteRange(key(name(from)), key(name(to)));
    this.#commit(batch, (state) => {
      for (let n = from; n < to; n++) state.delete(n);
    });
  }

  async #compact(): Promise<void> {
    await this.#settle();
    await this.#engine.compact();
  }

  /** Files that are taken in, over what is there or for it. */
  async #ingest(): Promise<void> {
    await this.#settle();
    const replace = this.#random.chance(3);
    const first = this.#random.below(KEYS - 10);
    const writer = this.#engine.ingestWriter();
    for (let n = first; n < first + 10; n++) {
      const cell = new ByteWriter();
      writeCell(cell, KIND_TEXT, encodeText("v"));
      writer.add(key(name(n)), cell.view());
      await writer.drain();
    }
    const { version } = await this.#engine.ingest(await writer.finish(), { replace });
    assert.equal(version, ++this.#version);
    const state = new Map(replace ? [] : this.#newest);
    for (let n = first; n < first + 10; n++) state.set(n, { version, expiresAt: Infinity });
    this.#newest = state;
    this.#states.set(version, state);
  }

  /** Those seen, in order. */
  #expected(version: number, moment: number, from = 0, to = KEYS): string[] {
    const state = this.#states.get(version)!;
    const out: string[] = [];
    for (let n = from; n < to; n++) {
      const entry = state.get(n);
      if (entry !== undefined && entry.expiresAt > moment) out.push(`${name(n)} ${entry.version}`);
    }
    return out;
  }

  /** A reader: the present, a snapshot, or another process. */
  #readPoint(): { engine: Engine; version: number; moment: number } {
    const random = this.#random;
    if (random.chance(4)) {
      const engine = this.#reader;
      return { engine, version: engine.visibleVersion, moment: this.#now };
    }
    const engine = this.#engine;
    if (random.chance(3) && this.#snapshots.length > 0) {
      const { version, moment } = random.pick(this.#snapshots);
      return { engine, version, moment };
    }
    return { engine, version: engine.visibleVersion, moment: this.#now };
  }

  #open(): Held {
    const random = this.#random;
    const { engine, version, moment } = this.#readPoint();
    const view = engine.read({ version, moment });
    // As a transaction reads that has not written yet.
    const overlay = random.chance(5) ? new Overlay() : undefined;
    const from = random.chance(3) ? random.below(KEYS) : 0;
    const to = random.chance(3) ? from + random.below(KEYS) : KEYS;
    const cursor = view.cursor(key(name(from)), to === KEYS ? undefined : key(name(to)), overlay);
    const reverse = random.chance(2);
    if (reverse) cursor.seekEnd();
    const left = this.#expected(version, moment, from, Math.min(to, KEYS));
    return { cursor, reverse, left: reverse ? left.reverse() : left };
  }

  #hold(): void {
    const held = this.#open();
    if (this.#move(held, this.#random.below(12))) this.#held.push(held);
  }

  /** Goes on for some moves; answers whether there is more. */
  #move({ cursor, reverse, left }: Held, moves: number): boolean {
    for (; moves > 0; moves--) {
      const found = reverse ? cursor.previousSome() : cursor.nextSome();
      if (found === PAUSE) continue;
      if (!found) {
        assert.deepEqual(left, [], "entries were left out");
        cursor.close();
        return false;
      }
      const text = new TextDecoder().decode(cursor.key.subarray(1));
      assert.equal(`${text} ${cursor.version}`, left.shift());
    }
    return true;
  }

  #check(): void {
    for (let n = 0; n < 3; n++) this.#move(this.#open(), Infinity);
    for (let i = this.#held.length - 1; i >= 0; i--) {
      if (this.#random.chance(3) && !this.#move(this.#held[i]!, this.#random.below(20))) this.#held.splice(i, 1);
    }
  }
}

/** A row that comes behind a cursor's back. */
interface Came {
  /** Whether something in memory lies beyond all that was deleted. */
  far?: boolean;
  /** Before the cursor is opened. */
  prepare?: (engine: Engine, keys: readonly number[]) => Promise<void>;
  write: (engine: Engine, n: number) => Promise<void>;
}

async function putAll(engine: Engine, keys: readonly number[]): Promise<void> {
  await put(engine, Object.fromEntries(keys.map((n) => [name(n), "v"])), "buffered");
}

async function deleteAll(engine: Engine, keys: readonly number[]): Promise<void> {
  await remove(engine, ...keys.map(name));
}

function names(engine: Engine, reverse = false): string[] {
  const cursor = engine.read().cursor();
  const found: string[] = [];
  if (reverse) cursor.seekEnd();
  while (reverse ? cursor.previous() : cursor.next()) found.push(new TextDecoder().decode(cursor.key.subarray(1)));
  cursor.close();
  return found;
}

describe("cursors over rows that nobody sees", () => {
  it("find what is there at any version and moment, whatever is known of the rest", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      await new World(seed).run(250).catch((error) => {
        error.message = `seed ${seed}: ${error.message}`;
        throw error;
      });
    }
  });

  describe("that were opened before a row came", () => {
    /** Who writes it, where, and what else there is that their sources depend on. */
    const cases: Record<string, Came> = {
      "in front of where the memtable's rows begin": { far: true, write: (engine, n) => putAll(engine, [n]) },
      "into a memtable that was empty": { write: (engine, n) => putAll(engine, [n]) },
      "with files": {
        async write(engine, n) {
          const writer = engine.ingestWriter();
          const cell = new ByteWriter();
          writeCell(cell, KIND_TEXT, encodeText("v"));
          writer.add(key(name(n)), cell.view());
          await writer.drain();
          await engine.ingest(await writer.finish(), { replace: false });
        },
      },
      "of a key with many versions": {
        far: true,
        async prepare(engine, keys) {
          for (let i = 0; i < 12; i++) await putAll(engine, keys);
          await deleteAll(engine, keys);
        },
        write: (engine, n) => putAll(engine, [n]),
      },
    };
    for (const [what, came] of Object.entries(cases)) {
      it(`do not take it for one that nobody sees: ${what}`, async () => {
        // In the first stretch that is noted, at its end, where a cursor pauses, and behind that.
        for (const n of [12, 40, 63, 64, 65, 66, 100, 133, 134, 135, 136, 137, 160, 185]) {
          for (const reverse of [false, true]) {
            for (const hasPaused of [false, true]) await check(came, reverse, hasPaused, n);
          }
        }
      });
    }

    async function check(came: Came, reverse: boolean, hasPaused: boolean, n: number): Promise<void> {
      const { far = false, prepare, write } = came;
      const count = 200;
      const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 20 });
      const keys = Array.from({ length: count }, (_, i) => i);
      await putAll(engine, keys);
      const first = engine.snapshot();
      await deleteAll(engine, keys.slice(1, -1));
      // The deletes are in a table; the snapshot keeps them there.
      await engine.compact();
      await prepare?.(engine, keys.slice(1, -1));
      if (far) await putAll(engine, [reverse ? 0 : count - 1]);
      const cursor = engine.read().cursor();
      const move = (): boolean | typeof PAUSE => reverse ? cursor.previousSome() : cursor.nextSome();
      if (reverse) cursor.seekEnd();
      assert.equal(move(), true);
      if (hasPaused) assert.equal(move(), PAUSE);
      await write(engine, n);
      for (let found: boolean | typeof PAUSE = PAUSE; found !== false;) found = move();
      cursor.close();
      const seen = reverse ? names(engine, true).reverse() : names(engine);
      assert.deepEqual(seen, [0, n, count - 1].map(name), `${n}${reverse ? ", reversed" : ""}`);
      first.release();
      await engine.close();
    }
  });

  it("that are older than what was noted look at each row", async () => {
    const settings = { memtableBytes: 2 ** 16, level0Tables: 100, blobBytes: 2 ** 20 };
    const engine = await open(memoryFileSystem(), settings);
    const dead = [...Array.from({ length: 20 }, (_, i) => 1 + i), ...Array.from({ length: 20 }, (_, i) => 70 + i)];
    const late = Array.from({ length: 9 }, (_, i) => 50 + i);
    await putAll(engine, [0, ...dead, 99]);
    await engine.compact();
    await deleteAll(engine, dead);
    const snapshot = engine.snapshot();
    await putAll(engine, late);
    const cursor = engine.read().cursor();
    assert.equal(cursor.next(), true);
    // What only the cursor still sees is not even written to a table.
    await removeRange(engine, name(0), name(99));
    for (let n = 0; engine.stats().levels[0]?.level !== 0; n++) {
      await put(engine, { [`z${n}`]: "v".repeat(2000) }, "buffered");
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const then = engine.read({ version: snapshot.version, moment: 0 }).cursor();
    const seen: string[] = [];
    while (then.next()) seen.push(new TextDecoder().decode(then.key.subarray(1)));
    assert.deepEqual(seen, [0, 99].map(name));
    then.close();
    const left: string[] = [];
    while (cursor.next()) left.push(new TextDecoder().decode(cursor.key.subarray(1)));
    assert.deepEqual(left, [...late, 99].map(name));
    cursor.close();
    snapshot.release();
    await engine.close();
  });

  it("of a transaction that has written look at each row", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 20 });
    const keys = Array.from({ length: 100 }, (_, i) => i);
    await putAll(engine, keys);
    await deleteAll(engine, keys.slice(1, -1));
    assert.deepEqual(names(engine), [0, 99].map(name));
    const overlay = new Overlay();
    overlay.put(key(name(50)), 0, Uint8Array.of(5));
    const cursor = engine.read().cursor(undefined, undefined, overlay);
    const seen: string[] = [];
    while (cursor.next()) seen.push(new TextDecoder().decode(cursor.key.subarray(1)));
    assert.deepEqual(seen, [0, 50, 99].map(name));
    cursor.close();
    await engine.close();
  });

  it("of a transaction that has written tell nobody else what only it does not see", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 20 });
    const keys = Array.from({ length: 100 }, (_, i) => i);
    await putAll(engine, keys);
    await deleteAll(engine, keys.slice(0, 40));
    const overlay = new Overlay();
    overlay.deleteRange(key(name(40)), key(name(90)));
    const names = (through?: Overlay): string[] => {
      const cursor = engine.read().cursor(undefined, undefined, through);
      const seen: string[] = [];
      while (cursor.next()) seen.push(new TextDecoder().decode(cursor.key.subarray(1)));
      cursor.close();
      return seen;
    };
    assert.deepEqual(names(overlay), keys.slice(90).map(name));
    assert.deepEqual(names(), keys.slice(40).map(name));
    assert.deepEqual(names(overlay), keys.slice(90).map(name));
    await engine.close();
  });

  it("leap over what the one before them passed, also with more in front and behind", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 22 });
    const count = 10_000;
    const batch = new Batch();
    for (let n = 0; n < count; n++) batch.putCell(ROOT, encodeText(name(n)), KIND_TEXT, encodeText("v"));
    await engine.commit(batch, { durability: "buffered" });
    await deleteAll(engine, Array.from({ length: 5000 }, (_, n) => n));
    // What each takes from the front, and from the end, costs about as much as the one before.
    for (const reverse of [false, true]) {
      let pauses = 0;
      for (let n = reverse ? 0 : 5000; n < (reverse ? 2490 : 7490); n++) {
        const cursor = engine.read().cursor();
        if (reverse) cursor.seekEnd();
        while ((reverse ? cursor.previousSome() : cursor.nextSome()) === PAUSE) pauses++;
        const taken = new TextDecoder().decode(cursor.key.subarray(1));
        cursor.close();
        assert.equal(taken, name(reverse ? count - 1 - n : n));
        const one = new Batch();
        one.deleteKey(ROOT, encodeText(taken));
        // At the other end, too, come and go entries.
        one.putCell(ROOT, encodeText(`${reverse ? "a" : "z"}${n}`), KIND_TEXT, encodeText("v"));
        one.deleteKey(ROOT, encodeText(`${reverse ? "a" : "z"}${n}`));
        await engine.commit(one, { durability: "buffered" });
      }
      // One by one there would be a hundred thousand; the first one passes what was deleted there before.
      assert.ok(pauses < 100, `${pauses} pauses`);
    }
    await engine.close();
  });
});
