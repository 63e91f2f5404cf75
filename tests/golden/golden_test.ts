import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { DB } from "../../mod.ts";
import { contentsOf } from "./contents.ts";

const here = dirname(fileURLToPath(import.meta.url));
const formats = readdirSync(here).filter((name) => name.startsWith("format-"));

describe("golden databases", () => {
  it("are there", () => assert.ok(formats.includes("format-1")));

  for (const format of formats) {
    const expected = JSON.parse(readFileSync(join(here, format, "contents.json"), "utf8"));

    const inCopy = async (test: (path: string) => Promise<void>): Promise<void> => {
      const directory = mkdtempSync(join(tmpdir(), "holdfast-golden-"));
      try {
        cpSync(join(here, format, "database"), join(directory, "database"), { recursive: true });
        await test(join(directory, "database"));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    };

    it(`${format} has files of every kind`, () => {
      const kinds = new Set(readdirSync(join(here, format, "database")).map((name) => name.replaceAll(/[0-9]/g, "")));
      for (const kind of [".log", ".sst", ".blob", "MANIFEST-", "CURRENT"]) assert.ok(kinds.has(kind), kind);
    });

    it(`${format} reads as it was written`, () =>
      inCopy(async (path) => {
        await using db = await DB.open(path, { readOnly: true });
        assert.deepEqual(JSON.parse(JSON.stringify(await contentsOf(db))), expected);
        assert.deepEqual((await db.verify()).problems, []);
        const even: string[] = [];
        for await (const { key } of db.list({ tag: ["even", "all"] })) even.push(key);
        assert.equal(even.length, 20);
      }));

    it(`${format} is written on, and its history goes on`, () =>
      inCopy(async (path) => {
        await using db = await DB.open(path);
        const { version } = db;
        await db.set("written", "now");
        assert.equal(db.version, version + 1);
        const seen: number[] = [];
        for await (const commit of db.changes({ since: version - 2 })) seen.push(commit.version);
        assert.deepEqual(seen, [version - 1, version, version + 1]);
        await db.compact();
        assert.deepEqual((await db.verify()).problems, []);
      }));
  }
});
