/**
 * How long finished log segments stay: a pure plan, and its effect.
 *
 * A segment may go once its commits are in tables. It stays longer for `changes()` (up to `history.maxBytes`) and for the
 * repositories that have a slot (up to `archive.maxBytes`, beyond which it goes all the same and the gap is recorded, or
 * writers are refused: `archive.onFull`). On a full disk the part for `changes()` is the first to go.
 *
 * @module
 */
import { NoSpaceError } from "../../base/errors.ts";
import type { LogMeta, SlotMeta } from "../../format/manifest/manifest_edit.ts";
import type { ManifestState } from "../manifest/manifest_state.ts";
import type { Store } from "../store.ts";

/** What the plan rests on. */
export interface RetentionFacts {
  /** Finished segments. */
  logs: Iterable<LogMeta>;
  /** All commits up to here are in tables. */
  lastVersion: number;
  /** Repositories that archive. */
  slots: Iterable<SlotMeta>;
  /** Bytes kept for `changes()`. */
  historyBytes: number;
  /** Bytes kept for repositories. */
  archiveBytes: number;
  /** Whether a full archive drops segments. */
  onFull: "gap" | "stop";
}

/** What to remove, and what is lost to repositories thereby. */
export interface RetentionPlan {
  /** Numbers of segments to remove. */
  remove: number[];
  /** Versions that some repository still lacks. */
  gaps: { from: number; to: number; slot: string }[];
  /** Whether the archive is full and `"stop"` asks for writes to be refused. */
  stop: boolean;
}

/** Decides which finished segments go. */
export function planRetention(facts: RetentionFacts): RetentionPlan {
  const slots = [...facts.slots];
  const newestFirst = [...facts.logs].filter((log) => log.lastVersion <= facts.lastVersion)
    .sort((a, b) => b.lastVersion - a.lastVersion);
  const plan: RetentionPlan = { remove: [], gaps: [], stop: false };
  let bytes = 0;
  for (const log of newestFirst) {
    bytes += log.end;
    if (bytes <= facts.historyBytes) continue;
    const waiting = slots.filter((slot) => slot.version < log.lastVersion);
    if (waiting.length === 0) {
      plan.remove.push(log.number);
    } else if (bytes > facts.archiveBytes) {
      if (facts.onFull === "stop") {
        plan.stop = true;
      } else {
        plan.remove.push(log.number);
        for (const slot of waiting) {
          plan.gaps.push({ from: Math.max(log.firstVersion, slot.version + 1), to: log.lastVersion, slot: slot.id });
        }
      }
    }
  }
  return plan;
}

/** Removes the segments that may go, and notes whether the archive is full. */
export async function trimLog(store: Store, historyBytes: number = store.settings.historyBytes): Promise<number> {
  let plan: RetentionPlan = { remove: [], gaps: [], stop: false };
  // Planned at the edit's own turn: a flush and a compaction may both come here, and a segment goes only once.
  await store.edit((state) => {
    plan = retentionOf(state, store, historyBytes);
    store.archiveFull = plan.stop;
    if (plan.remove.length === 0) return undefined;
    return {
      removeLogs: plan.remove,
      ...(plan.gaps.length === 0 ? {} : { gaps: plan.gaps.map(({ from, to }) => ({ from, to })) }),
    };
  });
  for (const gap of joined(plan.gaps)) store.report({ type: "gap", ...gap });
  for (const number of plan.remove) await store.removeLog(number);
  return plan.remove.length;
}

/** The gaps as one for each slot: the oldest segments go, and of these each slot lacks neighbours. */
function joined(gaps: RetentionPlan["gaps"]): RetentionPlan["gaps"] {
  const out: RetentionPlan["gaps"] = [];
  for (const gap of [...gaps].sort((a, b) => a.from - b.from)) {
    const open = out.find(({ slot }) => slot === gap.slot);
    if (open !== undefined) open.to = gap.to;
    else out.push({ ...gap });
  }
  return out;
}

/** On a full disk: gives up what is kept for `changes()` alone. Whether that freed anything. */
export async function dropHistory(store: Store): Promise<boolean> {
  try {
    return await trimLog(store, 0) > 0;
  } catch (error) {
    if (error instanceof NoSpaceError) return false;
    throw error;
  }
}

/** The plan for a store as it stands. */
export function retentionOf(state: ManifestState, store: Store, historyBytes: number): RetentionPlan {
  const { archiveBytes, archiveOnFull } = store.settings;
  return planRetention({
    logs: state.logs.values(),
    lastVersion: state.lastVersion,
    slots: state.slots.values(),
    historyBytes,
    archiveBytes,
    onFull: archiveOnFull,
  });
}
