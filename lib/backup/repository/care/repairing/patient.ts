/**
 * A repository under repair: what was found, and what is left of it as the repair goes on. Steps change this picture as they
 * change the store, so that a rehearsal, which changes only the picture, comes to the same result.
 *
 * @module
 */
import { toHex } from "../../../../base/bytes.ts";
import type { ProgressReporter } from "../../../../base/progress.ts";
import type { BackupDocument } from "../../../../format/repository/backup_document.ts";
import type { HeadDocument } from "../../../../format/repository/head_document.ts";
import type { Finding } from "../check/findings.ts";
import type { Inspection } from "../check/inspect.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { writeDocument } from "../../core/documents.ts";
import { historyOf, type RepositoryFacts } from "../../restoring/facts.ts";
import { PART } from "../../core/layout.ts";
import type { Lease } from "../../core/lease.ts";
import { LogIndex, type LogObject } from "../../log/log_chain.ts";
import { markKey, UNSETTLED } from "../../pruning/gc.ts";
import { Aside } from "./aside.ts";

/** What a repair works on. */
export class Patient {
  /** Where it lies. */
  readonly context: RepositoryContext;
  /** Nothing is written. */
  readonly dryRun: boolean;
  /** What was seen at first. */
  readonly seen: Inspection;
  /** Where damaged objects go. */
  readonly aside: Aside;
  /** Counts steps. */
  readonly reporter: ProgressReporter;
  /** Renewed as steps are done. */
  readonly lease: Lease;
  /** What was put right, for people. */
  readonly repaired: string[] = [];
  /** Keys that are given up, for the audit log. */
  readonly givenUp: Set<string> = new Set();
  /** Backups there are now. */
  backups: BackupDocument[];
  /** Heads there are now. */
  heads: HeadDocument[];
  /** Keys of data objects that can't be used now. */
  readonly bad: Set<string>;
  /** Log objects there are now. */
  log: LogObject[];
  readonly #marks: string[] = [];

  constructor(
    context: RepositoryContext,
    seen: Inspection,
    { dryRun, reporter, lease }: { dryRun: boolean; reporter: ProgressReporter; lease: Lease },
  ) {
    this.context = context;
    this.seen = seen;
    this.dryRun = dryRun;
    this.reporter = reporter;
    this.lease = lease;
    this.aside = new Aside(context, dryRun);
    const { facts, log } = seen.inventory;
    this.backups = facts.backups;
    this.heads = facts.heads;
    this.log = log;
    this.bad = seen.findings.avoid;
  }

  /** What was found in one part. What a newer release wrote is whole, and stays for it. */
  findings(part: keyof typeof PART): Finding[] {
    return this.seen.findings.all.filter(({ key, kind }) => key.startsWith(PART[part]) && kind !== "newer");
  }

  /**
   * Marks keys that are about to go, as a pruning does: a delete may come to pass when others have gone on for long, and
   * nothing of theirs may lie there then.
   */
  async mark(keys: readonly string[]): Promise<void> {
    if (keys.length === 0 || this.dryRun) return;
    const { clock, randomBytes } = this.context;
    const id = toHex(randomBytes(8));
    await this.lease.assertHeld(true);
    await writeDocument(this.context, "gc", markKey(id), { id, markedAt: clock(), keys, leases: [UNSETTLED] });
    this.#marks.push(markKey(id));
    await this.lease.assertHeld();
  }

  /** Removes the marks, when every delete was answered. Where one was not they stay for the next pruning. */
  async unmark(): Promise<void> {
    for (const key of this.#marks) await this.context.store.delete(key);
  }

  /** What can be used now. */
  get facts(): RepositoryFacts {
    const logs = new Map<string, LogObject[]>();
    for (const object of this.log) {
      if (this.bad.has(object.key)) continue;
      const [, database, lineage] = object.key.split("/");
      const history = historyOf(database!, lineage!);
      const same = logs.get(history);
      if (same === undefined) logs.set(history, [object]);
      else same.push(object);
    }
    return {
      backups: this.backups,
      heads: this.heads,
      logs: new Map([...logs].map(([history, objects]) => [history, new LogIndex(objects)])),
    };
  }
}
