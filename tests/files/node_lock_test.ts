/**
 * The lock between processes. The runtime that runs this file meets each of the three as holder and as contender, so that
 * running it in all three covers every pair.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { LockedError, PermissionError } from "../../lib/base/errors.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-lock-"));
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

let places = 0;
function newPlace(): string {
  const directory = join(root, String(++places));
  mkdirSync(directory);
  return directory;
}

/** Where the runtimes are: as installed beside the project, or in the directory that HOLDFAST_RUNTIMES names. */
const bin = process.env["HOLDFAST_RUNTIMES"] ?? fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));
const holder = fileURLToPath(new URL("lock_holder.ts", import.meta.url));

/** Deno gets the least that users give it: the directory, nothing else. */
const argumentsOf: Record<string, (directory: string) => string[]> = {
  deno: (directory) => ["run", "--no-prompt", "--no-check", `--allow-read=${directory}`, `--allow-write=${directory}`],
  bun: () => ["run"],
  node: () => [],
};
const runtimes = Object.keys(argumentsOf).filter((name) => existsSync(join(bin, name)));

/** Starts a process that asks for the lock; gives its answer. */
async function ask(
  runtime: string,
  directory: string,
): Promise<{ answer: string; end: (kill: boolean) => Promise<void> }> {
  const args = [...argumentsOf[runtime]!(directory), holder, join(directory, "LOCK")];
  const child = spawn(join(bin, runtime), args, { stdio: ["pipe", "pipe", "pipe"] });
  children.add(child);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let text = "";
  let complaints = "";
  child.stderr.on("data", (data) => complaints += data);
  const answer = await new Promise<string>((resolve) => {
    child.stdout.on("data", (data) => {
      text += data;
      if (text.includes("\n")) resolve(text.trimEnd());
    });
    child.once("exit", () => resolve(`${text}${complaints}`));
  });
  const end = async (kill: boolean): Promise<void> => {
    // By the number it told: what was started may be a script that started the runtime.
    if (kill) process.kill(Number(answer.split(" ")[1]), "SIGKILL");
    else child.stdin.end();
    await exited;
    children.delete(child);
  };
  return { answer, end };
}

describe("the lock", () => {
  it("has runtimes to be tested with", () => {
    assert.ok(runtimes.length > 0, `no runtime in ${bin}; install the packages or set HOLDFAST_RUNTIMES`);
  });

  it("is not given on a file that may only be read, where SQLite would lock nothing", async () => {
    const fs = nodeFileSystem();
    const directory = newPlace();
    const path = join(directory, "LOCK");
    (await fs.lock(path)).release();
    chmodSync(path, 0o444);
    // To root every file is writable.
    if (process.getuid?.() === 0) (await fs.lock(path)).release();
    else await assert.rejects(fs.lock(path), PermissionError);
  });

  it("is refused by its length where the path is longer than SQLite takes", async () => {
    const fs = nodeFileSystem();
    const above = join(newPlace(), "d".repeat(250));
    const at = (bytes: number): string => {
      const directory = join(above, "d".repeat(bytes - above.length - "//LOCK".length));
      mkdirSync(directory, { recursive: true });
      return join(directory, "LOCK");
    };
    (await fs.lock(at(504))).release();
    await assert.rejects(
      fs.lock(at(505)),
      /its whole path has 505 bytes, and SQLite locks up to 504; choose a shorter/,
    );
  });

  it("held in another thread is refused here, by words that say so, and free once that has ended", async () => {
    const fs = nodeFileSystem();
    const path = join(newPlace(), "LOCK");
    const thread = new Worker(new URL("lock_thread.ts", import.meta.url), { workerData: path });
    await new Promise((resolve, reject) => thread.once("message", resolve).once("error", reject));
    try {
      await assert.rejects(fs.lock(path), {
        name: "LockedError",
        message:
          /the number of this one: another thread or context of it, or a process of .* container; close it there or open/,
      });
    } finally {
      await thread.terminate();
    }
    (await fs.lock(path)).release();
  });

  it("held by a process that has the number of this one, as in another container, is not said to be held by this one", async () => {
    const fs = nodeFileSystem();
    const directory = newPlace();
    const path = join(directory, "LOCK");
    const other = await ask(runtimes[0]!, directory);
    try {
      // As it would have written it there.
      writeFileSync(`${path}.owner`, readFileSync(`${path}.owner`, "utf8").replace(/\d+/, `${process.pid}`));
      await assert.rejects(fs.lock(path), (error: Error) => {
        assert.match(
          error.message,
          /locked by process \d+ since [-\d: UTC]+, .* or a process of another container; close it/,
        );
        assert.doesNotMatch(error.message, /which is this one/);
        return true;
      });
    } finally {
      await other.end(false);
    }
  });

  for (const runtime of runtimes) {
    it(`held in ${runtime} is refused here, and free once its holder was killed`, async () => {
      const fs = nodeFileSystem();
      const directory = newPlace();
      const path = join(directory, "LOCK");
      const other = await ask(runtime, directory);
      assert.match(other.answer, /^held \d+$/);
      assert.deepEqual(readdirSync(directory).sort(), ["LOCK", "LOCK.owner"]);
      assert.equal(statSync(path).size, 0);
      const pid = other.answer.split(" ")[1];
      await assert.rejects(fs.lock(path), (error: unknown) => {
        assert.ok(error instanceof LockedError, String(error));
        const words = new RegExp(
          `^Cannot open .*: locked by process ${pid} since [-\\d]* ?\\d\\d:\\d\\d:\\d\\d UTC; close it or open with readOnly`,
        );
        assert.match(error.message, words);
        return true;
      });
      assert.equal(fs.lockedHere(path), false);
      // A refusal must not have loosened it.
      await assert.rejects(fs.lock(path), LockedError);
      await other.end(true);
      const lock = await fs.lock(path);
      assert.match(readFileSync(`${path}.owner`, "utf8"), new RegExp(`^process ${process.pid} since `));
      lock.release();
    });

    it(`held here is refused in ${runtime}, and free there once released`, async () => {
      const fs = nodeFileSystem();
      const directory = newPlace();
      const path = join(directory, "LOCK");
      const lock = await fs.lock(path);
      // Looking at the file is fine, and a second attempt here must not drop the first.
      assert.equal((await fs.stat(path))?.size, 0);
      await assert.rejects(fs.lock(path), LockedError);
      const refused = await ask(runtime, directory);
      assert.match(refused.answer, new RegExp(`^LockedError: .*locked by process ${process.pid} since`));
      await refused.end(false);
      lock.release();
      assert.deepEqual(readdirSync(directory), ["LOCK"]);
      const given = await ask(runtime, directory);
      assert.match(given.answer, /^held/);
      await given.end(false);
      const again = await fs.lock(path);
      again.release();
    });
  }
});
