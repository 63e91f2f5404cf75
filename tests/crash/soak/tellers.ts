/**
 * What a soak writes beside its numbers: transfers between accounts in transactions, and bulk loads. Each keeps a count, and
 * a count tells all that must be there with it.
 */
import assert from "node:assert/strict";
import type { DB, Reader } from "../../../mod.ts";

/** Writers that move money, each in an order of its own. */
export const TELLERS = 3;

const ACCOUNTS = 8;
const BALANCE = 1_000_000;

/** So many transfers of one teller in a row come to nothing: the second half undoes the first. */
const ROUND = 64;

/** Items of one bulk load. */
const BULK = 400;

const accountKey = (account: number): string => `account/${account}`;
const tellerKey = (teller: number): string => `teller/${teller}`;
const bulkKey = (i: number): string => `bulk/${String(i).padStart(4, "0")}`;
const bulkValue = (generation: number, i: number): string => `${generation}:${i}:`.padEnd(120 + (i % 40), "b");

/** What has been acknowledged of these. */
export interface Counted {
  /** Transfers of each teller. */
  transfers: number[];
  /** Bulk loads. */
  loads: number;
}

/** Nothing yet. */
export function nothingCounted(): Counted {
  return { transfers: Array.from({ length: TELLERS }, () => 0), loads: 0 };
}

function transferOf(teller: number, count: number): { from: number; to: number; amount: number } {
  const step = count % ROUND;
  const forth = step < ROUND / 2;
  const i = forth ? step : ROUND - 1 - step;
  const from = (i * 3 + teller) % ACCOUNTS;
  const to = (from + 1 + (i % (ACCOUNTS - 1))) % ACCOUNTS;
  const amount = 1 + i * 7 + teller;
  return forth ? { from, to, amount } : { from: to, to: from, amount };
}

/** Makes the next transfer of a teller; gives how many it has made. */
export async function transfer(db: DB, teller: number): Promise<number> {
  return await db.transaction(async (tx) => {
    const count = await tx.get<number>(tellerKey(teller)) ?? 0;
    const { from, to, amount } = transferOf(teller, count);
    const [a = BALANCE, b = BALANCE] = await tx.getMany<number>([accountKey(from), accountKey(to)]);
    tx.set(accountKey(from), a - amount);
    tx.set(accountKey(to), b + amount);
    tx.set(tellerKey(teller), count + 1);
    return count + 1;
  }, { retries: 1000 });
}

/** Loads all items of one generation. */
export async function load(db: DB, generation: number): Promise<void> {
  await db.setMany(Array.from({ length: BULK }, (_, i) => [bulkKey(i), bulkValue(generation, i)] as const));
}

/** Which generation of bulk loads a database has seen the end of, and that what is there is a beginning of the next. */
async function loadsIn(reader: Reader, context: string): Promise<number> {
  const found: number[] = [];
  for await (const { key, value } of reader.list<string>({ prefix: "bulk/" })) {
    assert.equal(key, bulkKey(found.length), `${context}: bulk items without gaps`);
    const generation = parseInt(value);
    assert.equal(value, bulkValue(generation, found.length), `${context}: ${key}`);
    found.push(generation);
  }
  const [newest = 0, oldest = 0] = [found[0], found.length === BULK ? found.at(-1) : (found[0] ?? 1) - 1];
  assert.ok(newest - oldest <= 1, `${context}: loads ${oldest} to ${newest} at once`);
  assert.deepEqual(found, [...found].sort((a, b) => b - a), `${context}: a load is in from its first item on`);
  return oldest;
}

/** Looks for all that was acknowledged, and that nothing of it is half there; gives what is there. */
export async function checkCounted(reader: Reader, least: Counted, context: string): Promise<Counted> {
  const balances = Array.from({ length: ACCOUNTS }, () => BALANCE);
  const transfers: number[] = [];
  for (let teller = 0; teller < TELLERS; teller++) {
    const count = await reader.get<number>(tellerKey(teller)) ?? 0;
    const promised = least.transfers[teller]!;
    assert.ok(count >= promised, `${context}: teller ${teller} made ${promised} transfers, ${count} are there`);
    for (let i = count - count % ROUND; i < count; i++) {
      const { from, to, amount } = transferOf(teller, i);
      balances[from]! -= amount;
      balances[to]! += amount;
    }
    transfers.push(count);
  }
  for (const [account, expected] of balances.entries()) {
    assert.equal(await reader.get(accountKey(account)) ?? BALANCE, expected, `${context}: account ${account}`);
  }
  const loads = await loadsIn(reader, context);
  assert.ok(loads >= least.loads, `${context}: load ${least.loads} was acknowledged, ${loads} is there`);
  return { transfers, loads };
}
