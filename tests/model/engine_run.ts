/** One random run of the engine beside its model; `tests/engine/model_test.ts` calls it. */
import assert from "node:assert/strict";
import { ByteWriter, equalBytes } from "../../lib/base/bytes.ts";
import { HistoryGoneError } from "../../lib/base/errors.ts";
import { openEngine } from "../../lib/engine/open.ts";
import type { StoreView } from "../../lib/engine/read_view.ts";
import type { Commit, Durability, Engine, EngineSettings, EngineSnapshot, ReadView } from "../../lib/engine/types.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { DELETE_CELL, readCell, writeCell } from "../../lib/format/cell.ts";
import type { Row } from "../../lib/tree/cursor.ts";
import { Overlay } from "../../lib/tree/overlay.ts";
import { CursorPair } from "./cursor_pair.ts";
import { engineKeys, engineSettings } from "./engine_limits.ts";
import { Random } from "./random.ts";
import { bytesOf, type Found, nameOf, Versioned } from "./versioned.ts";

/** An entry as the model holds it. */
export interface EngineItem {
  kind: number;
  payload: Uint8Array;
  expiresAt: number | undefined;
  version: number;
  timestamp: number;
}

/** What a commit touched: one key, or all from `start` up to before `end`. */
interface Touch {
  start: string;
  end: string | undefined;
  single: boolean;
}

interface CommitRecord extends Commit {
  /** The operations; undefined: an ingest. */
  ops: Uint8Array | undefined;
  touches: Touch[];
}

/** A commit on its way. */
interface Sent {
  promise: Promise<Commit | undefined>;
  /** What it must resolve to; undefined: its check refuses it. */
  expected: Commit | undefined;
  durability: Durability;
}

/** The engine, the model, and what is held of both. */
export class EngineRun {
  readonly commits: CommitRecord[] = [];
  readonly #seed: number;
  readonly #random: Random;
  readonly #keys: string[];
  readonly #settings: EngineSettings;
  readonly #model = new Versioned<EngineItem>();
  readonly #trace: string[] = [];
  #fs: MemoryFileSystem;
  #engine!: Engine;
  #time = 1_000_000;
  #snapshots: EngineSnapshot[] = [];
  #cursors: CursorPair<EngineItem>[] = [];
  /** Commits up to this version survive a power cut, up to `#written` the end of the process. */
  #durable = 0;
  #written = 0;
  /** No commit since the last opening has the time of one before. */
  #earliest = 0;
  /** Commits up to this version may have left the log. */
  #historyFrom = 0;

  constructor(seed: number) {
    this.#seed = seed;
    const random = this.#random = new Random(seed, 2);
    this.#keys = engineKeys(random);
    this.#settings = engineSettings(random, () => this.#time);
    const slow = random.chance(0.5);
    this.#fs = memoryFileSystem({
      // Syncs now and then take longer than it takes to write the next group of commits.
      delay: async (name) => {
        if (slow) { for (let i = random.below(name === "sync" ? 80 : 8); i > 0; i--) await undefined; }
      },
    });
  }

  /** Runs so many steps; throws with the seed and the last steps when the two differ. */
  async run(steps: number): Promise<void> {
    let step = 0;
    try {
      this.#engine = await this.#open();
      for (; step < steps; step++) {
        await this.#step();
        this.#time += this.#random.chance(0.2) ? this.#random.below(50) : 0;
        if (this.#random.chance(0.3)) this.#checkSome(this.#engine.read());
      }
      await this.#reopen();
      this.#checkAll(this.#engine.read());
      this.#letGo();
      await this.#engine.close();
    } catch (error) {
      throw new Error(
        `engine model, seed ${this.#seed}, step ${step}: ${error instanceof Error ? error.message : error}\n` +
          `HOLDFAST_SEED=${this.#seed} runs it again. The last steps:\n  ${this.#trace.slice(-20).join("\n  ")}`,
        { cause: error },
      );
    } finally {
      await this.#engine?.close().catch(() => {});
    }
  }

  async #open(): Promise<Engine> {
    const engine = await openEngine(this.#fs, "/db", this.#settings);
    this.#earliest = engine.visibleTimestamp + 1;
    return engine;
  }

  /** The time of the next commit. */
  #stamp(): number {
    return Math.max(this.#engine.now(), this.#earliest);
  }

  async #step(): Promise<void> {
    const step = this.#random.weighted<[string, () => unknown]>([
      [40, ["commit", () => this.#commit()]],
      [8, ["burst", () => this.#burst()]],
      [14, ["read", () => this.#checkSome(this.#view())]],
      [8, ["cursor", () => this.#openCursor()]],
      [14, ["walk", () => this.#walk()]],
      [5, ["snapshot", () => this.#snapshot()]],
      [4, ["changed", () => this.#changedSince()]],
      [2, ["history", () => this.#history()]],
      [2, ["compare all", () => this.#checkAll(this.#view())]],
      [2, ["flush", () => this.#flush()]],
      [2, ["compact", () => this.#compact()]],
      [2, ["ingest", () => this.#ingest()]],
      [1, ["reopen", () => this.#reopen()]],
      [1, ["crash", () => this.#crash()]],
      [0.5, ["verify", () => this.#verify()]],
    ]);
    this.#note(step[0]);
    await step[1]();
    assert.equal(this.#engine.failure, undefined, "the engine failed");
  }

  #note(what: string): void {
    this.#trace.push(`${this.#engine.visibleVersion}: ${what}`);
    if (this.#trace.length > 40) this.#trace.shift();
  }

  // ---- writing

  /** The next version, as it must come. */
  get #next(): number {
    return (this.commits[this.commits.length - 1]?.version ?? 0) + 1;
  }

  #key(): string {
    return this.#random.pick(this.#keys);
  }

  /** Two keys, the first not above the second; sometimes no second. */
  #range(): { start: string; end: string | undefined } {
    const [a, b] = [this.#key(), this.#key()].sort() as [string, string];
    return { start: this.#random.chance(0.05) ? "" : a, end: this.#random.chance(0.05) ? undefined : b };
  }

  /** A narrow range mostly: with wide ones there is never much to delete. */
  #deleteRange(): { start: string; end: string | undefined } {
    if (this.#random.chance(0.1)) return this.#range();
    const keys = [...this.#keys].sort();
    const at = this.#random.below(keys.length);
    return { start: keys[at]!, end: keys[Math.min(keys.length - 1, at + this.#random.below(8))] };
  }

  #item(version: number, timestamp: number): EngineItem {
    const random = this.#random;
    const size = random.weighted([[60, random.below(20)], [25, random.below(120)], [14, 100 + random.below(500)], [
      1,
      70_000,
    ]]);
    const payload = random.chance(0.5) ? random.bytes(size) : new Uint8Array(size).fill(random.below(256));
    const expiresAt = random.chance(0.2) ? this.#engine.now() + random.between(1, 400) : undefined;
    return { kind: random.below(3), payload, expiresAt, version, timestamp };
  }

  /** Queues a commit and tells the model of it. */
  #send(): Sent {
    const random = this.#random;
    const commit: CommitRecord = { version: this.#next, timestamp: this.#stamp(), ops: undefined, touches: [] };
    const batch = new Batch();
    const refused = random.chance(0.05);
    const count = random.weighted([[50, 1], [40, random.between(2, 8)], [3, random.between(20, 200)], [4, 0]]);
    const todo: (() => void)[] = [];
    for (let i = 0; i < count; i++) this.#operation(batch, commit, todo);
    const durability = random.pick(["commit", "interval", "buffered"] as const);
    const before = commit.version - 1;
    const checked = refused || random.chance(0.1);
    const check = !checked ? undefined : (state: ReadView): boolean => {
      assert.equal(state.version, before, "a check sees the state just before its commit");
      this.#checkSome(state);
      return !refused;
    };
    commit.ops = batch.ops.view().slice();
    const promise = this.#engine.commit(batch, { durability, check });
    this.#note(`commit ${commit.version} of ${count}, ${durability}${refused ? ", refused" : ""}`);
    if (refused) return { promise, expected: undefined, durability };
    for (const apply of todo) apply();
    this.commits.push(commit);
    return { promise, expected: { version: commit.version, timestamp: commit.timestamp }, durability };
  }

  #operation(batch: Batch, commit: CommitRecord, todo: (() => void)[]): void {
    const random = this.#random;
    const { version, timestamp, touches } = commit;
    const kind = random.weighted([[70, "put"], [20, "delete"], [10, "range"]]);
    if (kind === "range") {
      const { start, end } = this.#deleteRange();
      batch.deleteRange(bytesOf(start), boundOf(end));
      if (end === undefined || start < end) touches.push({ start, end, single: false });
      todo.push(() => this.#model.deleteRange(start, end, version));
      return;
    }
    const key = this.#key();
    touches.push({ start: key, end: undefined, single: true });
    if (kind === "delete") {
      batch.delete(bytesOf(key));
      todo.push(() => this.#model.put(key, version, undefined));
      return;
    }
    const item = this.#item(version, timestamp);
    batch.put(bytesOf(key), cellOf(item));
    todo.push(() => this.#model.put(key, version, item));
  }

  async #commit(): Promise<void> {
    await this.#settle([this.#send()]);
  }

  async #burst(): Promise<void> {
    const sent = Array.from({ length: this.#random.between(2, 12) }, () => this.#send());
    this.#checkSome(this.#engine.read());
    await undefined;
    this.#checkSome(this.#engine.read());
    await this.#settle(sent);
  }

  async #settle(sent: readonly Sent[]): Promise<void> {
    for (const { promise, expected, durability } of sent) {
      assert.deepEqual(await promise, expected);
      if (expected === undefined) continue;
      if (durability === "commit") this.#durable = Math.max(this.#durable, expected.version);
      if (durability !== "buffered") this.#written = Math.max(this.#written, expected.version);
    }
    assert.equal(this.#engine.visibleVersion, this.#next - 1);
  }

  /** All so far is on disk. */
  #allDurable(): void {
    this.#durable = this.#written = this.#next - 1;
  }

  async #flush(): Promise<void> {
    await this.#engine.flush();
    this.#allDurable();
  }

  async #compact(): Promise<void> {
    const { start, end } = this.#random.chance(0.5) ? { start: undefined, end: undefined } : this.#range();
    await this.#engine.compact(start === undefined ? undefined : bytesOf(start), boundOf(end));
  }

  async #ingest(): Promise<void> {
    const random = this.#random;
    const version = this.#next;
    const timestamp = this.#stamp();
    const keys = new Set(Array.from({ length: random.below(60) }, () => this.#key()));
    const replace = random.chance(0.3);
    const ranges = replace
      ? []
      : Array.from({ length: random.chance(0.5) ? 0 : random.between(1, 3) }, () => this.#range())
        .filter((range): range is { start: string; end: string } => range.end !== undefined && range.start < range.end)
        .sort((a, b) => a.start < b.start ? -1 : 1)
        .filter((range, i, all) => all.slice(0, i).every((other) => other.end <= range.start));
    const writer = this.#engine.ingestWriter();
    const rows: [string, EngineItem | undefined][] = [];
    for (const key of [...keys].sort()) {
      const item = random.chance(0.15) ? undefined : this.#item(version, timestamp);
      writer.add(bytesOf(key), item === undefined ? DELETE_CELL : cellOf(item));
      if (random.chance(0.2)) await writer.drain();
      rows.push([key, item]);
    }
    const files = await writer.finish();
    this.#note(`ingest of ${rows.length}${replace ? ", replace" : ""}, ${ranges.length} ranges`);
    const held = this.#snapshots.length > 0;
    const options = {
      replace,
      ...(ranges.length === 0
        ? {}
        : { ranges: ranges.map(({ start, end }) => ({ start: bytesOf(start), end: bytesOf(end) })) }),
    };
    assert.deepEqual(await this.#engine.ingest(files, options), { version, timestamp });
    const touches: Touch[] = rows.map(([start]) => ({ start, end: undefined, single: true }));
    if (replace) touches.push({ start: "", end: undefined, single: false });
    for (const { start, end } of ranges) touches.push({ start, end, single: false });
    if (replace) this.#model.deleteRange("", undefined, version);
    for (const { start, end } of ranges) this.#model.deleteRange(start, end, version);
    for (const [key, item] of rows) this.#model.put(key, version, item);
    this.commits.push({ version, timestamp, ops: undefined, touches });
    this.#allDurable();
    if (!held) { for (const pair of this.#cursors) pair.check(); }
  }

  // ---- reading

  /** The present or a snapshot. */
  #view(): ReadView {
    const snapshot = this.#random.chance(0.4) ? undefined : this.#snapshots[this.#random.below(this.#snapshots.length)];
    return this.#engine.read(snapshot);
  }

  /** What the model says a key holds, for a view. */
  #expected(key: string, view: ReadView): EngineItem | undefined {
    const item = this.#model.at(key, view.version);
    return item === undefined || isExpired(item, view.moment) ? undefined : item;
  }

  #list(view: ReadView, start: string, end: string | undefined): Found<EngineItem>[] {
    return this.#model.list(start, end, view.version).filter(({ item }) => !isExpired(item, view.moment));
  }

  #checkSome(view: ReadView): void {
    for (let i = 0; i < 4; i++) {
      const key = this.#key();
      const row = view.get(bytesOf(key));
      const expected = this.#expected(key, view);
      this.#checkRow(key, row, expected);
      // As compaction asks.
      const newest = (view as StoreView).newestVersion(bytesOf(key));
      if (expected !== undefined) assert.equal(newest, expected.version, "newestVersion");
    }
  }

  #checkRow(key: string, row: Row | undefined, expected: EngineItem | undefined): void {
    if (row === undefined || expected === undefined) {
      assert.equal(row?.version, expected?.version, `${show(key)}: the version there is`);
      return;
    }
    assert.equal(row.version, expected.version, `${show(key)}: the version`);
    assert.equal(row.timestamp, expected.timestamp, `${show(key)}: the time`);
    const cell = readCell(row.cell);
    assert.equal(cell.kind, expected.kind, `${show(key)}: the kind`);
    assert.equal(cell.expiresAt, expected.expiresAt, `${show(key)}: the expiry`);
    assert.ok(equalBytes(this.#engine.value(row), expected.payload), `${show(key)}: the value`);
  }

  #checkAll(view: ReadView): void {
    const expected = this.#list(view, "", undefined);
    const cursor = view.cursor();
    try {
      for (const { key, item } of expected) {
        assert.ok(cursor.next(), `a scan ends before ${show(key)}`);
        assert.equal(nameOf(cursor.key), key);
        this.#checkRow(key, cursor, item);
      }
      assert.equal(cursor.next(), false, "a scan goes on behind the last key");
      for (const { key, item } of expected.reverse()) {
        assert.ok(cursor.previous(), `a reverse scan ends before ${show(key)}`);
        assert.equal(nameOf(cursor.key), key);
        this.#checkRow(key, cursor, item);
      }
      assert.equal(cursor.previous(), false, "a reverse scan goes on before the first key");
    } finally {
      cursor.close();
    }
  }

  #openCursor(): void {
    const random = this.#random;
    const view = this.#view();
    const { start, end } = random.chance(0.5) ? { start: "", end: undefined } : this.#range();
    let expected = this.#list(view, start, end);
    let overlay: Overlay | undefined;
    if (random.chance(0.3)) {
      const own = new Versioned<EngineItem>();
      overlay = new Overlay();
      for (const { key, item } of this.#model.list("", undefined, view.version)) own.put(key, 1, item);
      for (let i = random.below(12); i > 0; i--) this.#ownOperation(overlay, own, view);
      expected = own.list(start, end, 2).filter(({ item }) => !isExpired(item, view.moment));
    }
    const cursor = view.cursor(start === "" ? undefined : bytesOf(start), boundOf(end), overlay);
    const pair = new CursorPair(cursor, expected, this.#keys, (key, row, item) => this.#checkRow(key, row, item));
    this.#note(`a cursor over ${expected.length}${overlay === undefined ? "" : ", own rows among them"}`);
    pair.walk(random, random.between(1, 30));
    this.#cursors.push(pair);
    if (this.#cursors.length > 4) this.#cursors.shift()!.cursor.close();
  }

  /** A transaction's own write. */
  #ownOperation(overlay: Overlay, own: Versioned<EngineItem>, view: ReadView): void {
    if (this.#random.chance(0.15)) {
      const { start, end } = this.#deleteRange();
      overlay.deleteRange(bytesOf(start), boundOf(end));
      own.deleteRange(start, end, 2);
      return;
    }
    const key = this.#key();
    const item = this.#random.chance(0.3) ? undefined : this.#item(view.version + 0.5, this.#engine.now());
    if (item === undefined) overlay.delete(bytesOf(key));
    else overlay.put(bytesOf(key), item.timestamp, cellOf(item));
    own.put(key, 2, item);
  }

  /** A cursor opened earlier still shows what it showed then. */
  #walk(): void {
    if (this.#cursors.length > 0) this.#random.pick(this.#cursors).walk(this.#random, this.#random.between(1, 30));
  }

  #snapshot(): void {
    if (this.#snapshots.length > 0 && this.#random.chance(0.6)) {
      const at = this.#random.below(this.#snapshots.length);
      const [snapshot] = this.#snapshots.splice(at, 1);
      this.#checkAll(this.#engine.read(snapshot));
      snapshot!.release();
    } else if (this.#snapshots.length < 5) {
      const snapshot = this.#engine.snapshot();
      assert.equal(snapshot.version, this.#next - 1);
      this.#snapshots.push(snapshot);
    }
  }

  /** Whether something was touched is known for as long as a snapshot holds the version before. */
  #changedSince(): void {
    for (const snapshot of this.#snapshots) {
      const later = this.commits.filter(({ version }) => version > snapshot.version).flatMap(({ touches }) => touches);
      const { start, end } = this.#range();
      const expected = later.some((touch) => meets(touch, start, end));
      const view = this.#engine.read();
      const changed = view.changedSince(bytesOf(start), boundOf(end), snapshot.version);
      assert.equal(
        changed,
        expected && (end === undefined || start < end),
        `changes of ${show(start)} to ${end && show(end)} since ${snapshot.version}`,
      );
      const key = this.#key();
      const touched = later.some((touch) => meets(touch, key, key + "\0"));
      assert.equal(view.keyChangedSince(bytesOf(key), snapshot.version), touched, `keyChangedSince of ${show(key)}`);
    }
  }

  async #history(): Promise<void> {
    const since = this.#random.chance(0.3) ? 0 : this.#random.below(this.#next);
    const expected = this.commits.filter(({ version }) => version > since);
    let at = 0;
    try {
      for await (const event of this.#engine.history(since)) {
        const commit = expected[at++];
        assert.ok(commit !== undefined, `the history goes on to ${event.version}`);
        assert.equal(event.version, commit.version);
        assert.equal(event.timestamp, commit.timestamp);
        if (commit.ops !== undefined) assert.ok(equalBytes(event.ops, commit.ops), `operations of ${event.version}`);
      }
    } catch (error) {
      if (!(error instanceof HistoryGoneError)) throw error;
      assert.equal(at, 0, "the history is refused at once or not at all");
      assert.ok(this.#settings.historyBytes < 2 ** 20, "nothing had to leave the log");
      this.#historyFrom = Math.max(this.#historyFrom, since + 1);
      return;
    }
    this.#allDurable();
    assert.ok(expected.length === 0 || since >= this.#historyFrom, "a history that was gone is back");
    assert.equal(at, expected.length, "the history ends early");
  }

  async #verify(): Promise<void> {
    const report = await this.#engine.verify();
    assert.deepEqual(report.problems, []);
    this.#allDurable();
  }

  // ---- closing

  #letGo(): void {
    for (const { cursor } of this.#cursors) cursor.close();
    for (const snapshot of this.#snapshots) snapshot.release();
    this.#cursors = [];
    this.#snapshots = [];
  }

  async #reopen(): Promise<void> {
    this.#letGo();
    await this.#engine.close();
    this.#allDurable();
    this.#engine = await this.#open();
    assert.equal(this.#engine.visibleVersion, this.#next - 1, "the version after a clean close");
    assert.equal(this.#engine.visibleTimestamp, this.commits.at(-1)?.timestamp ?? 0);
  }

  /** The power goes, or the process ends: what is left is all up to some version that was not lost by then. */
  async #crash(): Promise<void> {
    this.#letGo();
    const random = this.#random;
    const power = random.chance(0.5);
    const next = power
      ? this.#fs.crash({ keep: random.pick(["none", "random", "scattered"]), random: random.next })
      : this.#fs.otherProcess();
    if (!power) this.#fs.kill();
    await this.#engine.close().catch(() => {});
    this.#fs = next;
    this.#engine = await this.#open();
    const { visibleVersion } = this.#engine;
    this.#note(`${power ? "power cut" : "killed"}, back at ${visibleVersion}`);
    assert.ok(visibleVersion >= (power ? this.#durable : this.#written), `${visibleVersion} is too old`);
    assert.ok(visibleVersion < this.#next, `${visibleVersion} is too new`);
    while (this.#next - 1 > visibleVersion) this.commits.pop();
    this.#model.truncate(visibleVersion);
    this.#allDurable();
    this.#checkAll(this.#engine.read());
  }
}

function boundOf(end: string | undefined): Uint8Array | undefined {
  return end === undefined ? undefined : bytesOf(end);
}

function cellOf(item: EngineItem): Uint8Array {
  const out = new ByteWriter(item.payload.length + 16);
  writeCell(out, item.kind, item.payload, [], item.expiresAt);
  return out.view();
}

function isExpired(item: EngineItem, moment: number): boolean {
  return item.expiresAt !== undefined && item.expiresAt <= moment;
}

function meets(touch: Touch, start: string, end: string | undefined): boolean {
  if (end !== undefined && touch.start >= end) return false;
  return touch.single ? touch.start >= start : touch.end === undefined || touch.end > start;
}

function show(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}...` : key);
}
