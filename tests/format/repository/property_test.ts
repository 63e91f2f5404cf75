import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { concatBytes, equalBytes } from "../../../lib/base/bytes.ts";
import { HoldfastError } from "../../../lib/base/errors.ts";
import {
  genesisChain,
  type LogPiece,
  readArchivedLog,
  recordsOf,
  writeLogHead,
} from "../../../lib/format/repository/archived_log.ts";
import { PieceWriter } from "../../../lib/format/repository/piece_writer.ts";
import { decodeAuditLine } from "../../../lib/format/repository/audit_line.ts";
import { openDocument, sealDocument } from "../../../lib/format/repository/document.ts";
import { inOrder } from "../../../lib/format/repository/ordered.ts";
import { checkObject, readBack, readObject, writeObject } from "../../../lib/format/repository/object.ts";
import { record } from "../../../lib/format/repository/shapes.ts";
import { object, text } from "../../../lib/format/manifest/json_shape.ts";
import { counting, DATABASE, drain, LINEAGE, pieces, RING } from "./fixture.ts";

/** Named by this library, not by the runtime. */
function isNamed(error: unknown): true {
  assert.ok(error instanceof HoldfastError, String(error));
  return true;
}

const ring = fc.constantFrom(undefined, RING);
const seal = fc.constantFrom<{ ring?: typeof RING; digest?: "body" }>({}, { digest: "body" }, { ring: RING });
const raw = fc.uint8Array({ maxLength: 3000 }).map((bytes) => bytes.map((byte) => byte % 5));

describe("formats of a repository, for any input", () => {
  it("an object comes back, however its bytes arrive", async () => {
    const codec = fc.constantFrom("none" as const, "zstd" as const, "gzip" as const);
    const size = fc.integer({ min: 1, max: 1500 });
    const sizes = fc.tuple(size, size, size);
    await fc.assert(fc.asyncProperty(raw, codec, seal, sizes, async (bytes, compression, sealed, [a, b, c]) => {
      const { digest, ...keyed } = sealed;
      const options = { compression, randomBytes: counting(), chunkBytes: a, ...sealed };
      const written = await drain(writeObject(pieces(bytes, b), options));
      const back = await drain(readObject(pieces(written.bytes, c), { name: "obj", ...keyed }));
      assert.ok(equalBytes(back.bytes, bytes));
      const { written: told, ...totals } = written.totals;
      assert.deepEqual(back.totals, totals);
      assert.equal(totals.sha256 === "", digest === "body");
      const { sha256: _, ...stored } = totals;
      assert.deepEqual(await readBack(pieces(written.bytes, c), "obj"), { ...stored, written: told });
    }));
  });

  it("an object of which bytes were changed, cut or doubled is refused by name", async () => {
    const change = fc.record({ at: fc.nat(), count: fc.nat(30), put: fc.uint8Array({ maxLength: 30 }) });
    await fc.assert(fc.asyncProperty(raw, seal, change, async (bytes, sealed, { at, count, put }) => {
      const { digest: _, ...keyed } = sealed;
      const options = { compression: "zstd", randomBytes: counting(), chunkBytes: 500, ...sealed } as const;
      const good = (await drain(writeObject(pieces(bytes), options))).bytes;
      const place = at % (good.length + 1);
      const bad = concatBytes(good.subarray(0, place), put, good.subarray(place + count));
      if (equalBytes(bad, good)) return;
      await assert.rejects(drain(readObject(pieces(bad), { name: "obj", ...keyed })), isNamed);
      await assert.rejects(checkObject(pieces(bad), "obj"), isNamed);
    }));
  });

  it("a log comes back from any division into pieces, with the same chain at the same place", async () => {
    const commits = fc.array(
      fc.record({ after: fc.nat(1000), ops: fc.uint8Array({ maxLength: 30 }), cut: fc.boolean() }),
      { minLength: 1, maxLength: 30 },
    );
    const start = fc.integer({ min: 1, max: 2 ** 50 });
    await fc.assert(fc.asyncProperty(commits, start, fc.integer({ min: 1, max: 90 }), async (commits, start, size) => {
      const writer = new PieceWriter();
      const all: LogPiece[] = [];
      const expected: { version: number; timestamp: number; ops: Uint8Array }[] = [];
      let [version, timestamp] = [start, 0];
      for (const { after, ops, cut } of commits) {
        timestamp += after;
        writer.add(version, timestamp, ops);
        expected.push({ version, timestamp, ops });
        version++;
        if (cut) all.push(writer.take());
      }
      if (writer.count > 0) all.push(writer.take());
      const previous = genesisChain(DATABASE, LINEAGE, start);
      const whole = await read(all, previous, size);
      assert.deepEqual(whole.commits, expected);
      // Any two halves have the chains of the whole.
      const half = all.length >> 1;
      if (half === 0) return;
      const first = await read(all.slice(0, half), previous, size);
      const second = await read(all.slice(half), first.chains.at(-1)!, size);
      assert.deepEqual([...first.chains, ...second.chains], whole.chains);
    }));
  });

  it("bytes that are nothing are refused by name, never by another error", async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (garbage) => {
      await assert.rejects(drain(readObject(pieces(garbage), { name: "obj" })), isNamed);
      await assert.rejects(checkObject(pieces(garbage), "obj"), isNamed);
      await assert.rejects(readArchivedLog(pieces(garbage), "log"), isNamed);
      assert.throws(() => openDocument("gc", garbage, "doc", object({})), isNamed);
      assert.throws(() => decodeAuditLine(new TextDecoder().decode(garbage), "line"), isNamed);
    }));
  });

  it("JSON that is no document is refused by name", () => {
    fc.assert(fc.property(fc.json(), ring, (json, ring) => {
      assert.throws(() => openDocument("gc", new TextEncoder().encode(json), "doc", object({}), ring), isNamed);
      assert.throws(() => decodeAuditLine(json, "line", ring), isNamed);
    }));
  });

  it("a document keeps any texts under any names", () => {
    const shape = object({ map: record(text) });
    const map = fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }));
    fc.assert(fc.property(map, ring, (map, ring) => {
      const back = openDocument("proof", sealDocument("proof", { map }, ring), "doc", shape, ring);
      assert.deepEqual(Object.entries(back.map), Object.entries(map));
    }));
  });

  it("work side by side ends in order, and never more of it at a time than allowed", async () => {
    const delays = fc.array(fc.nat(5), { maxLength: 20 });
    await fc.assert(fc.asyncProperty(delays, fc.integer({ min: 1, max: 5 }), async (delays, width) => {
      let running = 0;
      let most = 0;
      async function* numbers(): AsyncGenerator<number> {
        for (let i = 0; i < delays.length; i++) yield i;
      }
      const found: number[] = [];
      const work = async (i: number): Promise<number> => {
        most = Math.max(most, ++running);
        for (let turn = 0; turn < delays[i]!; turn++) await Promise.resolve();
        running--;
        return i;
      };
      for await (const i of inOrder(numbers(), width, work)) found.push(i);
      assert.deepEqual(found, delays.map((_, i) => i));
      assert.ok(most <= width, `${most} at a time`);
    }));
  });
});

/** All chains and commits of a range. */
async function read(all: LogPiece[], previous: string, size: number): Promise<{
  chains: string[];
  commits: { version: number; timestamp: number; ops: Uint8Array }[];
}> {
  const [first, last] = [all[0]!, all.at(-1)!];
  const head = {
    database: DATABASE,
    lineage: LINEAGE,
    previous,
    first: first.first,
    last: last.last,
    minTimestamp: first.minTimestamp,
    maxTimestamp: last.maxTimestamp,
  };
  const bytes = concatBytes(writeLogHead(head), ...all.map((one) => one.bytes));
  const { head: found, pieces: pieceStream } = await readArchivedLog(pieces(bytes, size), "log");
  assert.deepEqual(found, head);
  const chains = [];
  const commits = [];
  for await (const piece of pieceStream) {
    chains.push(piece.chain);
    commits.push(...recordsOf(piece));
  }
  return { chains, commits };
}
