/**
 * unstorage: items of a site in a database, watched as they change, with a copy that opens by itself.
 *
 *     node examples/unstorage.ts
 *
 * @module
 */
import { createStorage, prefixStorage } from "unstorage";
import { DB } from "@holdfast/db";
import { holdfastDriver } from "@holdfast/db/unstorage";
import { fact, promise, scratch, step, title } from "./show.ts";

title("unstorage", "A site keeps its articles, pictures and counters");
await using home = await scratch("unstorage");
const path = `${home.path}/site`;

const storage = createStorage({ driver: holdfastDriver({ path }) });
const articles = prefixStorage<{ heading: string }>(storage, "articles");

step("Items with keys in parts, and bytes as bytes");
await articles.setItem("2026:backups", { heading: "Backups that restore" });
await articles.setItem("2026:caches", { heading: "Caches that last" });
await storage.setItemRaw("pictures:logo.png", new Uint8Array([137, 80, 78, 71]));
await storage.setItem("visits:today", 1, { ttl: 86_400 });
for (const key of await storage.getKeys("articles:2026")) fact(key, JSON.stringify(await storage.getItem(key)));
const { size } = await storage.getMeta("pictures:logo.png");
promise(size === 4, "the picture takes four bytes");
promise((await storage.getMeta("visits:today")).ttl! > 86_000, "the counter lasts until tomorrow");

step("Whoever watches is told, whoever it was");
const told: string[] = [];
const unwatch = await storage.watch((event, key) => told.push(`${event} ${key}`));
await articles.removeItem("2026:caches");
await articles.setItem("2026:backups", { heading: "Backups that are proven" });
while (told.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
for (const line of told) fact("told", line);
await unwatch();

step("Beneath it is a database, with all that a database here can do");
const db = await storage.getMount().driver.getInstance!() as DB;
await db.export(`${home.path}/copy`);
await storage.dispose();
const copy = createStorage({ driver: holdfastDriver({ path: `${home.path}/copy` }) });
promise((await copy.getKeys()).length === 3, "the copy has all three items");
await copy.dispose();
