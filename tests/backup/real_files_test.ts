import { after, describe, it } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { PermissionError } from "../../lib/base/errors.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { backupTo, exportDatabase, restoreInto, restoreTo } from "../../lib/backup/mod.ts";
import { exportStream } from "../../lib/db/export_stream.ts";
import { dump, fillSample, openAt, put, settingsOf, write } from "./fixture.ts";

const hasTar = ((): boolean => {
  try {
    execFileSync("tar", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe("on real files", () => {
  const fs = nodeFileSystem();
  const root = mkdtempSync(join(tmpdir(), "holdfast-backup-"));
  after(() => rmSync(root, { recursive: true, force: true }));
  const at = (name: string): string => join(root, name);

  it("exports, backs up and restores, by path and by file: URL", async () => {
    const engine = await openAt(fs, at("db"));
    await fillSample(engine);
    await exportDatabase(engine, pathToFileURL(at("copy")));
    await exportDatabase(engine, at("copy.tar"));
    await backupTo(engine, pathToFileURL(at("x.json.zst")).href);
    const wanted = dump(engine);
    for (const source of ["copy", "copy.tar", "x.json.zst"]) {
      await write(engine, (batch) => put(batch, 0, "extra", { value: "x" }));
      await restoreInto(engine, at(source));
      assert.deepEqual(dump(engine), wanted, source);
      await restoreTo(fs, settingsOf(), pathToFileURL(at(source)), at(`from ${source}`));
      const copy = await openAt(fs, at(`from ${source}`));
      assert.deepEqual(dump(copy), wanted, source);
      await copy.close();
    }
    await restoreTo(fs, settingsOf(), exportStream(engine), at("streamed"));
    assert.ok(statSync(at("streamed/CURRENT")).size > 0);
    assert.deepEqual(readdirSync(at("db")).filter((name) => name.startsWith(".")), []);
    await engine.close();
  });

  it("writes a tar that the system's tar makes a database of, and takes one that it made", async () => {
    if (!hasTar) return;
    const engine = await openAt(fs, at("db2"));
    await fillSample(engine);
    const wanted = dump(engine);
    await exportDatabase(engine, at("db2.tar"));
    await engine.close();
    mkdirSync(at("extracted"));
    execFileSync("tar", ["xf", at("db2.tar"), "-C", at("extracted")]);
    const extracted = await openAt(fs, at("extracted"));
    assert.deepEqual(dump(extracted), wanted);
    await extracted.close();
    execFileSync("tar", ["czf", at("made.tar.gz"), "-C", root, "db2"]);
    await restoreTo(fs, settingsOf(), at("made.tar.gz"), at("from made"));
    const copy = await openAt(fs, at("from made"));
    assert.deepEqual(dump(copy), wanted);
    await copy.close();
  });

  it("exports into a directory that may be written to although its parent may not, and says what may not", async () => {
    // Rights mean nothing to root.
    if (process.platform === "win32" || process.getuid?.() === 0) return;
    const engine = await openAt(fs, at("db3"));
    mkdirSync(at("closed"));
    mkdirSync(at("closed/open"));
    mkdirSync(at("closed/shut"));
    chmodSync(at("closed/shut"), 0o555);
    chmodSync(at("closed"), 0o555);
    try {
      await exportDatabase(engine, at("closed/open"));
      await assert.rejects(exportDatabase(engine, at("closed/shut")), PermissionError);
      await assert.rejects(exportDatabase(engine, at("closed/new")), PermissionError);
      await assert.rejects(backupTo(engine, at("closed/x.json")), PermissionError);
      assert.deepEqual(readdirSync(at("closed")), ["open", "shut"]);
    } finally {
      chmodSync(at("closed"), 0o755);
      chmodSync(at("closed/shut"), 0o755);
      await engine.close();
    }
  });
});
