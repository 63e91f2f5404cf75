/**
 * Move a database: to another directory, and to another machine in one file.
 *
 *     node examples/move.ts
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DB } from "@holdfast/db";
import { count, fact, promise, scratch, size, sizeOnDisk, step, time, timed, title } from "./show.ts";

title("Move a database");
await using home = await scratch("move");
const [oldPath, newPath] = [join(home.path, "old disk"), join(home.path, "new disk")];

/** Two databases that agree in this agree in every key, value, kind, tag and expiry. */
async function fingerprint(db: DB): Promise<string> {
  const hash = createHash("sha256");
  for await (const { key, value, tags } of db.list()) hash.update(JSON.stringify([key, value, tags]));
  return hash.digest("hex").slice(0, 16);
}

const old = await DB.open(oldPath);
await old.setMany(Array.from({ length: 10_000 }, (_, i) => ({
  key: `track/${String(i).padStart(5, "0")}`,
  value: { title: `Track ${i}`, seconds: 120 + i % 180 },
  tags: [i % 2 === 0 ? "live" : "studio"],
})));
const before = await fingerprint(old);
fact("tracks", count(await old.count()));
fact("fingerprint", before);

step("To another directory: stop writing, export, open the copy, and only then remove the original");
const moved = await timed(() => old.export(newPath));
await old.close();
fact("copied and verified", `${size(await sizeOnDisk(newPath))} in ${time(moved.ms)}`);
{
  await using db = await DB.open(newPath);
  promise(await fingerprint(db) === before, "the new place holds the same, tags included");
}
await DB.destroy(oldPath);
promise(!await DB.exists(oldPath), "the old place is empty");

step("To another machine: one compressed tar file, restored over there");
const tarPath = join(home.path, "tracks.tar.zst");
{
  await using db = await DB.open(newPath);
  await db.export(tarPath);
}
fact("tracks.tar.zst", size(await sizeOnDisk(tarPath)));
const therePath = join(home.path, "there");
const info = await DB.restore(tarPath, therePath);
fact("restored", `${count(info.entries)} entries, up to version ${info.achieved.version}`);
await using there = await DB.open(therePath);
promise(await fingerprint(there) === before, "and there, too");
