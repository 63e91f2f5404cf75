import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KvU64, openKv } from "../../lib/adapters/kv.ts";
import { makeMistakes, MISTAKES } from "./mistakes.ts";

describe("a KV that is used wrongly", () => {
  it("says so, in Deno's words where it has some", async () => {
    await using kv = await openKv(":memory:");
    const outcomes = await makeMistakes(kv, KvU64);
    assert.deepEqual(
      MISTAKES.map(({ name }, i) => `${name}: ${outcomes[i]}`),
      MISTAKES.map(({ name, ours }) => `${name}: ${ours}`),
    );
  });
});
