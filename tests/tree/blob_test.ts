import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { encodeText, equalBytes } from "../../lib/base/bytes.ts";
import { ClosedError, CorruptionError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import { Slicer } from "../../lib/base/yield.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import {
  BLOB_FOOTER_BYTES,
  BLOB_RECORDS_AT,
  type BlobPointer,
  readBlobPointer,
  writeBlobFooter,
  writeBlobPointer,
} from "../../lib/format/blob.ts";
import { checksumSeed } from "../../lib/format/identity.ts";
import type { BlobMeta } from "../../lib/format/table/table_meta.ts";
import { BlobReader } from "../../lib/tree/blob/blob_reader.ts";
import { BlobWriter } from "../../lib/tree/blob/blob_writer.ts";
import type { Compression } from "../../lib/tree/table/compressor.ts";
import { identity, putFile, randomFrom, readWhole } from "./table_fixture.ts";

const PATH = "/5.blob";

interface Written {
  meta: BlobMeta;
  pointers: BlobPointer[];
}

async function write(
  fs: FileSystem,
  values: readonly Uint8Array[],
  compression: Compression = "auto",
  number = 5,
): Promise<Written> {
  if (await fs.stat(PATH) !== undefined) await fs.remove(PATH);
  const handle = await fs.open(PATH, "create");
  const writer = new BlobWriter(handle, { identity: identity(number), compression });
  const pointers: BlobPointer[] = [];
  for (const [i, value] of values.entries()) {
    pointers.push(readBlobPointer(writer.add(keyOf(i), 100 + i, value, 2)));
    await writer.drain();
  }
  const meta = await writer.finish();
  await handle.close();
  return { meta, pointers };
}

function keyOf(i: number): Uint8Array {
  return encodeText(`\0key ${i}`.padEnd(6 + (37 * i) % 500, "."));
}

function open(fs: FileSystem, meta?: BlobMeta): BlobReader {
  return BlobReader.open(fs, PATH, identity(), meta);
}

function values(seed: number, count: number): Uint8Array[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, i) => {
    const length = random(i % 10 === 0 ? 300_000 : 5000);
    return i % 2 === 0 ? new Uint8Array(length).map(() => random(256)) : encodeText("some words ".repeat(length / 11));
  });
}

describe("a blob file", () => {
  for (const compression of ["none", "auto", "zstd"] as const) {
    it(`gives back its values, compression ${compression}`, async () => {
      const fs = memoryFileSystem();
      const all = [...values(1, 60), new Uint8Array(0), new Uint8Array([7]), new Uint8Array(3_000_000).fill(9)];
      const { meta, pointers } = await write(fs, all, compression);
      const reader = open(fs, meta);
      for (const [i, value] of all.entries()) {
        assert.deepEqual(reader.readSync(pointers[i]!, keyOf(i)), value);
        assert.deepEqual(await reader.read(pointers[i]!), value);
        assert.equal(pointers[i]!.rawLength, value.length);
      }
      const bytes = readWhole(fs, PATH);
      assert.deepEqual([meta.number, meta.size, meta.count], [5, bytes.length, all.length]);
      assert.equal(meta.bytes, pointers.reduce((sum, pointer) => sum + pointer.length, 0));
      assert.equal(meta.sha256, createHash("sha256").update(bytes).digest("hex"));
      for await (const damage of reader.verify(new Slicer(() => 0), meta.sha256)) assert.fail(damage.detail);
      reader.close();
      assert.throws(() => reader.readSync(pointers[0]!), ClosedError);
    });
  }

  it("keeps apart long values packed one after the other, and hands out values that stay as they are", async () => {
    const fs = memoryFileSystem();
    const random = randomFrom(5);
    const half = (seed: number): Uint8Array =>
      new Uint8Array(900_000 + seed).map((_, i) => i % 100 < 50 ? seed : random(256));
    const all = [half(1), half(2), new Uint8Array(300_000).map(() => random(256)), half(3), half(4)];
    const handle = await fs.open(PATH, "create");
    const writer = new BlobWriter(handle, { identity: identity(), compression: "auto" });
    const pointers: BlobPointer[] = [];
    // None is drained before the last is there.
    for (const [i, value] of all.entries()) {
      pointers.push(readBlobPointer(await writer.addBeside(keyOf(i), 100 + i, value, 2)));
    }
    const meta = await writer.finish();
    await handle.close();
    assert.deepEqual(pointers.map(({ length }, i) => length < all[i]!.length), [true, true, false, true, true]);
    const reader = open(fs, meta);
    const found = [
      pointers.map((pointer) => reader.readSync(pointer)),
      await Promise.all(pointers.map((pointer) => reader.read(pointer))),
    ];
    for (const each of found) assert.ok(each.every((value, i) => equalBytes(value, all[i]!)));
    reader.close();
  });

  it("is to be drained behind a value that it holds by reference, and behind others need not be", async () => {
    const fs = memoryFileSystem();
    const random = randomFrom(6);
    const noise = new Uint8Array(800_000).map(() => random(256));
    const half = noise.map((byte, i) => i % 100 < 50 ? 7 : byte);
    const handle = await fs.open(PATH, "create");
    const writer = new BlobWriter(handle, { identity: identity(), compression: "zstd" });
    await writer.addBeside(keyOf(1), 1, half, 2);
    assert.equal(writer.wantsDrain, false);
    writer.add(keyOf(2), 2, noise.subarray(0, 1000));
    assert.equal(writer.wantsDrain, true);
    await writer.drain();
    writer.add(keyOf(3), 3, noise.subarray(0, 300_000));
    assert.equal(writer.wantsDrain, true);
    await writer.addBeside(keyOf(4), 4, noise, 2);
    assert.equal(writer.wantsDrain, true);
    await writer.drain();
    await writer.addBeside(keyOf(5), 5, half, 2);
    // What fails to be written beside the packing fails the call.
    handle.append = () => Promise.reject(new Error("no more"));
    await assert.rejects(writer.addBeside(keyOf(6), 6, half, 2), /no more/);
    await handle.close();
  });

  it("borrows memory for a few reads at once, and takes for more what their records need", async () => {
    const fs = memoryFileSystem();
    const random = randomFrom(7);
    const all = Array.from(
      { length: 60 },
      (_, i) => new Uint8Array(100_000).map((_, at) => at % 100 < 50 ? i : random(256)),
    );
    const { pointers } = await write(fs, all, "zstd");
    assert.ok(pointers.every(({ length }, i) => length > 40_000 && length < all[i]!.length));
    const asked: Uint8Array[] = [];
    const watched: FileSystem = Object.create(fs, {
      openSync: {
        value(path: string, mode: "read") {
          const handle = fs.openSync(path, mode);
          const readAt = handle.readAt.bind(handle);
          handle.readAt = (into, position) => {
            asked.push(into);
            return readAt(into, position);
          };
          return handle;
        },
      },
    });
    const reader = open(watched);
    const found = await Promise.all(pointers.map((pointer) => reader.read(pointer)));
    assert.ok(found.every((value, i) => equalBytes(value, all[i]!)));
    assert.equal(asked.length, all.length);
    const isBorrowed = ({ buffer, length }: Uint8Array): boolean => buffer.byteLength > length;
    assert.ok(asked.filter(isBorrowed).length <= 8);
    // Those are over.
    await reader.read(pointers[0]!);
    assert.ok(isBorrowed(asked.at(-1)!));
    reader.close();
  });

  it("says by itself whose values it holds", async () => {
    const fs = memoryFileSystem();
    const all = values(2, 20);
    const { pointers } = await write(fs, all);
    const reader = open(fs);
    let offset = BLOB_RECORDS_AT;
    for (const [i, pointer] of pointers.entries()) {
      const { head, next } = reader.headAt(offset);
      assert.deepEqual([head.key, head.version, head.kind], [keyOf(i), 100 + i, 2]);
      assert.deepEqual(reader.pointerTo(offset, head), pointer);
      offset = next;
    }
    assert.equal(offset, BLOB_RECORDS_AT + reader.footer.bytes);
  });

  it("stores compressed only what gets smaller enough", async () => {
    const fs = memoryFileSystem();
    const random = randomFrom(3);
    const noise = new Uint8Array(200_000).map(() => random(256));
    const text = encodeText("some words ".repeat(20_000));
    const { pointers } = await write(fs, [noise, text, noise, noise]);
    assert.ok(pointers[0]!.length > 200_000 && pointers[2]!.length > 200_000);
    assert.ok(pointers[1]!.length < 50_000);
    const [longest, longer] =
      (await write(fs, [2 ** 20, 2 ** 20 + 1].map((length) => new Uint8Array(length)))).pointers;
    assert.ok(longest!.length < 50_000 && longer!.length > 2 ** 20, "what would take long to pack is not packed");
  });

  it("fails where a key is too long, also beside packing", async () => {
    const handle = await memoryFileSystem().open(PATH, "create");
    const writer = new BlobWriter(handle, { identity: identity() });
    const key = new Uint8Array(2 ** 17 + 1);
    assert.throws(() => writer.add(key, 1, Uint8Array.of(1)), RangeError);
    await assert.rejects(writer.addBeside(key, 1, new Uint8Array(100_000), 2), RangeError);
    await handle.close();
  });

  it("refuses pointers that lead elsewhere", async () => {
    const fs = memoryFileSystem();
    const { pointers } = await write(fs, values(4, 5));
    const reader = open(fs);
    const [first, second] = [pointers[1]!, pointers[2]!];
    const wrong: BlobPointer[] = [
      { ...first, number: 6 },
      { ...first, offset: first.offset + 1 },
      { ...first, offset: 0 },
      { ...first, offset: 2 ** 50 },
      { ...first, length: first.length + 1 },
      { ...first, length: 10 },
      { ...first, length: 2 ** 45 },
      { ...first, rawLength: first.rawLength + 1 },
      { ...first, offset: second.offset },
    ];
    for (const pointer of wrong) {
      assert.throws(() => reader.readSync(pointer), CorruptionError);
      await assert.rejects(reader.read(readBlobPointer(writeBlobPointer(pointer))), CorruptionError);
    }
    assert.throws(() => reader.readSync(first, keyOf(2)), /another key/);
  });
});

describe("a damaged blob file", () => {
  async function small(number: number): Promise<Written & { bytes: Uint8Array; all: Uint8Array[]; fs: FileSystem }> {
    const fs = memoryFileSystem();
    const all = [encodeText("one value"), encodeText("another ".repeat(20)), new Uint8Array(0)];
    const written = await write(fs, all, "auto", number);
    return { ...written, bytes: readWhole(fs, PATH), all, fs };
  }

  it("with any byte changed is found out or answers as before", async () => {
    const { fs, bytes, all, pointers } = await small(5);
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << (at % 8);
      await putFile(fs, PATH, changed);
      let found = false;
      try {
        const reader = open(fs);
        for (const [i, value] of all.entries()) {
          try {
            assert.deepEqual(reader.readSync(pointers[i]!), value);
          } catch (error) {
            assert.ok(error instanceof CorruptionError, `byte ${at}: ${error}`);
            found = true;
          }
        }
        let reported = 0;
        for await (const damage of reader.verify(new Slicer(() => 0))) {
          assert.equal(damage.file, PATH);
          reported++;
        }
        assert.ok(reported > 0, `byte ${at}`);
      } catch (error) {
        assert.ok(error instanceof CorruptionError || error instanceof UnsupportedFormatError, `byte ${at}: ${error}`);
        found = true;
      }
      assert.ok(found, `byte ${at}`);
    }
  });

  async function found(reader: BlobReader, sha256?: string): Promise<string[]> {
    const details: string[] = [];
    for await (const { offset, detail } of reader.verify(new Slicer(() => 0), sha256)) {
      details.push(`${offset}: ${detail}`);
    }
    reader.close();
    return details;
  }

  it("is found out at either end also where that was whole at opening", async () => {
    const { fs, bytes } = await small(5);
    for (const at of [20, bytes.length - 20]) {
      const reader = open(fs);
      const changed = bytes.slice();
      changed[at]! ^= 1;
      const handle = await fs.open(PATH, "append");
      await handle.truncate(0);
      await handle.append(changed);
      await handle.close();
      assert.equal((await found(reader)).length, 1, `byte ${at}`);
      await putFile(fs, PATH, bytes);
    }
  });

  it("is found out in the middle of a long value, and where its hash is another one", async () => {
    const fs = memoryFileSystem();
    const { meta } = await write(fs, [new Uint8Array(3_000_000), new Uint8Array(10)], "none");
    assert.deepEqual(await found(open(fs), meta.sha256), []);
    assert.match((await found(open(fs), meta.sha256.replaceAll(/[0-9]/g, "a"))).join(), /^0: .*SHA-256/);
    const bytes = readWhole(fs, PATH);
    bytes[2_000_000]! ^= 1;
    await putFile(fs, PATH, bytes);
    assert.match((await found(open(fs))).join(), /^\d+: the checksum of the value does not match$/);
  });

  it("is found out where its footer counts others than it has", async () => {
    const { fs, bytes, meta } = await small(5);
    const at = bytes.length - BLOB_FOOTER_BYTES;
    bytes.set(writeBlobFooter({ count: 4, bytes: meta.bytes }, checksumSeed({ kind: "blob", ...identity() }), at), at);
    await putFile(fs, PATH, bytes);
    assert.deepEqual(await found(open(fs)), [`${at}: 3 records where 4 were written`]);
  });

  it("is checked as long as that is wanted", async () => {
    const { fs } = await small(5);
    let now = 0;
    const slicer = new Slicer(() => now++, AbortSignal.abort(new Error("enough")));
    await assert.rejects(open(fs).verify(slicer).next(), /enough/);
  });

  it("cut at any length, or longer, is found out", async () => {
    const { fs, bytes } = await small(5);
    for (let length = 0; length < bytes.length + 70; length++) {
      if (length === bytes.length) continue;
      const changed = new Uint8Array(length);
      changed.set(bytes.subarray(0, length));
      await putFile(fs, PATH, changed);
      assert.throws(() => open(fs), CorruptionError);
    }
  });

  it("changed for another of the same database is found out, also behind the header", async () => {
    const mine = await small(5);
    const other = await small(6);
    await putFile(mine.fs, PATH, other.bytes);
    assert.throws(() => open(mine.fs), CorruptionError);
    const mixed = mine.bytes.slice();
    mixed.set(other.bytes.subarray(64, 200), 64);
    await putFile(mine.fs, PATH, mixed);
    assert.throws(() => open(mine.fs).readSync(mine.pointers[0]!), CorruptionError);
    assert.throws(() => open(mine.fs, { ...mine.meta, count: 4 }), CorruptionError);
    assert.throws(() => open(mine.fs, { ...mine.meta, size: mine.meta.size + 1 }), CorruptionError);
  });
});
