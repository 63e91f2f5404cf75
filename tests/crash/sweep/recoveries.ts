/** What comes after an accident, met by another one: opening what a crash left, and repairing what is damaged. */
import assert from "node:assert/strict";
import { DB } from "../../../mod.ts";
import type { MemoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { PATH, stateOf } from "../public_database.ts";
import { randomFrom, TURN } from "../random.ts";
import { fill } from "./making.ts";
import { errorOf, type Scenario } from "./sweep.ts";
import type { World } from "./trial.ts";

interface Before {
  /** What the database holds once it is open. */
  state: string;
}

/** Openings, each of another thing. */
export const openings: Scenario<Before>[] = [
  opening("open after a clean close", async (db) => await db.close()),
  opening("open after the process was killed", async (db, disk) => {
    disk.kill();
    await db.close().catch(() => {});
  }),
  ...[1, 2, 3].map((nth) =>
    opening(`open after a power cut (${nth})`, async (db, disk) => {
      const work = [db.set("torn", "x".repeat(9000), { durability: "interval" }), db.compact(), db.set("torn/2", 2)];
      disk.cutPowerAt(disk.operations + 3 * nth);
      await Promise.allSettled(work);
      await db.close().catch(() => {});
    })
  ),
];

function opening(name: string, end: (db: DB, disk: MemoryFileSystem) => Promise<void>): Scenario<Before> {
  return {
    name,
    async prepare(world) {
      const process = world.disk.otherProcess();
      const db = await DB.open(PATH, world.machine.options(process));
      await fill(db, "first");
      await fill(db, "second");
      await db.set("handed over", "to the system", { durability: "interval" });
      await end(db, process);
      world.disk = world.disk.fork({ keep: world.disk.powered ? "all" : "random", random: randomFrom(TURN, 1) });
      return { state: await stateAfter(fork(world)) };
    },
    async run(trial, { state }) {
      trial.arm();
      let db: DB | undefined;
      const error = await errorOf(
        trial,
        DB.open(PATH, trial.machine.options(trial.disk)).then((open) => void (db = open)),
      );
      if (db !== undefined && !trial.broken && !trial.dead) {
        const reading = await errorOf(trial, stateOf(db).then((found) => assert.equal(found, state)));
        assert.ok(reading === undefined || trial.hit !== undefined);
      }
      await db?.close().catch(() => {});
      assert.ok(error === undefined || db === undefined);
      trial.disarm();
      await checkAfter(trial.next(), state);
    },
  };
}

function fork({ disk, machine }: World): World {
  return { disk: disk.fork({ keep: "all" }), machine: machine.fork() };
}

async function stateAfter({ disk, machine }: World, looks = { index: true }): Promise<string> {
  const db = await DB.open(PATH, machine.options(disk));
  try {
    assert.deepEqual((await db.verify()).problems, []);
    return await stateOf(db, looks);
  } finally {
    await db.close();
  }
}

/** It opens, shows the same as ever, takes writes, and keeps them. */
async function checkAfter({ disk, machine }: World, state: string, looks = { index: true }): Promise<void> {
  const db = await DB.open(PATH, machine.options(disk));
  const { version } = db;
  assert.equal(await stateOf(db, looks), state);
  assert.deepEqual((await db.verify()).problems, []);
  await db.set("~", "it goes on", { tags: ["new"] });
  await db.close();
  assert.deepEqual((await disk.list(PATH)).filter((name) => name.startsWith(".stage-")), []);
  const after = await stateAfter({ disk: disk.fork({ keep: "none" }), machine }, looks);
  assert.equal(after, [...lines(state, ""), ` ~ ${version + 1} new "it goes on"`, ...lines(state, "log")].join("\n"));
}

function lines(state: string, space: string): string[] {
  return state.split("\n").filter((line) => line !== "").filter((line) => line.startsWith(" ") === (space === ""));
}

/** Repairs, each of another damage. */
export const repairs: Scenario<Before>[] = [
  repair("repair without damage", []),
  repair("repair of a table", [/\.sst$/]),
  repair("repair of a log", [/\.log$/]),
  repair("repair of a blob file", [/\.blob$/]),
  repair("repair of a manifest", [/^MANIFEST-/]),
  repair("repair of marker, table and blob file", [/^CURRENT$/, /\.sst$/, /\.blob$/]),
];

function repair(name: string, damaged: readonly RegExp[]): Scenario<Before> {
  return {
    name,
    async prepare(world) {
      const { disk, machine } = world;
      const db = await DB.open(PATH, machine.options(disk));
      for (const label of ["first", "second", "third"]) await fill(db, label);
      await db.set("in the log", 1);
      await db.set("in the log too", 2);
      await db.close();
      for (const pattern of damaged) {
        const names = (await disk.list(PATH)).filter((each) => pattern.test(each));
        await damage(disk, `${PATH}/${names.at(-1)!}`);
      }
      const rehearsal = fork(world);
      const { setAside } = await DB.repair(PATH, { fileSystem: rehearsal.disk });
      assert.equal(setAside.length > 0, damaged.length > 0);
      return { state: await stateAfter(rehearsal) };
    },
    async run(trial, before) {
      trial.arm();
      let told = false;
      const error = await errorOf(
        trial,
        DB.repair(PATH, { fileSystem: trial.disk }).then(({ lost }) => {
          told = lost.some(({ detail }) => detail.includes("injected"));
        }),
        // What can't be read counts as damage, and where nothing can be read nothing can be repaired.
        trial.kind.applies({ index: 0, name: "open", path: "", mutates: false }) ? ["CORRUPTION"] : [],
      );
      trial.disarm();
      const world = trial.next();
      if (error !== undefined) await DB.repair(PATH, { fileSystem: world.disk });
      if (error !== undefined || !told) return await checkAfter(world, before.state);
      // A loss that is told. Rows of the index may be among it.
      const found = await stateAfter(fork(world), { index: false });
      const strange = found.split("\n").filter((line) => line !== "" && !everHeld.test(line));
      assert.deepEqual(strange, [], "nothing that was never there");
      const aside = (await world.disk.list(PATH)).some((each) => each.startsWith("damaged-"));
      assert.ok(aside || found === before.state, "the originals are kept");
      await checkAfter(world, found, { index: false });
    },
  };
}

/** Lines of a state that one of the writes of a repair's database made. */
const everHeld =
  /"(first|second|third)"|a large value, (first|second|third)|of":"a namespace| b \d+ |"three"|in the log/;

async function damage(disk: MemoryFileSystem, path: string): Promise<void> {
  const file = await disk.open(path, "read");
  const bytes = new Uint8Array(file.sizeSync());
  file.readAtSync(bytes, 0);
  await file.close();
  // In the middle, and where a log has its records.
  for (const at of [bytes.length >> 1, 90]) if (at < bytes.length) bytes[at]! ^= 0x40;
  await disk.remove(path);
  const again = await disk.open(path, "create");
  await again.append(bytes);
  await again.close();
}
