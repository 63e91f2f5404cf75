/**
 * How much a shipment would store, found out by packing all of it and sending nothing.
 *
 * Log that was sent can't be taken back: another copy of the database may have found it there, and count it. So a limit has to
 * be known to hold before the first object is sent.
 *
 * @module
 */
import { throwIfAborted } from "../../../base/abort.ts";
import { toHex } from "../../../base/bytes.ts";
import { HistoryGoneError } from "../../../base/errors.ts";
import type { Engine } from "../../../engine/types.ts";
import type { IngestInfo } from "../../../format/log/batch.ts";
import { type LogPiece, writeLogHead } from "../../../format/repository/archived_log.ts";
import { type ObjectCompression, writeObject } from "../../../format/repository/object.ts";
import { contentName } from "../../../format/repository/object_name.ts";
import { PieceWriter } from "../../../format/repository/piece_writer.ts";
import { knownObjects, readBackups } from "../core/catalog.ts";
import type { RepositoryContext } from "../core/context.ts";
import { fileSource } from "../making/place.ts";
import { ingestOfCommit } from "./ingests.ts";
import { rawLog } from "./log_object.ts";
import { OBJECT_BYTES, PIECE_BYTES } from "./shipment.ts";
import { Shipper } from "./shipper.ts";

/**
 * The bytes as stored of all that `ship` would send now, were nothing of it there; counts no further than a little beyond
 * `limit`. What is committed afterwards comes on top.
 */
export function measureLog(
  context: RepositoryContext,
  engine: Engine,
  limit: number,
  signal?: AbortSignal,
): Promise<number> {
  const shipper = Shipper.of(context, engine);
  return shipper.inTurn(async (writer) => {
    const resume = engine.deferCompaction();
    try {
      const { version } = await engine.settled();
      await writer.attach();
      if (writer.stands) return 0;
      return await new Measuring(context, engine, writer.head.body.version).run(version, limit, signal);
    } finally {
      resume();
    }
  });
}

class Measuring {
  readonly #context: RepositoryContext;
  readonly #engine: Engine;
  #at: number;
  #lineage: string | undefined;
  #pieces: LogPiece[] = [];
  #bytes = 0;
  #stored = 0;

  constructor(context: RepositoryContext, engine: Engine, since: number) {
    this.#context = context;
    this.#engine = engine;
    this.#at = since;
  }

  async run(until: number, limit: number, signal: AbortSignal | undefined): Promise<number> {
    const follower = this.#engine.follow(this.#at);
    try {
      while (this.#at < until && this.#stored <= limit) {
        throwIfAborted(signal);
        const writer = new PieceWriter();
        const joined: IngestInfo[] = [];
        const stretch = await follower.next(PIECE_BYTES, ({ version, timestamp, ops }) => {
          const info = ingestOfCommit(ops);
          if (info !== undefined) joined.push(info);
          writer.add(version, timestamp, ops);
          this.#at = version;
        });
        if (stretch === undefined) break;
        if (stretch.lineage !== this.#lineage || this.#bytes >= OBJECT_BYTES) await this.#pack();
        this.#lineage = stretch.lineage;
        for (const info of joined) await this.#packFiles(info);
        const piece = writer.take();
        this.#pieces.push(piece);
        this.#bytes += piece.bytes.length;
      }
      await this.#pack();
    } catch (error) {
      // A shipment begins anew behind what is gone.
      if (!(error instanceof HistoryGoneError)) throw error;
    } finally {
      follower.close();
    }
    return this.#stored;
  }

  async #pack(): Promise<void> {
    const pieces = this.#pieces;
    const [first, last] = [pieces[0], pieces.at(-1)];
    if (first === undefined || last === undefined) return;
    const start = writeLogHead({
      database: this.#engine.id,
      lineage: this.#lineage!,
      previous: toHex(this.#context.randomBytes(32)), // It packs to the same length as any.
      first: first.first,
      last: last.last,
      minTimestamp: first.minTimestamp,
      maxTimestamp: last.maxTimestamp,
    });
    await this.#count(rawLog(start, pieces), this.#context.compression ?? "zstd");
    this.#pieces = [];
    this.#bytes = 0;
  }

  async #packFiles(info: IngestInfo): Promise<void> {
    const { shareable } = await knownObjects(this.#context, await readBackups(this.#context), false);
    for (const { path, size, sha256 } of this.#engine.ingestedFiles(info) ?? []) {
      if (shareable.has(contentName(sha256, this.#context.ring))) continue;
      const { pieces } = fileSource(this.#engine.fs, path, size, sha256);
      await this.#count(pieces(), this.#context.compression ?? "none");
    }
  }

  async #count(raw: AsyncIterable<Uint8Array>, compression: ObjectCompression): Promise<void> {
    const { ring, randomBytes } = this.#context;
    // Its length is the same with either digest, and this one is made of less.
    const options = { compression, digest: "body", randomBytes } as const;
    const object = writeObject(raw, { ...options, ...(ring === undefined ? {} : { ring }) });
    for await (const piece of object) this.#stored += piece.length;
  }
}
