/**
 * Run by the stores' tests as a process of its own: `store_racer.ts PLACE NAME COUNT absent|match|replace` says `ready`,
 * waits for a line, then
 *
 * - absent: puts COUNT objects with ifAbsent, NAME as their bytes, and says how many it won,
 * - match: increments the object `counter` COUNT times with ifMatch, and says how often it had to try,
 * - replace: puts the object `replaced` COUNT times and deletes `deleted` as often, without conditions.
 *
 * PLACE is a directory, or JSON: `{ "azure": [ADDRESS, OPTIONS] }`.
 */
import process from "node:process";
import { directoryStore } from "../../lib/storage/directory_store.ts";
import type { ObjectStore } from "../../lib/storage/object_store.ts";

const [place = "", name = "", count = "0", work = ""] = process.argv.slice(2);

async function storeAt(place: string): Promise<ObjectStore> {
  if (!place.startsWith("{")) return directoryStore(place);
  // Loaded where it is needed only: the others run under permissions that are too narrow for it.
  const { azure } = await import("../../lib/adapters/azure.ts");
  const [address, options] = (JSON.parse(place) as { azure: Parameters<typeof azure> }).azure;
  return azure(address, options);
}

const store = await storeAt(place);

async function textOf(key: string): Promise<{ text: string; etag: string | undefined }> {
  const object = await store.get(key);
  if (object === undefined) return { text: "0", etag: undefined };
  let text = "";
  for await (const piece of object.body) text += new TextDecoder().decode(piece);
  return { text, etag: object.etag };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function absent(): Promise<number> {
  let won = 0;
  for (let i = 0; i < Number(count); i++) if (await store.put(`race/${i}`, bytes(name), { ifAbsent: true })) won++;
  return won;
}

async function match(): Promise<number> {
  let tries = 0;
  for (let i = 0; i < Number(count);) {
    tries++;
    const { text, etag } = await textOf("counter");
    const condition = etag === undefined ? { ifAbsent: true } : { ifMatch: etag };
    if (await store.put("counter", bytes(String(Number(text) + 1)), condition)) i++;
  }
  return tries;
}

async function replace(): Promise<number> {
  for (let i = 0; i < Number(count); i++) {
    await store.put("replaced", bytes(name.repeat(1000)));
    await store.delete("deleted");
    await store.put("deleted", bytes(name));
  }
  return Number(count);
}

process.stdout.write("ready\n");
await new Promise((resolve) => process.stdin.once("data", resolve));
const result = await { absent, match, replace }[work as "absent" | "match" | "replace"]();
process.stdout.write(`${result}\n`);
process.exit(0);
