/** Damage of every kind in every file of a database: what opens is right, what isn't is refused by name. */
import { describe, it } from "node:test";
import { faultsOf, kindOf } from "./faults.ts";
import { judge, learnHistory, type Outcome } from "./judge.ts";
import { makeSpecimen } from "./specimen.ts";
import { isMine, LONG, SEED } from "../crash/random.ts";

describe("a database with one damaged file", () => {
  for (const closed of [true, false]) {
    it(`that was ${closed ? "closed" : "killed"} answers right, or names what is damaged`, async () => {
      const specimen = await makeSpecimen(closed ? "closed" : "killed", { closed });
      const foreign = await makeSpecimen("foreign", { closed, id: 1000 });
      await learnHistory(specimen);
      const counts = new Map<string, Record<Outcome, number>>();
      let [cases, seen] = [0, 0];
      for (const fault of faultsOf(specimen, foreign)) {
        const kind = kindOf([...fault.files.keys()][0]!);
        const count = counts.get(kind) ?? { refused: 0, found: 0, right: 0 };
        counts.set(kind, count);
        if (!isMine(seen++)) continue;
        for (const readOnly of LONG ? [true, false] : [cases % 2 === 0]) {
          // With a lock file it looks like a database that was opened here before.
          const outcome = await judge(specimen, fault, { readOnly, locked: cases % 4 < 2 });
          count[outcome]++;
          cases++;
        }
      }
      const told = [...counts].map(([kind, { refused, found, right }]) => `${kind} ${refused}/${found}/${right}`);
      console.log(
        `${specimen.name}: ${cases} damaged databases (refused/found when read/right): ${told.join(", ")}; ` +
          `HOLDFAST_SEED=${SEED}`,
      );
    });
  }
});
