/**
 * What is kept and what counts as well, as options say it.
 *
 * @module
 */
import { retention, type RetentionPolicy } from "../../backup/repository/mod.ts";
import type { HealthPolicy } from "../../backup/repository/care/health.ts";
import type { Call } from "./command.ts";
import { type OptionSpec, under } from "./option_spec.ts";

/** The rules of retention. */
export const RETENTION_OPTIONS: readonly OptionSpec[] = under("Rules of retention", [
  {
    name: "policy",
    kind: "choice",
    choices: ["standard", "continuous"],
    help: "a ready-made policy; the rules below go over its own",
  },
  { name: "keep-last", kind: "count", help: "keep so many of the newest" },
  { name: "keep-hourly", kind: "count", help: "keep the newest of each of the last so many hours" },
  { name: "keep-daily", kind: "count", help: "the same of days" },
  { name: "keep-weekly", kind: "count", help: "the same of weeks" },
  { name: "keep-monthly", kind: "count", help: "the same of months" },
  { name: "keep-yearly", kind: "count", help: "the same of years" },
  { name: "keep-within", kind: "duration", help: "keep all that are no older, and every point in time since then" },
  { name: "max-backups", kind: "count", help: "keep no more than so many of a database" },
  { name: "max-bytes", kind: "bytes", help: "keep no more than so much of a database" },
]);

const RULES = {
  "keep-last": "keepLast",
  "keep-hourly": "keepHourly",
  "keep-daily": "keepDaily",
  "keep-weekly": "keepWeekly",
  "keep-monthly": "keepMonthly",
  "keep-yearly": "keepYearly",
  "keep-within": "keepWithin",
  "max-backups": "maxBackups",
  "max-bytes": "maxBytes",
} as const satisfies Record<string, keyof RetentionPolicy>;

/** The policy that the options make; undefined when none of them is given. */
export function retentionOf({ given }: Call): RetentionPolicy | undefined {
  const name = given.choice<keyof typeof retention>("policy");
  const policy: RetentionPolicy = name === undefined ? {} : { ...retention[name] };
  for (const [option, rule] of Object.entries(RULES)) {
    const value = given.number(option);
    if (value !== undefined) policy[rule] = value;
  }
  return Object.keys(policy).length === 0 ? undefined : policy;
}

/** What counts as well. */
export const HEALTH_OPTIONS: readonly OptionSpec[] = under("Limits of health", [
  { name: "max-age", kind: "duration", help: "how old the newest backup may be: 24h unless given, 0s for any age" },
  { name: "min-success-rate", kind: "share", help: "the least share of backups that succeed: 0.95 unless given" },
  { name: "window", kind: "duration", help: "over how long that share is counted: 30d unless given" },
  { name: "size-drop-ratio", kind: "share", help: "how small a backup may be, of those before it: 0.5 unless given" },
  { name: "max-lag", kind: "duration", help: "how far replication may be behind: 5m unless given" },
  { name: "verify-within", kind: "duration", help: "how long ago the last good verification may be" },
  { name: "drill-within", kind: "duration", help: "how long ago the last good drill may be" },
  { name: "min-free-bytes", kind: "bytes", help: "how much space must be free: 16 MiB unless given" },
]);

const CHECKS = {
  "max-age": "maxAge",
  "min-success-rate": "minSuccessRate",
  "window": "window",
  "size-drop-ratio": "sizeDropRatio",
  "max-lag": "maxLag",
  "verify-within": "verifyWithin",
  "drill-within": "drillWithin",
  "min-free-bytes": "minFreeBytes",
} as const satisfies Record<string, keyof HealthPolicy>;

/** The thresholds that the options make. */
export function healthOf({ given }: Call): HealthPolicy {
  const policy: HealthPolicy = {};
  for (const [option, check] of Object.entries(CHECKS)) {
    const value = given.number(option);
    if (value !== undefined) policy[check] = value;
  }
  return policy;
}
