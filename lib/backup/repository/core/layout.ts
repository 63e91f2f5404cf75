/**
 * What the objects of a repository are called.
 *
 * ```
 * repository.json                                    what it is; without it there is no repository
 * keys/<id>.json                                     the keys, wrapped by a passphrase or another key
 * objects/<ab>/<content name>[.<copy>]               tables, blobs and what else a backup consists of
 * log/<database>/<lineage>/<first>-<last>-<chain>    archived commits
 * backups/<id>.json                                  a backup exists when this does
 * index/backups                                      many of these in one object, to list them faster
 * heads/<database>/<lineage>.json                    how far the log is archived
 * pins/<id>                                          that backup stays
 * locks/<name>.json gc/<id>.json proofs/<id>.json audit/<number>.jsonl damaged/...
 * writers/<id>.json                                  who writes, where the store decides no conditions
 * ```
 *
 * @module
 */

/** Where the repository says what it is. */
export const REPOSITORY_KEY = "repository.json";

/** The parts of a repository, each a beginning of keys. */
export const PART = {
  keys: "keys/",
  objects: "objects/",
  log: "log/",
  backups: "backups/",
  index: "index/",
  heads: "heads/",
  pins: "pins/",
  locks: "locks/",
  marks: "gc/",
  proofs: "proofs/",
  audit: "audit/",
  damaged: "damaged/",
  writers: "writers/",
} as const;

/** Where a backup's manifest is. */
export function backupKey(id: string): string {
  return `${PART.backups}${id}.json`;
}

/** The backup whose manifest is under a key; undefined for any other key. */
export function backupIdOf(key: string): string | undefined {
  if (!key.startsWith(PART.backups) || !key.endsWith(".json")) return undefined;
  return key.slice(PART.backups.length, -".json".length);
}

/** Where the index of the backups is. */
export const BACKUP_INDEX_KEY = `${PART.index}backups`;

/** The second copy of `repository.json`: without what it says no key opens an encrypted repository. */
export const REPOSITORY_COPY_KEY = `${PART.index}repository.json`;

/** The mark that a backup stays. */
export function pinKey(id: string): string {
  return `${PART.pins}${id}`;
}

/** Where the head of a history is. */
export function headKey(database: string, lineage: string): string {
  return `${PART.heads}${database}/${lineage}.json`;
}

/** The beginning of the keys of a history's archived log. */
export function logPrefix(database: string, lineage: string): string {
  return `${PART.log}${database}/${lineage}/`;
}

/** The key of an object that manifests call `path`. */
export function objectKey(path: string): string {
  return `${PART.objects}${path}`;
}

/** What an id of a backup may be. */
export const BACKUP_ID = /^[A-Za-z0-9._-]{1,128}$/;
