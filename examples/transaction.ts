/**
 * Money moves between accounts, many transfers at once, and none is ever lost or made up.
 *
 *     node examples/transaction.ts
 *
 * @module
 */
import { DB } from "@holdfast/db";
import { count, fact, promise, scratch, step, title } from "./show.ts";

title("Transactions", "Serializable: as if they had run one after the other");
await using home = await scratch("transaction");
await using db = await DB.open(`${home.path}/bank`);

const accounts = ["ada", "bob", "cleo", "dan", "eva"];
await db.setMany(accounts.map((name) => [`account/${name}`, 100] as const));

async function balance(): Promise<number> {
  let sum = 0;
  for await (const { value } of db.list<number>({ prefix: "account/" })) sum += value;
  return sum;
}

/** Reads two accounts and writes both; `attempts` counts the runs that a conflict made necessary. */
let attempts = 0;
async function transfer(from: string, to: string, amount: number): Promise<boolean> {
  return await db.transaction(async (tx) => {
    attempts++;
    const [has, had] = await tx.getMany<number>([`account/${from}`, `account/${to}`]);
    if (has! < amount) return false;
    tx.set(`account/${from}`, has! - amount);
    tx.set(`account/${to}`, had! + amount);
    return true;
  }, { retries: 100 });
}

step("Two hundred transfers between five accounts, ten at a time");
let done = 0;
let refused = 0;
for (let batch = 0; batch < 20; batch++) {
  const results = await Promise.all(Array.from({ length: 10 }, (_, i) => {
    const number = batch * 10 + i;
    const from = number % 5;
    return transfer(accounts[from]!, accounts[(from + 1 + number % 4) % 5]!, 5 + number * 7 % 40);
  }));
  done += results.filter((ok) => ok).length;
  refused += results.filter((ok) => !ok).length;
}
fact("went through", done);
fact("refused (too little money)", refused);
fact("runs needed", `${count(attempts)}: a transfer that met another one was run again`);
for (const name of accounts) fact(name, await db.get<number>(`account/${name}`) ?? 0);
promise(await balance() === 500, "the five still own 500 between them");

step("A transfer that fails half-way leaves nothing behind");
try {
  await db.transaction((tx) => {
    tx.set("account/ada", 1_000_000);
    throw new Error("the network is down");
  });
} catch (error) {
  fact("it threw", (error as Error).message);
}
promise(await balance() === 500, "still 500");

step("A user name may be taken once: check and set in one step");
const claim = (owner: string) =>
  db.atomic().check({ key: "user/neo", version: null }).set("user/neo", { owner }).commit();
const claims = await Promise.all([claim("the first"), claim("the second")]);
for (const [i, result] of claims.entries()) {
  fact(`claim ${i + 1}`, result.ok ? `ok, at version ${result.version}` : "refused: it exists already");
}
promise(claims.filter((result) => result.ok).length === 1, "exactly one of two simultaneous claims won");
