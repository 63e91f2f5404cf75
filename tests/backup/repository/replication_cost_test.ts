/** What a replication costs in requests: the stated figures, and hours of replications that are counted. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  estimateReplication,
  type ReplicationEstimate,
  type StoreRequests,
} from "../../../lib/backup/repository/replicating/replication_cost.ts";
import type { Replication } from "../../../lib/backup/repository/replicating/replication.ts";
import {
  type ReplicationOptions,
  replicationOptions,
} from "../../../lib/backup/repository/replicating/replication_options.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore, StoreCapabilities } from "../../../lib/storage/object_store.ts";
import { CountingStore } from "../../../bench/backup/counting_store.ts";
import { LONG } from "../../crash/random.ts";
import { root } from "../../tools/runtimes.ts";
import { turns, until } from "./fake_timers.ts";
import { House } from "./house.ts";
import { UnconditionalStore } from "./unconditional_store.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const estimateOf = (options: ReplicationOptions, checksums = false, conditions = true): ReplicationEstimate =>
  estimateReplication(replicationOptions("estimateReplication", options), { checksums, conditions });

/** As a store whose service checks what it takes. */
class CheckingStore extends MemoryStore {
  override readonly capabilities: StoreCapabilities = { ifAbsent: true, ifMatch: true, ranges: true, checksums: true };
}

/** A replication whose requests are counted. */
async function counted(
  options: ReplicationOptions,
  inner: ObjectStore = new MemoryStore(),
): Promise<{
  house: House;
  replication: Replication;
  /** Requests while time goes by, with a commit at each `step`. */
  during: (ms: number, step?: number) => Promise<StoreRequests>;
  /** Begins to count; the result says what came since. */
  requests: () => () => StoreRequests;
}> {
  const store = new CountingStore(inner);
  const house = await House.make({ store });
  await house.set("a", "1");
  const replication = await house.replicate({ baseEvery: "30d", ...options });
  await replication.flush();
  const requests = (): () => StoreRequests => {
    const before = { ...store.counts };
    const of = (name: string): number => store.counts[name]! - before[name]!;
    return () => ({ puts: of("put"), gets: of("get") + of("head"), lists: of("list"), deletes: of("delete") });
  };
  let commits = 0;
  const during = async (ms: number, step?: number): Promise<StoreRequests> => {
    const since = requests();
    for (let gone = 0; gone < ms; gone += step ?? MINUTE) {
      if (step !== undefined) await house.set(`k${commits % 7}`, `v${commits++}`);
      await house.time.advance(step ?? MINUTE, async () => {
        await turns(1);
        // A claim to write is kept by a timer of its own until it is given back.
        const claims = house.context.letGo === undefined ? 0 : 1;
        await until(() => replication.status().state !== "shipping" || house.time.keeping > claims);
      });
    }
    return since();
  };
  return { house, replication, during, requests };
}

describe("estimateReplication()", () => {
  for (const heartbeat of [MINUTE, 10 * MINUTE]) {
    it(`says what an idle hour with a heartbeat of ${heartbeat / MINUTE} min asks for: the heartbeats, and nothing else`, async () => {
      const { during, replication } = await counted({ heartbeat });
      const { idle } = estimateOf({ heartbeat });
      for (let hour = 0; hour < 3; hour++) assert.deepEqual(await during(HOUR), idle);
      assert.deepEqual(idle, { puts: HOUR / heartbeat, gets: 0, lists: 0, deletes: 0 });
      await replication.stop();
    });
  }

  it("says what a busy hour asks for, whatever the interval", async () => {
    for (const seconds of LONG ? [1, 2, 10, 30, 60, 120, 600] : [30, 120]) {
      const { during, replication } = await counted({ interval: seconds * SECOND });
      const { busy } = estimateOf({ interval: seconds * SECOND });
      // What was there before is merged with the first hour.
      const first = await during(HOUR, seconds * SECOND / 2);
      assert.ok(Math.abs(first.gets - busy.gets) <= 4, `${seconds} s: ${JSON.stringify(first)}`);
      assert.deepEqual(await during(HOUR, seconds * SECOND / 2), busy, `${seconds} s`);
      await replication.stop();
    }
  });

  it("says what a busy hour asks for where nothing is read back", async () => {
    const options = { interval: 120 * SECOND, verify: false };
    const { during, replication } = await counted(options);
    const { busy } = estimateOf(options);
    assert.equal(busy.gets, estimateOf({ ...options, verify: true }).busy.gets - 30);
    await during(HOUR, 60 * SECOND);
    assert.deepEqual(await during(HOUR, 60 * SECOND), busy);
    await replication.stop();
  });

  it("says what is asked of a store that checks what it takes: nothing is read of data but what is merged", async () => {
    const options = { interval: 120 * SECOND };
    const { during, replication } = await counted(options, new CheckingStore());
    const { busy } = estimateOf(options, true);
    assert.equal(busy.gets, busy.deletes + 30, "beside a look at the base behind each shipment");
    await during(HOUR, 60 * SECOND);
    assert.deepEqual(await during(HOUR, 60 * SECOND), busy);
    await replication.stop();
  });

  it("says what is asked of a store that decides no conditions: claims to write, and a look before each put", async () => {
    const options = { interval: 120 * SECOND, heartbeat: MINUTE };
    const { during, replication } = await counted(options, new UnconditionalStore());
    const { busy, idle } = estimateOf(options, false, false);
    await during(HOUR, 60 * SECOND);
    assert.deepEqual(await during(HOUR, 60 * SECOND), busy);
    await during(10 * MINUTE);
    assert.deepEqual(await during(HOUR), idle);
    await replication.stop();
  });

  it("says what is asked of one by heartbeats between which no other program has its turn", async () => {
    for (const [heartbeat, claims] of [[4 * SECOND, 180], [5 * SECOND, 720]] as const) {
      const { during, replication } = await counted({ heartbeat }, new UnconditionalStore());
      const { idle } = estimateOf({ heartbeat }, false, false);
      assert.equal(idle.puts, HOUR / heartbeat + claims);
      await during(MINUTE);
      const counts = await during(10 * MINUTE);
      assert.deepEqual(counts, {
        puts: idle.puts / 6,
        gets: idle.gets / 6,
        lists: idle.lists / 6,
        deletes: idle.deletes / 6,
      });
      await replication.stop();
    }
  });

  it("says what minutes of shipments in every second ask for", async () => {
    const { during, replication } = await counted({ interval: SECOND });
    await during(MINUTE, SECOND);
    const minutes = 2;
    // Of the hour's figures: without the hour's own merge.
    assert.deepEqual(await during(minutes * MINUTE, SECOND), {
      puts: minutes * 121,
      gets: minutes * 122,
      lists: minutes,
      deletes: minutes * 60,
    });
    await replication.stop();
  });

  it("says what a base with one new file asks for", async () => {
    for (const checks of [false, true]) {
      const store = checks ? new CheckingStore() : new MemoryStore();
      const { house, requests, replication } = await counted({ interval: HOUR, heartbeat: 24 * HOUR }, store);
      for (let i = 0; i < 3; i++) {
        await house.set("b", `${i}`);
        await replication.flush();
        house.time.now += SECOND;
        const since = requests();
        await house.backup({ type: "snapshot" });
        assert.deepEqual(since(), estimateOf({}, checks).base);
      }
      await replication.stop();
    }
  });
});

describe("the table of docs/object-storage.md", () => {
  it("is followed by what a store without conditions takes on top", () => {
    const [plain, sole] = [true, false].map((conditions) =>
      estimateOf({ interval: 10 * SECOND }, true, conditions).busy
    );
    const more = (name: keyof StoreRequests): number => sole![name] - plain![name];
    const says = `${more("puts")} puts, ${more("gets")} gets, ${more("lists")} lists and ${
      more("deletes")
    } deletes more`;
    assert.ok(readFileSync(`${root}docs/object-storage.md`, "utf8").includes(says), says);
    const often = [true, false].map((conditions) => estimateOf({ interval: 4 * SECOND }, true, conditions).busy);
    assert.equal(often[1]!.puts - often[0]!.puts, 180);
  });

  it("is what estimateReplication() says", () => {
    const page = readFileSync(`${root}docs/object-storage.md`, "utf8");
    const rows = [...page.matchAll(/^\| (idle|busy), \S+ (\d+) s +\|(.*)\|$/gm)];
    assert.equal(rows.length, 5);
    for (const [line, kind, seconds, cells] of rows) {
      const ms = Number(seconds) * SECOND;
      const { idle, busy } = estimateOf(kind === "idle" ? { heartbeat: ms } : { interval: ms }, true);
      const { puts, gets, lists, deletes } = kind === "idle" ? idle : busy;
      const told = cells!.split("|").map((cell) => Number(cell.replaceAll(",", "")));
      assert.deepEqual(told, [puts, gets, lists, deletes], line);
    }
  });
});
