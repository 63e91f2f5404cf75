/** What exports are read from: tar, its extended headers, gzip and Zstandard around them. */
import assert from "node:assert/strict";
import { zstdCompressSync } from "node:zlib";
import { encodeText } from "../../../lib/base/bytes.ts";
import { pack, unpack } from "../../../lib/backup/archive/packing.ts";
import { decodePax, decodeTarHeader, encodeTarHeader, TAR_BLOCK } from "../../../lib/backup/archive/tar_header.ts";
import { readTar } from "../../../lib/backup/archive/tar_reader.ts";
import { writeTar } from "../../../lib/backup/archive/tar_writer.ts";
import { collect, inPieces } from "../../backup/helpers.ts";
import type { Structure, Target } from "../target.ts";
import { collected, concat, piecesOf } from "./files.ts";

const member = (name: string, bytes: Uint8Array) => ({ name, size: bytes.length, pieces: () => [bytes] });

async function archives(): Promise<Uint8Array[]> {
  const few = [member("CURRENT", encodeText("HOLDFAST 1\n")), member("000010.sst", new Uint8Array(700).fill(7))];
  const long = [member(`${"n".repeat(120)}.sst`, encodeText("long")), member("empty", new Uint8Array(0))];
  // As GNU tar writes a long name.
  const gnu = headerOf("././@LongLink", "L", 130);
  const name = new Uint8Array(TAR_BLOCK);
  name.fill(0x6e, 0, 129);
  const small = await collect(writeTar([member("a", encodeText("b"))], 0));
  const folder = headerOf("folder/", "5", 0);
  return [
    await collect(writeTar(few, 1.7e12)),
    await collect(writeTar(long, 0)),
    concat([gnu, name, small]),
    concat([folder, await collect(writeTar([member("folder/a", encodeText("b"))], 0))]),
  ];
}

function headerOf(name: string, type: string, size: number): Uint8Array {
  const block = encodeTarHeader(name, size, 0);
  block[156] = type.charCodeAt(0);
  return sealed(block);
}

/** A header block with its checksum made right. */
function sealed(block: Uint8Array): Uint8Array {
  const out = block.slice();
  out.fill(0x20, 148, 156);
  const sum = out.reduce((all, byte) => all + byte, 0);
  out.set(encodeText(`${sum.toString(8).padStart(6, "0")}\0`), 148);
  return out;
}

/** A header whose size is changed as a number: by chance eleven octal digits hardly become a large one. */
const HEADER: Structure = {
  take: (bytes) => [
    { bytes: bytes.subarray(0, 124) },
    { bytes: encodeText(String(decodeTarHeader(bytes)?.size ?? 0)), json: true },
    { bytes: bytes.subarray(136) },
  ],
  put([before, size, behind]) {
    const value = Number(new TextDecoder().decode(size!.bytes));
    const field = new Uint8Array(12);
    if (value >= 0 && value < 8 ** 11) field.set(encodeText(Math.floor(value).toString(8).padStart(11, "0")));
    else {
      let rest = BigInt.asUintN(95, BigInt(Math.trunc(value)));
      for (let i = 11; i >= 0; i--, rest >>= 8n) field[i] = Number(rest & 0xffn);
      field[0]! |= 0x80;
    }
    return concat([before!.bytes, field, behind!.bytes]);
  },
};

const BLOCKS: Structure = {
  take: (bytes) =>
    Array.from({ length: Math.ceil(bytes.length / TAR_BLOCK) }, (_, i) => {
      const block = bytes.slice(i * TAR_BLOCK, (i + 1) * TAR_BLOCK);
      return isHeader(block) ? { bytes: block, label: "header", inner: HEADER } : { bytes: block, label: "body" };
    }),
  put: (parts) =>
    concat(
      parts.map(({ bytes, label, changed }) =>
        label === "header" && changed && bytes.length === TAR_BLOCK ? sealed(bytes) : bytes
      ),
    ),
};

function isHeader(block: Uint8Array): boolean {
  try {
    return block.length === TAR_BLOCK && decodeTarHeader(block) !== undefined;
  } catch {
    return false;
  }
}

const tar: Target = {
  name: "tar",
  seeds: archives,
  structure: BLOCKS,
  coded: true,
  async decode(bytes, steps) {
    const found: [string, number][] = [];
    for await (const { name, size, pieces } of readTar(piecesOf(bytes, steps), "x.tar")) {
      steps.take();
      assert.ok(name !== "" && !/[/\\\0]|^\.\.?$/.test(name), `a plain name: ${JSON.stringify(name)}`);
      // Every second file is left to the reader to skip.
      if (found.length % 2 === 0) {
        let length = 0;
        for await (const piece of pieces) {
          steps.take();
          length += piece.length;
        }
        assert.equal(length, size);
      }
      found.push([name, size]);
    }
    return found;
  },
};

const pax: Target = {
  name: "pax",
  seeds: () =>
    ["30 mtime=1732175999.123456789\n19 size=8589934592\n", "11 path=ab\n", "16 comment= = =\n"].map(encodeText),
  decode: (bytes) => decodePax(bytes),
};

const unpacked = (name: string, seeds: Target["seeds"]): Target => ({
  name,
  seeds,
  coded: true,
  async decode(bytes, steps) {
    const out = await collected(unpack(piecesOf(bytes, steps), "x"), steps);
    return out.length;
  },
});

const RAW = [encodeText("a value ".repeat(60)), new Uint8Array(3000), encodeText("x")];

const gzip: Target = unpacked(
  "gzip",
  () => Promise.all(RAW.map((raw) => collect(pack(inPieces(raw), "gzip")))),
);

const zstd: Target = unpacked("zstd", async () => {
  const ours = await Promise.all(RAW.map((raw) => collect(pack(inPieces(raw), "zstd"))));
  // As other programs write them: without a checksum, several, and one that is to be passed over.
  const plain = new Uint8Array(zstdCompressSync(RAW[0]!));
  const skipped = Uint8Array.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  return [...ours, plain, concat([plain, skipped, plain])];
});

export const ARCHIVE_TARGETS: readonly Target[] = [tar, pax, gzip, zstd];
