/**
 * What every kind of file system must do: the same cases for the system's own and the one in memory.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClosedError, ExistsError, HoldfastError, IOError, LockedError, NotFoundError } from "../../lib/base/errors.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { readFile } from "../../lib/files/read.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

/** `length` bytes that differ from their neighbours and from those a chunk further. */
export function pattern(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    out[i] = state >>> 16;
  }
  return out;
}

async function rejectsWith(work: Promise<unknown>, type: new (...args: never[]) => HoldfastError): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof type, `expected ${type.name}, got ${error}`);
    assert.match(error.message, /^Cannot [^:]+: .+ \(\w+\)/);
    return true;
  });
}

/** Runs the suite on a file system; `place` gives an empty directory for each case. */
export function fileSystemSuite(name: string, place: () => { fs: FileSystem; directory: string }): void {
  const write = async (fs: FileSystem, path: string, content: Uint8Array): Promise<void> => {
    const handle = await fs.open(path, "create");
    await handle.append(content);
    await handle.close();
  };

  describe(`${name} file system`, () => {
    it("appends, reads at positions and tells the size", async () => {
      const { fs, directory } = place();
      const content = pattern(200_000);
      const handle = await fs.open(`${directory}/a`, "create");
      handle.appendSync(content.subarray(0, 10));
      await handle.append(content.subarray(10, 70_000));
      handle.appendSync(new Uint8Array(0));
      await handle.append(content.subarray(70_000));
      assert.equal(handle.sizeSync(), content.length);
      const middle = new Uint8Array(1000);
      assert.equal(handle.readAtSync(middle, 65_000), 1000);
      assert.deepEqual(middle, content.slice(65_000, 66_000));
      assert.equal(await handle.readAt(middle, 131_000), 1000);
      assert.deepEqual(middle, content.slice(131_000, 132_000));
      await handle.close();
      assert.deepEqual(await fs.stat(`${directory}/a`), { kind: "file", size: content.length });
      assert.deepEqual(await readFile(fs, `${directory}/a`, 200_000), content);
    });

    it("reads fewer bytes only at the end of a file", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1, 2, 3));
      const handle = fs.openSync(`${directory}/a`, "read");
      const into = bytes(9, 9, 9, 9);
      assert.equal(handle.readAtSync(into, 1), 2);
      assert.deepEqual(into, bytes(2, 3, 9, 9));
      assert.equal(await handle.readAt(into, 3), 0);
      assert.equal(handle.readAtSync(into, 1000), 0);
      assert.equal(handle.readAtSync(new Uint8Array(0), 0), 0);
      handle.closeSync();
    });

    it("writes the part of an array that a view shows", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(0, 1, 2, 3, 4).subarray(1, 4));
      assert.deepEqual(await readFile(fs, `${directory}/a`, 10), bytes(1, 2, 3));
    });

    it("goes on at the end of a file opened for appending", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1, 2));
      const handle = await fs.open(`${directory}/a`, "append");
      await handle.append(bytes(3));
      handle.appendSync(bytes(4));
      assert.equal(handle.sizeSync(), 4);
      await handle.close();
      const made = await fs.open(`${directory}/b`, "append");
      await made.append(bytes(7));
      await made.close();
      assert.deepEqual(await readFile(fs, `${directory}/a`, 10), bytes(1, 2, 3, 4));
      assert.deepEqual(await readFile(fs, `${directory}/b`, 10), bytes(7));
    });

    it("cuts a file and appends at the cut", async () => {
      const { fs, directory } = place();
      const content = pattern(150_000);
      const handle = await fs.open(`${directory}/a`, "create");
      await handle.append(content);
      await handle.truncate(70_000);
      assert.equal(handle.sizeSync(), 70_000);
      await handle.append(bytes(1, 2, 3));
      await handle.sync();
      await handle.truncate(70_001);
      handle.appendSync(bytes(9));
      handle.syncSync();
      await handle.close();
      const expected = new Uint8Array(70_002);
      expected.set(content.subarray(0, 70_000));
      expected.set([1, 9], 70_000);
      assert.deepEqual(await readFile(fs, `${directory}/a`, 100_000), expected);
    });

    it("appends over zeros that were put behind the end", async () => {
      const { fs, directory } = place();
      const handle = await fs.open(`${directory}/a`, "create");
      await handle.append(bytes(1, 2));
      handle.fillSync!(200_000);
      assert.equal(handle.sizeSync(), 200_000);
      handle.appendSync(bytes(3, 4));
      await handle.append(bytes(5));
      assert.equal(handle.sizeSync(), 200_000);
      // What is filled already stays as it is.
      handle.fillSync!(100_000);
      handle.fillSync!(200_001);
      await handle.sync();
      const expected = new Uint8Array(200_001);
      expected.set([1, 2, 3, 4, 5]);
      assert.deepEqual(await readFile(fs, `${directory}/a`, 300_000), expected);
      const content = pattern(200_000);
      await handle.append(content);
      assert.equal(handle.sizeSync(), 200_005);
      await handle.truncate(5);
      handle.appendSync(bytes(6));
      assert.deepEqual(await readFile(fs, `${directory}/a`, 300_000), bytes(1, 2, 3, 4, 5, 6));
      handle.fillSync!(10);
      await handle.close();
      // Another handle knows nothing of zeros: they are content.
      const next = await fs.open(`${directory}/a`, "append");
      await next.append(bytes(7));
      await next.close();
      assert.deepEqual(await readFile(fs, `${directory}/a`, 300_000), bytes(1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 7));
    });

    it("refuses to create what is there and to open what is not", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      await rejectsWith(fs.open(`${directory}/a`, "create"), ExistsError);
      await rejectsWith(fs.open(`${directory}/b`, "read"), NotFoundError);
      await rejectsWith(fs.open(`${directory}/none/b`, "create"), NotFoundError);
      await rejectsWith(fs.open(`${directory}/none/b`, "append"), NotFoundError);
      await rejectsWith(fs.open(`${directory}/a/b`, "create"), NotFoundError);
      await rejectsWith(fs.open(directory, "read"), IOError);
      await rejectsWith(fs.open(directory, "append"), IOError);
      assert.throws(() => fs.openSync(`${directory}/b`, "read"), NotFoundError);
      assert.deepEqual(await fs.list(directory), ["a"]);
    });

    it("refuses every call on a closed file, and closes twice in peace", async () => {
      const { fs, directory } = place();
      const handle = await fs.open(`${directory}/a`, "create");
      await handle.close();
      await handle.close();
      handle.closeSync();
      assert.throws(() => handle.readAtSync(new Uint8Array(1), 0), ClosedError);
      assert.throws(() => handle.appendSync(bytes(1)), ClosedError);
      assert.throws(() => handle.fillSync!(1), ClosedError);
      assert.throws(() => handle.syncSync(), ClosedError);
      assert.throws(() => handle.sizeSync(), ClosedError);
      await rejectsWith(handle.readAt(new Uint8Array(1), 0), ClosedError);
      await rejectsWith(handle.append(bytes(1)), ClosedError);
      await rejectsWith(handle.sync(), ClosedError);
      await rejectsWith(handle.truncate(0), ClosedError);
    });

    it("refuses to write through a handle for reading", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      const handle = await fs.open(`${directory}/a`, "read");
      await rejectsWith(handle.append(bytes(2)), IOError);
      assert.throws(() => handle.appendSync(bytes(2)), IOError);
      await handle.close();
      assert.deepEqual(await readFile(fs, `${directory}/a`, 10), bytes(1));
    });

    it("finishes a call that is under way when the file is closed", async () => {
      const { fs, directory } = place();
      const handle = await fs.open(`${directory}/a`, "create");
      const content = pattern(300_000);
      const appended = handle.append(content).catch((error: unknown) => error);
      const closed = handle.close();
      const other = await fs.open(`${directory}/b`, "create");
      await closed;
      const outcome = await appended;
      assert.ok(outcome === undefined || outcome instanceof ClosedError);
      await other.append(bytes(1));
      await other.close();
      assert.deepEqual(await readFile(fs, `${directory}/b`, 10), bytes(1));
      assert.equal((await fs.stat(`${directory}/a`))?.size, outcome === undefined ? content.length : 0);
    });

    it("keeps a closed file apart from the next one while reads of it are under way", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      await write(fs, `${directory}/b`, bytes(2));
      for (const atOnce of [true, false]) {
        const handle = await fs.open(`${directory}/a`, "read");
        // More than threads read at a time: some have not begun.
        const into = Array.from({ length: 32 }, () => new Uint8Array(1));
        const reads = into.map((one) => handle.readAt(one, 0));
        const closed = atOnce ? handle.closeSync() : handle.close();
        const other = await fs.open(`${directory}/b`, "read");
        const outcomes = await Promise.allSettled(reads);
        await closed;
        await other.close();
        for (const [i, outcome] of outcomes.entries()) {
          if (outcome.status === "fulfilled") assert.deepEqual(into[i], bytes(1));
          else assert.ok(outcome.reason instanceof ClosedError, String(outcome.reason));
        }
      }
    });

    it("sees nothing where nothing is", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      assert.equal(await fs.stat(`${directory}/b`), undefined);
      assert.equal(fs.statSync(`${directory}/b/c`), undefined);
      assert.equal(await fs.stat(`${directory}/a/b`), undefined);
      assert.deepEqual(fs.statSync(directory), { kind: "directory", size: 0 });
    });

    it("makes directories, with parents if asked", async () => {
      const { fs, directory } = place();
      await fs.makeDirectory(`${directory}/a`);
      await rejectsWith(fs.makeDirectory(`${directory}/a`), ExistsError);
      await rejectsWith(fs.makeDirectory(`${directory}/b/c`), NotFoundError);
      await fs.makeDirectory(`${directory}/b/c`, { parents: true });
      await fs.makeDirectory(`${directory}/b/c`, { parents: true });
      await write(fs, `${directory}/f`, bytes(1));
      await rejectsWith(fs.makeDirectory(`${directory}/f`, { parents: true }), ExistsError);
      await rejectsWith(fs.makeDirectory(`${directory}/f/d`, { parents: true }), NotFoundError);
      assert.deepEqual(await fs.list(directory), ["a", "b", "f"]);
    });

    it("makes private files and directories that serve like others", async () => {
      const { fs, directory } = place();
      await fs.makeDirectory(`${directory}/d`, { private: true });
      await fs.makeDirectory(`${directory}/e/f`, { parents: true, private: true });
      for (const path of [`${directory}/d/a`, `${directory}/e/f/a`]) {
        const handle = await fs.open(path, "create", { private: true });
        await handle.append(bytes(1, 2));
        await handle.close();
        const again = fs.openSync(path, "append", { private: true });
        again.appendSync(bytes(3));
        again.closeSync();
        assert.deepEqual(await readFile(fs, path, 10), bytes(1, 2, 3));
      }
      await rejectsWith(fs.open(`${directory}/d/a`, "create", { private: true }), ExistsError);
    });

    it("lists names sorted", async () => {
      const { fs, directory } = place();
      for (const name of ["b", "a10", "B", "a9"]) await write(fs, `${directory}/${name}`, bytes());
      assert.deepEqual(await fs.list(directory), ["B", "a10", "a9", "b"]);
      await rejectsWith(fs.list(`${directory}/none`), NotFoundError);
      await rejectsWith(fs.list(`${directory}/b`), NotFoundError);
    });

    it("tells whether the path of an open file still leads to it", async () => {
      const { fs, directory: above } = place();
      const directory = `${above}/x`;
      await fs.makeDirectory(directory);
      await write(fs, `${directory}/a`, bytes(1));
      await write(fs, `${directory}/b`, bytes(2));
      const [a, other, b] = [`${directory}/a`, `${directory}/a`, `${directory}/b`].map((path) =>
        fs.openSync(path, "read")
      );
      const answers = (): unknown[] => [a!, other!, b!].map((handle) => handle.isInPlaceSync?.());
      assert.deepEqual(answers(), [true, true, true]);
      await fs.link(`${directory}/a`, `${directory}/c`);
      fs.renameSync?.(`${directory}/b`, `${directory}/a`);
      assert.deepEqual(answers(), [false, false, false]);
      await fs.rename(`${directory}/c`, `${directory}/a`);
      assert.deepEqual(answers(), [true, true, false]);
      await fs.rename(directory, `${above}/y`);
      assert.deepEqual(answers(), [false, false, false]);
      await fs.rename(`${above}/y`, directory);
      await fs.remove(`${directory}/a`);
      assert.deepEqual(answers(), [false, false, false]);
      for (const handle of [a!, other!, b!]) handle.closeSync();
      assert.throws(() => fs.renameSync?.(`${directory}/a`, `${directory}/b`), NotFoundError);
    });

    it("renames over files and empty directories of the same sort", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      await write(fs, `${directory}/b`, bytes(2));
      await fs.rename(`${directory}/a`, `${directory}/b`);
      assert.deepEqual(await fs.list(directory), ["b"]);
      assert.deepEqual(await readFile(fs, `${directory}/b`, 10), bytes(1));
      await rejectsWith(fs.rename(`${directory}/a`, `${directory}/c`), NotFoundError);
      await rejectsWith(fs.rename(`${directory}/b`, `${directory}/none/c`), NotFoundError);
      await fs.makeDirectory(`${directory}/full/x`, { parents: true });
      await fs.makeDirectory(`${directory}/empty`);
      await rejectsWith(fs.rename(`${directory}/empty`, `${directory}/full`), ExistsError);
      await rejectsWith(fs.rename(`${directory}/b`, `${directory}/full`), HoldfastError);
      await rejectsWith(fs.rename(`${directory}/full`, `${directory}/b`), HoldfastError);
      await rejectsWith(fs.rename(`${directory}/full`, `${directory}/full/x/y`), IOError);
      await fs.rename(`${directory}/full`, `${directory}/empty`);
      assert.deepEqual(await fs.list(`${directory}/empty`), ["x"]);
      await fs.rename(`${directory}/b`, `${directory}/b`);
      assert.deepEqual(await fs.list(directory), ["b", "empty"]);
    });

    it("reads an open file on after it was renamed or removed", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      await write(fs, `${directory}/b`, bytes(2));
      const a = await fs.open(`${directory}/a`, "read");
      const b = await fs.open(`${directory}/b`, "read");
      await fs.rename(`${directory}/a`, `${directory}/b`);
      await fs.remove(`${directory}/b`);
      const into = new Uint8Array(1);
      assert.equal(a.readAtSync(into, 0), 1);
      assert.deepEqual(into, bytes(1));
      assert.equal(await b.readAt(into, 0), 1);
      assert.deepEqual(into, bytes(2));
      await a.close();
      await b.close();
    });

    it("links a second name to the same bytes", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      await fs.link(`${directory}/a`, `${directory}/b`);
      await rejectsWith(fs.link(`${directory}/a`, `${directory}/b`), ExistsError);
      await rejectsWith(fs.link(`${directory}/none`, `${directory}/c`), NotFoundError);
      const handle = await fs.open(`${directory}/b`, "append");
      await handle.append(bytes(2));
      await handle.close();
      await fs.remove(`${directory}/b`);
      assert.deepEqual(await readFile(fs, `${directory}/a`, 10), bytes(1, 2));
    });

    it("clones, or fails and leaves nothing", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      try {
        await fs.clone(`${directory}/a`, `${directory}/b`);
        assert.deepEqual(await readFile(fs, `${directory}/b`, 10), bytes(1));
      } catch (error) {
        assert.ok(error instanceof IOError, String(error));
        assert.deepEqual(await fs.list(directory), ["a"]);
      }
    });

    it("removes files as files and directories as directories", async () => {
      const { fs, directory } = place();
      await write(fs, `${directory}/a`, bytes(1));
      await fs.makeDirectory(`${directory}/d`);
      await rejectsWith(fs.remove(`${directory}/d`), IOError);
      await rejectsWith(fs.removeDirectory(`${directory}/a`), NotFoundError);
      await rejectsWith(fs.remove(`${directory}/none`), NotFoundError);
      await rejectsWith(fs.removeDirectory(`${directory}/none`), NotFoundError);
      await write(fs, `${directory}/d/x`, bytes(1));
      await rejectsWith(fs.removeDirectory(`${directory}/d`), ExistsError);
      await fs.remove(`${directory}/d/x`);
      await fs.removeDirectory(`${directory}/d`);
      await fs.remove(`${directory}/a`);
      assert.deepEqual(await fs.list(directory), []);
    });

    it("syncs directories and tells free space or that it can't", async () => {
      const { fs, directory } = place();
      await fs.syncDirectory(directory);
      await rejectsWith(fs.syncDirectory(`${directory}/none`), NotFoundError);
      const free = await fs.freeSpace(directory);
      assert.ok(free === undefined || free >= 0);
    });

    it("locks once, keeps the file empty, and locks again after release", async () => {
      const { fs, directory } = place();
      const path = `${directory}/LOCK`;
      assert.equal(fs.lockedHere(path), false);
      const lock = await fs.lock(path);
      assert.equal(fs.lockedHere(path), true);
      await rejectsWith(fs.lock(path), LockedError);
      await rejectsWith(fs.lock(`${directory}/../${directory.split("/").at(-1)}/LOCK`), LockedError);
      assert.equal(fs.lockedHere(path), true);
      assert.deepEqual(await fs.stat(path), { kind: "file", size: 0 });
      assert.deepEqual((await fs.list(directory)).filter((name) => name !== "LOCK.owner"), ["LOCK"]);
      lock.release();
      lock.release();
      assert.equal(fs.lockedHere(path), false);
      const again = await fs.lock(path);
      lock.release();
      assert.equal(fs.lockedHere(path), true);
      again.release();
      assert.deepEqual(await fs.list(directory), ["LOCK"]);
      await rejectsWith(fs.lock(`${directory}/none/LOCK`), NotFoundError);
      assert.equal(fs.lockedHere(`${directory}/none/LOCK`), false);
    });

    it("gives a lock to one of many that ask at once", async () => {
      const { fs, directory } = place();
      const asked = await Promise.allSettled(Array.from({ length: 5 }, () => fs.lock(`${directory}/LOCK`)));
      const given = asked.filter((result) => result.status === "fulfilled");
      assert.equal(given.length, 1);
      for (const result of asked) {
        if (result.status === "rejected") assert.ok(result.reason instanceof LockedError);
        else result.value.release();
      }
    });

    it("resolves paths that are not there yet", () => {
      const { fs, directory } = place();
      const resolved = fs.resolve(directory);
      assert.equal(fs.resolve(`${directory}/x/../y//z`), `${resolved}/y/z`);
      assert.equal(fs.resolve(`${directory}/.`), resolved);
    });
  });
}
