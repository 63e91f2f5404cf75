import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { encodeText } from "../../lib/base/bytes.ts";
import { Filter, FilterBuilder, hashKey } from "../../lib/format/table/filter.ts";
import { randomFrom } from "../tree/table_fixture.ts";

function filterOf(keys: readonly Uint8Array[], bitsPerKey: number): Filter {
  const builder = new FilterBuilder(bitsPerKey);
  for (const key of keys) builder.add(key);
  const length = builder.bytes;
  const bytes = builder.finish();
  assert.equal(bytes.length, length);
  return new Filter(bytes);
}

function rate(filter: Filter, keys: readonly Uint8Array[]): number {
  return keys.filter((key) => filter.mayContain(key)).length / keys.length;
}

function numbered(from: number, count: number, name: string): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => encodeText(name + String(from + i).padStart(9, "0")));
}

describe("Filter", () => {
  it("hashes as documented", () => {
    assert.deepEqual({ ...hashKey(encodeText("abc")) }, { a: 0x3adfbeb6, b: 0x2879ecaa });
  });

  it("lets every key pass that was added", () => {
    for (const bits of [1, 5, 10, 20]) {
      assert.equal(rate(filterOf(numbered(0, 5000, "k"), bits), numbered(0, 5000, "k")), 1);
    }
  });

  it("lets about 1 % of absent keys pass at ten bits a key, for keys of many shapes", () => {
    const random = randomFrom(4);
    const noise = (length: number) =>
      Array.from({ length: 20_000 }, () => new Uint8Array(length).map(() => random(256)));
    const spread = (from: number) =>
      Array.from({ length: 20_000 }, (_, i) => new Uint8Array(new Uint32Array([0, (from + i) * 2 ** 8, 0]).buffer));
    const cases: [string, Uint8Array[], Uint8Array[]][] = [
      ["counting text", numbered(0, 20_000, "user:"), numbered(20_000, 20_000, "user:")],
      [
        "long text",
        numbered(0, 20_000, "a/longer/path/of/some/file/"),
        numbered(50_000, 20_000, "a/longer/path/of/some/file/"),
      ],
      ["8 random bytes", noise(8), noise(8)],
      ["64 random bytes", noise(64), noise(64)],
      ["counting in the middle of zeros", spread(0), spread(20_000)],
    ];
    for (const [name, present, absent] of cases) {
      const found = rate(filterOf(present, 10), absent);
      assert.ok(found > 0.005 && found < 0.014, `${name}: ${found}`);
    }
  });

  it("of no keys lets none pass, and with no bits lets all pass", () => {
    assert.equal(rate(filterOf([], 10), numbered(0, 100, "k")), 0);
    assert.equal(rate(filterOf([], 0), numbered(0, 100, "k")), 1);
    assert.equal(rate(filterOf(numbered(0, 100, "k"), 0), numbered(100, 100, "k")), 1);
  });

  it("refuses bytes that can't be one", () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array([17]), new Uint8Array(64), new Uint8Array(66).fill(1)]) {
      assert.throws(() => new Filter(bytes), RangeError);
    }
  });
});
