/**
 * What a replication is told, and what it tells.
 *
 * @module
 */
import { type Duration, durationOption } from "../../../base/duration.ts";
import { booleanOption, checkOptions, functionOption, numberOption, signalOption } from "../../../base/options.ts";

/** While log is added whether its base is still there is asked this often, ms: who deletes one by its id tells nobody. */
export const LOOK_EVERY_MS = 60_000;

/** Options of `repo.replicate`. */
export interface ReplicationOptions {
  /**
   * ms from a commit until it is shipped with those that came meanwhile: what may be lost with the machine. 20 to an hour;
   * 1000 unless given.
   */
  interval?: number | undefined;
  /** ms after which an idle database says that nothing was committed; 60,000 unless given. An idle store gets one request. */
  heartbeat?: number | undefined;
  /** A new base when the last one is older (ms, or `"24h"`) and there were commits; a day unless given. */
  baseEvery?: Duration | undefined;
  /** A new base when so many bytes of commits lie behind the last one; 256 MiB unless given. */
  baseBytes?: number | undefined;
  /**
   * Reads back what is written, where the store does not check it itself (`capabilities.checksums`); `true` unless given.
   * Without it nothing is read that a backup consists of.
   */
  verify?: boolean | undefined;
  /** Hears what happens. What it throws, or rejects with, is ignored. */
  onEvent?: ((event: ReplicationEvent) => void) | undefined;
  /** Stops it, as `stop()` does; one that has fired before keeps it from beginning, and the call rejects with its reason. */
  signal?: AbortSignal | undefined;
}

/** Options with their defaults. */
export interface CheckedReplication {
  /** See `ReplicationOptions`. */
  interval: number;
  /** See `ReplicationOptions`. */
  heartbeat: number;
  /** In ms. */
  baseEvery: number;
  /** See `ReplicationOptions`. */
  baseBytes: number;
  /** See `ReplicationOptions`. */
  verify: boolean;
  /** See `ReplicationOptions`. */
  onEvent: ((event: ReplicationEvent) => void) | undefined;
  /** See `ReplicationOptions`. */
  signal: AbortSignal | undefined;
}

/** What happens in a replication. */
export type ReplicationEvent =
  | { type: "shipped"; version: number; bytes: number; storedBytes: number }
  | { type: "base"; backupId: string; version: number; addedBytes: number }
  | { type: "merged"; made: number; removed: number }
  | { type: "gap"; from: number; to: number }
  | { type: "failure"; error: unknown; failures: number }
  | { type: "stopped" };

/** How a replication stands. */
export interface ReplicationStatus {
  /**
   * `"failing"`: it tries again after a pause; `"stopped"`: by `stop()`, because another writer took over, or because the
   * database was closed.
   */
  state: "waiting" | "shipping" | "failing" | "stopped";
  /** The database's id. */
  database: string;
  /** The last part of its path. */
  databaseName: string;
  /** The history it writes. */
  lineage: string;
  /** Its newest version. */
  version: number;
  /** The newest version that is archived. */
  archivedVersion: number;
  /** Up to when the archive is known to be complete, ms. */
  coveredUntil: number;
  /** Versions that are not archived yet. */
  lagVersions: number;
  /** Bytes of log that are not archived yet. */
  lagBytes: number;
  /** How long the oldest of them has waited, ms. */
  lagMs: number;
  /** When it last succeeded, ms; 0: not yet. */
  shippedAt: number;
  /** Failures in a row. */
  failures: number;
  /** The last failure, while it matters. */
  error: unknown;
  /** Gaps in the archived history. */
  gaps: number;
  /** Bytes of commits shipped since it began. */
  bytes: number;
  /** Bytes stored for them. */
  storedBytes: number;
  /** Shipments that had commits. */
  shipments: number;
  /** Bases made. */
  bases: number;
}

const NAMES = ["interval", "heartbeat", "baseEvery", "baseBytes", "verify", "onEvent", "signal"];
const HOUR = 3_600_000;

/** Checks the options of `call`. */
export function replicationOptions(call: string, options: ReplicationOptions | undefined): CheckedReplication {
  const checked = checkOptions(call, options, NAMES);
  return {
    // Below 20 ms each shipment would wait for the one before.
    interval: numberOption(call, checked, "interval", 1000, { min: 20, max: HOUR }),
    heartbeat: numberOption(call, checked, "heartbeat", 60_000, { min: 1000, max: 24 * HOUR }),
    baseEvery: durationOption(call, checked, "baseEvery", 24 * HOUR),
    baseBytes: numberOption(call, checked, "baseBytes", 256 * 2 ** 20, { min: 2 ** 16, max: Number.MAX_SAFE_INTEGER }),
    verify: booleanOption(call, checked, "verify", true),
    onEvent: functionOption<(event: ReplicationEvent) => void>(call, checked, "onEvent"),
    signal: signalOption(call, checked),
  };
}

/** How bases are made: sharing what is there, whole. */
export const BASE_OPTIONS = {
  type: "snapshot" as const,
  selection: { namespace: undefined, prefix: undefined },
  prefix: undefined,
  filter: undefined,
  labels: { madeBy: "replication" },
  compression: undefined,
  level: undefined,
  overwrite: false,
  id: undefined,
  parent: undefined,
  maxBytes: undefined,
  concurrency: undefined,
  bytesPerSecond: undefined,
  prune: undefined,
  excludeLog: false,
  encryption: undefined,
};
