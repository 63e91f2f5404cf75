/**
 * The ids of backups.
 *
 * @module
 */
import { toHex } from "../../../base/bytes.ts";
import type { RepositoryContext } from "./context.ts";

/** The ids that are made from time and chance, and so never again; those that callers choose may come again. */
export const MADE_ID = /^\d{8}T\d{6}Z-[0-9a-f]{8}$/;

/** An id that sorts by time and is unlike any other. */
export function newBackupId(at: number, context: RepositoryContext): string {
  const time = new Date(at).toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
  return `${time}-${toHex(context.randomBytes(4))}`;
}
