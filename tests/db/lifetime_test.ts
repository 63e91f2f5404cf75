/** Databases in processes of their own: what keeps a process alive, and what two of them see of each other. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { DB, LockedError } from "../../mod.ts";
import { all } from "./helpers.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-life-")));
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

const program = fileURLToPath(new URL("lifetime_program.ts", import.meta.url));

/** A program in the runtime of this test. */
class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; output: string }>;
  #output = "";
  #lines: string[] = [];
  #wake: (() => void) | undefined;

  constructor(directory: string, what: string) {
    const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    this.child = spawn(process.execPath, [...flags, program, directory, what], { stdio: ["pipe", "pipe", "pipe"] });
    children.add(this.child);
    let rest = "";
    this.child.stdout!.on("data", (data) => {
      this.#output += data;
      const lines = (rest + data).split("\n");
      rest = lines.pop()!;
      this.#lines.push(...lines);
      this.#wake?.();
    });
    this.child.stderr!.on("data", (data) => this.#output += data);
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code) => {
        children.delete(this.child);
        this.#wake?.();
        resolve({ code, output: this.#output });
      });
    });
  }

  async line(): Promise<string> {
    while (this.#lines.length === 0) {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.#output}`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#lines.shift()!;
  }

  tell(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }
}

describe("a process", () => {
  it("stays until its writes are made, though it did not wait for them", async () => {
    const directory = join(root, "pending");
    const { code, output } = await new Program(directory, "pending").ended;
    assert.deepEqual([code, output], [0, Array.from({ length: 10 }, (_, i) => `wrote ${i + 1}\n`).join("")]);
    await using db = await DB.open(directory);
    assert.equal(await db.count(), 10);
  });

  it("stays until what is written at intervals is on disk", async () => {
    for (const durability of ["interval", "buffered"]) {
      const directory = join(root, durability);
      const { code, output } = await new Program(directory, durability).ended;
      assert.deepEqual([code, output], [0, "set\n"]);
      await using db = await DB.open(directory);
      assert.equal(await db.get("k"), durability);
    }
  });

  it("is not kept by an open database in which nothing is pending", async () => {
    const { code, output } = await new Program(join(root, "idle"), "idle").ended;
    assert.deepEqual([code, output], [0, "idle\n"]);
  });

  it("is kept by a schedule that is to do so, until that is stopped", async () => {
    const { code, output } = await new Program(join(root, "schedule"), "schedule").ended;
    assert.deepEqual([code, output], [0, "start\nsuccess\n"]);
  });

  it("that holds a database refuses others by its number, and a killed one holds nothing", async () => {
    const directory = join(root, "held");
    const other = new Program(directory, "hold");
    const pid = /^held by (\d+)$/.exec(await other.line())![1]!;
    const source = join(root, "source.jsonl");
    {
      await using db = await DB.open(":memory:");
      await db.backup(source);
    }
    // Beside a writer one can only read: what changes the database is not advised to open it so.
    const refusals: [what: string, remedy: string, call: () => Promise<unknown>][] = [
      ["open", "close it or open with readOnly", () => DB.open(directory)],
      ["destroy", "close it first", () => DB.destroy(directory)],
      ["repair", "close it first", () => DB.repair(directory)],
      ["repair", "close it first", () => DB.repair(directory, { dryRun: true })],
      ["replace", "close it first", () => DB.restore(source, directory, { overwrite: true })],
    ];
    for (const [what, remedy, call] of refusals) {
      await assert.rejects(call(), (error: Error) => {
        assert.ok(error instanceof LockedError, String(error));
        const holder = `process ${pid} since [-\\d]* ?[:\\d]+ UTC`;
        assert.match(
          error.message,
          new RegExp(`^Cannot ${what} .*/held: locked by ${holder}; ${remedy} \\(LOCKED\\)$`),
        );
        assert.match(error.holder!, new RegExp(`^${holder}$`));
        return true;
      });
    }
    other.child.kill("SIGKILL");
    await other.ended;
    await using db = await DB.open(directory);
    assert.equal(await db.get("k"), 1);
  });

  it("reads beside a writer in another, moves on by refresh, exports and backs up", async () => {
    const directory = join(root, "beside");
    const other = new Program(directory, "hold");
    await other.line();
    await using db = await DB.open(directory, { readOnly: true });
    assert.equal(await db.get("k"), 1);
    using before = db.snapshot();
    other.tell("go");
    assert.equal(await other.line(), "wrote");
    assert.equal(await db.get("k"), 1);
    await db.refresh();
    assert.equal(await db.get("k"), 2);
    assert.ok(db.version > before.version);
    await db.export(join(root, "beside-copy"));
    await db.backup(join(root, "beside.json"));
    await assert.rejects(db.set("k", 3), { name: "ReadOnlyError" });
    await assert.rejects(db.restore(join(root, "beside.json")), { name: "ReadOnlyError" });
    other.tell("go");
    assert.equal(await other.line(), "wrote");
    other.child.stdin!.end();
    assert.equal((await other.ended).code, 0);
    await using copy = await DB.open(join(root, "beside-copy"));
    assert.deepEqual((await all(copy.list())).map(({ value }) => value), [2]);
  });
});

describe("a thread", () => {
  it("is refused beside the writer of its own process as another process is, and reads beside it", async () => {
    const directory = join(root, "threads");
    await using db = await DB.open(directory);
    await db.set("k", 1);
    const thread = new Worker(new URL("lifetime_thread.ts", import.meta.url), { workerData: directory });
    const told: unknown[] = [];
    try {
      await new Promise<void>((resolve, reject) => {
        thread.once("error", reject);
        thread.on("message", (message) => {
          told.push(message);
          if (told.length === 2) db.set("k", 2).then(() => thread.postMessage("go"), reject);
          if (told.length === 3) resolve();
        });
      });
    } finally {
      await thread.terminate();
    }
    assert.match(
      String(told.shift()),
      /locked by process \d+ since .*, the number of this one: another thread or context of it/,
    );
    assert.deepEqual(told, [1, 2]);
    await db.set("k", 3); // what the thread did has not loosened the lock, nor closed what is open here
    assert.equal((await db.verify()).ok, true);
  });
});
