/** Two KVs, the same calls: what differs is an error that says at which call. */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import type { Call } from "./operations.ts";
import { type Comparable, Player } from "./player.ts";

/** How many calls were compared, and what came of them. */
export interface Tally {
  calls: number;
  errors: number;
  refused: number;
  left: number;
}

/**
 * Makes the calls on both, ours first. An atomic operation of several mutations that fails because of one of them is left
 * out on the other side: Deno KV keeps what came before that one, where ours keeps nothing.
 */
export async function compare(
  ours: Comparable,
  theirs: Comparable,
  calls: readonly Call[],
  tally: Tally,
): Promise<void> {
  const us = new Player(ours, theirs.cursors);
  const them = new Player(theirs, theirs.cursors);
  for (const [index, call] of calls.entries()) {
    const mine = await us.play(call);
    tally.calls++;
    if ("error" in mine) tally.errors++;
    else if ((mine.result as { ok?: boolean } | undefined)?.ok === false) tally.refused++;
    if ("error" in mine && call.call === "atomic" && call.mutations.length > 1) {
      tally.left++;
      continue;
    }
    const other = await them.play(call);
    assert.deepEqual(mine, other, `call ${index}: ${inspect(call, { depth: 9 })}`);
  }
  assert.deepEqual(await us.everything(), await them.everything());
}
