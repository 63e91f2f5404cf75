/**
 * Commits whose writes depend on what stands just before them, or on their own version: they are put together at their turn
 * in the queue. Nothing can come between, so nothing has to be tried again.
 *
 * Only the database's own key space: a restore that comes first would give namespaces other key spaces.
 *
 * @module
 */
import type { Commit, ReadView } from "../../engine/types.ts";
import { internalKey } from "../../format/space.ts";
import { rowValue } from "../data/entries.ts";
import { encodeKey } from "../data/keys.ts";
import type { EncodedValue, Value } from "../data/values.ts";
import { accessOf, type Reader } from "../reading/reader.ts";
import { commitWrites } from "./commit.ts";
import { storableTime, type WriteOptions, writeOptions } from "./write_options.ts";
import { Writes } from "./writes.ts";

/** What stands just before a commit. @internal */
export interface Turn {
  /** The version that the commit will have. */
  readonly version: number;
  /** The version of the entry at a key; null when there is none. */
  versionAt(key: Uint8Array): number | null;
  /** The value at a key; undefined when there is none. */
  valueAt(key: Uint8Array): Value | undefined;
}

/** Takes the writes of a commit. @internal */
export interface RowWriter {
  /** The clock that expiry is judged by, ms since the Unix epoch. */
  now(): number;
  /** Sets a key. */
  set(key: Uint8Array, value: EncodedValue, expiresAt: number | undefined): void;
  /** Deletes a key, there or not. */
  delete(key: Uint8Array): void;
}

/** A commit that is put together at its turn. @internal */
export interface TurnCommit {
  /** Whether it is to be made; left out: it is. */
  holds?: ((turn: Turn) => boolean) | undefined;
  /**
   * Makes the writes. It is called at once without a turn, for writes of about the size that it will have, and, when `late`,
   * again at its turn; what it throws then rejects, and nothing is written.
   */
  write(rows: RowWriter, turn: Turn | undefined): void;
  /** Whether the writes depend on the turn. */
  late: boolean;
}

/** Makes the commit; undefined when it did not hold. @internal */
export async function commitAtTurn(
  call: string,
  space: Reader<Uint8Array>,
  commit: TurnCommit,
  options?: WriteOptions,
): Promise<Commit | undefined> {
  const { context, definition } = accessOf(call, space);
  if (definition.parent !== undefined) throw new TypeError(`${call}: not in a namespace`);
  const durability = writeOptions(call, options);
  context.assertOpen(call);
  const writes = new Writes(context);
  const { prefix, encoding } = definition;
  const rows: RowWriter = {
    now: () => context.engine.now(),
    set(key, { kind, payload }, expiresAt) {
      writes.batch.putCell(
        prefix,
        encodeKey(call, encoding, prefix, key).subarray(prefix.length),
        kind,
        payload,
        [],
        expiresAt === undefined ? undefined : storableTime(expiresAt),
      );
    },
    delete: (key) => writes.delete(call, definition, key),
  };
  commit.write(rows, undefined);
  const check = (state: ReadView): boolean => {
    const row = (key: Uint8Array) => state.get(internalKey(prefix, key));
    const turn: Turn = {
      version: state.version + 1,
      versionAt: (key) => row(key)?.version ?? null,
      valueAt(key) {
        const found = row(key);
        return found && rowValue(context.engine, found);
      },
    };
    if (commit.holds !== undefined && !commit.holds(turn)) return false;
    if (commit.late) {
      writes.batch.reset();
      commit.write(rows, turn);
    }
    return true;
  };
  const isFree = commit.holds === undefined && !commit.late;
  return await commitWrites(context, writes, { durability, check: isFree ? undefined : check });
}
