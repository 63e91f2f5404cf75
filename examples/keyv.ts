/**
 * Keyv: a cache and sessions through Keyv, in one database, with a backup that is taken while they are used.
 *
 *     node examples/keyv.ts
 *
 * @module
 */
import { Keyv } from "keyv";
import { DB } from "@holdfast/db";
import { KeyvHoldfast } from "@holdfast/db/keyv";
import { fact, promise, scratch, step, title } from "./show.ts";

title("Keyv", "A shop keeps its sessions and a cache of its pages");
await using home = await scratch("keyv");

await using db = await DB.open(`${home.path}/shop`);
const sessions = new Keyv<{ user: string }>({ store: new KeyvHoldfast(db), namespace: "sessions" });
// A page that is lost is made again: it need not wait for the disk.
const pages = new Keyv<string>({ store: new KeyvHoldfast(db, { durability: "interval" }), namespace: "pages" });

step("Values of any kind, each namespace by itself");
await sessions.set("7", { user: "Ada" });
await pages.setMany([{ key: "/", value: "<h1>Shop</h1>" }, { key: "/books", value: "<h1>Books</h1>" }]);
for await (const [path, html] of pages.iterator()) fact(path, String(html));
promise((await sessions.get<{ user: string }>("7"))?.user === "Ada", "the session is there");

step("What expires is gone at its time, for all who look");
await pages.set("/offer", "<h1>Today only</h1>", 30);
promise(await pages.has("/offer"), "the offer stands");
await new Promise((resolve) => setTimeout(resolve, 50));
promise(!await pages.has("/offer") && await db.namespace("pages").count() === 2, "and now it is gone");

step("A backup, and an accident");
const { id } = await db.backup(`${home.path}/backups/`);
fact("backup", id);
await pages.clear();
promise(await sessions.has("7"), "clearing the pages leaves the sessions alone");
await sessions.clear();
await db.restore(`${home.path}/backups`);
promise((await sessions.get<{ user: string }>("7"))?.user === "Ada", "Ada is still logged in");
