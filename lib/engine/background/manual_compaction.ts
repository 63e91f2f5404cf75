/**
 * Compaction as asked for: everything in a range of keys goes down to the deepest level that holds any of it.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import type { Store } from "../store.ts";
import type { LiveTable } from "../version/live_file.ts";
import { Run } from "../version/run.ts";
import { LEVELS } from "../version/version.ts";
import type { Background } from "./background.ts";
import { type CompactionPlan, planPart, planRange } from "./compaction_picker.ts";

/**
 * So many tables of a level go down at once. With more of them those would wait for longer who come in between, and the files
 * that are replaced would take their space for longer; with fewer what lies at their ends would be written twice more often.
 */
const TABLES_AT_ONCE = 4;

/**
 * Rewrites the tables of a range; all that counts must be in tables. `onTables` hears of bytes and tables done. In parts, each
 * in a turn of its own: before each level 0 has one where writers are slowed, and in between a restore, for which they wait.
 */
export async function compactRange(
  store: Store,
  background: Background,
  start: Uint8Array | undefined,
  end: Uint8Array | undefined,
  signal: AbortSignal | undefined,
  onTables: ((bytes: number, tables: number) => void) | undefined,
): Promise<void> {
  const isWanted = (): void => throwIfAborted(signal);
  /** Carries out what is planned once it has its turn. */
  const inTurn = (planned: () => CompactionPlan | undefined): Promise<CompactionPlan | undefined> =>
    background.alone(async (run) => {
      const level0 = background.isBehind ? planRange(store.version, 0, undefined, undefined) : undefined;
      if (level0 !== undefined) await run(level0, isWanted);
      const plan = planned();
      if (plan === undefined) return undefined;
      const inputs = plan.inputs.flatMap((input) => [...input.tables]);
      await run(plan, isWanted);
      onTables?.(inputs.reduce((sum, { meta }) => sum + meta.size, 0), inputs.length);
      return plan;
    }, signal);
  const resume = background.holdBack();
  try {
    let [made, bottom] = [0, 0];
    await inTurn(() => {
      // Of now: what was under way before may not have dropped all that can go.
      made = store.manifest.state.nextNumber;
      bottom = bottomLevel(store, start, end);
      return planRange(store.version, 0, start, end);
    });
    for (let level = 1; level < bottom; level++) {
      // What is written meanwhile may come behind the last of them, again and again.
      const last = store.version.level(level)[0]?.between(start, end).at(-1);
      const until = last === undefined ? end : behind(last) ?? end;
      await inParts(start, async (at) => {
        const plan = await inTurn(() => planPart(store.version, level, at, until, TABLES_AT_ONCE));
        return plan?.inputs[0]?.tables.at(-1);
      });
    }
    // What the merges above did not touch is rewritten where it stands.
    await inParts(start, async (at) => {
      const plan = await inTurn(() => {
        const table = store.version.level(bottom)[0]?.between(at, end).find(({ number }) => number < made);
        if (table === undefined) return undefined;
        const relocate = new Set(table.meta.blobs.map((use) => use.number));
        const all = planRange(store.version, 0, start, end)?.relocate ?? relocate;
        return { level: bottom, outputLevel: bottom, inputs: [new Run([table])], move: false, relocate: all };
      });
      return plan?.inputs[0]?.tables[0];
    });
  } finally {
    resume();
  }
}

/** Runs `work` from each key on, behind the last table of what it did; until it finds nothing. */
async function inParts(
  start: Uint8Array | undefined,
  work: (at: Uint8Array | undefined) => Promise<LiveTable | undefined>,
): Promise<void> {
  for (let at = start;;) {
    const last = await work(at);
    at = last && behind(last);
    if (at === undefined) return;
  }
}

/** The first key behind a table; undefined: it has no end. */
function behind({ meta: { largest, largestExclusive } }: LiveTable): Uint8Array | undefined {
  return largest === undefined || largestExclusive ? largest : Uint8Array.of(...largest, 0);
}

function bottomLevel(store: Store, start: Uint8Array | undefined, end: Uint8Array | undefined): number {
  for (let level = LEVELS - 1; level > 1; level--) {
    if (store.version.level(level)[0]!.between(start, end).length > 0) return level;
  }
  return 1;
}
