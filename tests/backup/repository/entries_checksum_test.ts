import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { encodeText } from "../../../lib/base/bytes.ts";
import { entriesChecksum } from "../../../lib/backup/repository/care/entries_checksum.ts";
import { KIND_BYTES, KIND_TEXT } from "../../../lib/format/cell.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { define, NOW, openAt, put, write } from "../fixture.ts";

/** path, key, kind, value, tags, expiry, and the version with its time */
type Parts = [string, string | Uint8Array, number, string | Uint8Array, string, string, string];

/** As the head of the module says it. */
function checksumOf(entries: readonly Parts[]): string {
  const hash = createHash("sha256");
  for (const parts of entries) {
    for (const part of parts) {
      const bytes = typeof part === "string" ? encodeText(part) : typeof part === "number" ? Uint8Array.of(part) : part;
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, bytes.length, true);
      hash.update(length).update(bytes);
    }
  }
  return `sha256:${hash.digest("hex")}`;
}

/** Lengths about that from which values are hashed by themselves, in tables and in blob files. */
const LENGTHS = [1, 60_000, 65_535, 65_536, 65_537, 140_000];

describe("entriesChecksum()", () => {
  for (const blobBytes of [4096, 2 ** 20]) {
    it(`is SHA-256 over all entries, part by part, values above ${blobBytes} bytes in blob files`, async () => {
      const engine = await openAt(memoryFileSystem(), "/db", { blobBytes });
      const expected: Parts[] = [];
      const at = (version: number): string => `${version} ${NOW}`;
      await write(engine, (batch) => {
        for (let n = 0; n < 2000; n++) {
          const key = `a${String(n).padStart(4, "0")}`;
          const value = "v".repeat(n % 50);
          put(batch, 0, key, { value });
          expected.push(["[]", key, KIND_TEXT, value, "[]", "", at(1)]);
        }
        put(batch, 0, "b", { value: "tagged", tags: ["new", "red"], expiresAt: NOW + 2000 });
        expected.push(["[]", "b", KIND_TEXT, "tagged", '["new","red"]', `${NOW + 2000}`, at(1)]);
        put(batch, 0, "gone", { value: "expired", expiresAt: NOW - 1000 });
      });
      await write(engine, (batch) => {
        for (const [n, length] of LENGTHS.entries()) {
          const value = new Uint8Array(length).map((_, i) => Math.imul(i + n, 0x9e3779b1) >>> 24);
          put(batch, 0, `c${n}`, { value });
          expected.push(["[]", `c${n}`, KIND_BYTES, value, "[]", "", at(2)]);
        }
      });
      await engine.flush();
      await write(engine, (batch) => {
        define(batch, 0, "users", 4, "bytes");
        put(batch, 4, new Uint8Array([0xff, 0]), { value: "" });
      });
      // The root's path is "[]", which is behind '["users"]'.
      expected.unshift(['["users"]', new Uint8Array([0xff, 0]), KIND_TEXT, "", "[]", "", at(3)]);
      let bytes = 0;
      const options = { moment: NOW, signal: undefined, onEntry: (count: number) => void (bytes += count) };
      const found = await entriesChecksum(engine, { ...options, withVersions: true });
      assert.deepEqual(found, { entries: expected.length, checksum: checksumOf(expected) });
      const lengths = expected.map(([, key, , value]) => key.length + value.length);
      assert.equal(bytes, lengths.reduce((sum, length) => sum + length));
      const without = await entriesChecksum(engine, { ...options, withVersions: false });
      assert.equal(
        without.checksum,
        checksumOf(expected.map((parts) => [...parts.slice(0, 6), ""] as unknown as Parts)),
      );
      await engine.close();
    });
  }
});
