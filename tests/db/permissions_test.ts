/** What may be forbidden: Deno's permissions narrowed to one directory, and the rights of directories. */
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { DB } from "../../mod.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-rights-")));
after(() => rmSync(root, { recursive: true, force: true }));

/** Where the runtimes are: as installed beside the project, or in the directory that HOLDFAST_RUNTIMES names. */
const bin = process.env["HOLDFAST_RUNTIMES"] ?? fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));

/** Runs Deno to its end; gives its output and exit code. */
function deno(args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(bin, "deno"), ["run", "--no-prompt", "--no-check", ...args], { cwd: root });
    let output = "";
    child.stdout.on("data", (data) => output += data);
    child.stderr.on("data", (data) => output += data);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

const program = fileURLToPath(new URL("permitted_program.ts", import.meta.url));
const opener = fileURLToPath(new URL("opening_program.ts", import.meta.url));

describe("Deno's permissions", () => {
  it("to read and write one directory are all that is needed", async () => {
    const directory = join(root, "all");
    mkdirSync(directory);
    const { code, output } = await deno([
      `--allow-read=${directory}`,
      `--allow-write=${directory}`,
      program,
      directory,
    ]);
    assert.deepEqual([code, output], [0, "done\n"]);
    assert.equal(existsSync(`${directory}-beside`), false);
  });

  it("to read alone open a database with readOnly, and are a PermissionError without", async () => {
    const directory = join(root, "read");
    const db = await DB.open(directory);
    await db.set("k", 1);
    await db.close();
    const before = readdirSync(directory);
    const { output } = await deno([`--allow-read=${directory}`, opener, directory]);
    assert.match(output, /^readOnly: 1\nwriting: PermissionError: Cannot .*\n$/);
    assert.deepEqual(readdirSync(directory), before);
    const { output: none } = await deno([opener, directory]);
    assert.match(none, /^readOnly: PermissionError: .*\nwriting: PermissionError: .*\n$/);
  });
});

describe("the rights of a directory", () => {
  /** Runs the opener in this test's runtime, as a user who owns nothing here; undefined where that can't be. */
  async function asAnyone(directory: string): Promise<string | undefined> {
    if (process.platform === "win32") return undefined;
    const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    let child: ChildProcessWithoutNullStreams;
    try {
      child = spawn(process.execPath, [...flags, opener, directory], { cwd: root, env: { PATH: "" }, ...user });
    } catch {
      return undefined; // Deno throws where the others report: this user may not run the program.
    }
    let output = "";
    child.stdout.on("data", (data) => output += data);
    await new Promise((resolve) => {
      child.once("close", resolve);
      child.once("error", resolve);
    });
    // The project may lie where that user can't read it.
    return output === "" ? undefined : output;
  }

  it("that may not be written to make it a PermissionError unless readOnly, and nothing is changed", async () => {
    const directory = join(root, "closed");
    const db = await DB.open(directory);
    await db.set("k", 1);
    await db.close();
    for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o444);
    const before = readdirSync(directory);
    chmodSync(root, 0o755);
    chmodSync(directory, 0o555);
    try {
      const said = await asAnyone(directory);
      if (said !== undefined) assert.match(said, /^readOnly: 1\nwriting: PermissionError: Cannot .*\n$/);
      assert.deepEqual(readdirSync(directory), before);
      chmodSync(directory, 0o000);
      const denied = await asAnyone(directory);
      if (denied !== undefined) assert.match(denied, /^readOnly: PermissionError: .*\nwriting: PermissionError: .*\n$/);
    } finally {
      chmodSync(directory, 0o755);
    }
    assert.deepEqual(readdirSync(directory), before);
  });

  it("above a new database make it a PermissionError as well", async () => {
    const directory = join(root, "shut");
    mkdirSync(directory, { mode: 0o555 });
    chmodSync(root, 0o755);
    const said = await asAnyone(join(directory, "new"));
    if (said !== undefined) assert.match(said, /^readOnly: NotFoundError: .*\nwriting: PermissionError: .*\n$/);
    assert.deepEqual(readdirSync(directory), []);
  });
});
