/** Tables of the command line, at many widths. How wide a terminal is, each runtime is asked in tests/cli/process_test.ts. */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { BackupInfo } from "../../mod.ts";
import { type Column, factLines, tableLines } from "../../lib/cli/output/table.ts";
import { widthOf } from "../../lib/cli/output/width.ts";
import { cli, damage, filesBelow, freshDisk, jsonLines, linesOf, makeDirectory, ok, open } from "../cli/harness.ts";

const same = (text: string): string => text;

const COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "SIZE", align: "right" },
  { title: "WHY", narrow: "wrap" },
  { title: "PARENT" },
];
const ID = "20261126T020000Z-5d3a1f00";
const WHY = "the newest of its day, and pinned";
const ROWS = [[ID, "17.1 MB", WHY, ID], ["monday", "2 B", "", "-"]];
const at = (width: number): string[] => tableLines(COLUMNS, ROWS, { width, heading: same, label: same });

describe("a table", () => {
  it("has whole lines where nobody's screen is meant", () => {
    assert.deepEqual(at(Infinity), [
      "ID                            SIZE  WHY                                PARENT",
      `${ID}  17.1 MB  ${WHY}  ${ID}`,
      "monday                         2 B                                     -",
    ]);
    assert.deepEqual(at(200), at(Infinity));
  });

  it("is no wider than each of its values where it is not cut", () => {
    const long = "x".repeat(2_000_000);
    const columns: Column[] = [{ title: "KEY" }, { title: "VALUE", narrow: "cut" }];
    const rows = [["a", long], ...Array.from({ length: 300 }, (_, n) => [`key ${n}`, n === 7 ? "" : `value ${n}`])];
    const lines = tableLines(columns, rows, { width: Infinity, heading: same, label: same });
    assert.deepEqual([lines[0], lines[2], lines[9], lines[301]], [
      "KEY      VALUE",
      "key 0    value 0",
      "key 7",
      "key 299  value 299",
    ]);
    assert.equal(lines[1], `a        ${long}`);
  });

  it("lets text go on in the next line, and puts below what finds no room", () => {
    assert.deepEqual(at(70), [
      "ID                            SIZE  WHY",
      `${ID}  17.1 MB  the newest of its day, and pinned`,
      `  parent ${ID}`,
      "monday                         2 B",
    ]);
    assert.deepEqual(at(60), [
      "ID                            SIZE  WHY",
      `${ID}  17.1 MB  the newest of its day,`,
      "                                    and pinned",
      `  parent ${ID}`,
      "monday                         2 B",
    ]);
    assert.deepEqual(at(36), [
      "ID                            SIZE",
      `${ID}  17.1 MB`,
      `  parent ${ID}`,
      "  why the newest of its day, and",
      "  pinned",
      "monday                         2 B",
    ]);
  });

  it("shortens neither an id nor a figure, however narrow the terminal is", () => {
    for (let width = 20; width < 110; width++) {
      const lines = at(width);
      for (const wanted of [ID, "17.1 MB", "2 B", "newest"]) assert.ok(lines.join("\n").includes(wanted), `${width}`);
      assert.equal(lines.join("\n").split(ID).length, 3);
      // Below that not even an id fits.
      if (width >= 34) assert.deepEqual(lines.filter((line) => widthOf(line) > width), [], `${width}`);
    }
  });

  it("stands in line with characters that are wider than others", () => {
    const columns: Column[] = [{ title: "KEY", narrow: "alone" }, { title: "N" }, { title: "VALUE", narrow: "cut" }];
    const rows = [["都市/東京", "1", "日本の首都である東京都は人口が一番多い"], ["city", "2", "x".repeat(50)]];
    const [heading, wide, plain] = tableLines(columns, rows, { width: 40, heading: same, label: same });
    assert.equal(heading, "KEY        N  VALUE");
    assert.equal(widthOf(wide!.slice(0, wide!.indexOf("1"))), heading!.indexOf("N"));
    assert.match(wide!, /^都市\/東京 {2}1 {2}日本の.*…$/);
    assert.match(plain!, /^city {7}2 {2}x{25}…$/);
    assert.ok(widthOf(wide!) <= 40);
  });

  it("gives a key that is too long a line to itself", () => {
    const columns: Column[] = [{ title: "KEY", narrow: "alone" }, { title: "VALUE", narrow: "cut" }];
    const key = "k".repeat(100);
    const lines = tableLines(columns, [[key, "1"], ["short", "2"]], { width: 60, heading: same, label: same });
    assert.deepEqual(lines, [
      `${"KEY".padEnd(30)}  VALUE`,
      key,
      `${"".padEnd(30)}  1`,
      `${"short".padEnd(30)}  2`,
    ]);
  });

  it("leaves no empty line where all else stands below", () => {
    const columns: Column[] = [{ title: "KEY", narrow: "alone" }, { title: "VALUE", narrow: "cut" }];
    const key = "k".repeat(30);
    const lines = tableLines(columns, [[key, "1"], ["short", "2"]], { width: 12, heading: same, label: same });
    assert.deepEqual(lines, ["KEY", key, "  value 1", "short", "  value 2"]);
  });
});

describe("facts", () => {
  it("go on behind their name, or below it where a word is too long for that", () => {
    const facts = [["id", "one"], ["checksum", `sha256:${"0".repeat(20)}`], [
      "made",
      "at some time, in a while",
    ]] as const;
    assert.deepEqual(factLines(facts, 30), [
      "id        one",
      "checksum",
      `  sha256:${"0".repeat(20)}`,
      "made      at some time, in a",
      "          while",
    ]);
    assert.equal(factLines(facts, Infinity)[1], `checksum  sha256:${"0".repeat(20)}`);
  });
});

const [db, repo] = ["/db", "/a-place/with-a-longer-name/for-the-backups-of/the-shop"];

/** A database and a repository about which every command has something to tell; the ids of the backups. */
async function fill(): Promise<string[]> {
  await makeDirectory(repo);
  for (let n = 0; n < 3; n++) {
    const tags = ["--tag", "admin", "--tag", "newsletter", "--expire-in", "9d"];
    await ok(["set", db, `user/${n}`, JSON.stringify({ about: "x".repeat(200) }), "--create", "--as", "json", ...tags]);
    await ok(["set", db, `鍵/${n}`, "値".repeat(80)]);
    await ok(["backup", db, repo, "--label", "reason=before-the-migration"]);
  }
  const ids = (await jsonLines<BackupInfo>(["backups", repo])).map(({ id }) => id);
  await ok(["pin", repo, ids[0]!]);
  return ids;
}

beforeEach(freshDisk);

describe("every table", () => {
  it("fits the terminal, with all ids whole, and is cut nowhere else", async () => {
    const ids = await fill();
    const [slot] = await jsonLines<{ id: string }>(["slots", db]);
    const commands: [argv: string[], whole: string[]][] = [
      [["list", db], ["user/2", "鍵/2"]],
      [["list", db, "--long"], ["user/2", "鍵/2"]],
      [["backups", repo], ids],
      [["backups", repo, ids[1]!], [ids[0]!, ids[1]!]],
      [["points", repo], [ids[0]!]],
      [["slots", db], [slot!.id]],
      [["prune", repo, "--keep-last", "1", "--dry-run"], ids],
      [["history", repo], ids],
      [["stats", db], [db]],
      [["stats", repo], [ids[2]!]],
      [["estimate", repo], [ids[0]!]],
      [["health", repo, "--drill-within", "1d", "--verify-within", "1d"], ["drill"]],
      [["verify", repo], []],
    ];
    for (const [argv, whole] of commands) {
      const { stdout: piped } = await cli(argv, { columns: 40 });
      assert.ok(!piped.includes("…"), argv.join(" "));
      for (const columns of [100, 80, 60, 40]) {
        const { stdout } = await cli(argv, { terminal: true, columns });
        const shown = linesOf(stripVTControlCharacters(stdout));
        const long = shown.filter((line) => widthOf(line) > columns);
        // Only a word that no line can hold: the terminal itself goes on with it in the next one.
        const words = columns >= 80 ? [] : long.filter((line) => line.trim().split(" ").length <= 2);
        assert.deepEqual(long, words, `${argv.join(" ")} at ${columns}`);
        for (const id of whole) assert.ok(shown.join("\n").includes(id), `${argv.join(" ")} at ${columns}: ${id}`);
      }
      // A terminal that does not say how wide it is.
      const { stdout } = await cli(argv, { terminal: true, columns: 0 });
      assert.deepEqual(linesOf(stripVTControlCharacters(stdout)).filter((line) => widthOf(line) > 80), []);
    }
  });

  it("of what was lost fits, too", async () => {
    await using opened = await open(db, { history: { maxBytes: 0 } });
    for (let n = 0; n < 50; n++) await opened.set(`${"key-".repeat(30)}${n}`, "x".repeat(100));
    await opened.compact();
    await opened.close();
    await damage((await filesBelow(db)).find((path) => path.endsWith(".sst"))!, 200);
    const { stdout } = await cli(["repair", db, "--dry-run"], { terminal: true, columns: 80 });
    const lines = linesOf(stripVTControlCharacters(stdout));
    const long = lines.filter((line) => widthOf(line) > 80);
    assert.ok(long.length > 0 && long.every((line) => /^\s*(?:to key )?(?:key-)+\d+$/.test(line)), long.join("\n"));
  });
});
