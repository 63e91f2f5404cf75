/** Whether a database is what its writer said, where single writes may have been refused and the ones after them not. */
import assert from "node:assert/strict";
import { DB } from "../../mod.ts";
import { entryKey, KEPT, OPTIONS, tagOf, valueKey, valueOf } from "./kill_plan.ts";
import type { Said } from "./writer_process.ts";

/** What is known before a database is looked at. */
export interface Told {
  /** Numbers below this were there before. */
  first: number;
  /** What the writer said. */
  said: Said;
  /** For messages: what was done to it. */
  context: string;
}

/** Opens the database and looks at everything; gives how many writes are there. */
export async function judgeInjected(directory: string, { first, said, context }: Told): Promise<number> {
  const refusals = new Map<number, string>();
  for (const line of said.other) {
    const refused = /^refused (\d+) (\S+)$/.exec(line);
    if (refused !== null) refusals.set(Number(refused[1]), refused[2]!);
  }
  const acknowledged = new Set(said.acknowledged);
  await using db = await DB.open(directory, OPTIONS);
  const last = await db.get<number>("newest") ?? -1;
  const there = new Set<number>();
  for await (const { key, value, tags } of db.list<{ n: number }>({ prefix: "entry/" })) {
    const { n } = value;
    assert.deepEqual([key, tags], [entryKey(n), [tagOf(n)]], `${context}: ${key}`);
    there.add(n);
  }
  for (let n = 0; n <= Math.max(last, ...acknowledged); n++) {
    const code = refusals.get(n);
    if (n < first || acknowledged.has(n)) {
      assert.ok(there.has(n), `${context}: write ${n} was acknowledged and is gone`);
    } else if (code === undefined) assert.ok(there.has(n), `${context}: ${n} is missing, and ${last} is there`);
    else if (code === "NO_SPACE") assert.ok(!there.has(n), `${context}: ${n} was refused and is there`);
    const deleted = n % 3 === 0 && there.has(n + KEPT);
    const expected = there.has(n) && !deleted ? valueOf(n) : undefined;
    assert.equal(await db.get(valueKey(n)), expected, `${context}: value ${n}, newest ${last}`);
  }
  assert.equal(last, Math.max(-1, ...there), `${context}: the newest number`);
  let tagged = 0;
  for await (const key of db.keys({ tag: tagOf(2) })) if (key.startsWith("entry/")) tagged++;
  assert.equal(tagged, [...there].filter((n) => tagOf(n) === tagOf(2)).length, `${context}: entries of one tag`);
  assert.deepEqual((await db.verify()).problems, [], context);
  return there.size;
}
