/** What is believed of a manifest, and what of it is durable when. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { CorruptionError, IOError } from "../../lib/base/errors.ts";
import { encodeManifest, type LoadedManifest, readManifest } from "../../lib/engine/manifest/manifest.ts";
import { emptyState, type ManifestState, stateAsEdit } from "../../lib/engine/manifest/manifest_state.ts";
import { type MemoryFileSystem, memoryFileSystem, type Operation } from "../../lib/files/memory/memory_file_system.ts";
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
        if (name === "rename") image = fs.fork({ keep: "none" });
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
