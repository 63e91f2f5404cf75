/** What was spoiled before a backup took it, and what is spoiled on its way into the store. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CorruptionError, IntegrityError } from "../../../lib/base/errors.ts";
import { join } from "../../../lib/files/paths.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type {
  GetOptions,
  ObjectBody,
  PutOptions,
  StoreCapabilities,
  StoredObject,
} from "../../../lib/storage/object_store.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { openOver, restored } from "./copy_fixture.ts";
import { House } from "./house.ts";

/** Changes a byte in the middle of each object that it is told to, and notes what is read. */
class SpoilingStore extends MemoryStore {
  override readonly capabilities: StoreCapabilities;
  spoils: (key: string) => boolean = () => false;
  readonly read: string[] = [];

  /** `checksums`: it says that its service would have noticed. */
  constructor(checksums: boolean) {
    super();
    this.capabilities = { ifAbsent: true, ifMatch: true, ranges: true, checksums };
  }

  override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    this.read.push(key);
    return await super.get(key, options);
  }

  override async put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    if (!this.spoils(key)) return await super.put(key, body, options);
    const parts: Uint8Array[] = [];
    for await (const part of body instanceof Uint8Array ? [body] : body) parts.push(part.slice());
    const whole = parts.find((part) => part.length > 100) ?? parts[0]!;
    whole[whole.length >> 1]! ^= 1;
    async function* spoiled(): AsyncGenerator<Uint8Array> {
      yield* parts;
    }
    return await super.put(key, spoiled(), options);
  }
}

async function prepared(checksums = false): Promise<{ house: House; store: SpoilingStore; table: string }> {
  const store = new SpoilingStore(checksums);
  const house = await House.make({ store });
  for (let i = 0; i < 50; i++) await house.set(`k${i}`, `${i}`.repeat(40));
  await house.engine.compact();
  house.note();
  const table = (await house.fs.list(house.engine.path)).find((name) => name.endsWith(".sst"))!;
  return { house, store, table };
}

const objects = async (store: MemoryStore): Promise<string[]> =>
  (await store.list({ prefix: "objects/" })).objects.map(({ key }) => key);

describe("a full backup", () => {
  for (const compression of [undefined, "zstd"] as const) {
    for (const checksums of [false, true]) {
      const into = checksums ? " into a store that checks what it takes" : "";
      it(`with ${compression ?? "no"} compression of its own${into} names a file that is not what was written, and leaves no object of it`, async () => {
        const { house, store, table } = await prepared(checksums);
        const path = join(house.engine.path, table);
        const flip = (bytes: Uint8Array): Uint8Array =>
          bytes.map((byte, at) => at === bytes.length >> 1 ? byte ^ 1 : byte);
        house.fs.damage(path, flip);
        await assert.rejects(house.backup({ type: "full", compression }), (error: CorruptionError) => {
          assert.ok(error instanceof CorruptionError, String(error));
          assert.equal(error.file, path);
          return true;
        });
        assert.deepEqual((await store.list({ prefix: "backups/" })).objects, []);
        assert.equal((await objects(store)).length, 0);
        house.fs.damage(path, flip);
        await house.backup({ id: "good", type: "full", compression });
        const { contents } = await house.restore({ backupId: "good" });
        assert.deepEqual(contents, house.states.get(house.engine.visibleVersion));
      });
    }

    it(`with ${compression ?? "no"} compression of its own fails where the store spoils what it is given, and the next one holds`, async () => {
      const { house, store } = await prepared();
      store.spoils = (key) => key.startsWith("objects/");
      await assert.rejects(house.backup({ type: "full", compression }), (error: IntegrityError) => {
        assert.ok(error instanceof IntegrityError, String(error));
        assert.match(error.message, /objects\/.* does not read back as it was written|objects\/.*damaged/);
        return true;
      });
      assert.deepEqual((await store.list({ prefix: "backups/" })).objects, []);
      store.spoils = () => false;
      await house.backup({ id: "good", type: "full", compression });
      const { contents } = await house.restore({ backupId: "good" });
      assert.deepEqual(contents, house.states.get(house.engine.visibleVersion));
    });
  }

  it("is not read back, nor is its log, where the store checks what it takes", async () => {
    for (const checksums of [false, true]) {
      const { house, store } = await prepared(checksums);
      const isRead = (): boolean => store.read.splice(0).some((key) => /^(?:objects|log)\//.test(key));
      await house.backup({ type: "full" });
      assert.equal(isRead(), !checksums);
      await house.set("a", "1");
      await house.backup({ id: "next", type: "incremental" });
      assert.equal(isRead(), !checksums);
      const { contents } = await house.restore({ backupId: "next" });
      assert.deepEqual(contents, house.states.get(house.engine.visibleVersion));
    }
  });
});

describe("a copy", () => {
  for (const part of ["objects/", "log/"]) {
    it(`fails where the store spoils what it is given below ${part}, and the next one holds`, async () => {
      const { house } = await prepared();
      await house.backup({ type: "full" });
      await house.set("a", "1");
      await house.backup({ id: "next", type: "incremental" });
      const target = new SpoilingStore(false);
      const to = await openOver(target, house.time.clock);
      target.spoils = (key) => key.startsWith(part);
      await assert.rejects(copyRepository(house.context, to, {}), IntegrityError);
      assert.equal(await target.head("backups/next.json"), undefined);
      target.spoils = () => false;
      await copyRepository(house.context, to, {});
      const { contents } = await restored(to, { backupId: "next" });
      assert.deepEqual(contents, house.states.get(house.engine.visibleVersion));
    });
  }
});
