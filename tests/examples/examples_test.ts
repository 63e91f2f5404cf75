/** Every example runs to its end in the runtime that runs this test, says what it should, and leaves nothing behind. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { isMyDay } from "../crash/random.ts";
import { cephMissing } from "../storage/servers/ceph.ts";

const folder = fileURLToPath(new URL("../../examples/", import.meta.url));
const isDeno = process.versions["deno"] !== undefined;

/** Not examples of their own: what they share, and what needs Deno and JSR. */
const apart = ["show.ts", "deno_std.ts"];

/** What each example must say, in this order. */
const says: Record<string, RegExp[]> = {
  "quickstart.ts": [
    /GeoNames .*CC-BY 4\.0/,
    /✓ 171,075 cities are in/,
    /✓ every one of them was found/,
    /✓ a full scan sees every city once/,
    /tagged NO and arctic +\d+ cities/,
    /✓ the copy opens and holds every city/,
    /cities left +0/,
    /✓ Lisbon is back where it was/,
    /✓ 171,075 cities, no damage/,
    /Done in/,
  ],
  "azure.ts": [
    /✓ the second one sent a fraction/,
    /✓ every byte that the container holds/,
    /over there +version \d+, 20,000 parcels/,
    /✓ it has all that this one had/,
    /✓ the command that makes the container/,
    /✓ and not the key/,
  ],
  "continuous.ts": [
    /the database's directory +removed/,
    /✓ all [\d,]+ writes up to the last shipment are back/,
    /✓ no write before version [\d,]+ is missing/,
    /✓ nothing that was acknowledged before the last shipment began/,
  ],
  "crash.ts": [/Round 1/, /Round 3/, /✓ every one of the [\d,]+ acknowledged writes is there/],
  "custom_store.ts": [/✓ all of it is in the service/, /✓ every byte/, /✓ 5,001 notes came back/],
  "daily_backup.ts": [/removed shop-2026-11-01/, /✓ the newest seven days/, /✓ six days of orders/],
  "durability.ts": [/"commit"/, /"interval"/, /"buffered"/, /✓ the payment is there/],
  "keyv.ts": [
    /✓ the session is there/,
    /✓ the offer stands/,
    /✓ and now it is gone/,
    /✓ clearing the pages leaves the sessions alone/,
    /✓ Ada is still logged in/,
  ],
  "kv.ts": [/✓ one of them has it/, /✓ and it was counted once/, /✓ at the third attempt/, /✓ the copy has the books/],
  "level.ts": [
    /✓ the index has every one of them/,
    /✓ no damage in any file/,
    /✓ but for the snapshot/,
    /✓ orders and index are back, all 18,002 entries/,
  ],
  "migration.ts": [/has no family name/, /✓ as if it had never run/, /✓ five people, none harmed/],
  "move.ts": [/✓ the new place holds the same/, /✓ the old place is empty/, /✓ and there, too/],
  "s3.ts": [
    ...cephMissing() === undefined
      ? [/✓ 10,000 meters are back/, /✓ and so is the last reading/, /✓ the bucket's name was wrong/]
      : [/not shown +\S/],
  ],
  "scheduled_backups.ts": [
    /✓ the drill restored the database/,
    /✓ nothing was found/,
    /✓ the page says that all is well/,
  ],
  "serve_export.ts": [/listening with/, /✓ the copy holds all 20,000 readings/, /✓ and of what was written meanwhile/],
  "backup_and_restore.ts": [
    /second backup +incremental on the first/,
    /✓ a hundredth of the first, or less/,
    /✓ every byte is as it was written/,
    /✓ 20,000 books are back/,
  ],
  "encrypted.ts": [
    /✓ neither text nor passphrase is in any file/,
    /verify without a key +\d+ objects, 0 problems/,
    /✓ the old passphrase opens nothing any more/,
    /copied again +0 objects/,
    /✓ only who has the key reads the diary/,
  ],
  "incremental_week.ts": [
    /Sun 2026-11-01 +full/,
    /Mon 2026-11-02 +incremental/,
    /✓ the last seven nights/,
    /✓ 1900 orders, as there were then/,
  ],
  "point_in_time.ts": [
    /✓ it was version 39, at 08:38:00; found in 6 looks/,
    /✓ the last good version, and nothing was changed/,
    /✓ all customers are there/,
    /✓ nothing of the morning is lost but the accident/,
    /✓ a time beyond what is archived is refused/,
  ],
  "retention_dry_run.ts": [
    /✓ a dry run deletes nothing/,
    /✓ what is pinned stays/,
    /✓ what stays is what the dry run said/,
    /✓ and the repository is whole/,
  ],
  "tags.ts": [/✓ in key order/, /✓ deleted entries leave every tag at once/, /how many soups +2/],
  "test_data.ts": [/✓ c3 owes/, /✓ 1,000 orders again/, /✓ no secret came along/],
  "transaction.ts": [/✓ the five still own 500/, /✓ still 500/, /✓ exactly one of two simultaneous claims won/],
  "unstorage.ts": [
    /✓ the picture takes four bytes/,
    /✓ the counter lasts until tomorrow/,
    /remove articles:2026:caches/,
    /update articles:2026:backups/,
    /✓ the copy has all three items/,
  ],
  "typed.ts": [
    /✓ what was left out has its default/,
    /refused +Cannot set "1818": value\.year: /,
    /✓ and nothing was written/,
    /✓ a set came back/,
    /✓ 800 is before 1999/,
  ],
  "watch.ts": [
    /stock\/apples +now 12/,
    /✓ 2 at the start, 3 sets and 1 delete were seen/,
    /version \d+ +set stock\/plums/,
  ],
};

/** They start a server, or have much to do: each day in another runtime. */
const heavy = [
  "azure.ts",
  "s3.ts",
  "quickstart.ts",
  "retention_dry_run.ts",
  "crash.ts",
  "continuous.ts",
  "encrypted.ts",
  "scheduled_backups.ts",
];

/** Runs an example with a temporary directory of its own; returns what it printed and what it left there. */
async function run(name: string): Promise<{ code: number | null; out: string; errors: string; left: string[] }> {
  const temporary = await mkdtemp(join(tmpdir(), "holdfast-examples-"));
  try {
    const before = isDeno ? ["run", "-A", "--no-check"] : [];
    const child = spawn(process.execPath, [...before, join(folder, name)], {
      cwd: temporary,
      env: { ...process.env, TMPDIR: temporary, TMP: temporary, TEMP: temporary, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [out, errors] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => out += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
    const [code] = await once(child, "close") as [number | null];
    return { code, out, errors, left: await readdir(temporary) };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

describe("examples", () => {
  it("are all known to this test", async () => {
    const names = (await readdir(folder)).filter((name) => name.endsWith(".ts") && !apart.includes(name));
    assert.deepEqual(names.sort(), Object.keys(says).sort());
  });

  for (const [name, expected] of Object.entries(says)) {
    it(`${name} runs, keeps its promises and cleans up`, async () => {
      if (heavy.includes(name) && !isMyDay(heavy.indexOf(name))) return;
      const { code, out, errors, left } = await run(name);
      assert.equal(code, 0, `${out}\n${errors}`);
      let at = 0;
      for (const line of expected) {
        const found = out.slice(at).search(line);
        assert.notEqual(found, -1, `${line} is missing in:\n${out}`);
        at += found;
      }
      assert.deepEqual(left, []);
    });
  }

  it("deno_std.ts runs under Deno, where JSR answers", async () => {
    if (!isDeno) {
      console.log("deno_std.ts is not run here: it is for Deno only.");
      return;
    }
    const { code, out, errors } = await run("deno_std.ts");
    if (code !== 0 && /JSR package manifest .* failed to load|error sending request/s.test(errors)) {
      console.log("deno_std.ts was not run: JSR does not answer here.");
      return;
    }
    assert.equal(code, 0, `${out}\n${errors}`);
    assert.match(out, /✓ 1000 entries came back/);
  });
});
