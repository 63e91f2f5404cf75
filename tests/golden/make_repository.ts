/**
 * Writes the golden repositories of this release's format: `node tests/golden/make_repository.ts DIRECTORY`. Run once for each
 * release that changes a format; what earlier releases wrote stays as it is and must always open.
 *
 * Two of them: one plain, one encrypted. Each has a full, an incremental and a selective backup, a snapshot, archived log
 * that was merged, a restore into the open database (files that joined without log), and a history that left another. In
 * `repository-1` log has the digest of its raw bytes, in `repository-1-body` that of its body; encrypted log has neither.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { BackupRepository, DB } from "../../mod.ts";
import { contentsOf } from "./contents.ts";
import { GOLDEN_KEY } from "./golden_key.ts";

const directory = process.argv[2];
if (directory === undefined) throw new TypeError("say where to");

let time = Date.UTC(2026, 10, 21);
const clock = (): number => time += 1000;

for (const [name, encryption] of [["plain", undefined], ["encrypted", GOLDEN_KEY]] as const) {
  const place = join(directory, name);
  mkdirSync(place, { recursive: true });
  const states: { version: number; timestamp: number; contents: unknown }[] = [];
  await using db = await DB.open(join(place, "database"), {
    clock,
    memtableBytes: 8192,
    blobBytes: 1024,
    tuning: { blockBytes: 512, tableBytes: 4096, reserve: false },
  });
  const note = async (): Promise<void> => {
    states.push({ version: db.version, timestamp: db.timestamp, contents: await contentsOf(db) });
  };
  await using repo = await BackupRepository.open(join(place, "repository"), { encryption, clock });
  for (let i = 0; i < 60; i++) await db.set(`key/${i}`, { i, text: "value ".repeat(i % 7) });
  for (let i = 0; i < 3; i++) await db.set(`large/${i}`, new Uint8Array(1100 + i).fill(i));
  await db.compact();
  await repo.backup(db, { id: "full", type: "full", labels: { made: "for ever" } });
  await note();
  for (let i = 0; i < 10; i++) {
    await db.set(`tagged/${i}`, `text ${i}`, { tags: ["all"] });
    await note();
    if (i % 3 === 0) await repo.backup(db, { id: `inc-${i}` });
  }
  await repo.backup(db, { id: "part", prefix: "tagged/" });
  await db.namespace("users").set("ada", { name: "Ada" }, { tags: ["admin"] });
  await db.deleteRange({ prefix: "key/1" });
  await note();
  await repo.backup(db, { id: "snapshot", type: "snapshot", compression: "zstd" });
  await db.restore(repo, { backupId: "inc-3" });
  await note();
  await db.set("after", "the restore");
  await note();
  await repo.backup(db, { id: "again", compression: "gzip" });
  await repo.pin("full");
  await repo.verify();
  writeFileSync(join(place, "states.json"), `${JSON.stringify(states, null, 1)}\n`);
}
