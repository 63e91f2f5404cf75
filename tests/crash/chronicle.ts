/**
 * What was asked of a database, in order, and what was promised about it: the model that a crash is judged by.
 *
 * Each change is one commit. Those not refused have the versions 1, 2, 3 ... in the order of the calls, so a database that
 * says it stands at version v must hold exactly what the first v of them make.
 */
import assert from "node:assert/strict";

/** One operation of a commit, on text keys. */
export type Operation =
  | { put: string; value: Uint8Array; expired?: boolean }
  | { delete: string }
  | { from: string; to?: string };

/** What one commit does. */
export interface Change {
  /** Everything that was there goes first (a restore that replaces). */
  replace?: boolean;
  operations: readonly Operation[];
  /** The operations as the log should hold them; absent for restores. */
  log?: Uint8Array;
}

/** What is found at a key. */
export interface Found {
  version: number;
  value: Uint8Array;
}

/** A call that has been made. */
export interface Attempt {
  change: Change;
  state: "open" | "acknowledged" | "rejected";
  version: number;
  timestamp: number;
}

/** All calls so far. */
export class Chronicle {
  /** In call order; those that were surely refused are taken out. */
  attempts: Attempt[] = [];
  /** A power cut may not take the database back behind this version. */
  kept = 0;
  /** The end of the process may not. */
  handedOver = 0;

  /** Notes a call at the moment it is made. */
  begin(change: Change): Attempt {
    const attempt: Attempt = { change, state: "open", version: 0, timestamp: 0 };
    this.attempts.push(attempt);
    return attempt;
  }

  /** A call resolved. Whatever failed before it is out for good, or versions would not be in call order. */
  acknowledge(
    attempt: Attempt,
    commit: { version: number; timestamp: number },
    durable: "kept" | "handedOver" | "no",
  ): void {
    attempt.state = "acknowledged";
    attempt.version = commit.version;
    attempt.timestamp = commit.timestamp;
    const at = this.attempts.indexOf(attempt);
    const before = this.attempts.slice(0, at).filter((other) => other.state !== "rejected");
    this.attempts.splice(0, at, ...before);
    assert.equal(commit.version, before.length + 1, "commits have consecutive versions in call order");
    const previous = before.at(-1);
    assert.ok(previous === undefined || previous.timestamp <= commit.timestamp, "commit times never decrease");
    if (durable === "kept") this.kept = Math.max(this.kept, commit.version);
    if (durable !== "no") this.handedOver = Math.max(this.handedOver, commit.version);
  }

  /** A call was rejected. `surely`: it must never appear. */
  reject(attempt: Attempt, surely: boolean): void {
    attempt.state = "rejected";
    if (surely) this.attempts.splice(this.attempts.indexOf(attempt), 1);
  }

  /** The newest acknowledged version. */
  get acknowledged(): number {
    return this.attempts.findLast((attempt) => attempt.state === "acknowledged")?.version ?? 0;
  }

  /** Everything acknowledged so far is durable now. */
  keepAll(upTo: number = this.acknowledged): void {
    this.kept = Math.max(this.kept, upTo);
    this.handedOver = Math.max(this.handedOver, this.kept);
  }

  /** After a reopening that found `version`: that is what counts, and what came after it never will. */
  settleAt(version: number): void {
    this.attempts.length = Math.min(this.attempts.length, version);
    this.attempts.forEach((attempt, i) => {
      attempt.state = "acknowledged";
      attempt.version = i + 1;
    });
    this.keepAll(version);
  }

  /** A copy to go on with after one of several outcomes. */
  fork(): Chronicle {
    const fork = new Chronicle();
    fork.attempts = this.attempts.map((attempt) => ({ ...attempt }));
    fork.kept = this.kept;
    fork.handedOver = this.handedOver;
    return fork;
  }

  /** What the first `version` commits make. */
  stateAt(version: number): Map<string, Found> {
    const state = new Map<string, Found>();
    for (let i = 0; i < version; i++) {
      const { change } = this.attempts[i]!;
      if (change.replace) state.clear();
      for (const operation of change.operations) apply(state, operation, i + 1);
    }
    return state;
  }
}

function apply(state: Map<string, Found>, operation: Operation, version: number): void {
  if ("put" in operation) {
    if (operation.expired) state.delete(operation.put);
    else state.set(operation.put, { version, value: operation.value });
  } else if ("delete" in operation) {
    state.delete(operation.delete);
  } else {
    const { from, to } = operation;
    for (const key of [...state.keys()]) if (key >= from && (to === undefined || key < to)) state.delete(key);
  }
}

/** What differs between what is expected and what is there; undefined when nothing does. */
export function difference(expected: Map<string, Found>, found: Map<string, Found>): string | undefined {
  for (const [key, { version, value }] of expected) {
    const there = found.get(key);
    if (there === undefined) return `${key} of version ${version} is gone`;
    if (there.version !== version) return `${key} has version ${there.version}, not ${version}`;
    if (!sameBytes(there.value, value)) return `${key} of version ${version} has another value`;
  }
  for (const [key, { version }] of found) {
    if (!expected.has(key)) return `${key} of version ${version} should not be there`;
  }
  return undefined;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
