/** What is believed of a manifest, and what of it is durable when. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { CorruptionError, ExistsError, IOError, LockedError, NoSpaceError } from "../../lib/base/errors.ts";
import { createManifest } from "../../lib/engine/manifest/create_manifest.ts";
import {
  encodeManifest,
  encodeMarker,
  type LoadedManifest,
  loadManifest,
  ManifestWriter,
  readManifest,
} from "../../lib/engine/manifest/manifest.ts";
import { emptyState, type ManifestState, stateAsEdit } from "../../lib/engine/manifest/manifest_state.ts";
import { type MemoryFileSystem, memoryFileSystem, type Operation } from "../../lib/files/memory/memory_file_system.ts";
import { publishFile } from "../../lib/files/publish.ts";
import { readFile } from "../../lib/files/read.ts";
import { encodeEdit, type ManifestEdit } from "../../lib/format/manifest/manifest_edit.ts";
import { FILE_HEADER_BYTES } from "../../lib/format/identity.ts";
import { writeRecord } from "../../lib/format/log/frame.ts";
import { open } from "./fixture.ts";

const NAME = "MANIFEST-000001";

function stateOf(id: string): ManifestState {
  const state = emptyState();
  state.database = { ...state.database, id: id.repeat(32), lineage: "b".repeat(32) };
  return state;
}

const STATE = stateOf("a");

/** A manifest with the header of `STATE` and these edits, read; `spoil` says which byte of it is another. */
async function read(edits: readonly ManifestEdit[], spoil?: (offsets: number[]) => number): Promise<LoadedManifest> {
  const { bytes, seed } = encodeManifest(STATE, 1);
  const out = new ByteWriter(4096);
  out.bytes(bytes.subarray(0, FILE_HEADER_BYTES));
  const offsets: number[] = [];
  for (const edit of edits) {
    offsets.push(out.length);
    writeRecord(out, seed, out.length, encodeEdit(edit));
  }
  const written = out.take();
  if (spoil !== undefined) written[spoil(offsets)]! ^= 1;
  const handle = await memoryFileSystem().open(`/${NAME}`, "create");
  await handle.append(written);
  return readManifest(handle, 1, STATE.database.id, NAME);
}

const damage = (detail: RegExp) => (error: unknown): boolean =>
  error instanceof CorruptionError && error.file === NAME && detail.test(error.message);

describe("a manifest", () => {
  const first = stateAsEdit(STATE);
  const last: ManifestEdit = { lastVersion: 7 };

  it("is damaged at a bad edit with a whole one behind it, and ends at one without", async () => {
    const edits = [first, { lastVersion: 5 }, last];
    await assert.rejects(read(edits, (offsets) => offsets[1]! + 20), damage(/payload checksum/));
    assert.equal((await read(edits, (offsets) => offsets[2]! + 20)).state.lastVersion, 5);
    assert.equal((await read(edits)).state.lastVersion, 7);
  });

  it("is damaged where an edit does not fit what is there", async () => {
    await assert.rejects(read([first, { removeLogs: [3] }, last]), damage(/removes log segment 3, which is not there/));
  });

  it("is damaged where its first edit is none, or another database's", async () => {
    await assert.rejects(read([]), damage(/first edit/));
    await assert.rejects(read([stateAsEdit(stateOf("c"))]), damage(/first edit/));
  });

  it("is no closed one by its first edit", async () => {
    const closed: ManifestEdit = { openLog: { number: 2, end: 100 } };
    assert.equal((await read([{ ...first, ...closed }])).closed, false);
    assert.equal((await read([{ ...first, openLog: { number: 2, end: null } }, closed])).closed, true);
  });

  it("has its name made durable before the marker leads to it", async () => {
    let image: MemoryFileSystem | undefined;
    const fs = memoryFileSystem({
      beforeOperation({ name }) {
        if (name === "link") image = fs.fork({ keep: "none" });
      },
    });
    await (await open(fs)).close();
    assert.ok((await image!.list("/db")).includes(NAME));
  });
});

describe("an open behind a kill", () => {
  const slot = { id: "s", repository: "r", version: 0, createdAt: 1 };

  /** A disk whose process was killed at such an operation while it set a slot; `fresh`: at its first open. */
  async function killedAt(which: (operation: Operation) => boolean, fresh = false): Promise<MemoryFileSystem> {
    const fs = memoryFileSystem();
    if (!fresh) await (await open(fs)).close();
    const engine = await open(fs);
    fs.inject({ at: which, do: "kill" });
    await assert.rejects(engine.setSlot(slot));
    await engine.close().catch(() => {});
    return fs.otherProcess();
  }

  const ofManifest = ({ path }: Operation): boolean => path.includes("MANIFEST");

  it("makes the last edit durable before it is shown, on a full disk too", async () => {
    const places = {
      "its sync": () => killedAt((operation) => operation.name === "sync" && ofManifest(operation), true),
      "the sync of the marker's name": () => {
        let renamed = false;
        return killedAt(({ name }) => {
          renamed ||= name === "rename";
          return renamed && name === "syncDirectory";
        });
      },
    };
    for (const [what, kill] of Object.entries(places)) {
      for (const isFull of [false, true]) {
        const fs = await kill();
        // What a power cut would keep of it now.
        assert.equal((await open(fs.fork({ keep: "none" }))).slots().length, 0, what);
        if (isFull) fs.capacityBytes = fs.usedBytes;
        const engine = await open(fs);
        assert.deepEqual(engine.slots(), [slot], what);
        const image = fs.fork({ keep: "none" });
        image.capacityBytes = Infinity;
        assert.deepEqual((await open(image)).slots(), [slot], what);
        await engine.close();
      }
    }
  });

  it("fails where that can't be told", async () => {
    const fs = await killedAt((operation) => operation.name === "sync" && ofManifest(operation), true);
    fs.inject({ at: (operation) => operation.name === "append" && ofManifest(operation), do: "fail" });
    await assert.rejects(open(fs), IOError);
  });
});

describe("ManifestWriter", () => {
  const edit = (lastVersion: number) => (): ManifestEdit => ({ lastVersion });

  /** One that appends, or one that begins a manifest of its own with its next edit. */
  async function writing(
    renews: boolean,
    options: Parameters<typeof memoryFileSystem>[0] = {},
  ): Promise<{ fs: MemoryFileSystem; writer: ManifestWriter }> {
    const fs = memoryFileSystem(options);
    await fs.makeDirectory("/db");
    await fs.syncDirectory("/");
    const made = await createManifest(fs, "/db", stateOf("a"));
    return { fs, writer: new ManifestWriter(fs, "/db", renews ? await loadManifest(fs, "/db") : made) };
  }

  const lastOf = async (fs: MemoryFileSystem): Promise<number> => (await loadManifest(fs, "/db")).state.lastVersion;

  it("goes on behind an edit for which there was no space", async () => {
    for (const renews of [false, true]) {
      for (const call of renews ? ["create", "rename"] : ["append"]) {
        const { fs, writer } = await writing(renews);
        const names = await fs.list("/db");
        fs.inject({ at: ({ name }) => name === call, do: "full" });
        await assert.rejects(writer.apply(edit(1)), NoSpaceError);
        assert.deepEqual([writer.broken, writer.state.lastVersion, await fs.list("/db")], [false, 0, names], call);
        await writer.apply(edit(2));
        await writer.apply(edit(3));
        assert.equal(await lastOf(fs), 3);
        await writer.close();
        // The file in use alone is there, and none is open.
        assert.equal((await fs.list("/db")).length, 2);
        for (const name of await fs.list("/db")) await fs.remove(`/db/${name}`);
        assert.equal(fs.usedBytes, 0);
      }
    }
  });

  it("writes nothing more once nobody knows what the disk has", async () => {
    const cases = [
      { renews: false, calls: ["append"] },
      { renews: false, calls: ["sync"] },
      { renews: true, calls: ["append"] },
      { renews: true, calls: ["sync"] },
      { renews: true, calls: ["rename"] },
      { renews: true, calls: ["syncDirectory"] },
    ];
    for (const { renews, calls } of cases) {
      for (const how of ["fail", "lose"] as const) {
        const { fs, writer } = await writing(renews);
        fs.inject({ at: ({ name }) => calls.includes(name), do: how });
        await assert.rejects(writer.apply(edit(1)), IOError);
        assert.equal(writer.broken, true, `${how} ${calls}, ${renews}`);
        await assert.rejects(writer.apply(edit(2)), IOError);
        // Whichever the marker names is there, whole.
        for (const keep of ["none", "all"] as const) assert.ok(await lastOf(fs.fork({ keep })) <= 1);
      }
    }
  });

  it("leaves a marker alone that another process has put there, and tells no one of its edit", async () => {
    for (const renews of [false, true]) {
      const { fs, writer } = await writing(renews);
      const theirs = encodeMarker(STATE, 7);
      await publishFile(fs, "/db/CURRENT", theirs);
      const names = await fs.list("/db");
      await assert.rejects(writer.apply(edit(1)), LockedError);
      assert.deepEqual([writer.broken, writer.state.lastVersion], [true, 0]);
      assert.deepEqual(await readFile(fs, "/db/CURRENT", 1000), theirs);
      assert.deepEqual(await fs.list("/db"), names);
      await assert.rejects(writer.apply(edit(2)), LockedError);
    }
  });

  it("takes a marker that it is just replacing for its own", async () => {
    const answers: boolean[] = [];
    let look = (): void => {};
    const { writer } = await writing(true, { afterOperation: ({ name }) => void (name === "rename" && look()) });
    look = () => void answers.push(writer.marker.isReplaced);
    await writer.apply(edit(1));
    look();
    assert.deepEqual(answers, [false, false]);
  });

  it("asks whether what was found is untouched until it has begun a manifest of its own", async () => {
    const { fs, writer } = await writing(true);
    let asked = 0;
    writer.guard(() => {
      asked++;
    });
    writer.assertUntouched();
    await writer.apply(edit(1));
    await writer.apply(edit(2));
    writer.assertUntouched();
    // By itself, before and behind the switch of the marker.
    assert.equal(asked, 3);
    assert.equal(await lastOf(fs), 2);
  });

  it("is broken by a full disk that lets nothing be cut, or where the marker has changed", async () => {
    const full = (): never => {
      throw new NoSpaceError("Cannot do it: full (ENOSPC)");
    };
    let isOn = false;
    const uncut = await writing(false, {
      beforeOperation: ({ name }) => isOn && ["append", "truncate"].includes(name) ? full() : undefined,
    });
    isOn = true;
    await assert.rejects(uncut.writer.apply(edit(1)), NoSpaceError);
    assert.equal(uncut.writer.broken, true);
    isOn = false;
    let renamed = false;
    const switched = await writing(true, {
      afterOperation: ({ name }) => {
        if (name === "rename") renamed = isOn;
        if (renamed && name === "syncDirectory") full();
      },
    });
    isOn = true;
    await assert.rejects(switched.writer.apply(edit(1)), NoSpaceError);
    assert.equal(switched.writer.broken, true);
    assert.equal(await lastOf(switched.fs.fork({ keep: "all" })), 1);
  });

  it("is broken by the worse of two failures", async () => {
    const { fs, writer } = await writing(true);
    fs.inject({ at: ({ name, path }) => name === "append" && path.includes("MANIFEST"), do: "full" });
    fs.inject({ at: ({ name, path }) => name === "sync" && path.includes("CURRENT"), do: "fail" });
    await assert.rejects(writer.apply(edit(1)), IOError);
    assert.equal(writer.broken, true);
  });

  it("has what an edit needs give its file back where no manifest can be made", async () => {
    const { fs, writer } = await writing(true);
    fs.inject({ at: ({ name, path }) => name === "create" && path.includes("MANIFEST"), do: "full" });
    let syncs = 0;
    await assert.rejects(writer.apply(edit(1), undefined, async () => void syncs++), NoSpaceError);
    assert.deepEqual([syncs, writer.broken], [1, false]);
  });

  it("leaves a manifest that another process has made under its number", async () => {
    const { fs, writer } = await writing(true);
    const name = `/db/MANIFEST-${String(writer.state.nextNumber).padStart(6, "0")}`;
    await (await fs.otherProcess().open(name, "create")).close();
    const before = await fs.list("/db");
    await assert.rejects(writer.apply(edit(1)), ExistsError);
    assert.deepEqual(await fs.list("/db"), before);
  });

  it("closes a manifest that has grown too long, and removes it", async () => {
    const { fs, writer } = await writing(false);
    const long = (id: string): ManifestEdit => ({
      setSlots: [{ id, repository: "r".repeat(600_000), version: 0, createdAt: 0 }],
    });
    const before = writer.number;
    for (const id of ["a", "b", "c"]) await writer.apply(() => long(id));
    assert.notEqual(writer.number, before);
    let named = 0;
    for (const name of await fs.list("/db")) named += (await fs.stat(`/db/${name}`))!.size;
    assert.deepEqual([(await fs.list("/db")).length, fs.usedBytes], [2, named]);
    await writer.close();
  });

  it("has the names of a new manifest and of what an edit needs durable before it counts", async () => {
    for (const renews of [false, true]) {
      const images: MemoryFileSystem[] = [];
      let isOn = false;
      const { fs, writer } = await writing(renews, {
        beforeOperation({ name, path }) {
          const counts = renews ? name === "rename" : name === "append" && path.includes("MANIFEST");
          if (isOn && counts) images.push(fs.fork({ keep: "none" }));
        },
      });
      isOn = true;
      const needed = await fs.open("/db/needed", "create");
      await needed.append(new Uint8Array(10));
      await writer.apply(edit(1), undefined, () => needed.sync());
      assert.equal(images.length, 1);
      assert.equal((await images[0]!.stat("/db/needed"))?.size, 10);
      if (renews) assert.ok((await images[0]!.list("/db")).includes(`MANIFEST-00000${writer.number}`));
    }
  });

  it("makes the edits under way before it closes", async () => {
    const { fs, writer } = await writing(false);
    const made = [1, 2, 3].map((version) => writer.apply(edit(version)));
    await writer.close();
    await Promise.all(made);
    assert.equal(await lastOf(fs), 3);
    for (const name of await fs.list("/db")) await fs.remove(`/db/${name}`);
    assert.equal(fs.usedBytes, 0);
  });
});
