/** A database of a run: open, or to be opened again after an accident. */
import assert from "node:assert/strict";
import { DB, type Key, type KeyEncoding, type OpenOptions, type Replication } from "../../../mod.ts";
import { engineOf } from "../../../lib/engine/owner.ts";
import type { FileSystem } from "../../../lib/files/file_system.ts";
import type { KeyPool } from "../values.ts";
import { type Contents, contentsOf, differenceOf } from "./contents.ts";
import type { Chronicle, State } from "./chronicle.ts";

/** What a database shares with the others of its run. */
export interface HomeSettings {
  path: string;
  options: OpenOptions;
  encoding: KeyEncoding;
  pool: KeyPool;
  chronicle: Chronicle;
  clock: () => number;
  latest: () => number;
  /** Does something while nothing fails. */
  calmly: <T>(work: () => T) => T;
}

/** A database. */
export class Home {
  readonly settings: HomeSettings;
  db!: DB<Key>;
  /** Of the state last seen. */
  lineage = "";
  version = 0;
  /** What may have been committed by a call that got no answer. */
  pending: (() => Contents) | "anything" | undefined;
  /** How many commits that may be: 1, also while there is none, but where calls at once each set a key of its own. */
  pendingMost = 1;
  replication: Replication | undefined;
  /** Versions that survive a power cut, and the end of the process. */
  durable = 0;
  written = 0;

  constructor(settings: HomeSettings) {
    this.settings = settings;
  }

  get name(): string {
    return this.settings.path;
  }

  /** Opens it, be it for the first time or after an accident; what it shows must be what it may show. */
  async open(fs: FileSystem, after?: "close" | "kill" | "power"): Promise<void> {
    const { path, options, chronicle, encoding, clock } = this.settings;
    this.db = await DB.open<Key>(path, { ...options, keyEncoding: encoding, fileSystem: fs, clock });
    const { lineage, version } = this.db;
    const promised = after === "power" ? this.durable : after === "kill" ? this.written : this.version;
    assert.ok(version >= promised, `${path} is back at version ${version}, and ${promised} was promised`);
    if (after === undefined) {
      this.note();
    } else if (this.#isKnownLine() && version <= this.version) {
      const line = lineage === this.lineage ? chronicle.lines.get(lineage) : undefined;
      // A copy that was never written to stands in another's line.
      if (line !== undefined && !engineOf(this.db)!.forked) chronicle.truncate(lineage, version);
      if (lineage === this.lineage) this.#assertKnown();
      else this.note();
      this.version = version;
    } else {
      assert.ok(this.pending !== undefined, `${path} is back at version ${version}, and ${this.version} was the last`);
      const unanswered = version - this.version;
      assert.ok(unanswered >= 1 && unanswered <= this.pendingMost, `${path}: ${unanswered} commits without an answer`);
      const shown = this.settings.calmly(() => contentsOf(this.db));
      if (this.pending !== "anything") {
        const difference = differenceOf(shown, this.pending(), { moment: this.settings.latest(), versions: false });
        assert.equal(difference, undefined, `${path} after an accident`);
      }
      this.noteEach();
    }
    this.answered();
    this.durable = this.written = this.version;
  }

  /** Nothing is promised any more: what it is opened with next is what it has. */
  beginAnew(): void {
    this.answered();
    this.version = this.durable = this.written = 0;
  }

  /** Every call has its answer. */
  answered(): void {
    this.pending = undefined;
    this.pendingMost = 1;
  }

  /** Whether it stands in the line it stood in, or in one of its own that has left it just here. */
  #isKnownLine(): boolean {
    const { lineage, meta: { parents } } = engineOf(this.db)!;
    const left = parents.at(-1);
    return lineage === this.lineage || (left?.lineage === this.lineage && left.version === this.db.version);
  }

  /** Notes the present state. */
  note(): State {
    const { chronicle, calmly } = this.settings;
    const { lineage, version } = this.db;
    if (chronicle.state(lineage, version) !== undefined && engineOf(this.db)!.forked) this.#assertKnown();
    const state = calmly(() => chronicle.note(this.db));
    this.lineage = lineage;
    this.version = version;
    return state;
  }

  /** Notes the present state, and each since the last one that was noted: commits that each set a key of its own. */
  noteEach(): void {
    const before = this.state;
    const { contents } = this.note();
    for (let version = before.version + 1; version < this.version; version++) {
      const entries = new Map(before.contents.entries);
      let timestamp: number | undefined;
      for (const [id, row] of contents.entries) {
        if (row.version <= before.version || row.version > version) continue;
        entries.set(id, row);
        if (row.version === version) timestamp = row.timestamp;
      }
      assert.ok(timestamp !== undefined, `${this.name}: nothing is of version ${version}`);
      const { spaces } = contents;
      this.settings.chronicle.add(this.lineage, { version, timestamp, contents: { entries, spaces } });
    }
  }

  #assertKnown(): void {
    const { chronicle, latest, path, calmly } = this.settings;
    const { lineage, version } = this.db;
    const known = chronicle.state(lineage, version) ?? chronicle.state(this.lineage, version);
    assert.ok(known !== undefined, `${path}: version ${version} of ${lineage} never was`);
    const difference = differenceOf(calmly(() => contentsOf(this.db)), known.contents, { moment: latest() });
    assert.equal(difference, undefined, `${path} at version ${version}`);
  }

  /** Nothing changed since the last look. */
  assertUnchanged(): void {
    assert.equal(this.db.version, this.version, `${this.name}: the version`);
    this.#assertKnown();
  }

  /** What it shows, as noted. */
  get state(): State {
    return this.settings.chronicle.state(this.lineage, this.version)!;
  }

  /** All so far is on disk. */
  allDurable(version: number = this.version): void {
    this.durable = Math.max(this.durable, version);
    this.written = Math.max(this.written, version);
  }
}
