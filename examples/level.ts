/**
 * A program that was written for Level, on Holdfast: one line is another, and there are backups.
 *
 *     node examples/level.ts
 *
 * @module
 */
import { DB } from "@holdfast/db";
import { HoldfastLevel } from "@holdfast/db/level"; // was: import { ClassicLevel } from "classic-level";
import { count, fact, promise, scratch, step, title } from "./show.ts";

title("Level on Holdfast", "The interface of abstract-level, with backups beneath");
await using home = await scratch("level");

step("A shop, as it would be written for classic-level");
const level = new HoldfastLevel(`${home.path}/shop`);
const orders = level.sublevel<string, { item: string; euros: number }>("orders", { valueEncoding: "json" });
const byItem = level.sublevel("by-item");

const items = ["apples", "pears", "plums"];
const keyOf = (number: number): string => String(number).padStart(5, "0");

/** Orders, each with its row in the index, in one commit. */
async function order(from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from }, (_, i) => from + i);
  await level.batch<string, unknown>(
    numbers.flatMap((number) => {
      const [key, item] = [keyOf(number), items[number % 3]!];
      return [
        { type: "put", sublevel: orders, key, value: { item, euros: number % 50 } },
        { type: "put", sublevel: byItem, key: `${item}:${key}`, value: key },
      ] as const;
    }),
    { sync: true },
  );
}
await order(0, 9000);
await order(9000, 9001);

const pears = await byItem.keys({ gte: "pears:", lt: "pears;" }).all();
fact("orders of pears", count(pears.length));
promise(pears.length === 3000, "the index has every one of them");

const last = orders.iterator({ reverse: true, limit: 2 });
promise((await last.all())[0]?.[0] === keyOf(9000), "the newest order comes first in reverse");

step("What Level has no call for");
const backup = await level.holdfast.backup(`${home.path}/backups/`);
fact("backup", `${backup.type}, ${count(backup.entryCount)} entries`);
promise((await level.holdfast.verify()).ok, "no damage in any file");

step("An accident, with a snapshot from before");
const before = level.snapshot();
await level.clear();
promise(await orders.get(keyOf(1)) === undefined, "all orders are gone");
promise((await orders.get(keyOf(1), { snapshot: before }))?.item === "pears", "but for the snapshot");
await before.close();
await level.close();

step("Back from the backup");
await DB.restore(`${home.path}/backups/`, `${home.path}/restored`);
await using restored = new HoldfastLevel(`${home.path}/restored`);
promise((await restored.keys().all()).length === 18_002, "orders and index are back, all 18,002 entries");
