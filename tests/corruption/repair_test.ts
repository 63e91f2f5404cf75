/** Repair after damage of every kind in every file: what the other files hold comes back, what is lost is told. */
import { describe, it } from "node:test";
import { isMine, LONG, SEED } from "../crash/random.ts";
import { faultsOf } from "./faults.ts";
import { holdingsOf } from "./holdings.ts";
import { judgeRepair, type Repaired } from "./repair_judge.ts";
import { makeSpecimen } from "./specimen.ts";

/** In the short form every so many-th fault is repaired. */
const EVERY = LONG ? 1 : 7;

describe("DB.repair() after damage in one file", () => {
  for (const closed of [true, false]) {
    it(`of a database that was ${closed ? "closed" : "killed"} brings back what the others hold`, async () => {
      const specimen = await makeSpecimen(closed ? "closed" : "killed", { closed });
      const foreign = await makeSpecimen("foreign", { closed, id: 1000 });
      const holdings = holdingsOf(specimen);
      const counts: Record<Repaired, number> = { "all is back": 0, "something is lost": 0, "nothing was damaged": 0 };
      let cases = 0;
      for (const fault of faultsOf(specimen, foreign)) {
        if (cases++ % EVERY === 0 && isMine(cases)) counts[await judgeRepair(specimen, holdings, fault)]++;
      }
      console.log(`${specimen.name}: repaired ${JSON.stringify(counts)}; HOLDFAST_SEED=${SEED}`);
    });
  }
});
