/** What a database holds, and whether that is what it may hold. */
import assert from "node:assert/strict";
import { decodeText } from "../../lib/base/bytes.ts";
import type { Engine } from "../../lib/engine/types.ts";
import { type Chronicle, difference, type Found } from "./chronicle.ts";

/** Everything there, by key. */
export function contentsOf(engine: Engine, at?: { version: number; moment: number }): Map<string, Found> {
  const found = new Map<string, Found>();
  const cursor = engine.read(at).cursor();
  try {
    while (cursor.next()) {
      const { version, timestamp, cell } = cursor;
      // A copy: a value may be a view of a block.
      const value = engine.value({ version, timestamp, cell }).slice();
      found.set(decodeText(cursor.key.subarray(1)), { version, value });
    }
  } finally {
    cursor.close();
  }
  return found;
}

/** A database just opened, or one in use: it stands at `least` or later, and holds exactly what that version makes. */
export function checkContents(engine: Engine, chronicle: Chronicle, least: number): void {
  const version = engine.visibleVersion;
  assert.ok(version >= least, `went back to version ${version}, though ${least} was acknowledged to be kept`);
  const most = chronicle.attempts.length;
  assert.ok(version <= most, `stands at version ${version}, though only ${most} commits were made`);
  const wrong = difference(chronicle.stateAt(version), contentsOf(engine));
  assert.equal(wrong, undefined, `at version ${version}: ${wrong}`);
}
