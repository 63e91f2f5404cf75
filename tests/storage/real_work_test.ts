/**
 * Repositories on real servers under the work that else is done over memory: the model of `tests/model/repository`, with
 * processes that die, behind a line that fails, and servers that are ended and begin again in the middle; and the sweep of
 * `tests/backup/repository`, which fails every call of a scenario in turn.
 *
 * In the short form one runtime a day does a little of it, on one of the servers; `HOLDFAST_LONG=1` does all.
 */
import { after, describe, it } from "node:test";
import type { ObjectStore } from "../../mod.ts";
import { azure } from "../../lib/adapters/azure.ts";
import { s3 } from "../../lib/adapters/s3.ts";
import { scenarios } from "../backup/repository/sweep_scenarios.ts";
import { sweep } from "../backup/repository/sweep.ts";
import { isMyDay, LONG, randomFrom, SEED, TURN } from "../crash/random.ts";
import type { RealStore } from "../model/repository/place.ts";
import { runRepositoryModel } from "../model/repository/run.ts";
import { ACCOUNT, accountAt, KEY, startAzurite } from "./servers/azurite.ts";
import { CEPH_CAN, newBucket, optionsFor } from "./servers/buckets.ts";
import { startCeph } from "./servers/ceph.ts";
import { type Fault, seededFaults, startFaultyProxy } from "./servers/faulty_proxy.ts";
import type { S3Server } from "./servers/s3_server.ts";
import { sharedServer } from "./servers/shared.ts";

/** A server with stores in it. */
interface Place {
  origin: string;
  /** A new store at an address: the server's, or that of what stands before it. */
  newStore(origin: string): Promise<ObjectStore>;
  /** Ends it and starts it again, keeping what was acknowledged. */
  restart?(): Promise<void>;
}

const waits = { attempts: 8, deadline: "20s" } as const;

function cephPlace(server: S3Server): Place {
  return {
    origin: server.endpoint,
    async newStore(endpoint) {
      return s3(`s3://${await newBucket(server)}/p`, { ...optionsFor(server), ...CEPH_CAN, ...waits, endpoint });
    },
  };
}

function azurePlace(server: { endpoint: string }): Place {
  const account = accountAt(server.endpoint);
  return {
    origin: new URL(server.endpoint).origin,
    async newStore(origin) {
      const place = `azure://${ACCOUNT}/${await account.newContainer()}/p`;
      return azure(place, { accountKey: KEY, ...waits, endpoint: `${origin}/${ACCOUNT}` });
    },
  };
}

/** The model behind a line that fails at one request of `every`; with a server that can be, ended now and then. */
async function model(place: Place, seed: number, operations: number, every: number): Promise<void> {
  const proxy = await startFaultyProxy(place.origin);
  const draw = seededFaults(randomFrom(seed, 7), every);
  let isBad = false;
  let [faults, ends] = [0, 0];
  proxy.faultOf = async ({ index }): Promise<Fault | undefined> => {
    if (!isBad) return undefined;
    if (place.restart !== undefined && index % 700 === 500) {
      ends++;
      await place.restart();
      return undefined;
    }
    const fault = draw();
    if (fault !== undefined) faults++;
    return fault;
  };
  try {
    const bad = (now: boolean): void => void (isBad = now);
    const stores: RealStore[] = [];
    for (let i = 0; i < 2; i++) stores.push({ store: await place.newStore(proxy.url), bad });
    const { restores } = await runRepositoryModel({ seed, operations, stores });
    console.log(
      `seed ${seed}: ${restores} restores compared, ${faults} faults in ${proxy.passed.length} requests, ended ${ends} times`,
    );
  } finally {
    await proxy.close();
  }
}

/** Each n-th case of scenarios; these go on side by side, as most of the time they wait for answers. */
async function sweeps(place: Place, chosen: typeof scenarios, first = 0, every = 1): Promise<void> {
  const began = performance.now();
  const counts = await Promise.all(
    chosen.map((scenario) => sweep(scenario, first, every, () => place.newStore(place.origin))),
  );
  const cases = counts.reduce((sum, count) => sum + count, 0);
  console.log(
    `${chosen.map(({ name }) => name).join(", ")}: ${cases} cases, ${
      ((performance.now() - began) / 1000).toFixed(0)
    } s`,
  );
}

/** All cases of all scenarios: the emulator slows down as it fills, so each has one of its own. */
async function sweepOnAzurites(): Promise<void> {
  for (const scenario of scenarios) {
    const own = await startAzurite();
    try {
      await sweeps(azurePlace(own), [scenario]);
    } finally {
      await own.remove();
    }
  }
}

const ceph = await sharedServer("ceph");
const azurite = (await sharedServer("azurite"))!;

describe("repositories on real servers", () => {
  const places: [string, Place | undefined][] = [
    ["Ceph", ceph === undefined ? undefined : cephPlace(ceph)],
    ["Azurite", azurePlace(azurite)],
  ];
  for (const [index, [name, place]] of places.entries()) {
    // One of the two a day, in one of the runtimes.
    const isTime = LONG || (isMyDay(2) && Math.floor(TURN / 3) % 2 === index);
    it(`give back every state they list, behind a line that fails: ${name}`, async () => {
      if (place === undefined || !isTime) return;
      if (!LONG) return await model(place, SEED + TURN, 6, 20);
      for (let seed = SEED; seed < SEED + 5; seed++) await model(place, seed, 60, 12);
    });

    it(`survive the failing of any call: ${name}`, async () => {
      if (place === undefined || !isTime) return;
      if (LONG) await (name === "Azurite" ? sweepOnAzurites() : sweeps(place, scenarios));
      else await sweeps(place, [scenarios[TURN % scenarios.length]!], TURN % 60, 60);
    });
  }

  it("give back every state they list when a gateway of Ceph is killed now and then", async () => {
    if (!LONG || ceph === undefined) return;
    const own = await startCeph();
    after(() => own.stop());
    const restart = async (): Promise<void> => {
      await own.kill();
      await own.restart();
    };
    for (let seed = SEED; seed < SEED + 3; seed++) await model({ ...cephPlace(own), restart }, seed, 60, 50);
  });

  it("give back every state they list when Azurite is ended now and then", async () => {
    if (!LONG) return;
    const own = await startAzurite({ onDisk: true });
    after(() => own.remove());
    // Killed at once it would lose what it had acknowledged.
    const restart = async (): Promise<void> => {
      await own.end();
      await own.start();
    };
    for (let seed = SEED; seed < SEED + 3; seed++) await model({ ...azurePlace(own), restart }, seed, 60, 50);
  });
});
