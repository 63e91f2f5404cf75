import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { encodeText } from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/checksum.ts";
import { BackupRepository, DB } from "../../mod.ts";
import { all, withDirectory } from "./helpers.ts";

/** Every path below `directory` with the hash of its bytes. */
function hashes(directory: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(directory, name);
    out[name] = statSync(path).isDirectory()
      ? "directory"
      : createHash("sha256").update(readFileSync(path)).digest("hex");
  }
  return out;
}

/** A closed database with tables, blobs and a log, and the log in use when its process ended. */
async function makeDatabase(path: string): Promise<void> {
  const db = await DB.open(path, { blobBytes: 1000, tuning: { reserve: false } });
  await db.setMany(Array.from({ length: 500 }, (_, i) => [`k${i}`, `value ${i}`] as const));
  await db.set("large", new Uint8Array(5000).fill(7));
  await db.compact();
  await db.set("in the log", 1);
  await db.set("at its end", 2);
  await db.close();
}

function fileOf(path: string, pattern: RegExp): string {
  const name = readdirSync(path).sort().findLast((each) => pattern.test(each));
  assert.ok(name !== undefined, `no ${pattern} in ${readdirSync(path)}`);
  return join(path, name);
}

/** Changes bytes of a file in place. */
function change(file: string, edit: (bytes: Uint8Array) => Uint8Array | void): void {
  const bytes = new Uint8Array(readFileSync(file));
  writeFileSync(file, edit(bytes) ?? bytes);
}

/** Gives a file the magic of the next format, with a checksum that holds. */
function raiseFormat(file: string): void {
  change(file, (bytes) => {
    bytes[7] = "2".charCodeAt(0);
    new DataView(bytes.buffer).setUint32(60, crc32(bytes, 0, 0, 60), true);
  });
}

const MANIFEST = /^MANIFEST-/;
const LOG = /\.log$/;
const TABLE = /\.sst$/;
const BLOB = /\.blob$/;

const unsupported = { name: "UnsupportedFormatError", code: "UNSUPPORTED_FORMAT", message: /use a newer release/ };
const damaged = { name: "CorruptionError", code: "CORRUPTION", message: /restore a backup or run DB.repair/ };

const cases: { what: string; spoil: (path: string) => void; error: { name: string; code: string; message: RegExp } }[] =
  [
    {
      what: "a marker of a newer format",
      spoil: (path) => {
        const body = 'HOLDFAST 2\n{"what":"ever"}\n';
        writeFileSync(join(path, "CURRENT"), `${body}${crc32(encodeText(body)).toString(16).padStart(8, "0")}\n`);
      },
      error: unsupported,
    },
    {
      what: "a damaged marker",
      spoil: (path) => change(join(path, "CURRENT"), (b) => void (b[20]! ^= 1)),
      error: damaged,
    },
    { what: "an empty marker", spoil: (path) => writeFileSync(join(path, "CURRENT"), ""), error: damaged },
    { what: "a marker that is missing", spoil: (path) => rmSync(join(path, "CURRENT")), error: damaged },
    { what: "a manifest of a newer format", spoil: (path) => raiseFormat(fileOf(path, MANIFEST)), error: unsupported },
    {
      what: "a damaged manifest",
      spoil: (p) => change(fileOf(p, MANIFEST), (b) => void (b[100]! ^= 1)),
      error: damaged,
    },
    { what: "a manifest that is missing", spoil: (path) => rmSync(fileOf(path, MANIFEST)), error: damaged },
    { what: "an empty manifest", spoil: (path) => writeFileSync(fileOf(path, MANIFEST), ""), error: damaged },
    { what: "a log of a newer format", spoil: (path) => raiseFormat(fileOf(path, LOG)), error: unsupported },
    { what: "a damaged log", spoil: (path) => change(fileOf(path, LOG), (b) => void (b[90]! ^= 1)), error: damaged },
    {
      what: "a log cut short",
      spoil: (p) => change(fileOf(p, LOG), (b) => b.subarray(0, b.length - 10)),
      error: damaged,
    },
    { what: "a log that is missing", spoil: (path) => rmSync(fileOf(path, LOG)), error: damaged },
    { what: "a table of a newer format", spoil: (path) => raiseFormat(fileOf(path, TABLE)), error: unsupported },
    {
      what: "a table's header damaged",
      spoil: (p) => change(fileOf(p, TABLE), (b) => void (b[9]! ^= 1)),
      error: damaged,
    },
    {
      what: "a table cut short",
      spoil: (path) => change(fileOf(path, TABLE), (bytes) => bytes.subarray(0, bytes.length - 10)),
      error: damaged,
    },
    {
      what: "a table's end damaged",
      spoil: (path) => change(fileOf(path, TABLE), (bytes) => void (bytes[bytes.length - 20]! ^= 1)),
      error: damaged,
    },
    { what: "a table that is missing", spoil: (path) => rmSync(fileOf(path, TABLE)), error: damaged },
    { what: "a blob file of a newer format", spoil: (path) => raiseFormat(fileOf(path, BLOB)), error: unsupported },
    { what: "a blob file that is missing", spoil: (path) => rmSync(fileOf(path, BLOB)), error: damaged },
  ];

describe("opening what is damaged or too new", () => {
  for (const { what, spoil, error } of cases) {
    it(`is refused by name, and changes not one byte: ${what}`, () =>
      withDirectory(async (root) => {
        const path = join(root, "data");
        await makeDatabase(path);
        spoil(path);
        const before = hashes(root);
        await assert.rejects(DB.open(path), error);
        assert.deepEqual(hashes(root), before);
        await assert.rejects(DB.open(path, { readOnly: true }), error);
        assert.deepEqual(hashes(root), before);
        // It stays free to be looked at again: no lock is left behind.
        await assert.rejects(DB.open(path), error);
      }));
  }

  it("is refused in a copy that was never opened, without so much as a lock file", () =>
    withDirectory(async (root) => {
      await makeDatabase(join(root, "data"));
      for (const { what, spoil, error } of cases) {
        const path = join(root, what);
        cpSync(join(root, "data"), path, { recursive: true });
        rmSync(join(path, "LOCK"));
        spoil(path);
        const before = hashes(path);
        await assert.rejects(DB.open(path), error, what);
        assert.deepEqual(hashes(path), before, what);
      }
      rmSync(join(root, "data", "LOCK"));
      const before = hashes(join(root, "data"));
      await assert.rejects(DB.open(join(root, "data"), { keyEncoding: "bytes" }), TypeError);
      assert.deepEqual(hashes(join(root, "data")), before, "opened with another key encoding");
    }));

  it("is noticed at the read where the rest is whole, and the database goes on with all else", () =>
    withDirectory(async (root) => {
      const path = join(root, "data");
      await makeDatabase(path);
      change(fileOf(path, TABLE), (bytes) => void (bytes[80]! ^= 1));
      await using db = await DB.open(path);
      await assert.rejects(all(db.list()), (error: Error & { file?: string; offset?: number; detail?: string }) => {
        assert.equal(error.name, "CorruptionError");
        assert.match(error.file!, TABLE);
        assert.equal(typeof error.offset, "number");
        assert.equal(typeof error.detail, "string");
        return true;
      });
      assert.equal(await db.get("in the log"), 1);
      const report = await db.verify();
      assert.equal(report.ok, false);
      assert.match(report.problems[0]!.file, TABLE);
    }));

  it("is listed where work behind the writes met it and the database takes no more of them", () =>
    withDirectory(async (root) => {
      const path = join(root, "data");
      await makeDatabase(path);
      change(fileOf(path, TABLE), (bytes) => void (bytes[80]! ^= 1));
      const db = await DB.open(path, { memtableBytes: 1024, tuning: { level0Tables: 1 } });
      let written = 0;
      const refused = await (async () => {
        for (; written < 10_000; written++) await db.set("k1", `${written} `.repeat(50));
      })().catch((error) => error);
      assert.equal(refused.code, "READ_ONLY");
      assert.match(refused.message, /Damaged data in .*\.sst/);
      const listed = async (): Promise<string[]> => (await db.verify()).problems.map(({ file }) => file);
      assert.deepEqual([...new Set(await listed())].map((file) => TABLE.test(file)), [true]);
      // The newest is in the log alone.
      for (const name of readdirSync(path).filter((each) => LOG.test(each))) {
        change(join(path, name), (bytes) => void (bytes[80]! ^= 1));
      }
      assert.ok((await listed()).some((file) => LOG.test(file)));
      assert.equal(await db.get("k1"), `${written - 1} `.repeat(50));
      await assert.rejects(db.close(), { code: "READ_ONLY" });
    }));

  it("is no reason for repair to give up what a newer release wrote", () =>
    withDirectory(async (root) => {
      for (
        const [what, spoil] of cases.filter(({ error }) => error === unsupported).map((c) => [c.what, c.spoil] as const)
      ) {
        const path = join(root, what);
        await makeDatabase(path);
        spoil(path);
        const before = hashes(path);
        await assert.rejects(DB.repair(path), unsupported, what);
        assert.deepEqual(hashes(path), before, what);
      }
    }));
});

describe("opening what is no database", () => {
  it("is refused by name, and changes nothing: a file, a foreign directory, a place below a file", () =>
    withDirectory(async (root) => {
      writeFileSync(join(root, "file"), "dear");
      mkdirSync(join(root, "foreign"));
      writeFileSync(join(root, "foreign", "photo.jpg"), "x");
      await (await BackupRepository.open(join(root, "backups"))).close();
      const before = hashes(root);
      // A slash says that a directory is meant, which is not there; a file is.
      for (const name of ["file", "file/"]) {
        const message = /file\/? as a repository: it is a file; give a directory/;
        await assert.rejects(BackupRepository.open(`${root}/${name}`), { name: "ExistsError", message });
      }
      const refusals: [string, string, RegExp][] = [
        ["file", "ExistsError", /it is a file, and a database is a directory; choose another path/],
        ["foreign", "ExistsError", /holds other files \(photo\.jpg\) and no database; check the path, or/],
        [
          "backups",
          "ExistsError",
          /it is a backup repository; open it with BackupRepository\.open, or restore from it/,
        ],
        ["file/data", "NotFoundError", /is not a directory/],
      ];
      for (const [name, error, message] of refusals) {
        await assert.rejects(DB.open(join(root, name)), { name: error, message });
        assert.equal(await DB.exists(join(root, name)), false);
      }
      assert.deepEqual(hashes(root), before);
      assert.equal(existsSync(join(root, "nothing")), false);
      await assert.rejects(DB.open(join(root, "nothing"), { createIfMissing: false }), { name: "NotFoundError" });
      await assert.rejects(DB.open(join(root, "nothing"), { readOnly: true }), { name: "NotFoundError" });
      assert.deepEqual(hashes(root), before);
    }));
});
