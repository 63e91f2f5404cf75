/**
 * What TypeScript makes of the calls: the types are checked by `deno check`, `checked` is never called.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as holdfast from "../../mod.ts";
import {
  type BackupRepository,
  type ConflictError,
  DB,
  HoldfastError,
  type LockedError,
  type Namespace,
  type NoSpaceError,
  type Value,
} from "../../mod.ts";
import { KeyvHoldfast } from "../../lib/adapters/keyv.ts";
import { HoldfastLevel } from "../../lib/adapters/level.ts";
import { holdfastDriver } from "../../lib/adapters/unstorage.ts";
import { typed, type TypedSpace } from "../../lib/adapters/typed.ts";

/** What comes out must be of this very type. */
function exactly<Wanted>() {
  return <Given>(..._: [Given] extends [Wanted] ? [Wanted] extends [Given] ? [given: Given] : [never] : [never]) => {};
}

/** Which of several errors it is, by the code alone. */
export function remedyOf(error: LockedError | ConflictError | NoSpaceError): string {
  switch (error.code) {
    case "LOCKED":
      return "close it elsewhere";
    case "CONFLICT":
      return "try again";
    case "NO_SPACE":
      return "make room";
  }
}

export async function checked(texts: DB, bytes: DB<Uint8Array>, repo: BackupRepository, from?: Date): Promise<void> {
  exactly<DB<Uint8Array>>()(await DB.open(":memory:", { keyEncoding: "bytes" }));
  exactly<DB<string>>()(await DB.open(":memory:", { keyEncoding: "utf8" }));

  // A namespace's keys are what its own encoding says, whatever is around it.
  exactly<Namespace<string>>()(texts.namespace("n"));
  exactly<Namespace<Uint8Array>>()(texts.namespace("n", { keyEncoding: "bytes" }));
  exactly<Namespace<Uint8Array>>()(bytes.namespace("n"));
  exactly<Namespace<string>>()(bytes.namespace("n", { keyEncoding: "utf8" }));
  exactly<Namespace<string>>()(bytes.namespace("n").namespace("n", { keyEncoding: "utf8" }));

  // The type of values is named alone, that of keys is known.
  exactly<TypedSpace<string, number, number>>()(typed<number>(texts));
  exactly<TypedSpace<Uint8Array, number, number>>()(typed<number>(bytes));
  exactly<TypedSpace<Uint8Array, number, number>>()(typed<number, Uint8Array>(bytes));

  // Where one is asked for, a namespace is still what it is, and not what would fit there.
  exactly<TypedSpace<Uint8Array, number, number>>()(typed<number>(bytes.namespace("n")));
  exactly<TypedSpace<Uint8Array, number, number>>()(typed<number>(bytes.namespace("n").namespace("n")));
  const ofTexts = (_: Namespace<string>): void => {};
  // @ts-expect-error its keys are bytes
  ofTexts(bytes.namespace("n"));

  // What an adapter stands over may be opened in the very call.
  new KeyvHoldfast(await DB.open(":memory:"));
  new KeyvHoldfast(texts.namespace("n"));
  new HoldfastLevel(await DB.open(":memory:"));
  holdfastDriver({ database: await DB.open(":memory:") });

  // The type of a change says what it has.
  for await (const [change] of texts.watch()) {
    if (change?.type === "set") exactly<[string, Value]>()([change.key, change.entry.value]);
    if (change?.type === "deleteRange") exactly<string | undefined>()(change.start);
    exactly<Value | undefined>()(change?.entry?.value);
  }
  for await (const [change] of typed<number>(texts).watch()) {
    if (change?.type === "set") exactly<number>()(change.entry.value);
  }

  // Options that are left out may be said to be undefined.
  await repo.recoveryPoints({ from, to: undefined });
  await repo.list({ from, type: undefined });
}

describe("each error's class", () => {
  it("has a code of its own, which is there", () => {
    const codes = new Set<string>();
    for (const [name, made] of Object.entries(holdfast)) {
      if (!name.endsWith("Error") || (made as unknown) === HoldfastError) continue;
      const { code } = Reflect.construct(made as unknown as new () => HoldfastError, [
        "a",
        {},
        "c",
        "d",
      ]) as HoldfastError;
      assert.equal(`${code}_ERROR`.replaceAll("_", ""), name.toUpperCase());
      codes.add(code);
    }
    assert.equal(codes.size, 18);
  });
});
