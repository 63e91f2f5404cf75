/** The Azure store between processes, and through a network that breaks connections, loses answers and is busy. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG, SEED } from "../../crash/random.ts";
import { pick, randomFrom } from "../../crash/random_numbers.ts";
import { StorageError } from "../../../lib/base/errors.ts";
import { bytesOf, equal, keysOf, pattern, streamed, text, textOf } from "../helpers.ts";
import { raceAt } from "../races.ts";
import { ACCOUNT, KEY } from "../servers/azurite.ts";
import { seededFaults } from "../servers/faulty_proxy.ts";
import { azureFixture } from "./fixture.ts";

const azure = await azureFixture();
const BLOCK = 64 * 1024;

/** Runs racers, one of them or all through the faulty network. */
async function race(work: string, names: string[], count: number): Promise<{ container: string; said: number[] }> {
  const container = await azure.server.newContainer();
  const place = { azure: [`azure://${ACCOUNT}/${container}/p`, { accountKey: KEY, endpoint: azure.server.endpoint }] };
  // All permissions: the client looks at the environment and the machine.
  return { container, said: await raceAt(JSON.stringify(place), names, count, work, ["-A"]) };
}

describe("AzureStore between processes", () => {
  it("gives each name to one of those who put with ifAbsent", async () => {
    // Starting racers takes most of the time; below, two claim names in one process.
    if (!LONG) return;
    const { container, said } = await race("absent", ["1", "2"], 24);
    assert.equal(said.reduce((sum, count) => sum + count), 24, `won: ${said}`);
    const store = await azure.open({}, { container });
    const found = [0, 0];
    for (const key of await keysOf(store)) found[Number(await textOf(store, key)) - 1]!++;
    assert.deepEqual(found, said);
  });

  it("loses no increment of those who put with ifMatch", async () => {
    const { container, said } = await race("match", ["1", "2"], 8);
    assert.equal(await textOf(await azure.open({}, { container }), "counter"), "16", `tries: ${said}`);
  });
});

describe("AzureStore in a faulty network", () => {
  it("keeps every promise of a store", async () => {
    const runs = LONG ? 30 : 1;
    let [requests, faults, unknown] = [0, 0, 0];
    for (let run = 0; run < runs; run++) {
      const random = randomFrom(SEED, run);
      const container = await azure.server.newContainer();
      const open = () =>
        azure.open({ blockBytes: BLOCK, concurrency: 3, attempts: 6 }, { container, rangeBytes: BLOCK });
      const from = azure.proxy.passed.length;
      azure.proxy.faultOf = seededFaults(randomFrom(SEED, run, 1), 4);
      try {
        unknown += await increments(await open(), await open(), 12);
        unknown += await claims(await open(), await open(), 8);
        await objects(await open(), random);
      } finally {
        azure.proxy.faultOf = () => undefined;
      }
      const passed = azure.proxy.passed.splice(from);
      requests += passed.length;
      faults += passed.filter(({ fault }) => fault !== undefined).length;
    }
    assert.ok(faults > requests / 10);
    console.log(
      `faulty network: seed ${SEED}, ${runs} runs, ${requests} requests, ${faults} of them failed, ${unknown} puts without a certain answer`,
    );
  });
});

type Store = Awaited<ReturnType<typeof azure.open>>;

/** Whether a put with a condition was done; undefined when it can't be known. */
async function done(put: Promise<{ etag: string } | undefined>): Promise<boolean | undefined> {
  try {
    return (await put) !== undefined;
  } catch (error) {
    // The only failure that is allowed: it names what is uncertain.
    assert.ok(error instanceof StorageError && error.retryable, String(error));
    return undefined;
  }
}

/** Two count with ifMatch: what was acknowledged is in the count, and nothing is there that nobody did. */
async function increments(a: Store, b: Store, each: number): Promise<number> {
  await a.put("counter", text("0"));
  let [acknowledged, unknown] = [0, 0];
  const count = async (store: Store): Promise<void> => {
    for (let i = 0; i < each;) {
      const object = (await store.get("counter"))!;
      const next = Number(new TextDecoder().decode(await bytesOf(object))) + 1;
      const did = await done(store.put("counter", text(String(next)), { ifMatch: object.etag }));
      if (did === false) continue;
      i++;
      if (did) acknowledged++;
      else unknown++;
    }
  };
  await Promise.all([count(a), count(b)]);
  const counted = Number(await textOf(a, "counter"));
  assert.ok(counted >= acknowledged && counted <= acknowledged + unknown, `${acknowledged} + ${unknown}: ${counted}`);
  return unknown;
}

/** Two claim names with ifAbsent, some in blocks: each goes to one, whose bytes are there. */
async function claims(a: Store, b: Store, names: number): Promise<number> {
  let unknown = 0;
  for (let i = 0; i < names; i++) {
    const bodies = [1, 2].map((seed) => pattern(i % 2 === 0 ? 500 : 3 * BLOCK + i, seed + 2 * i));
    const claim = (store: Store, body: Uint8Array): Promise<boolean | undefined> =>
      done(store.put(`claim/${i}`, i % 4 < 2 ? body : streamed(body, 10_000), { ifAbsent: true }));
    const won = await Promise.all([claim(a, bodies[0]!), claim(b, bodies[1]!)]);
    unknown += won.filter((each) => each === undefined).length;
    const found = await bytesOf(await a.get(`claim/${i}`));
    const owner = bodies.findIndex((body) => equal(body, found));
    assert.ok(owner !== -1, "whole, and one of them");
    assert.notEqual(won[owner], false, "whoever is told that it lost has lost");
    assert.notEqual(won[1 - owner], true, "whoever is told that it won has won");
  }
  return unknown;
}

/** Objects come and go: every listing is whole, every object is as it was put. */
async function objects(store: Store, random: () => number): Promise<void> {
  const model = new Map<string, Uint8Array>();
  for (let step = 0; step < 30; step++) {
    const key = `o/${pick(random, 8)}`;
    switch (pick(random, 4)) {
      case 0:
        await store.delete(key);
        model.delete(key);
        break;
      case 1: {
        const found = await store.get(key);
        if (model.has(key)) assert.ok(equal(await bytesOf(found), model.get(key)!), `${key} at step ${step}`);
        else assert.equal(found, undefined);
        break;
      }
      default: {
        const bytes = pattern(pick(random, 6 * BLOCK), step);
        await store.put(key, pick(random, 2) ? bytes : streamed(bytes, 1 + pick(random, 50_000)));
        model.set(key, bytes);
      }
    }
    assert.deepEqual(await keysOf(store, { prefix: "o/", limit: 3 }), [...model.keys()].sort());
  }
}
