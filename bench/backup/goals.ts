/**
 * What the comparison has to show.
 *
 * @module
 */

import { CHANGES } from "./steps.ts";

/** A median of a step. */
export interface Median {
  /** Time. */
  ms: number;
  /** Bytes added on disk, where something was stored. */
  added: number | undefined;
  /** Most memory resident. */
  peakMemory: number | undefined;
}

/** One figure with its limit. */
export interface Goal {
  /** What is compared. */
  title: string;
  /** The figure; undefined when a step it needs has no result. */
  value(of: (id: string) => Median | undefined): number | undefined;
  /** `value` has to be at most, or at least this. */
  limit: number;
  /** Which of the two. */
  bound: "at most" | "at least";
  /** What `value` counts in. */
  unit: "x" | "MB";
}

/** `ours / theirs` of one measure. */
function ratio(ours: string, theirs: string, of: (median: Median) => number | undefined): Goal["value"] {
  return (medians) => {
    const [a, b] = [medians(ours), medians(theirs)].map((median) => median === undefined ? undefined : of(median));
    return a === undefined || b === undefined ? undefined : a / b;
  };
}

type Medians = Parameters<Goal["value"]>[0];

/** A figure of all incrementals of a round; undefined when one of them has no result. */
function ofAll(medians: Medians, tool: string, of: (median: Median) => number | undefined): number[] | undefined {
  const all = CHANGES.map((suffix) => medians(`incremental.${tool}${suffix}`)).map((each) => each && of(each));
  return all.every((each) => each !== undefined) ? all : undefined;
}

const sum = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0);

const ms = ({ ms }: Median) => ms;
const added = ({ added }: Median) => added;

/** All goals, in the order of the table. */
export const GOALS: readonly Goal[] = [
  {
    title: "export, linked, to cp -r of the same files",
    value: ratio("export.link", "export.cp", ms),
    ...{ bound: "at most", limit: 0.25, unit: "x" },
  },
  {
    title: "export, linked (verified), to cp -r of LevelDB",
    value: ratio("export.link-verified", "export.cp-level", ms),
    ...{ bound: "at most", limit: 0.25, unit: "x" },
  },
  {
    title: "export, copied, to cp -r of the same files",
    value: ratio("export.copy", "export.cp", ms),
    ...{ bound: "at most", limit: 1.2, unit: "x" },
  },
  {
    title: "export, copied and verified, to cp -r of the same files",
    value: ratio("export.copy-verified", "export.cp", ms),
    ...{ bound: "at most", limit: 1.2, unit: "x" },
  },
  {
    title: "full to tar, zstd -1, time",
    value: ratio("full.holdfast", "full.tar", ms),
    ...{ bound: "at most", limit: 1, unit: "x" },
  },
  {
    title: "full to restic, bytes stored",
    value: ratio("full.holdfast", "full.restic", added),
    ...{ bound: "at most", limit: 1, unit: "x" },
  },
  {
    title: "three incrementals to borg's, time",
    value(medians) {
      const [ours, theirs] = ["holdfast", "borg"].map((tool) => ofAll(medians, tool, ms));
      return ours && theirs && sum(ours) / sum(theirs);
    },
    ...{ bound: "at most", limit: 0.5, unit: "x" },
  },
  {
    title: "each incremental, bytes added",
    value(medians) {
      const bytes = ofAll(medians, "holdfast", added);
      return bytes && Math.max(...bytes) / 1e6;
    },
    ...{ bound: "at most", limit: 70, unit: "MB" },
  },
  {
    title: "verified restore: restic's time to ours",
    value: ratio("restore.restic", "restore.holdfast", ms),
    ...{ bound: "at least", limit: 1.3, unit: "x" },
  },
  {
    title: "verified restore: restic --verify's time to ours",
    value: ratio("restore.restic-verified", "restore.holdfast", ms),
    ...{ bound: "at least", limit: 1.3, unit: "x" },
  },
  {
    title: "verified restore of a full: restic's time to ours",
    value: ratio("restore.restic", "restore.holdfast-full", ms),
    ...{ bound: "at least", limit: 1.3, unit: "x" },
  },
  {
    title: "reopening over 50,000 log records to LevelDB",
    value: ratio("replay.holdfast", "replay.level", ms),
    ...{ bound: "at most", limit: 5, unit: "x" },
  },
  {
    title: "restoring 50,000 log records to LevelDB reopening",
    value: ratio("replay.restore", "replay.level", ms),
    ...{ bound: "at most", limit: 5, unit: "x" },
  },
];

/** Whether a figure is within its limit. */
export function reached({ bound, limit }: Goal, value: number): boolean {
  return bound === "at most" ? value <= limit : value >= limit;
}
