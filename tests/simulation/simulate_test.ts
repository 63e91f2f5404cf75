import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AccidentKind, ACCIDENTS } from "../../lib/adapters/testing/machine.ts";
import { simulate, type SimulatedMachine } from "../../lib/adapters/testing.ts";
import { NotFoundError } from "../../lib/base/errors.ts";
import { ofProcess } from "../../lib/base/simulation.ts";
import type { Timers } from "../../lib/base/timers.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
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

  it("lets errors through that the library has without an accident, also behind one", async () => {
    await simulate(async (machine) => {
      const own = new NotFoundError("the program's own");
      const early = machine.run(async () => {
        await machine.fileSystem.makeDirectory("/data");
        throw own;
      });
      await assert.rejects(early, own);
      for (let life = 0; life < 2; life++) await machine.run(() => counterLife(machine, { least: 0, most: Infinity }));
      await assert.rejects(machine.run(() => Promise.reject(own)), own);
    }, { seeds: 20, accidents: ["kill"] });
  });

  it("takes several errors for an accident's if each of them is", async () => {
    const [library, own] = [new NotFoundError("the library's"), new Error("the program's own")];
    const suppressed = (error: Error, suppressed: Error): Error =>
      Object.assign(new Error(), { name: "SuppressedError", error, suppressed });
    const ends = [new AggregateError([library, library]), suppressed(library, suppressed(library, library))];
    const bugs = [own, new AggregateError([library, own]), suppressed(own, library), suppressed(library, own)];
    let accidents = 0;
    await simulate(async (machine) => {
      for (const bug of bugs) await assert.rejects(machine.run(() => Promise.reject(bug)), bug);
      for (const end of ends) {
        // Where no store is to fail, nothing explains it.
        const ending = await machine.run(() => Promise.reject(end)).catch((error) => error);
        assert.ok(ending === "store" || ending === end);
        if (ending === "store") accidents++;
      }
    }, { seeds: 20, accidents: ["store"] });
    assert.ok(accidents > 24, `${accidents}`);
  });

  it("tells of what happened, and of nothing where it did not", async () => {
    const endingsOf = async (kind: AccidentKind, program: (machine: SimulatedMachine) => Promise<void>) =>
      (await simulate(async (machine) => void await machine.run(() => program(machine)), {
        seeds: 40,
        accidents: [kind],
      })).endings;
    const nothing = async (): Promise<void> => {};
    for (const kind of ["kill", "disk", "full", "store"] as const) {
      assert.deepEqual(await endingsOf(kind, nothing), { ended: 40 }, kind);
    }
    // The power goes after a program as well.
    const { power, ended } = await endingsOf("power", nothing);
    assert.ok(power! > 24 && power! + ended! === 40, `${power}`);
    // Within a thousand changes, whatever is read between them.
    const { kill } = await endingsOf("kill", async ({ fileSystem }) => {
      for (let i = 0; i < 1200; i++) {
        await fileSystem.makeDirectory(`/${i}`);
        await fileSystem.list("/");
      }
    });
    assert.ok(kill! > 24, `${kill}`);
    const codes = new Set<unknown>();
    await endingsOf("full", async ({ fileSystem }) => {
      for (let i = 0; i < 1200; i++) {
        await fileSystem.makeDirectory(`/${i}`).catch((error) => {
          codes.add(error.code);
          throw error;
        });
      }
    });
    assert.deepEqual([...codes], ["NO_SPACE"]);
  });

  it("leaves of what was not synced now all, now nothing when the power goes", async () => {
    const left = new Set<number>();
    await simulate(async (machine) => {
      const ending = await machine.run(async () => {
        for (let i = 0; i < 3; i++) await machine.fileSystem.makeDirectory(`/${i}`);
      });
      if (ending === "power") left.add((await machine.fileSystem.list("/")).length);
    }, { seeds: 30, accidents: ["power"] });
    assert.ok(left.has(0) && left.has(3), `${[...left]}`);
  });

  it("closes disk and stores to a program that has ended, and waits for what it had under way", async () => {
    await simulate(async (machine) => {
      const { fileSystem } = machine;
      const store = machine.store();
      let isWriting = true;
      await machine.run(async () => {
        const write = async (): Promise<void> => {
          for (let i = 0;; i++) {
            await yieldToLoop();
            await fileSystem.makeDirectory(`/${i}`);
          }
        };
        write().catch(() => isWriting = false);
        await yieldToLoop();
      });
      assert.equal(isWriting, false);
      await assert.rejects(fileSystem.list("/"));
      await assert.rejects(store.head("a"));
      // Between two runs nothing fails.
      for (let i = 0; i < 100; i++) await machine.store().head("a");
    }, { seeds: 10, accidents: ["store"] });
  });

  it("has time pass for its timers alone, in their order, with all that they set going", async () => {
    await simulate(async (machine) => {
      const { timers } = machine.repositoryOptions as { timers: Timers };
      const begin = machine.clock();
      const fired: string[] = [];
      const note = (name: string) => (): void => void fired.push(`${name} ${machine.clock() - begin}`);
      timers.set(60_000, note("minute"), false);
      timers.set(20_000.5, note("late"), false);
      timers.set(10_000, () => {
        note("early")();
        void yieldToLoop().then(() => timers.set(30_000, note("then"), false));
      }, false);
      timers.set(10_000, note("second"), false);
      timers.set(10_000, note("never"), false)();
      timers.set(10, note("never"), false)();
      // Waits before another try are over at once.
      timers.set(10, note("short"), false);
      for (let i = 0; i < 3; i++) await yieldToLoop();
      assert.deepEqual(fired, ["short 0"]);
      await machine.pass(59_999);
      assert.deepEqual(fired.slice(1), ["early 10000", "second 10000", "late 20001", "then 40000"]);
      await machine.pass(1);
      assert.deepEqual(fired.slice(5), ["minute 60000"]);
    }, { seeds: 1, accidents: [] });
  });

  it("goes through the seeds that it is told, and names what is thrown, be it no error", async () => {
    const seeds: number[] = [];
    const scenario = async (_machine: SimulatedMachine, seed: number): Promise<void> => void seeds.push(seed);
    assert.equal((await simulate(scenario, { from: 5, seeds: 3 })).seeds, 3);
    assert.deepEqual(seeds, [5, 6, 7]);
    await assert.rejects(simulate(() => Promise.reject("a text"), { seeds: 1 }), /^Error: simulate: seed 1: a text;/);
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
