/** Repositories whose objects unpack to far more than they may. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { ByteWriter, concatBytes, writeU32 } from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/checksum.ts";
import { writeObjectHeader } from "../../lib/format/repository/object_header.ts";
import { genesisChain, logName, nextChain, writeLogHead } from "../../lib/format/repository/archived_log.ts";
import { headDocument } from "../../lib/format/repository/head_document.ts";
import { openDocument, sealDocument } from "../../lib/format/repository/document.ts";
import { DB, type MemoryStore } from "../../mod.ts";
import { collect } from "../backup/helpers.ts";
import { zstdFrame } from "./bombs.ts";

const CHUNK_BYTES = 4 * 2 ** 20;

/** A repository with a backup, one object of which has a chunk that unpacks to `bytes`. */
export async function objectBomb(store: MemoryStore, bytes: number, codec: "zstd" | "gzip"): Promise<void> {
  await withBackup(store);
  const [object] = (await store.list({ prefix: "objects/" })).objects;
  const frame = codec === "zstd"
    ? zstdFrame([{ byte: 0, times: bytes }])
    : gzipSync(new Uint8Array(Math.min(bytes, 64 * 2 ** 20)), { level: 1 });
  await store.delete(object!.key);
  await store.put(object!.key, sealed([frame], bytes, codec));
}

/** A repository whose log has a piece of `bytes` zeros, every chunk of which is as long as it may be. */
export async function logBomb(store: MemoryStore, bytes: number): Promise<void> {
  await withBackup(store);
  const [found] = (await store.list({ prefix: "heads/" })).objects;
  const body = await collect((await store.get(found!.key))!.body);
  const head = openDocument("head", body, "head", headDocument);
  const { database, lineage, version, timestamp } = head;
  const first = version + 1;
  const start = new ByteWriter();
  const previous = head.version === 0 ? genesisChain(database, lineage, first) : head.chain;
  const minTimestamp = timestamp + 1;
  start.bytes(
    writeLogHead({ database, lineage, previous, first, last: first, minTimestamp, maxTimestamp: minTimestamp }),
  );
  const length = bytes - 1000;
  for (const one of [first, first, minTimestamp, minTimestamp, length]) start.varint(one);
  const count = Math.ceil(bytes / CHUNK_BYTES);
  const zeros = zstdFrame([{ byte: 0, times: CHUNK_BYTES }]);
  const frames = [
    zstdFrame([start.view(), { byte: 0, times: CHUNK_BYTES - start.length }]),
    ...Array.from({ length: count - 1 }, () => zeros),
  ];
  const chain = nextChain(previous, new Uint8Array(1)); // Nobody comes to compare it.
  await store.put(
    `log/${database}/${lineage}/${logName(first, first, chain)}`,
    sealed(frames, count * CHUNK_BYTES, "zstd"),
  );
  const next = { ...head, version: first, timestamp: minTimestamp, coveredUntil: minTimestamp, chain };
  await store.put(found!.key, sealDocument("head", next));
}

/** An object of these frames, each a chunk, sealed as far as that can be told without unpacking it. */
function sealed(frames: readonly Uint8Array[], rawBytes: number, compression: "zstd" | "gzip"): Uint8Array {
  const parts: Uint8Array[] = [
    writeObjectHeader({ compression, chunkBytes: CHUNK_BYTES, digest: "raw", cipher: undefined }),
  ];
  for (const [i, frame] of frames.entries()) {
    const head = new Uint8Array(9);
    writeU32(head, 0, ((frame.length + 5) | (i === frames.length - 1 ? 0x80000000 : 0)) >>> 0);
    head[4] = 1;
    writeU32(head, 5, crc32(frame));
    parts.push(head, frame);
  }
  const size = new ByteWriter(8);
  size.u64(rawBytes);
  return concatBytes(...parts, size.view(), createHash("sha256").digest());
}

async function withBackup(store: MemoryStore): Promise<void> {
  await using db = await DB.open(":memory:");
  await db.set("k", "v");
  await db.backup(store);
}
