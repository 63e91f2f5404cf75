import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concatBytes } from "../../lib/base/bytes.ts";
import { CODEC_NONE, CODEC_ZSTD } from "../../lib/base/codec.ts";
import { type Compression, Compressor } from "../../lib/tree/table/compressor.ts";
import { randomFrom } from "./table_fixture.ts";

const KIB = 1024;
const random = randomFrom(1);
const noise = (length: number): Uint8Array => new Uint8Array(length).map(() => random(256));
const text = (length: number): Uint8Array => new Uint8Array(length).map((_, i) => 97 + i % 20);

/** The codecs of values stored one after the other, once by each of the two ways. */
async function codecs(compression: Compression, values: readonly Uint8Array[]): Promise<string> {
  const name = (codec: number): string => codec === CODEC_ZSTD ? "z" : codec === CODEC_NONE ? "-" : "?";
  const [one, other] = [new Compressor(compression), new Compressor(compression)];
  let found = "";
  for (const value of values) {
    const codec = one.store(value).codec;
    assert.equal(await other.storeBeside(value, (stored) => stored.codec), codec);
    found += name(codec);
  }
  return found;
}

describe("Compressor", () => {
  it("stops trying for a while where four in a row did not get smaller, and no fewer", async () => {
    const [n, t] = [noise(2000), text(2000)];
    const sixteen = Array.from({ length: 16 }, () => t);
    assert.equal(await codecs("auto", [n, n, n, t, n, n, n, t, t]), "---z---zz");
    assert.equal(await codecs("auto", [n, n, n, n, ...sixteen, t, n, t]), "----" + "-".repeat(16) + "z-z");
    assert.equal(await codecs("zstd", [n, n, n, n, t]), "----z");
    assert.equal(await codecs("none", [t, t]), "--");
  });

  it("judges long values by their middle, unless it is to pack all", async () => {
    const [inside, outside] = [noise(64 * KIB), text(64 * KIB)];
    const noisyInside = concatBytes(outside, outside, inside, outside, outside);
    assert.equal(await codecs("auto", [noisyInside, text(320 * KIB), concatBytes(outside, inside)]), "-zz");
    assert.equal(await codecs("zstd", [noisyInside]), "z");
  });
});
