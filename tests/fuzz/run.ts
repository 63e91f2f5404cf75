/** Runs the cases of one target. A case is made from the seed, the target's name and its number alone. */
import { Buffer } from "node:buffer";
import { crc32 } from "../../lib/base/checksum.ts";
import { encodeText } from "../../lib/base/bytes.ts";
import { Random } from "../model/random.ts";
import { AllocationWatch } from "./allocations.ts";
import { corpusOf } from "./corpus.ts";
import { makeInput } from "./mutate.ts";
import type { Target } from "./target.ts";
import { BUFFER_BYTES_MAX, judge, Violation } from "./verdict.ts";

/** What a run came to. */
export interface FuzzReport {
  cases: number;
  /** How many of them decoded to something. */
  decoded: number;
  /** How often each outcome was reached. */
  shapes: Map<string, number>;
}

/** Which cases are run. */
export interface FuzzPlan {
  seed: number;
  /** The first case. */
  from?: number;
  /** How many; asked before each. */
  more: (done: number) => boolean;
  /** Hears of every case that kept the rule. */
  onOutcome?: (shape: string, input: Uint8Array) => void;
}

/** Tries changed inputs; rejects at the first that breaks the rule, saying how to have it again. */
export async function fuzzTarget(target: Target, plan: FuzzPlan): Promise<FuzzReport> {
  const valid = await target.seeds();
  const kept = corpusOf(target.name).map(([, input]) => input);
  const report: FuzzReport = { cases: 0, decoded: 0, shapes: new Map() };
  const watch = new AllocationWatch(BUFFER_BYTES_MAX);
  try {
    for (const [i, seed] of valid.entries()) await judgeWhole(target, seed, i, watch);
    for (let i = plan.from ?? 0; plan.more(report.cases); i++) {
      const input = await makeInput(target, valid, kept, new Random(plan.seed, crc32(encodeText(target.name)), i));
      try {
        const shape = await judge(target, input, watch);
        report.shapes.set(shape, (report.shapes.get(shape) ?? 0) + 1);
        if (shape === "decoded") report.decoded++;
        plan.onOutcome?.(shape, input);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        throw new Violation(
          `${target.name} ${error.message}\nagain: npm run fuzz -- decoders --target ${target.name} --from ${plan.seed} ` +
            `--case ${i} --cases 1\ninput, base64: ${Buffer.from(input).toString("base64")}`,
          error.cause,
        );
      }
      report.cases++;
    }
  } finally {
    watch.stop();
  }
  return report;
}

/** A valid input must keep the rule as it is, or its changes say nothing. */
async function judgeWhole(target: Target, input: Uint8Array, i: number, watch: AllocationWatch): Promise<void> {
  try {
    await judge(target, input, watch);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    throw new Violation(`${target.name} ${error.message}, of its valid input ${i}`, error.cause);
  }
}
