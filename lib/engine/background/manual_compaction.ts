/**
 * Compaction as asked for: everything in a range of keys goes down to the deepest level that holds any of it.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import type { Store } from "../store.ts";
import { Run } from "../version/run.ts";
import { LEVELS } from "../version/version.ts";
import type { Background } from "./background.ts";
import { planRange } from "./compaction_picker.ts";

/** Rewrites the tables of a range; all that counts must be in tables. `onTables` hears of bytes and tables done. */
export async function compactRange(
  store: Store,
  background: Background,
  start: Uint8Array | undefined,
  end: Uint8Array | undefined,
  signal: AbortSignal | undefined,
  onTables: ((bytes: number, tables: number) => void) | undefined,
): Promise<void> {
  const isWanted = (): void => throwIfAborted(signal);
  await background.alone(async (run) => {
    const made = store.manifest.state.nextNumber;
    const bottom = bottomLevel(store, start, end);
    for (let level = 0; level < bottom; level++) {
      const plan = planRange(store.version, level, start, end);
      if (plan === undefined) continue;
      const inputs = plan.inputs.flatMap((input) => [...input.tables]);
      await run(plan, isWanted);
      onTables?.(inputs.reduce((sum, { meta }) => sum + meta.size, 0), inputs.length);
    }
    // What the merges above did not touch is rewritten where it stands.
    for (const table of store.version.level(bottom)[0]?.between(start, end) ?? []) {
      if (table.number >= made) continue;
      const relocate = new Set(table.meta.blobs.map((use) => use.number));
      const all = planRange(store.version, 0, start, end)?.relocate ?? relocate;
      const plan = { level: bottom, outputLevel: bottom, inputs: [new Run([table])], move: false, relocate: all };
      await run(plan, isWanted);
      onTables?.(table.meta.size, 1);
    }
  }, signal);
}

function bottomLevel(store: Store, start: Uint8Array | undefined, end: Uint8Array | undefined): number {
  for (let level = LEVELS - 1; level > 1; level--) {
    if (store.version.level(level)[0]!.between(start, end).length > 0) return level;
  }
  return 1;
}
