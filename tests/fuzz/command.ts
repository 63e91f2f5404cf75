/**
 * `npm run fuzz -- decoders`: changed inputs for every decoder, for as long as you like.
 *
 *     npm run fuzz -- decoders                                 until one breaks the rule or it is stopped
 *     npm run fuzz -- decoders --seconds 60                    so long, dealt out evenly to all decoders
 *     npm run fuzz -- decoders --target tar,zstd --cases 5000  so many of each of these
 *     npm run fuzz -- decoders --keep-going                    doesn't stop at a violation
 *     npm run fuzz -- decoders --keep                          adds an input for each new outcome to tests/fuzz/corpus
 *
 * A violation names its seed and its case: `--from 7 --case 12 --cases 1` has it again, as long as the corpus is the same;
 * the input itself is printed in any case.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { corpusOf, keep } from "./corpus.ts";
import { fuzzTarget } from "./run.ts";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets/all.ts";
import { shapeOf, Violation } from "./verdict.ts";

/** Cases between two looks at the other targets. */
const ROUND = 500;

/** Runs until the arguments say so; resolves to the exit code. */
export async function fuzzDecoders(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string" },
      cases: { type: "string" },
      case: { type: "string", default: "0" },
      from: { type: "string", default: process.env["HOLDFAST_SEED"] ?? String(Date.now() % 1_000_000_000) },
      target: { type: "string" },
      "keep-going": { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
  });
  const seconds = number("seconds", values.seconds ?? "Infinity", 1);
  const most = number("cases", values.cases ?? "Infinity", 1);
  const first = number("case", values.case, 0);
  const seed = number("from", values.from, 0);
  const wanted = values.target?.split(",");
  const targets = TARGETS.filter(({ name }) => wanted === undefined || wanted.includes(name));
  if (targets.length === 0 || targets.length < (wanted?.length ?? 0)) {
    console.error(`--target takes names of ${TARGETS.map(({ name }) => name).join(", ")}`);
    return 1;
  }

  let stopped = false;
  process.once("SIGINT", () => stopped = true);
  console.log(`from seed ${seed}, ${targets.length} decoders; Ctrl-C stops`);
  const started = performance.now();
  const ended = (): boolean => stopped || performance.now() - started > seconds * 1000;
  const tallies = new Map(targets.map((target) => [target, { cases: 0, decoded: 0, shapes: new Set<string>() }]));
  const broken = new Set<string>();
  for (let round = 0; !ended() && round * ROUND < most; round++) {
    for (const target of targets) {
      if (ended()) break;
      const tally = tallies.get(target)!;
      const count = Math.min(ROUND, most - round * ROUND) * (most === Infinity ? target.share ?? 1 : 1);
      let from = first + tally.cases;
      const until = from + count;
      while (from < until && !ended()) {
        const begun = from;
        try {
          await fuzzTarget(target, {
            seed,
            from: begun,
            more: (done) => begun + done < until && !ended(),
            onOutcome: (shape, input) => {
              from++;
              tally.cases++;
              if (shape === "decoded") tally.decoded++;
              if (values.keep && keep(target.name, shape, input)) console.log(`kept: ${target.name}: ${shape}`);
              tally.shapes.add(shape);
            },
          });
          break;
        } catch (error) {
          if (!(error instanceof Violation)) throw error;
          const shape = `${target.name} ${shapeOf(error)}`;
          if (!broken.has(shape)) console.log(error.message);
          broken.add(shape);
          if (!values["keep-going"]) return 1;
          from++;
          tally.cases++;
        }
      }
    }
  }
  for (const [target, tally] of tallies) console.log(lineOf(target, tally));
  const cases = [...tallies.values()].reduce((sum, one) => sum + one.cases, 0);
  console.log(
    `${cases.toLocaleString("en")} cases in ${((performance.now() - started) / 1000).toFixed(0)} s, ` +
      (broken.size === 0 ? "none broke the rule" : `${broken.size} ways to break the rule`),
  );
  return broken.size === 0 ? 0 : 1;
}

function lineOf({ name }: Target, tally: { cases: number; decoded: number; shapes: Set<string> }): string {
  const kept = corpusOf(name).length;
  return `${name.padEnd(18)} ${String(tally.cases).padStart(8)} cases, ${String(tally.decoded).padStart(7)} decoded, ` +
    `${tally.shapes.size} outcomes, ${kept} inputs kept`;
}

function number(name: string, text: string, min: number): number {
  const value = Number(text);
  if (value === Infinity || (Number.isSafeInteger(value) && value >= min)) return value;
  console.error(`--${name} must be a whole number of at least ${min}, not ${text}`);
  return process.exit(1);
}
