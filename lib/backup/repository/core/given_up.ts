/**
 * What is given up: keys of which documents still speak, and that will not come again. Noted in the audit log, so that they are
 * no news to later checks.
 *
 * @module
 */
import { writeAudit } from "./audit.ts";
import type { RepositoryContext } from "./context.ts";

/** Action of the audit line that says what was given up: its keys, with spaces between. */
export const AUDIT_REPAIRED = "audit-repair";

/** Keys named in one audit line: they are long, and a line has a limit. */
const KEYS_PER_LINE = 100;

/** Notes what is given up. */
export async function giveUp(context: RepositoryContext, given: Iterable<string>): Promise<void> {
  const keys = [...new Set(given)].sort();
  for (let at = 0; at < keys.length; at += KEYS_PER_LINE) {
    await writeAudit(context, AUDIT_REPAIRED, "ok", { keys: keys.slice(at, at + KEYS_PER_LINE).join(" ") });
  }
}
