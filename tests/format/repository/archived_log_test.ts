import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter, concatBytes } from "../../../lib/base/bytes.ts";
import { crc32 } from "../../../lib/base/checksum.ts";
import { IntegrityError, UnsupportedFormatError } from "../../../lib/base/errors.ts";
import {
  genesisChain,
  type LogHead,
  type LogName,
  logName,
  type LogPiece,
  nextChain,
  parseLogName,
  readArchivedLog,
  recordsOf,
  writeLogHead,
} from "../../../lib/format/repository/archived_log.ts";
import { PieceWriter } from "../../../lib/format/repository/piece_writer.ts";
import { DATABASE, failure, flipped, LINEAGE, pieces, Watched } from "./fixture.ts";

const OPS = Uint8Array.of(0, 2, 0, 0x62);

/** A piece with the versions from `first` to `last`, each at ten times its number. */
function piece(first: number, last: number): LogPiece {
  const writer = new PieceWriter();
  for (let version = first; version <= last; version++) writer.add(version, version * 10, OPS);
  return writer.take();
}

/** A range of pieces, from where its history begins or behind `previous`. */
function range(all: LogPiece[], previous?: string, change: Partial<LogHead> = {}): Uint8Array {
  const [first, last] = [all[0]!, all.at(-1)!];
  return concatBytes(
    writeLogHead({
      database: DATABASE,
      lineage: LINEAGE,
      previous: previous ?? genesisChain(DATABASE, LINEAGE, first.first),
      first: first.first,
      last: last.last,
      minTimestamp: first.minTimestamp,
      maxTimestamp: last.maxTimestamp,
      ...change,
    }),
    ...all.map((one) => one.bytes),
  );
}

async function readAll(bytes: Uint8Array, expected?: Partial<LogName>, size = Infinity): Promise<{
  head: LogHead;
  found: (LogPiece & { chain: string })[];
  versions: number[];
}> {
  const { head, pieces: all } = await readArchivedLog(pieces(bytes, size), "log", expected);
  const found = [];
  const versions = [];
  for await (const one of all) {
    found.push(one);
    for (const commit of recordsOf(one, "log")) {
      assert.deepEqual(commit, { version: commit.version, timestamp: commit.version * 10, ops: OPS });
      versions.push(commit.version);
    }
  }
  return { head, found, versions };
}

async function isDamage(bytes: Uint8Array, expected?: Partial<LogName>): Promise<void> {
  const error = await failure(() => readAll(bytes, expected));
  assert.ok(error instanceof IntegrityError, String(error));
  assert.match(error.message, /^Cannot read log: /);
}

describe("an archived log", () => {
  const all = [piece(5, 7), piece(8, 8), piece(9, 40)];
  const whole = range(all);

  it("may have one long commit behind others, and no commit behind the first 8 MiB of a piece", async () => {
    const MiB = 2 ** 20;
    const writer = new PieceWriter();
    writer.add(5, 50, OPS);
    writer.add(6, 60, new Uint8Array(9 * MiB).fill(7));
    assert.throws(() => writer.add(7, 70, OPS), RangeError);
    const long = writer.take();
    const { pieces: read } = await readArchivedLog(pieces(range([long, piece(7, 8)]), 100_000), "log");
    const lengths = [];
    for await (const one of read) for (const { ops } of recordsOf(one, "log")) lengths.push(ops.length);
    assert.deepEqual(lengths, [4, 9 * MiB, 4, 4]);

    const fits = new PieceWriter();
    fits.add(5, 50, new Uint8Array(8 * MiB - 100));
    for (let i = 0; i < 12; i++) fits.add(6 + i, 60 + i, OPS);
    const { pieces: close } = await readArchivedLog(pieces(range([fits.take()])), "log");
    for await (const one of close) assert.equal([...recordsOf(one, "log")].length, 13);
  });

  it("is refused by the first bytes of a piece that can't be one", async () => {
    const MiB = 2 ** 20;
    const head = writeLogHead({
      database: DATABASE,
      lineage: LINEAGE,
      previous: genesisChain(DATABASE, LINEAGE, 5),
      first: 5,
      last: 6,
      minTimestamp: 50,
      maxTimestamp: 60,
    });
    const lengthsOf: Record<string, (out: ByteWriter) => void> = {
      "nothing but zeros": () => {},
      "a record of more than a commit may have": (out) => [600 * MiB, 5].forEach((one) => out.varint(one)),
      "a record that ends before the piece does": (out) => [9 * MiB, 5].forEach((one) => out.varint(one)),
      "a record that goes on behind the piece": (out) => [40 * MiB, 5].forEach((one) => out.varint(one)),
      "another version": (out) => [30 * MiB - 4, 6].forEach((one) => out.varint(one)),
    };
    for (const [what, write] of Object.entries(lengthsOf)) {
      const begin = new ByteWriter();
      begin.bytes(head);
      const length = what.includes("more than a commit") ? 600 * MiB + 5 : 30 * MiB;
      for (const one of [5, 6, 50, 60, length]) begin.varint(one);
      write(begin);
      let pulled = 0;
      const bytes = async function* (): AsyncGenerator<Uint8Array> {
        for (const one of [begin.take(), ...Array.from({ length: 40 }, () => new Uint8Array(MiB))]) {
          pulled++;
          yield await Promise.resolve(one);
        }
      };
      const { pieces: read } = await readArchivedLog(bytes(), "log");
      const error = await failure(() => read.next());
      assert.ok(error instanceof IntegrityError, `${what}: ${error}`);
      assert.ok(pulled <= 10, `${what}: ${pulled} MiB read`);
    }
  });

  it("comes back piece by piece, commit by commit, however its bytes arrive", async () => {
    for (const size of [1, 7, 50, Infinity]) {
      const { head, found, versions } = await readAll(whole, undefined, size);
      assert.deepEqual([head.first, head.last, head.minTimestamp, head.maxTimestamp], [5, 40, 50, 400]);
      assert.deepEqual(versions, Array.from({ length: 36 }, (_, i) => i + 5));
      let chain = genesisChain(DATABASE, LINEAGE, 5);
      for (const [i, one] of found.entries()) {
        chain = nextChain(chain, all[i]!.bytes);
        assert.deepEqual(one, { ...all[i], chain });
      }
    }
  });

  it("has the same chain behind a piece, whether it was merged or not", async () => {
    const { found } = await readAll(whole);
    const head = await readAll(range(all.slice(0, 2)));
    assert.equal(head.found[1]!.chain, found[1]!.chain);
    const tail = await readAll(range(all.slice(2), found[1]!.chain));
    assert.equal(tail.found[0]!.chain, found[2]!.chain);
    assert.equal((await readAll(whole, { first: 5, last: 40, chain: found[2]!.chain })).found.length, 3);
  });

  it("has another chain for another database, lineage, beginning or byte", () => {
    const chains = [
      genesisChain(DATABASE, LINEAGE, 5),
      genesisChain(LINEAGE, DATABASE, 5),
      genesisChain(DATABASE, LINEAGE, 6),
      nextChain(genesisChain(DATABASE, LINEAGE, 5), piece(5, 7).bytes),
      nextChain(genesisChain(DATABASE, LINEAGE, 5), piece(5, 8).bytes),
    ];
    assert.equal(new Set(chains).size, chains.length);
  });

  it("notices every cut", async () => {
    for (let end = 0; end < whole.length; end++) await isDamage(whole.subarray(0, end));
  });

  it("notices a flipped bit in every byte, held against its chain", async () => {
    const chain = (await readAll(whole)).found[2]!.chain;
    for (let at = 0; at < whole.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const error = await failure(() => readAll(flipped(whole, at, bit), { chain }));
        // A flip in the operations is told by the chain, which comes last: `readAll` may see it first.
        const named = error instanceof IntegrityError || error instanceof UnsupportedFormatError;
        assert.ok(named || (error as { code?: string }).code === "ERR_ASSERTION", String(error));
      }
    }
  });

  it("notices by its chain alone that an operation was changed", async () => {
    const chain = (await readAll(whole)).found[2]!.chain;
    const changed = flipped(whole, whole.length - 1);
    const { pieces: found } = await readArchivedLog(pieces(changed), "log", { chain });
    const error = await failure(async () => {
      for await (const _ of found);
    });
    assert.match(error.message, /its chain is not that of its name/);
  });

  it("notices pieces that are moved, missing, repeated or foreign, though the head fits", async () => {
    const [a, b, c] = [all[0]!, all[1]!, all[2]!];
    const fits = { first: 5, last: 40, minTimestamp: 50, maxTimestamp: 400 };
    for (const wrong of [[b, a, c], [a, c], [a, b], [a, b, b, c], [a, b, c, c], [a, b, piece(10, 40)], [b, c], [c]]) {
      await isDamage(range(wrong, undefined, fits));
    }
    await isDamage(range([a, b, c], undefined, { minTimestamp: 49 }));
    await isDamage(range([a, b, c], undefined, { maxTimestamp: 401 }));
    await isDamage(concatBytes(whole, Uint8Array.of(1)));
  });

  it("notices that it is not the range its name says", async () => {
    await isDamage(whole, { first: 4 });
    await isDamage(whole, { last: 41 });
    await isDamage(whole, { chain: "0".repeat(64) });
  });

  it("tells a newer format from damage", async () => {
    const newer = whole.slice();
    newer[7] = 0x32;
    assert.ok(await failure(() => readAll(newer)) instanceof UnsupportedFormatError);
  });

  it("ends its source, also when no piece is read", async () => {
    const { pieces: unread } = await readArchivedLog(new Watched(pieces(whole, 10)), "log");
    await unread.return(undefined);
    for (const stop of [0, 1, 9]) {
      const source = new Watched(pieces(whole, 10));
      const { pieces: found } = await readArchivedLog(source, "log");
      for (let n = 0; n < stop; n++) await found.next();
      await found.return(undefined);
      assert.ok(source.ended, `after ${stop}`);
    }
    const source = new Watched(pieces(whole.subarray(1), 10));
    await failure(() => readArchivedLog(source, "log"));
    assert.ok(source.ended);
  });

  it("takes no memory for a length that is a lie", async () => {
    const head = writeLogHead({
      database: DATABASE,
      lineage: LINEAGE,
      previous: "0".repeat(64),
      first: 1,
      last: 1,
      minTimestamp: 1,
      maxTimestamp: 1,
    });
    for (const length of [2 ** 30, 2 ** 30 + 1, Number.MAX_SAFE_INTEGER]) {
      const out = new ByteWriter();
      for (const one of [1, 1, 1, 1, length]) out.varint(one);
      await isDamage(concatBytes(head, out.take(), new Uint8Array(10)));
    }
  });

  it("has a head whose checksum covers all of it, and no impossible one", () => {
    const head = whole.subarray(0, whole.length - all.reduce((sum, one) => sum + one.bytes.length, 0));
    const checksum = new ByteWriter();
    checksum.u32(crc32(head.subarray(0, head.length - 4)));
    assert.deepEqual(head.subarray(head.length - 4), checksum.take());
    const good = { database: DATABASE, lineage: LINEAGE, previous: "0".repeat(64), first: 1, last: 1 };
    for (const change of [{ first: 0 }, { first: 2 }]) {
      assert.throws(() => writeLogHead({ ...good, minTimestamp: 1, maxTimestamp: 1, ...change }), RangeError);
    }
    assert.throws(() => writeLogHead({ ...good, minTimestamp: 2, maxTimestamp: 1 }), RangeError);
    assert.throws(() => writeLogHead({ ...good, database: "00", minTimestamp: 1, maxTimestamp: 1 }), TypeError);
  });
});

describe("PieceWriter", () => {
  it("counts, and begins anew once its piece was taken", () => {
    const writer = new PieceWriter();
    assert.throws(() => writer.take(), RangeError);
    writer.add(3, 30, OPS);
    assert.deepEqual([writer.count, writer.bytes], [1, 7]);
    const first = writer.take();
    assert.deepEqual([writer.count, writer.bytes], [0, 0]);
    writer.add(9, 5, OPS);
    assert.deepEqual([first.first, first.last, writer.take().first], [3, 3, 9]);
  });

  it("refuses commits that do not follow each other", () => {
    const writer = new PieceWriter();
    writer.add(3, 30, OPS);
    for (const [version, timestamp] of [[3, 30], [5, 30], [2, 30], [4, 29]] as const) {
      assert.throws(() => writer.add(version, timestamp, OPS), RangeError);
    }
    writer.add(4, 30, OPS);
    assert.equal(writer.take().last, 4);
  });
});

describe("recordsOf()", () => {
  it("refuses a piece that holds other commits than it states", () => {
    const good = piece(5, 7);
    const change = (at: number, value: number): LogPiece => {
      const bytes = good.bytes.slice();
      bytes[at] = value;
      return { ...good, bytes };
    };
    assert.equal([...recordsOf(good)].length, 3);
    // The head is 05 07 32 46 15, the first record 06 05 32 00 02 00 62.
    for (const bad of [change(6, 6), change(5, 7), change(7, 51), change(13, 7), change(14, 49), change(21, 71)]) {
      assert.throws(() => [...recordsOf(bad)], IntegrityError);
    }
    assert.throws(() => [...recordsOf({ ...good, last: 8 })], IntegrityError);
    assert.throws(() => [...recordsOf({ ...good, first: 4 })], IntegrityError);
  });
});

describe("logName() and parseLogName()", () => {
  it("are each other's opposite, and sort by version", () => {
    const chain = "ab".repeat(32);
    for (const [first, last] of [[1, 1], [5, 40], [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]] as const) {
      assert.deepEqual(parseLogName(logName(first, last, chain)), { first, last, chain });
    }
    assert.ok(logName(9, 9, chain) < logName(10, 10, chain));
    const bad = [
      "",
      "1-2-3",
      logName(2, 1, chain),
      `${logName(1, 2, chain)}0`,
      `9999999999999999-9999999999999999-${chain}`,
    ];
    for (const name of bad) assert.equal(parseLogName(name), undefined, name);
  });
});
