import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AccidentKind, ACCIDENTS } from "../../lib/adapters/testing/machine.ts";
import { simulate, type SimulatedMachine } from "../../lib/adapters/testing.ts";
import { ofProcess } from "../../lib/base/simulation.ts";
import { BackupRepository, DB } from "../../mod.ts";

/** A counter in one entry, and what was acknowledged of it. */
async function counterLife(machine: SimulatedMachine, told: { least: number; most: number }): Promise<void> {
  await using db = await DB.open("/counter", machine.openOptions);
  const found = db.getSync<number>("count") ?? 0;
  assert.ok(found >= told.least && found <= told.most, `${found}, and ${told.least} to ${told.most} may be`);
  for (let count = found + 1; count <= found + 40; count++) {
    told.most = count;
    await db.set("count", count, { tags: [`${count % 3}`] });
    told.least = count;
  }
}

describe("simulate()", () => {
  // Before all others: its first export is the first of this process.
  it("gives the same for the same seed", async () => {
    const traceOf = async (): Promise<string[]> => {
      const trace: string[] = [];
      await simulate(async (machine) => {
        const told = { least: 0, most: 0 };
        for (let round = 0; round < 3; round++) {
          const life = async (): Promise<void> => {
            await counterLife(machine, told);
            await using db = await DB.open("/beside", machine.openOptions);
            const write = async (): Promise<void> => {
              for (let i = 0; i < 20; i++) await db.set("n", i);
            };
            const [{ version }] = await Promise.all([db.export(`/copy ${round}`), write()]);
            trace.push(`${version}`);
          };
          trace.push(
            await machine.run(life),
            `${told.least} ${machine.fileSystem.operations}`,
          );
        }
      }, { seeds: 20 });
      return trace;
    };
    const first = await traceOf();
    assert.deepEqual(await traceOf(), first);
    assert.ok(new Set(first).size > 10);
  });

  it("has accidents of every kind happen, and finds all that was acknowledged", async () => {
    const { seeds, endings } = await simulate(async (machine) => {
      const told = { least: 0, most: 0 };
      for (let life = 0; life < 6; life++) await machine.run(() => counterLife(machine, told));
      assert.ok(told.least > 0 || told.most > 0);
    }, { seeds: 40, accidents: ["kill", "power", "disk", "full"] });
    assert.equal(seeds, 40);
    for (const kind of ["ended", "kill", "power", "disk", "full"]) {
      assert.ok(endings[kind]! > 3, `${kind}: ${endings[kind]}`);
    }
  });

  it("keeps stores through accidents, and lets their calls fail", async () => {
    const { endings } = await simulate(async (machine) => {
      let backedUp = 0;
      for (let life = 0; life < 4; life++) {
        await machine.run(async () => {
          await using repo = await BackupRepository.open(machine.store(), machine.repositoryOptions);
          const listed = await repo.list();
          assert.ok(listed.length >= backedUp, `${listed.length} backups are listed, ${backedUp} were made`);
          await using db = await DB.open("/data", machine.openOptions);
          await db.set("life", life);
          await machine.pass(1000);
          await repo.backup(db);
          backedUp++;
        });
      }
    }, { seeds: 25 });
    assert.ok(endings["store"]! > 0 && endings["ended"]! > 10, JSON.stringify(endings));
  });

  it("has syncs take their time on some machines, also after their power was cut", async () => {
    const most: number[] = [];
    await simulate(async (machine) => {
      for (let life = 0; life < 8; life++) await machine.run(() => counterLife(machine, { least: 0, most: Infinity }));
      // As often as it takes for one to be there to the end.
      let turns = 0;
      while (turns === 0) {
        await machine.run(async () => {
          const db = await DB.open("/other", machine.openOptions);
          let written = false;
          const end = db.set("a", 1).finally(() => written = true);
          let passed = 0;
          for (; !written; passed++) await undefined;
          await end;
          turns = passed;
        });
      }
      most.push(turns);
    }, { seeds: 20, accidents: ["power"] });
    const slow = most.filter((turns) => turns > 3 * Math.min(...most)).length;
    assert.ok(slow > 3 && slow < 17, `${most}`);
  });

  it("sees a program that trusts what was not synced, names the seed, and fails again for it", async () => {
    const careless = async (machine: SimulatedMachine): Promise<void> => {
      let told = 0;
      for (let life = 0; life < 4; life++) {
        await machine.run(async () => {
          await using db = await DB.open("/data", { ...machine.openOptions, durability: "interval" });
          assert.ok((db.getSync<number>("n") ?? 0) >= told, "it went back");
          for (let i = 0; i < 20; i++) {
            await db.set("n", told + 1);
            told++;
          }
        });
      }
    };
    const failure = await simulate(careless, { accidents: ["power"] }).catch((error: Error) => error);
    assert.ok(failure instanceof Error);
    const [, seed] = /^simulate: seed (\d+): it went back; again with \{ from: \1, seeds: 1 \}$/.exec(failure.message)!;
    await assert.rejects(simulate(careless, { from: Number(seed), seeds: 1, accidents: ["power"] }), /it went back/);
    // Where only the process ends, all that was written is there.
    await simulate(careless, { seeds: 30, accidents: ["kill"] });
  });

  it("has each run be another process, which remembers nothing", async () => {
    const memory = ofProcess(() => new Set<number>());
    await simulate(async (machine) => {
      for (let life = 0; life < 3; life++) {
        assert.equal(memory().size, 0);
        await machine.run(async () => void memory().add(life));
      }
    }, { seeds: 2, accidents: [] });
  });

  it("lets errors through that no accident explains, and ends the simulation with them", async () => {
    for (const accidents of [[], ACCIDENTS] as const) {
      const broken = simulate((machine) => machine.run(() => Promise.reject(new RangeError("a bug"))).then(() => {}), {
        seeds: 5,
        accidents,
      });
      await assert.rejects(broken, /seed 1: a bug/);
    }
    await simulate(async () => {}, { seeds: 1 });
  });

  it("refuses what makes no sense, and a second one at a time", async () => {
    const nothing = async (): Promise<void> => {};
    await assert.rejects(simulate(nothing, { seeds: -1 }), RangeError);
    await assert.rejects(simulate(nothing, { seeds: 0 }), /"seeds" must be a whole number of at least 1, not 0/);
    await assert.rejects(simulate(nothing, { from: 0.5 }), RangeError);
    await assert.rejects(simulate(nothing, { accidents: ["fire"] as unknown as AccidentKind[] }), /"fire"/);
    await assert.rejects(
      simulate(nothing, { accidents: "power" as never }),
      /"accidents" must be an array, not "power"/,
    );
    // A hundred seeds for a thousand.
    await assert.rejects(simulate(nothing, { sedes: 1000 } as never), /unknown option "sedes"; did you mean "seeds"/);
    await assert.rejects(simulate(nothing, 1000 as never), /options must be an object, not 1000/);
    await assert.rejects(simulate(undefined as never), /scenario must be a function, not undefined/);
    await assert.rejects(
      simulate(() => simulate(nothing, { seeds: 1 }).then(() => {}), { seeds: 1 }),
      /another simulation/,
    );
  });
});
