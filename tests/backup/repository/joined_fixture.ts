/** Histories which files joined without log, for tests of who lists them and lets go of them. */
import { restoreInto } from "../../../lib/backup/mod.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { allKeys, writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { headKey, logPrefix, objectKey } from "../../../lib/backup/repository/core/layout.ts";
import { logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import type { ArchivedIngest, HeadDocument } from "../../../lib/format/repository/head_document.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { openOver } from "./copy_fixture.ts";
import { House } from "./house.ts";

/** A database whose restore into itself is archived at `version`, and the head that was there just before it counted that. */
export async function joined(): Promise<{ house: House; version: number; before: HeadDocument; object: string }> {
  const house = await House.make();
  await house.set("a", "1");
  await house.backup({ id: "full" });
  await house.set("b", "2");
  const ship = () => Shipper.of(house.context, house.engine).ship();
  const { head: earlier } = await ship();
  await restoreInto(house.engine, house.handle, { backupId: "full" });
  await ship();
  const head = (await readHeads(house.context)).find(({ ingests }) => ingests.length > 0)!;
  const [{ version, files: [file] }] = head.ingests as [ArchivedIngest];
  return { house, version, before: { ...earlier, ingests: head.ingests }, object: objectKey(file!.object) };
}

/** The same with a copy of it, which has let go of that log and the files. */
export async function prunedCopy(): Promise<{ house: House; inner: ObjectStore; version: number }> {
  const { house, version, before } = await joined();
  // Its tags are of contents: what is written once more as it was has the same.
  const inner = directoryStore("/copy", { fileSystem: memoryFileSystem() });
  const target = await openOver(inner, house.time.clock);
  await copyRepository(house.context, target, {});
  const [head] = (await readHeads(target)).filter(({ lineage }) => lineage === before.lineage);
  for (const { key, last } of logObjects(await allKeys(inner, logPrefix(head!.database, head!.lineage)))) {
    if (last === version) await inner.delete(key);
  }
  await writeDocument(target, "head", headKey(head!.database, head!.lineage), {
    ...head!,
    ingests: [],
    pruned: version,
  });
  return { house, inner, version };
}
