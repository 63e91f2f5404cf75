/**
 * What is written for Deno's types goes on working with ours: the types are checked by `deno check`, where `Deno.Kv` is
 * known; here only the names are looked at.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as ours from "../../lib/adapters/kv.ts";

/** Fails to be checked unless the first can stand for the second. */
type Fits<Given extends Wanted, Wanted> = Given;

/** A KV of ours passes for one of Deno's, and so does all that it gives and takes. */
export type Checked = [
  Fits<ours.Kv, Deno.Kv>,
  Fits<ours.AtomicOperation, Deno.AtomicOperation>,
  Fits<ours.KvListIterator<string>, Deno.KvListIterator<string>>,
  Fits<ours.KvEntryMaybe<string>, Deno.KvEntryMaybe<string>>,
  Fits<ours.KvCommitResult | ours.KvCommitError, Deno.KvCommitResult | Deno.KvCommitError>,
  Fits<ours.KvU64, Deno.KvU64>,
  Fits<Deno.KvU64, Pick<ours.KvU64, "value">>,
  Fits<Deno.KvKey, ours.KvKey>,
  Fits<Deno.KvListSelector, ours.KvListSelector>,
  Fits<Deno.KvListOptions, ours.KvListOptions>,
  Fits<Deno.AtomicCheck, ours.AtomicCheck>,
  Fits<Deno.KvConsistencyLevel, ours.KvConsistencyLevel>,
  Fits<Deno.KvMutation, ours.KvMutation>,
];

describe("a KV of ours", () => {
  it("has every method of Deno's", () => {
    const kv = Object.getOwnPropertyNames(ours.Kv.prototype);
    const wanted = ["get", "getMany", "set", "delete", "list", "enqueue", "listenQueue", "atomic", "watch", "close"];
    assert.deepEqual([...wanted, "commitVersionstamp"].filter((name) => !kv.includes(name)), []);
    const atomic = Object.getOwnPropertyNames(ours.AtomicOperation.prototype);
    const steps = ["check", "mutate", "sum", "min", "max", "set", "delete", "enqueue", "commit"];
    assert.deepEqual(steps.filter((name) => !atomic.includes(name)), []);
    assert.equal(typeof ours.Kv.prototype[Symbol.dispose], "function");
  });
});
