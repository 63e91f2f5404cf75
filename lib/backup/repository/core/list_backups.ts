/**
 * The backups of a repository, as callers see them.
 *
 * @module
 */
import { checkOptions, choiceOption, stringOption, timeOption } from "../../../base/options.ts";
import { checkLabels } from "../../backup_options.ts";
import type { BackupInfo, BackupType } from "../../info.ts";
import { backupInfo } from "../making/backup_info.ts";
import { readBackup, readBackups, readPins } from "./catalog.ts";
import type { RepositoryContext } from "./context.ts";
import { BACKUP_ID, pinKey } from "./layout.ts";

/** Which backups are meant; all that is given must fit. */
export interface BackupFilter {
  /** Of this type, as they are and not as they were asked for. */
  type?: BackupType | undefined;
  /** Which show a state of this time or later (`BackupInfo.timestamp`). */
  from?: Date | number | undefined;
  /** Which show a state of this time or earlier. */
  to?: Date | number | undefined;
  /** Of this database. */
  database?: string | undefined;
  /** Of this history. */
  lineage?: string | undefined;
  /** With all of these labels. */
  labels?: Record<string, string> | undefined;
}

const TYPES = ["full", "incremental", "snapshot"] as const;
const NAMES = ["type", "from", "to", "database", "lineage", "labels"];

/** The backups there are, the oldest first by version. Options that make no sense are a `TypeError` or `RangeError`. */
export async function listBackups(context: RepositoryContext, filter?: BackupFilter): Promise<BackupInfo[]> {
  const call = "list";
  const checked = checkOptions(call, filter, NAMES);
  const type = choiceOption(call, checked, "type", undefined, TYPES);
  const from = timeOption(call, checked, "from", -Infinity);
  const to = timeOption(call, checked, "to", Infinity);
  const database = stringOption(call, checked, "database", undefined);
  const lineage = stringOption(call, checked, "lineage", undefined);
  const labels = Object.entries(checkLabels(call, checked));
  if (from > to) throw new RangeError(`${call}: option "from" is later than "to"`);
  const [backups, pins] = await Promise.all([readBackups(context), readPins(context)]);
  return backups
    .filter((body) => type === undefined || body.type === type)
    .filter(({ timestamp }) => timestamp >= from && timestamp <= to)
    .filter((body) => database === undefined || body.database === database)
    .filter((body) => lineage === undefined || body.lineage === lineage)
    .filter((body) => labels.every(([name, value]) => Object.hasOwn(body.labels, name) && body.labels[name] === value))
    .map((body) => backupInfo(context, body, pins.has(body.id)));
}

/** One backup; undefined when there is none of that id. */
export async function findBackup(context: RepositoryContext, id: string): Promise<BackupInfo | undefined> {
  if (!BACKUP_ID.test(id)) return undefined;
  const body = await readBackup(context, id);
  if (body === undefined) return undefined;
  return backupInfo(context, body, await context.store.head(pinKey(id)) !== undefined);
}
