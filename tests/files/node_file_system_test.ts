import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import { ExistsError, IOError, NoSpaceError, NotFoundError, PermissionError } from "../../lib/base/errors.ts";
import { failureCode, nodeError } from "../../lib/files/node_errors.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { fileSystemSuite } from "./file_system_suite.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-files-"));
let places = 0;
const newPlace = (): string => {
  const directory = join(root, String(++places));
  mkdirSync(directory);
  return directory;
};
after(() => rmSync(root, { recursive: true, force: true }));

fileSystemSuite("node", () => ({ fs: nodeFileSystem(), directory: newPlace() }));

describe("nodeFileSystem", () => {
  it("resolves links, so that a lock is one whichever way leads to it", async () => {
    const fs = nodeFileSystem();
    const directory = newPlace();
    symlinkSync(directory, `${directory}-link`);
    assert.equal(fs.resolve(`${directory}-link/a/b`), fs.resolve(`${directory}/a/b`));
    const lock = await fs.lock(`${directory}/LOCK`);
    assert.equal(fs.lockedHere(`${directory}-link/LOCK`), true);
    lock.release();
  });

  it("tells of a link that leads nowhere", async () => {
    const fs = nodeFileSystem();
    const path = `${newPlace()}/link`;
    symlinkSync(`${path}-target`, path);
    for (const given of [path, `${path}/`]) assert.deepEqual(await fs.stat(given), { kind: "link", size: 0 });
    mkdirSync(`${path}-target`);
    assert.equal((await fs.stat(path))?.kind, "directory");
  });

  it("never takes one directory for another where names are no UTF-8", () => {
    const fs = nodeFileSystem();
    const directory = fs.resolve(newPlace());
    // No text names it, so a shell has to make it; a link leads into it.
    execFileSync("/bin/sh", ["-c", 'cd "$0" && d=$(printf "r\\374") && mkdir "$d" && ln -s "$d" link', directory]);
    assert.equal(fs.resolve(`${directory}/link/data`), `${directory}/link/data`);
    mkdirSync(`${directory}/link/data`);
    assert.equal(fs.resolve(`${directory}/link/data`), `${directory}/link/data`);
    const before = process.cwd();
    try {
      process.chdir(`${directory}/link`);
      assert.throws(
        () => fs.resolve("data"),
        (error) => error instanceof IOError && /not (?:valid )?UTF-8/.test(error.message),
      );
      assert.equal(fs.resolve(`${directory}/x`), `${directory}/x`);
      // Another directory may really be called so.
      mkdirSync(`${directory}/r\ufffd`);
      assert.throws(() => fs.resolve("data"), IOError);
      process.chdir(`${directory}/r\ufffd`);
      assert.equal(fs.resolve("data"), `${directory}/r\ufffd/data`);
      process.chdir(directory);
      assert.equal(fs.resolve("data"), `${directory}/data`);
    } finally {
      process.chdir(before);
    }
  });

  it("removes a link and not what it leads to", async () => {
    const fs = nodeFileSystem();
    const directory = newPlace();
    mkdirSync(`${directory}/d`);
    symlinkSync(`${directory}/d`, `${directory}/l`);
    await fs.remove(`${directory}/l`);
    assert.deepEqual(await fs.list(directory), ["d"]);
  });

  it("makes private files and directories for this user alone, and others as the system does", async () => {
    if (process.platform === "win32") return; // No such rights there.
    const fs = nodeFileSystem();
    const directory = newPlace();
    await fs.makeDirectory(`${directory}/d/e`, { parents: true, private: true });
    await fs.makeDirectory(`${directory}/f`);
    for (const [name, options] of [["p", { private: true }], ["q", {}]] as const) {
      await (await fs.open(`${directory}/${name}`, "create", options)).close();
      fs.openSync(`${directory}/${name}2`, "append", options).closeSync();
    }
    // The system's own way is asked for with plain calls: the umask is not known here.
    mkdirSync(`${directory}/g`);
    writeFileSync(`${directory}/r`, "");
    const rights = (name: string): string => (statSync(`${directory}/${name}`).mode & 0o777).toString(8);
    assert.deepEqual(["d", "d/e", "p", "p2"].map(rights), ["700", "700", "600", "600"]);
    assert.deepEqual(["f", "q", "q2"].map(rights), [rights("g"), rights("r"), rights("r")]);
  });

  it("says that a disk is read-only where it is to make directories there", async (t) => {
    const directory = newPlace();
    try {
      if (process.platform !== "linux" || process.getuid?.() !== 0) throw new Error("only root may mount");
      execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", directory], { stdio: "pipe" });
    } catch (error) {
      return t.diagnostic(`not tried: ${(error as Error).message}`);
    }
    try {
      for (const path of [`${directory}/d`, `${directory}/d/e/f`]) {
        const refused = nodeFileSystem().makeDirectory(path, { parents: true });
        await assert.rejects(
          refused,
          /^PermissionError: Cannot make directory .*: the file system is read-only \(EROFS\)/,
        );
      }
      await nodeFileSystem().makeDirectory(directory, { parents: true });
    } finally {
      execFileSync("umount", ["-l", directory]);
    }
  });

  it("refuses to lock a file that something else is in", async () => {
    const fs = nodeFileSystem();
    const directory = newPlace();
    writeFileSync(`${directory}/LOCK`, "x".repeat(5000));
    await assert.rejects(fs.lock(`${directory}/LOCK`), /^IOError: Cannot lock .*; the file must be empty/);
    mkdirSync(`${directory}/other`);
    await assert.rejects(
      fs.lock(`${directory}/other`),
      /^IOError: Cannot lock .*other: it is a directory; move it away/,
    );
    assert.equal(fs.lockedHere(`${directory}/LOCK`), false);
  });

  it("says who holds a lock, and that it is this process", async () => {
    const fs = nodeFileSystem();
    const directory = newPlace();
    const lock = await fs.lock(`${directory}/LOCK`);
    const message = new RegExp(
      `^LockedError: Cannot open .*${places}: locked by process \\d+ since [-\\d: UTC]+, which is this one; use the database that is open, or close it \\(LOCKED\\)$`,
    );
    await assert.rejects(fs.lock(`${directory}/LOCK`), message);
    lock.release();
  });
});

describe("nodeError", () => {
  const system = (code: string): Error => Object.assign(new Error(`${code}: words of the system`), { code });

  it("turns every code into the library's error", () => {
    const expected = {
      ENOENT: NotFoundError,
      ENOTDIR: NotFoundError,
      EEXIST: ExistsError,
      ENOTEMPTY: ExistsError,
      EACCES: PermissionError,
      EPERM: PermissionError,
      EROFS: PermissionError,
      ERR_ACCESS_DENIED: PermissionError,
      ENOSPC: NoSpaceError,
      EDQUOT: NoSpaceError,
      EIO: IOError,
      EMFILE: IOError,
      EXOTIC: IOError,
    };
    for (const [code, type] of Object.entries(expected)) {
      const cause = system(code);
      const error = nodeError("open", "data/x", cause);
      assert.ok(error instanceof type, code);
      assert.ok(error.message.startsWith("Cannot open data/x: "), error.message);
      assert.ok(error.message.includes(`(${code})`), error.message);
      assert.equal(error.cause, cause);
      assert.equal(error.path, "data/x");
    }
  });

  it("understands what Deno says in words only", () => {
    assert.equal(failureCode(new Error("No space left on device (os error 28)")), "ENOSPC");
    const refused = new Error("Requires read access");
    refused.name = "NotCapable";
    assert.ok(nodeError("open", "x", refused) instanceof PermissionError);
    assert.match(nodeError("open", "x", refused).message, /run Deno with --allow-read and --allow-write for it$/);
    assert.equal(failureCode("text"), "UNKNOWN");
    assert.equal(failureCode(new Error("?")), "UNKNOWN");
  });

  it("understands errors of another context, as the runtime's are under Jest", () => {
    const thrown = (properties: string): unknown =>
      runInNewContext(`Object.assign(new Error("words of the system"), ${properties})`);
    const absent = thrown('{ code: "ENOENT" }');
    assert.ok(!(absent instanceof Error));
    assert.ok(nodeError("open", "x", absent) instanceof NotFoundError);
    assert.ok(nodeError("open", "x", thrown('{ name: "NotCapable" }')) instanceof PermissionError);
    assert.equal(nodeError("open", "x", thrown("{}")).message, "Cannot open x: words of the system (UNKNOWN)");
  });
});
