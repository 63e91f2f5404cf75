/** Objects of a repository, plain and encrypted, their chunks, and the archived log inside them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { ByteReader, ByteWriter, encodeText, writeU32 } from "../../../lib/base/bytes.ts";
import { crc32 } from "../../../lib/base/checksum.ts";
import { operationsOf } from "../../../lib/format/log/batch.ts";
import {
  genesisChain,
  logName,
  nextChain,
  parseLogName,
  readArchivedLog,
  recordsOf,
  writeLogHead,
} from "../../../lib/format/repository/archived_log.ts";
import { readPack, writePack } from "../../../lib/format/repository/backup_pack.ts";
import { PieceWriter } from "../../../lib/format/repository/piece_writer.ts";
import { ObjectCipher } from "../../../lib/format/repository/object_cipher.ts";
import { unpackChunk } from "../../../lib/format/repository/object_codec.ts";
import {
  OBJECT_HEADER_BYTES,
  type ObjectCompression,
  readObjectHeader,
} from "../../../lib/format/repository/object_header.ts";
import { checkObject, readBack, readObject } from "../../../lib/format/repository/object.ts";
import type { KeyRing } from "../../../lib/format/repository/key_ring.ts";
import { RING, stored } from "../../format/repository/fixture.ts";
import type { Part, Steps, Structure, Target } from "../target.ts";
import { concat, DATABASE, LINEAGE, piecesOf, sealedHeader } from "./files.ts";
import { batches, OPERATIONS } from "./log.ts";

const RAW = [encodeText("hello hello ".repeat(30)), new Uint8Array(600), encodeText("x"), new Uint8Array(0)];
const KINDS = ["none", "zstd", "gzip"] as const;

/** Where a header says what its trailer has the digest of. */
const DIGEST_AT = 10;

/** A plain payload; where it is a frame, its checksum is made again. */
const PAYLOAD: Structure = {
  take: (bytes) => bytes[0] === 1 ? [{ bytes: bytes.subarray(0, 1) }, { bytes: bytes.subarray(5) }] : [{ bytes }],
  put([kind, frame]) {
    if (frame === undefined) return kind!.bytes;
    const sum = new Uint8Array(4);
    writeU32(sum, 0, crc32(frame.bytes));
    return concat([kind!.bytes, sum, frame.bytes]);
  },
};

/** An object's header, its chunks, and the length that its trailer states; its digest is made again. */
const OBJECT: Structure = {
  take: (bytes) => partsOf(bytes),
  put(parts) {
    const out = new ByteWriter();
    out.bytes(sealedHeader(bytesOf(parts, "header")));
    const hash = createHash("sha256");
    const hasBody = bytesOf(parts, "header")[DIGEST_AT] === 1;
    for (const { bytes, last } of chunksOf(parts)) {
      putChunk(out, bytes, last);
      if (bytes[0] === 0) hash.update(bytes.subarray(1));
      else if (hasBody) hash.update(bytes.subarray(0, 5));
    }
    out.bytes(bytesOf(parts, "size"));
    // That of the raw bytes as far as they are not compressed: what is, is checked by its own sum before.
    out.bytes(hash.digest());
    return out.take();
  },
};

function partsOf(bytes: Uint8Array, inner: Structure | undefined = PAYLOAD): Part[] {
  const parts: Part[] = [{ bytes: bytes.slice(0, OBJECT_HEADER_BYTES), label: "header" }];
  let at = OBJECT_HEADER_BYTES;
  for (let last = false; !last;) {
    const word = new ByteReader(bytes, at).u32();
    last = word >= 0x80000000;
    const end = at + 4 + (last ? word - 0x80000000 : word);
    parts.push({ bytes: bytes.slice(at + 4, end), label: "chunk", ...(inner === undefined ? {} : { inner }) });
    at = end;
  }
  return [...parts, { bytes: bytes.slice(at, at + 8), label: "size" }];
}

function bytesOf(parts: readonly Part[], label: string): Uint8Array {
  return parts.find((part) => part.label === label)?.bytes ?? new Uint8Array(0);
}

function chunksOf(parts: readonly Part[]): { bytes: Uint8Array; last: boolean }[] {
  const chunks = parts.filter(({ label }) => label === "chunk");
  return chunks.map(({ bytes }, i) => ({ bytes, last: i === chunks.length - 1 }));
}

function putChunk(out: ByteWriter, bytes: Uint8Array, last: boolean): void {
  out.u32((bytes.length | (last ? 0x80000000 : 0)) >>> 0);
  out.bytes(bytes);
}

async function outcome<T>(work: Promise<T>): Promise<{ value: T } | { error: unknown }> {
  try {
    return { value: await work };
  } catch (error) {
    return { error };
  }
}

async function drained(bytes: Uint8Array, steps: Steps, options: { ring?: KeyRing; reuse?: boolean }): Promise<string> {
  const reading = readObject(piecesOf(bytes, steps), { name: "o", ...options });
  const hash = createHash("sha256");
  for (let step = await reading.next();; step = await reading.next()) {
    steps.take();
    if (step.done) {
      const given = hash.digest("hex");
      // Empty under the digest of the body, of which each frame has a checksum.
      if (step.value.sha256 !== "") {
        assert.equal(step.value.sha256, given, "the bytes given are those that were checked");
      }
      return given;
    }
    hash.update(step.value);
  }
}

const object: Target = {
  name: "object",
  seeds: () =>
    Promise.all(
      KINDS.flatMap((compression) =>
        RAW.flatMap((raw) =>
          (["raw", "body"] as const).map((digest) => stored(raw, { compression, digest, chunkBytes: 256 }))
        )
      ),
    ),
  structure: OBJECT,
  coded: true,
  share: 0.6,
  async decode(bytes, steps) {
    const read = await outcome(drained(bytes, steps, {}));
    const reused = await outcome(drained(bytes, steps, { reuse: true }));
    const checked = await outcome(checkObject(piecesOf(bytes, steps), "o"));
    const back = await outcome(readBack(piecesOf(bytes, steps), "o"));
    for (const one of [read, reused, checked, back]) if ("error" in one) throw one.error;
    assert.deepEqual(reused, read);
    return read;
  },
};

async function sealedObject(parts: readonly Part[]): Promise<Uint8Array> {
  const out = new ByteWriter();
  const header = sealedHeader(bytesOf(parts, "header"));
  out.bytes(header);
  const salt = readObjectHeader(header, "o").cipher?.salt ?? new Uint8Array(16);
  const cipher = new ObjectCipher(await RING.objectKey(salt), header);
  for (const [index, { bytes, last }] of chunksOf(parts).entries()) {
    putChunk(out, await cipher.encrypt(bytes, { index, last }), last);
  }
  out.bytes(bytesOf(parts, "size"));
  out.bytes(createHash("sha256").update(out.view()).digest());
  return out.take();
}

/** The same before encryption: what `take` finds is replaced by the payloads that the seeds are known to have. */
const payloads = new Map<string, Part[]>();

const encrypted: Target = {
  name: "encrypted-object",
  async seeds() {
    const seeds: Uint8Array[] = [];
    for (const compression of KINDS) {
      for (const raw of RAW.slice(0, 3)) {
        const header = await stored(raw, { compression, chunkBytes: 256, ring: RING });
        const plain = partsOf(await stored(raw, { compression, chunkBytes: 256 }));
        plain[0] = { bytes: header.slice(0, OBJECT_HEADER_BYTES), label: "header" };
        const bytes = await sealedObject(plain);
        payloads.set(keyOf(bytes), plain);
        seeds.push(bytes);
      }
    }
    return seeds;
  },
  structure: { take: (bytes) => payloads.get(keyOf(bytes))?.slice() ?? partsOf(bytes, undefined), put: sealedObject },
  coded: true,
  share: 0.5,
  async decode(bytes, steps) {
    const read = await outcome(drained(bytes, steps, { ring: RING }));
    const checked = await outcome(checkObject(piecesOf(bytes, steps), "o"));
    const back = await outcome(readBack(piecesOf(bytes, steps), "o"));
    for (const one of [read, checked, back]) if ("error" in one) throw one.error;
    return read;
  },
};

function keyOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const CHUNK_MOST = 4096;

const chunk: Target = {
  name: "chunk",
  seeds: () =>
    RAW.slice(0, 3).flatMap((raw) => {
      const frames = [zstdCompressSync(raw), gzipSync(raw)].map((frame) =>
        PAYLOAD.put([
          { bytes: new Uint8Array([1]) },
          { bytes: new Uint8Array(frame) },
        ]) as Uint8Array
      );
      const all = [concat([new Uint8Array([0]), raw]), ...frames];
      return all.map((payload, kind) => concat([new Uint8Array([kind]), payload]));
    }),
  structure: {
    take: (bytes) => [{ bytes: bytes.subarray(0, 1) }, { bytes: bytes.subarray(1), inner: PAYLOAD }],
    put: (parts) => concat(parts.map(({ bytes }) => bytes)),
  },
  coded: true,
  async decode(bytes) {
    const compression: ObjectCompression = KINDS[(bytes[0] ?? 0) % 3]!;
    const raw = await unpackChunk(bytes.subarray(1), compression, CHUNK_MOST, "o");
    const isFrame = bytes[1] === 1;
    assert.ok(!isFrame || raw.length <= CHUNK_MOST, "no frame unpacks to more than a chunk may hold");
    return raw.length;
  },
};

function archived(): Uint8Array[] {
  const [few, many] = batches();
  const piece = (first: number, times: number[]): ReturnType<PieceWriter["take"]> => {
    const writer = new PieceWriter();
    times.forEach((time, i) => writer.add(first + i, time, (i % 2 === 0 ? few : many)!.ops.view()));
    return writer.take();
  };
  const pieces = [piece(5, [1000, 1001]), piece(7, [1001])];
  const previous = genesisChain(DATABASE, LINEAGE, 5);
  const of = { database: DATABASE, lineage: LINEAGE, previous, first: 5, minTimestamp: 1000 };
  return [1, 2].map((count) => {
    const some = pieces.slice(0, count);
    const { last, maxTimestamp } = some.at(-1)!;
    return concat([writeLogHead({ ...of, last, maxTimestamp }), ...some.map(({ bytes }) => bytes)]);
  });
}

const FIXED = 8 + 16 + 16 + 32;

function varints(reader: ByteReader, count: number): number[] {
  return Array.from({ length: count }, () => reader.varint());
}

/** Records of a piece: version, time and operations of each; lengths are made again. */
const RECORDS: Structure = {
  take(bytes) {
    const reader = new ByteReader(bytes);
    const parts: Part[] = [];
    while (reader.left > 0) {
      const record = new ByteReader(reader.prefixed());
      const start = record.at;
      varints(record, 2);
      parts.push({ bytes: record.buffer.slice(start, record.at), label: "head" });
      parts.push({ bytes: record.buffer.slice(record.at, record.end), inner: OPERATIONS });
    }
    return parts;
  },
  put(parts) {
    const out = new ByteWriter();
    for (const [i, { bytes, label }] of parts.entries()) {
      if (label === "head") out.prefixed(concat([bytes, parts[i + 1]?.bytes ?? new Uint8Array(0)]));
    }
    return out.take();
  },
};

/** The head, and of each piece its numbers and its records. */
const LOG: Structure = {
  take(bytes) {
    const reader = new ByteReader(bytes, FIXED);
    varints(reader, 4);
    const parts: Part[] = [{ bytes: bytes.slice(0, reader.at), label: "head" }];
    reader.bytes(4);
    while (reader.left > 0) {
      const start = reader.at;
      varints(reader, 4);
      parts.push({ bytes: bytes.slice(start, reader.at), label: "piece" });
      parts.push({ bytes: reader.prefixed().slice(), inner: RECORDS });
    }
    return parts;
  },
  put(parts) {
    const out = new ByteWriter();
    for (const [i, { bytes, label }] of parts.entries()) {
      if (label === "head") {
        out.bytes(bytes);
        out.u32(crc32(out.view()));
      } else if (label === "piece") {
        out.bytes(bytes);
        out.prefixed(parts[i + 1]?.bytes ?? new Uint8Array(0));
      }
    }
    return out.take();
  },
};

const log: Target = {
  name: "archived-log",
  seeds: archived,
  structure: LOG,
  coded: true,
  async decode(bytes, steps) {
    const memory = {};
    const { head, pieces } = await readArchivedLog(piecesOf(bytes, steps), "l", { memory });
    let chain = head.previous;
    let version = head.first - 1;
    let operations = 0;
    for await (const piece of pieces) {
      chain = nextChain(chain, piece.bytes);
      assert.equal(piece.chain, chain);
      for (const record of recordsOf(piece)) {
        steps.take();
        assert.equal(record.version, ++version, "versions rise by one");
        operations += countable(record.ops);
      }
    }
    assert.equal(version, head.last);
    const name = logName(head.first, head.last, chain);
    assert.deepEqual(parseLogName(name), { first: head.first, last: head.last, chain });
    return { head, operations };
  },
};

/** Operations are read by those who apply them, and are no part of this format. */
function countable(ops: Uint8Array): number {
  try {
    return operationsOf(ops).length;
  } catch {
    return 0;
  }
}

/** Ids and documents, each with its length. */
const PACK: Structure = {
  take(bytes) {
    const reader = new ByteReader(bytes, 8);
    const parts: Part[] = [{ bytes: bytes.slice(0, 8), label: "magic" }];
    while (reader.left > 0) parts.push({ bytes: reader.prefixed().slice() });
    return parts;
  },
  put(parts) {
    const out = new ByteWriter();
    for (const { bytes, label } of parts) label === "magic" ? out.bytes(bytes) : out.prefixed(bytes);
    return out.take();
  },
};

const pack: Target = {
  name: "backup-pack",
  seeds: () =>
    [0, 1, 3].map((count) => {
      const ids = Array.from({ length: count }, (_, i) => `20261121T00000${i}Z-0000000${i}`);
      return writePack(new Map(ids.map((id) => [id, encodeText(`{"id":"${id}"}`)]))).slice();
    }),
  structure: PACK,
  decode(bytes) {
    const documents = readPack(bytes);
    assert.deepEqual(readPack(writePack(documents)), documents);
    return documents.size;
  },
};

export const OBJECT_TARGETS: readonly Target[] = [object, encrypted, chunk, log, pack];
