/** Blob files and the pointers into them. */
import assert from "node:assert/strict";
import { ByteReader, ByteWriter, encodeText, writeU32 } from "../../../lib/base/bytes.ts";
import { crc32 } from "../../../lib/base/checksum.ts";
import { CorruptionError } from "../../../lib/base/errors.ts";
import { Slicer } from "../../../lib/base/yield.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import {
  BLOB_FOOTER_BYTES,
  BLOB_HEAD_BYTES,
  BLOB_RECORDS_AT,
  type BlobPointer,
  readBlobPointer,
  writeBlobFooter,
  writeBlobPointer,
} from "../../../lib/format/blob.ts";
import { seedAt } from "../../../lib/format/identity.ts";
import { BlobReader } from "../../../lib/tree/blob/blob_reader.ts";
import { BlobWriter } from "../../../lib/tree/blob/blob_writer.ts";
import { readWhole } from "../../tree/table_fixture.ts";
import type { Part, Structure, Target } from "../target.ts";
import { assertSame, assertSpelled, DATABASE, filesOf, LINEAGE, sealedHeader, seedOf } from "./files.ts";

const PATH = "/11.blob";
const IDENTITY = { database: DATABASE, lineage: LINEAGE, number: 11 };

async function blobFile(compression: "none" | "zstd"): Promise<{ bytes: Uint8Array; pointers: Uint8Array[] }> {
  const fs = memoryFileSystem();
  const handle = await fs.open(PATH, "create");
  const writer = new BlobWriter(handle, { identity: IDENTITY, compression });
  const pointers = [
    writer.add(encodeText("\0a"), 7, encodeText("a value")),
    writer.add(encodeText("\0b"), 8, new Uint8Array(900).fill(5), 2),
    writer.add(encodeText("\0c"), 9, new Uint8Array(0), 1),
  ].map((pointer) => pointer.slice());
  await writer.finish();
  return { bytes: readWhole(fs, PATH), pointers };
}

/** The header, of each record its fields, key and payload, and what the footer says. */
const BLOB_FILE: Structure = {
  take(bytes) {
    const parts: Part[] = [{ bytes: bytes.slice(0, BLOB_RECORDS_AT), label: "header" }];
    const end = bytes.length - BLOB_FOOTER_BYTES;
    for (let at = BLOB_RECORDS_AT; at < end;) {
      const reader = new ByteReader(bytes, at + 8, end);
      const stored = reader.u32();
      reader.u32();
      const keyAt = at + BLOB_HEAD_BYTES;
      const payloadAt = keyAt + reader.u32();
      parts.push({ bytes: bytes.slice(at + 8, keyAt), label: "fields" });
      parts.push({ bytes: bytes.slice(keyAt, payloadAt), label: "key" });
      parts.push({ bytes: bytes.slice(payloadAt, payloadAt + stored), label: "payload" });
      at = payloadAt + stored;
    }
    return [...parts, { bytes: bytes.slice(end, end + 16), label: "footer" }];
  },
  put(parts) {
    const bytesOf = (label: string): Uint8Array =>
      parts.find((part) => part.label === label)?.bytes ?? new Uint8Array(0);
    const header = sealedHeader(bytesOf("header"));
    const out = new ByteWriter();
    out.bytes(header);
    for (const [i, { bytes, label }] of parts.entries()) {
      if (label !== "fields") continue;
      const [key, payload] = [parts[i + 1]?.bytes ?? bytes, parts[i + 2]?.bytes ?? bytes];
      const base = seedAt(seedOf(header), out.length);
      const head = new Uint8Array(BLOB_HEAD_BYTES + key.length);
      head.set(bytes.subarray(0, BLOB_HEAD_BYTES - 8), 8);
      // A length that was not changed by itself is that of what follows.
      if (!parts[i]!.changed) {
        writeU32(head, 8, payload.length);
        writeU32(head, 16, key.length);
      }
      head.set(key, BLOB_HEAD_BYTES);
      writeU32(head, 4, crc32(payload, base));
      writeU32(head, 0, crc32(head, base, 4));
      out.bytes(head);
      out.bytes(payload);
    }
    const footer = parts.find(({ label }) => label === "footer")!;
    const said = new ByteReader(footer.bytes);
    const count = said.u64();
    const bytes = footer.changed ? said.u64() : out.length - BLOB_RECORDS_AT;
    out.bytes(writeBlobFooter({ count, bytes }, seedOf(header), out.length));
    return out.take();
  },
};

const blobs: Target = {
  name: "blob-file",
  seeds: async () => [(await blobFile("none")).bytes, (await blobFile("zstd")).bytes],
  structure: BLOB_FILE,
  coded: true,
  share: 0.6,
  async decode(bytes, steps) {
    const reader = BlobReader.open(filesOf({ [PATH]: bytes }, steps), PATH, IDENTITY);
    try {
      let damages = 0;
      for await (const _ of reader.verify(new Slicer(() => 0), "00".repeat(32))) {
        steps.take();
        damages++;
      }
      assert.ok(damages > 0, "the SHA-256 is another one");
      const found: unknown[] = [];
      for (let at = BLOB_RECORDS_AT; at < reader.size - BLOB_FOOTER_BYTES;) {
        steps.take();
        const { head, next } = reader.headAt(at);
        assert.ok(next > at && next <= reader.size - BLOB_FOOTER_BYTES, "records lie in the file");
        const value = reader.readSync(reader.pointerTo(at, head), head.key);
        assert.equal(value.length, head.rawLength);
        assert.equal((await reader.read(reader.pointerTo(at, head))).length, head.rawLength);
        found.push([head, value.length]);
        at = next;
      }
      return found;
    } finally {
      reader.close();
    }
  },
};

const whole = await blobFile("none");

const pointer: Target = {
  name: "blob-pointer",
  seeds: () => whole.pointers,
  decode(bytes, steps) {
    const found: BlobPointer = readBlobPointer(bytes);
    assertSame(readBlobPointer(writeBlobPointer(found)), found);
    assertSpelled(writeBlobPointer(found), bytes);
    const reader = BlobReader.open(filesOf({ [PATH]: whole.bytes }, steps), PATH, IDENTITY);
    try {
      return reader.readSync(found);
    } catch (error) {
      assert.ok(error instanceof CorruptionError, String(error));
      throw error;
    }
  },
};

export const BLOB_TARGETS: readonly Target[] = [blobs, pointer];
