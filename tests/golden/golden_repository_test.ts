import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { BackupRepository, DB } from "../../mod.ts";
import { contentsOf } from "./contents.ts";
import { GOLDEN_KEY } from "./golden_key.ts";

const here = dirname(fileURLToPath(import.meta.url));
const formats = readdirSync(here).filter((name) => name.startsWith("repository-")).sort();

interface State {
  version: number;
  timestamp: number;
  contents: unknown;
}

describe("golden repositories", () => {
  it("are there", () => assert.deepEqual(formats, ["repository-1", "repository-1-body"]));

  for (const format of formats) {
    for (const kind of readdirSync(join(here, format))) {
      const place = join(here, format, kind);
      const states = JSON.parse(readFileSync(join(place, "states.json"), "utf8")) as State[];
      const encryption = kind === "encrypted" ? GOLDEN_KEY : undefined;

      const inCopy = async (test: (repo: BackupRepository, directory: string) => Promise<void>): Promise<void> => {
        const directory = mkdtempSync(join(tmpdir(), "holdfast-golden-"));
        try {
          cpSync(join(place, "repository"), join(directory, "repository"), { recursive: true });
          await using repo = await BackupRepository.open(join(directory, "repository"), { encryption });
          await test(repo, directory);
        } finally {
          rmSync(directory, { recursive: true, force: true });
        }
      };

      const contentsAfter = async (directory: string): Promise<unknown> => {
        await using db = await DB.open(directory, { readOnly: true });
        return JSON.parse(JSON.stringify(await contentsOf(db)));
      };

      it(`${format}, ${kind}, verifies whole`, () =>
        inCopy(async (repo) => {
          const report = await repo.verify();
          assert.deepEqual(report.problems, []);
          assert.deepEqual((await repo.list()).map(({ id }) => id), [
            "full",
            "inc-0",
            "inc-3",
            "inc-6",
            "inc-9",
            "part",
            "snapshot",
            "again",
          ]);
          assert.equal((await repo.get("full"))?.pinned, true);
          assert.deepEqual((await repo.get("full"))?.labels, { made: "for ever" });
        }));

      it(`${format}, ${kind}, restores every state it was made with`, () =>
        inCopy(async (repo, directory) => {
          const newest = (await repo.latest())!.lineage;
          for (const [i, { version, contents }] of states.entries()) {
            const to = join(directory, `r${i}`);
            const info = await repo.restore(to, { at: { version }, lineage: newest }).catch(async () => {
              // Of a history that another left behind: by the lineage that has it.
              const { lineage } = (await repo.get("full"))!;
              return await repo.restore(to, { at: { version }, lineage });
            });
            assert.equal(info.achieved.version, version);
            assert.deepEqual(await contentsAfter(to), contents, `version ${version}`);
          }
        }));

      it(`${format}, ${kind}, takes new backups`, () =>
        inCopy(async (repo, directory) => {
          await repo.restore(join(directory, "db"));
          await using db = await DB.open(join(directory, "db"));
          await db.set("new", "entry");
          const { id } = await repo.backup(db);
          await repo.restore(join(directory, "back"), { backupId: id });
          assert.deepEqual(
            await contentsAfter(join(directory, "back")),
            JSON.parse(JSON.stringify(await contentsOf(db))),
          );
        }));
    }
  }
});
