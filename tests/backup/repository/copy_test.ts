/** A copy of a repository gives back all that its source does, whatever lies in between. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { ExistsError, IntegrityError, LineageError, NotFoundError, ReadOnlyError } from "../../../lib/base/errors.ts";
import { backupTo } from "../../../lib/backup/backup_to.ts";
import { Bandwidth } from "../../../lib/backup/repository/core/bandwidth.ts";
import { readDocument, writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { readBackup, readBackups, readPins } from "../../../lib/backup/repository/core/catalog.ts";
import { ownContext, type RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { tellPruned } from "../../../lib/backup/repository/log/trim_head.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { backupKey, objectKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { objectPieces, putObject } from "../../../lib/backup/repository/core/objects.ts";
import type { OpenSettings } from "../../../lib/backup/repository/core/open.ts";
import { backupDocument } from "../../../lib/format/repository/backup_document.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { dump, openAt, put, write } from "../fixture.ts";
import { collect, inPieces } from "../helpers.ts";
import {
  assertBackupsRestore,
  assertSamePoints,
  contentsOf,
  keyOf,
  openOver,
  rangesOf,
  restored,
  richSource,
  smallSource,
  type Source,
} from "./copy_fixture.ts";
import { House } from "./house.ts";

const directory = (): ObjectStore => directoryStore("/backups", { fileSystem: memoryFileSystem() });
const memory = (): ObjectStore => new MemoryStore();

const kinds: {
  name: string;
  source: Partial<OpenSettings>;
  store: () => ObjectStore;
  target: Partial<OpenSettings>;
}[] = [
  { name: "plain into another kind of store", source: {}, store: directory, target: {} },
  { name: "plain into an encrypted one", source: {}, store: memory, target: { encryption: keyOf(1) } },
  { name: "encrypted into a plain one", source: { encryption: keyOf(1) }, store: directory, target: {} },
  {
    name: "encrypted into one of other keys that compresses",
    source: { encryption: keyOf(1), compression: "gzip" },
    store: memory,
    target: { encryption: keyOf(2), compression: "zstd", concurrency: 1 },
  },
];

async function both(
  make: (settings?: Partial<OpenSettings>) => Promise<Source> = smallSource,
): Promise<Source & { from: RepositoryContext; to: RepositoryContext; store: ObjectStore }> {
  const source = await make();
  const store = new MemoryStore();
  return { ...source, from: source.house.context, to: await openOver(store, source.house.time.clock), store };
}

/** Changes one byte of an object. */
async function damage(store: ObjectStore, key: string, at = 100): Promise<void> {
  const [found] = (await contentsOf(store, key)).values();
  const bytes = bytesOf(found!);
  bytes[at]! ^= 1;
  await store.put(key, bytes);
}

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

describe("copyRepository", () => {
  for (const { name, source: settings, store: makeStore, target } of kinds) {
    it(`brings every recovery point along: ${name}`, async () => {
      const { house, states } = await richSource(settings);
      const store = makeStore();
      const to = await openOver(store, house.time.clock, target);
      const before = await contentsOf(house.store, PART.objects);
      const report = await copyRepository(house.context, to, {});
      assert.deepEqual(report.backups.sort(), (await readBackups(house.context)).map(({ id }) => id).sort());
      assert.ok(report.objects > 0 && report.logObjects > 0 && report.storedBytes > 0);
      await assertSamePoints(house.context, to, states);
      await assertBackupsRestore(to, states);
      assert.deepEqual([...await readPins(to)], ["full-1"]);
      assert.deepEqual((await readBackup(to, "full-1"))!.labels, { why: "first" });
      assert.deepEqual(await contentsOf(house.store, PART.objects), before);
      assert.equal((await contentsOf(store, PART.locks)).size, 0);
      // Full backups keep their objects to themselves, there too.
      const paths = (id: string): Promise<string[]> =>
        readBackup(to, id).then((backup) => backup!.base!.files.map(({ object }) => object));
      const first = await paths("full-1");
      const snapshot = await paths("snap-1");
      assert.equal((await paths("full-2")).some((path) => first.includes(path)), false);
      assert.equal((await paths("snap-0")).every((path) => first.includes(path)), true);
      assert.equal((await paths("full-2")).some((path) => snapshot.includes(path)), false);
      // Again: nothing to send, nothing to change.
      const keys = [...await contentsOf(store)].filter(([key]) => !key.startsWith(PART.audit));
      const second = await copyRepository(house.context, await openOver(store, house.time.clock, target), {});
      assert.deepEqual([second.backups, second.objects, second.logObjects, second.storedBytes], [[], 0, 0, 0]);
      assert.deepEqual([...await contentsOf(store)].filter(([key]) => !key.startsWith(PART.audit)), keys);
    });
  }

  it("sends what is new, the second time", async () => {
    const { house, states, from, to } = await both();
    await copyRepository(from, to, {});
    house.time.now += 1000;
    await write(house.engine, (batch) => put(batch, 0, "new", { value: "n" }));
    states.set(`${house.engine.lineage}/${house.engine.visibleVersion}`, dump(house.engine, true));
    await house.backup({ id: "inc-new", type: "incremental" });
    const report = await copyRepository(from, to, {});
    assert.deepEqual([report.backups, report.objects, report.logObjects], [["inc-new"], 0, 1]);
    await assertSamePoints(from, to, states);
  });

  it("sends only the end of log that was merged since", async () => {
    const { house, states, from, to, store } = await both();
    await copyRepository(from, to, {});
    house.time.now += 1000;
    await write(house.engine, (batch) => put(batch, 0, "new", { value: "n" }));
    states.set(`${house.engine.lineage}/${house.engine.visibleVersion}`, dump(house.engine, true));
    await house.backup({ id: "inc-new", type: "incremental" });
    house.time.now += 3 * 24 * 3_600_000;
    const [head] = await readHeads(from);
    assert.ok((await mergeLog(from, head!, new MergeMemory())).made > 0);
    const before = new Set((await contentsOf(store, PART.log)).keys());
    await copyRepository(from, to, {});
    const added = [...(await contentsOf(store, PART.log)).keys()].filter((key) => !before.has(key));
    assert.equal(added.length, 1);
    const version = String(house.engine.visibleVersion).padStart(16, "0");
    assert.match(added[0]!, new RegExp(`/${version}-${version}-`));
    await assertSamePoints(from, to, states);
  });

  it("copies chosen backups with what they need, and completes them later", async () => {
    const { states, from, to } = await both(richSource);
    await copyRepository(from, to, { backups: ["inc-1", "part"] });
    assert.deepEqual((await readBackups(to)).map(({ id }) => id).sort(), ["inc-1", "part", "snap-0"]);
    await assertBackupsRestore(to, states);
    const [head] = await readHeads(to);
    assert.equal(head!.version, (await readBackup(to, "inc-1"))!.version);
    await copyRepository(from, to, { backups: ["inc-3"] });
    await assertBackupsRestore(to, states);
    await copyRepository(from, to, {});
    await assertSamePoints(from, to, states);
    await assertBackupsRestore(to, states);
    await assert.rejects(copyRepository(from, to, { backups: ["none"] }), NotFoundError);
  });

  it("knows with the newest backup alone up to when nothing came behind it", async () => {
    const { house } = await smallSource();
    house.time.now += 60_000;
    await Shipper.of(house.context, house.engine).ship({ heartbeat: true });
    const to = await openOver(new MemoryStore(), house.time.clock);
    await copyRepository(house.context, to, { backups: ["inc-2"] });
    const [[wanted], [copied]] = [await rangesOf(house.context), await rangesOf(to)];
    assert.equal(wanted!.coveredUntil, house.time.now - 1);
    assert.deepEqual([copied!.to, copied!.coveredUntil], [wanted!.to, wanted!.coveredUntil]);
    await house.engine.close();
  });

  it("gives full backups objects of their own, whatever is there already", async () => {
    for (const target of [{}, { encryption: keyOf(4) }]) {
      const { house, states } = await smallSource();
      const to = await openOver(new MemoryStore(), house.time.clock, target);
      await copyRepository(house.context, to, { backups: ["snap-1"] });
      await copyRepository(house.context, to, {});
      const objects = async (id: string): Promise<string[]> =>
        (await readBackup(to, id))!.base!.files.map(({ object }) => object);
      const others = [...await objects("snap-1"), ...await objects("full-1")];
      for (const object of await objects("full-2")) assert.equal(others.includes(object), false, object);
      await assertSamePoints(house.context, to, states);
    }
  });

  it("shares with no full backup that came earlier what is not shared with it in the source", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.engine.compact();
    await house.backup({ id: "first", type: "full" });
    await house.backup({ id: "before", type: "snapshot" });
    await house.backup({ id: "full", type: "full" });
    await deleteBackup(house.context, "first");
    const to = await openOver(new MemoryStore(), house.time.clock);
    await copyRepository(house.context, to, { backups: ["full"] });
    await copyRepository(house.context, to, {});
    for (const context of [house.context, to]) {
      const [one, other] = (await readBackups(context)).map(({ base }) => base!.files.map(({ object }) => object));
      assert.deepEqual(one!.filter((object) => other!.includes(object)), []);
    }
  });

  it("pins what was pinned in the source since it was copied", async () => {
    const { from, to } = await both();
    await copyRepository(from, to, {});
    await pinBackup(from, "inc-1");
    await copyRepository(from, to, {});
    assert.deepEqual([...await readPins(to)].sort(), ["full-1", "inc-1"]);
  });

  it("shares among backups copied at once what they share in the source, and nothing else", async () => {
    for (const target of [{}, { encryption: keyOf(4) }]) {
      const house = await House.make();
      await house.set("a", "1");
      await house.engine.flush();
      for (const type of ["snapshot", "full", "snapshot", "full", "full", "snapshot"] as const) {
        await house.set("b", "2");
        await house.backup({ type });
      }
      const to = await openOver(new MemoryStore(), house.time.clock, target);
      const report = await copyRepository(house.context, to, {});
      const objects = async (context: RepositoryContext): Promise<string[]> =>
        (await readBackups(context)).flatMap(({ base }) => base!.files.map(({ object }) => object));
      const [theirs, ours] = [await objects(house.context), await objects(to)];
      const firsts = (all: string[]): number[] => all.map((object) => all.indexOf(object));
      assert.deepEqual(firsts(ours), firsts(theirs));
      assert.equal(report.objects, new Set(theirs).size);
    }
  });

  it("leaves out no backup that names no files", async () => {
    const house = await House.make();
    const { id } = await house.backup({ type: "full" });
    const found = (await readDocument(house.context, "backup", backupKey(id), backupDocument))!;
    const body = { ...found.body, base: { ...found.body.base!, files: [] } };
    await writeDocument(house.context, "backup", backupKey(id), body, { ifMatch: found.etag });
    const to = await openOver(new MemoryStore(), house.time.clock);
    assert.deepEqual((await copyRepository(house.context, to, {})).backups, [id]);
  });

  it("goes back behind a choice: the log before it fills in", async () => {
    const { states, from, to } = await both();
    await copyRepository(from, to, { backups: ["inc-2"] });
    await copyRepository(from, to, {});
    await assertSamePoints(from, to, states);
    const [ours, theirs] = [(await readHeads(from))[0]!, (await readHeads(to))[0]!];
    assert.deepEqual([theirs.start, theirs.gaps, theirs.version], [ours.start, [], ours.version]);
  });

  it("notes the gap where the source has let go of log since", async () => {
    const { house, states, from, to } = await both();
    const { engine } = house;
    await copyRepository(from, to, { backups: ["inc-1"] });
    const copied = (await readHeads(to))[0]!;
    // As a pruning leaves it: only the newest base, and the log behind it.
    for (const id of ["full-1", "snap-0", "inc-1", "snap-1"]) await house.store.delete(backupKey(id));
    const [base] = (await readBackups(from)).filter(({ id }) => id === "full-2");
    for (const key of (await contentsOf(house.store, PART.log)).keys()) {
      if (Number(key.split("/")[3]!.slice(17, 33)) <= base!.version) await house.store.delete(key);
    }
    await tellPruned(from, engine.id, engine.lineage, base!.version);
    await copyRepository(from, to, {});
    const [head] = await readHeads(to);
    assert.deepEqual(head!.gaps.map(({ from, to, chain }) => ({ from, to, chain })), [
      { from: copied.version + 1, to: base!.version, chain: copied.chain },
    ]);
    assert.equal(head!.start, base!.version + 1);
    const points = (await rangesOf(to)).map(({ from, to }) => [from.version, to.version]);
    assert.deepEqual(points, [[(await readBackup(to, "snap-0"))!.version, copied.version], [
      base!.version,
      engine.visibleVersion,
    ]]);
    await assertBackupsRestore(to, states);
  });

  it("goes on when the database backs up into the copy", async () => {
    const { house, states, from, to } = await both();
    const { engine } = house;
    await copyRepository(from, to, {});
    const commit = async (value: string): Promise<void> => {
      house.time.now += 1000;
      await write(engine, (batch) => put(batch, 0, "later", { value }));
      states.set(`${engine.lineage}/${engine.visibleVersion}`, dump(engine, true));
    };
    await commit("a");
    const info = await backupTo(engine, ownContext({ ...to }, to), { id: "on" });
    assert.equal(info.type, "incremental");
    await commit("b");
    await backupTo(engine, ownContext({ ...to }, to));
    const [range, ...others] = await rangesOf(to);
    assert.equal(others.length, 0);
    assert.equal(range!.to.version, engine.visibleVersion);
    for (let version = range!.from.version; version <= range!.to.version; version++) {
      const { contents } = await restored(to, { at: { version } });
      assert.deepEqual(contents, states.get(`${engine.lineage}/${version}`));
    }
    // The target is ahead now, and stays so.
    const report = await copyRepository(from, to, {});
    assert.deepEqual([report.backups, report.storedBytes], [[], 0]);
    assert.equal((await readHeads(to))[0]!.version, engine.visibleVersion);
    // And the way back works as well.
    await copyRepository(to, from, {});
    assert.deepEqual(await rangesOf(from), await rangesOf(to));
  });

  it("refuses histories that went on apart, before anything is written", async () => {
    const { house, from, to, store } = await both();
    const { engine } = house;
    await copyRepository(from, to, { backups: ["inc-1"] });
    await backupTo(engine, ownContext({ ...to }, to), { id: "theirs" });
    await write(engine, (batch) => put(batch, 0, "apart", { value: "1" }));
    await backupTo(engine, ownContext({ ...to }, to), { id: "theirs-2" });
    await write(engine, (batch) => put(batch, 0, "apart", { value: "2" }));
    await house.backup({ id: "ours-2" });
    const before = [...(await contentsOf(store)).keys()].filter((key) => !key.startsWith(PART.audit));
    await assert.rejects(copyRepository(from, to, {}), (error) => {
      assert.ok(error instanceof LineageError);
      assert.match(
        error.message,
        new RegExp(`version ${engine.visibleVersion} .*version ${engine.visibleVersion - 1} `),
      );
      return true;
    });
    assert.deepEqual([...(await contentsOf(store)).keys()].filter((key) => !key.startsWith(PART.audit)), before);
  });

  it("refuses a history that somebody has begun there, of which nothing but a base came yet", async () => {
    const { house, from, to } = await both();
    await backupTo(house.engine, ownContext({ ...to }, to), { id: "theirs", type: "full" });
    const [begun] = await readHeads(to);
    assert.equal(begun!.version, begun!.start - 1);
    await assert.rejects(copyRepository(from, to, {}), LineageError);
    assert.deepEqual(await readHeads(to), [begun]);
  });

  it("refuses an id that another backup has there, before anything is written", async () => {
    const { house, from, to, store } = await both();
    const other = await openAt(house.fs, "/other", { clock: house.time.clock });
    await write(other, (batch) => put(batch, 0, "a", { value: "1" }));
    await backupTo(other, ownContext({ ...to }, to), { id: "inc-2", type: "full" });
    await other.close();
    const before = [...(await contentsOf(store)).keys()].filter((key) => !key.startsWith(PART.audit));
    await assert.rejects(
      copyRepository(from, to, {}),
      (error) => error instanceof ExistsError && /inc-2/.test(error.message),
    );
    assert.deepEqual([...(await contentsOf(store)).keys()].filter((key) => !key.startsWith(PART.audit)), before);
    // Chosen around it, both stand beside each other.
    await copyRepository(from, to, { backups: ["inc-1"] });
    assert.equal((await readBackups(to)).length, 3);
  });

  it("refuses an id that another backup takes there meanwhile", async () => {
    const { house, from, to, store } = await both();
    const other = await openAt(house.fs, "/other", { clock: house.time.clock });
    await write(other, (batch) => put(batch, 0, "a", { value: "1" }));
    const elsewhere = await openOver(new MemoryStore(), house.time.clock);
    await backupTo(other, ownContext({ ...elsewhere }, elsewhere), { id: "inc-2", type: "full" });
    await other.close();
    const key = backupKey("inc-2");
    const theirs = await collect((await elsewhere.store.get(key))!.body);
    const inner = store.put.bind(store);
    store.put = async (name, ...rest) => {
      if (name === key) await inner(key, theirs);
      return await inner(name, ...rest);
    };
    await assert.rejects(
      copyRepository(from, to, {}),
      (error) => error instanceof ExistsError && /inc-2/.test(error.message),
    );
    assert.deepEqual(await collect((await store.get(key))!.body), theirs);
  });

  it("names a damaged object, and leaves nothing half behind", async () => {
    for (const encryption of [undefined, keyOf(3)]) {
      const source = await smallSource(encryption === undefined ? {} : { encryption });
      const { house, states } = source;
      const from = house.context;
      const snap = (await readBackup(from, "snap-1"))!;
      const shared = new Set((await readBackup(from, "full-1"))!.base!.files.map(({ object }) => object));
      const key = objectKey(snap.base!.files.find(({ object }) => !shared.has(object))!.object);
      const original = await contentsOf(house.store, key);
      await damage(house.store, key);
      const store = new MemoryStore();
      const to = await openOver(store, house.time.clock);
      await assert.rejects(copyRepository(from, to, {}), (error) => {
        assert.ok(error instanceof IntegrityError);
        assert.ok(error.message.includes(key), error.message);
        return true;
      });
      await assertBackupsRestore(to, states);
      assert.equal((await readBackups(to)).some(({ id }) => id === "snap-1"), false);
      // Healed, it goes on.
      await house.store.put(key, bytesOf(original.get(key)!));
      await copyRepository(from, to, {});
      await assertSamePoints(from, to, states);
    }
  });

  it("does not take one whole object for another", async () => {
    for (const encryption of [undefined, keyOf(3)]) {
      const { house } = await smallSource(encryption === undefined ? {} : { encryption });
      const { object } = (await readBackup(house.context, "full-1"))!.base!.files[0]!;
      const key = objectKey(object);
      // Sealed as it should be, of the same length, and other content.
      const content = await collect(objectPieces(house.context, key));
      content[0]! ^= 1;
      await house.store.delete(key);
      await putObject(house.context, key, () => inPieces(content), { compression: "none", verify: true });
      const to = await openOver(new MemoryStore(), house.time.clock);
      await assert.rejects(
        copyRepository(house.context, to, { backups: ["full-1"] }),
        (error) => error instanceof IntegrityError && error.message.includes(key),
      );
      assert.deepEqual(await readBackups(to), []);
    }
  });

  it("names damaged and missing log", async () => {
    const { house, from, to } = await both();
    const key = [...(await contentsOf(house.store, PART.log)).keys()].at(-1)!;
    const original = (await contentsOf(house.store, key)).get(key)!;
    await damage(house.store, key, 80);
    await assert.rejects(
      copyRepository(from, to, {}),
      (error) => error instanceof IntegrityError && error.message.includes(key),
    );
    for (const { start, version } of await readHeads(to)) assert.ok(version < start, "it counts what is not there");
    await house.store.put(key, bytesOf(original));
    await copyRepository(from, to, {});
    assert.deepEqual(await rangesOf(to), await rangesOf(from));
  });

  it("checks what an earlier copy left, and puts another where it is damaged", async () => {
    const { house, states, from, to, store } = await both();
    await copyRepository(from, to, {});
    // As if it had been cut off before the first manifest.
    for (const prefix of [PART.backups, PART.heads]) {
      for (const key of (await contentsOf(store, prefix)).keys()) await store.delete(key);
    }
    const keys = [...(await contentsOf(store)).keys()];
    await damage(store, keys.find((key) => key.startsWith(PART.objects))!);
    await damage(store, keys.find((key) => key.startsWith(PART.log))!, 80);
    const again = await openOver(store, house.time.clock);
    const report = await copyRepository(from, again, {});
    assert.deepEqual([report.objects, report.logObjects], [1, 1]);
    assert.ok(report.reused > 3);
    await assertSamePoints(from, again, states);
  });

  it("gives up where damaged log that an earlier copy left can't be taken away", async () => {
    const { house, from, to, store } = await both();
    await copyRepository(from, to, {});
    for (const key of (await contentsOf(store, PART.heads)).keys()) await store.delete(key);
    for (const key of (await contentsOf(store, PART.backups)).keys()) await store.delete(key);
    const log = [...(await contentsOf(store, PART.log)).keys()][0]!;
    await damage(store, log, 80);
    let tries = 0;
    const remove = store.delete.bind(store);
    store.delete = async (key, options) => {
      if (key !== log) return await remove(key, options);
      // As a bucket whose lock leaves each object what it is.
      if (++tries > 3) throw new Error("no end to it");
    };
    const again = await openOver(store, house.time.clock);
    await assert.rejects(copyRepository(from, again, {}), IntegrityError);
    assert.equal(tries, 1);
  });

  it("tells how far it is, keeps to both limits, and gives up when told", async () => {
    const { from, to } = await both();
    const slow: number[] = [];
    const delay = (ms: number): Promise<void> => Promise.resolve(void slow.push(ms));
    const limited = (context: RepositoryContext): RepositoryContext => ({
      ...context,
      bandwidth: new Bandwidth(1000, () => 0, delay),
    });
    const abort = new AbortController();
    const phases = new Set<string>();
    const reason = new Error("enough");
    await assert.rejects(
      copyRepository(from, to, {
        signal: abort.signal,
        onProgress: ({ phase }) => {
          phases.add(phase);
          if (phase === "copy") abort.abort(reason);
        },
      }),
      reason,
    );
    assert.deepEqual(await readBackups(to), []);
    let total = 0;
    let done = 0;
    await copyRepository(limited(from), limited(to), {
      onProgress: ({ phase, doneBytes, totalBytes = 0 }) => {
        if (phase === "copy") [total, done] = [totalBytes, doneBytes];
      },
    });
    assert.deepEqual([...phases], ["plan", "copy"]);
    assert.ok(total > 2000);
    assert.equal(done, total);
    assert.ok(slow.length > 10);
  });

  it("needs keys on both sides, and a target that is another one and may be written to", async () => {
    const { house, from, store } = await both();
    await assert.rejects(copyRepository(from, from, {}), TypeError);
    const reader = await openOver(store, house.time.clock, { readOnly: true });
    await assert.rejects(copyRepository(from, reader, {}), ReadOnlyError);
    const encrypted = new MemoryStore();
    await openOver(encrypted, house.time.clock, { encryption: keyOf(1) });
    const keyless = await openOver(encrypted, house.time.clock, { keyless: true });
    await assert.rejects(copyRepository(keyless, from, {}), /without its key/);
    // A source that may only be read is enough.
    const to = await openOver(store, house.time.clock);
    await copyRepository(await openOver(house.store, house.time.clock, { readOnly: true }), to, {});
    assert.equal((await readBackups(to)).length, 6);
  });
});
