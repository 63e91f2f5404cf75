/** The command line as a process of its own: real files, pipes, signals and a terminal. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { BackupRepository, DB } from "../../mod.ts";

const program = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));
const isDeno = process.versions["deno"] !== undefined;
/** Under Deno with no more permissions than the documentation asks for. */
const command = [process.execPath, ...(isDeno ? ["run", "--no-check", "-RW"] : []), program];
const directory = mkdtempSync(join(tmpdir(), "holdfast-cli-"));
const at = (name: string): string => join(directory, name);

after(() => rmSync(directory, { recursive: true, force: true }));

/** Node strips the types of each file only once. */
const environment = { ...process.env, TERM: "xterm", NO_COLOR: "", NODE_COMPILE_CACHE: at("cache") };

function start(argv: readonly string[]): ChildProcess {
  return spawn(command[0]!, [...command.slice(1), ...argv], { cwd: directory, env: environment, stdio: "pipe" });
}

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

async function ended(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  child.stdout!.on("data", (piece) => stdout += String(piece));
  child.stderr!.on("data", (piece) => stderr += String(piece));
  const [code] = await once(child, "close") as [number | null];
  return { code, stdout, stderr };
}

async function run(argv: readonly string[], stdin = ""): Promise<Ended> {
  const child = start(argv);
  child.stdin!.end(stdin);
  return await ended(child);
}

/** Resolves once a stream has shown what is waited for. */
async function shows(child: ChildProcess, stream: "stdout" | "stderr", wanted: RegExp): Promise<void> {
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child[stream]!.on("data", (piece) => {
      text += String(piece);
      if (wanted.test(text)) resolve();
    });
    child.once("close", () => reject(new Error(`ended after ${JSON.stringify(text)}`)));
  });
}

describe("the process", () => {
  it("works on real files, takes standard input, and ends with the code that says how", async () => {
    const set = await run(["set", "db", "k", "-", "--create", "--quiet"], "piped");
    assert.deepEqual(set, { code: 0, stdout: "", stderr: "" });
    await using db = await DB.open(at("db"));
    assert.equal(await db.get("k"), "piped");
    await db.close();
    assert.equal((await run(["get", "db", "nothing"])).code, 1);
  });

  it("ends quietly when nobody reads its output any more", async () => {
    await using db = await DB.open(at("long"));
    await db.setMany(Array.from({ length: 20_000 }, (_, n) => [`key-${n}`, "x".repeat(100)] as const));
    await db.close();
    const child = start(["list", "long", "--json"]);
    child.stdout!.once("data", () => child.stdout!.destroy());
    const { code, stderr } = await ended(child);
    assert.deepEqual([code, stderr], [0, ""]);
  });

  it("ends by a signal with everything whole, and a code that names it", async () => {
    const child = start(["replicate", "db", "repo"]);
    const ending = ended(child);
    await shows(child, "stdout", /new base/);
    // Deno's child.kill would report the signal and not the code.
    process.kill(child.pid!, "SIGTERM");
    assert.equal((await ending).code, 143);
    await using repo = await BackupRepository.open(at("repo"), { createIfMissing: false });
    assert.equal((await repo.list()).length, 1);
    await using _ = await DB.open(at("db"));
  });
});

/** `script` of util-linux gives a program a terminal; where it is missing, nothing of this can be tried. */
const script = spawnSync("script", ["--version"]).status === 0;

/** Runs on a terminal, and types each answer once its question stands there. */
async function onTerminal(
  argv: readonly string[],
  answers: readonly (readonly [RegExp, string])[],
): Promise<{ code: number | null; screen: string }> {
  const line = [...command, ...argv].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const child = spawn("script", ["-qec", `stty cols 100; ${line}`, "/dev/null"], {
    cwd: directory,
    env: environment,
  });
  let screen = "";
  let seen = 0;
  const waiting = [...answers];
  child.stdout!.on("data", (piece) => {
    screen += String(piece);
    const [next] = waiting;
    if (next === undefined || !next[0].test(screen.slice(seen))) return;
    seen = screen.length;
    waiting.shift();
    child.stdin!.write(next[1]);
  });
  const [code] = await once(child, "close") as [number | null];
  return { code, screen };
}

describe("an import of skv's JSON", () => {
  it("that is killed in the middle leaves what was there; a second run brings all of it in", async () => {
    const db = await DB.open(at("killed"));
    await db.set("own", "stays");
    await db.close();
    const records = Array.from(
      { length: 3000 },
      (_, n) => ({ key: `k${n}`, value: "x".repeat(200), encoding: "text" }),
    );
    const document = JSON.stringify({ version: "1.0", total_records: records.length, records });
    const child = start(["import", "killed", "-", "--format", "portable"]);
    const ending = ended(child);
    // More than a pipe holds: once this was taken it is reading, and waits for the rest.
    await new Promise<void>((done) => child.stdin!.write(document.slice(0, document.length / 2), () => done()));
    process.kill(child.pid!, "SIGKILL");
    assert.notEqual((await ending).code, 0);
    const again = await DB.open(at("killed"));
    assert.deepEqual(await Array.fromAsync(again.keys()), ["own"]);
    await again.close();
    assert.equal((await run(["import", "killed", "-", "--format", "portable"], document)).code, 0);
    await using whole = await DB.open(at("killed"));
    assert.deepEqual([await whole.count(), await whole.get("k2999")], [3001, "x".repeat(200)]);
  });
});

describe("on a terminal", () => {
  it("asks without showing what is typed, and takes Ctrl-C for an answer", async (t) => {
    if (!script) return t.diagnostic("not tried: there is no script command");
    const secret = "correct horse";
    const made = await onTerminal(["init", "safe", "--repository", "--encrypt"], [
      [/New passphrase of safe: /, `${secret}\r`],
      [/The same again: /, `${secret}\r`],
    ]);
    assert.equal(made.code, 0, made.screen);
    assert.match(made.screen, /made directory safe \(encrypted/);
    assert.ok(!made.screen.includes("correct"), "the passphrase is not shown");
    const left = await onTerminal(["backups", "safe"], [[/Passphrase of safe: /, "\u0003"]]);
    assert.equal(left.code, 130, left.screen);
  });

  it("paints, and asks before it deletes", async (t) => {
    if (!script) return t.diagnostic("not tried: there is no script command");
    await using db = await DB.open(at("asked"));
    await db.set("k", "v");
    await db.close();
    const list = await onTerminal(["list", "asked"], []);
    const shown = list.screen.replaceAll("\u001b", "ESC");
    assert.match(shown, /ESC\[1mKEYESC\[22m +ESC\[1mVALUEESC\[22m\r\nk +v\r\n/);
    const { code, screen } = await onTerminal(["delete", "asked", "--all"], [[/\[y\/N\] /, "n\r"]]);
    assert.equal(code, 1, screen);
    assert.match(screen, /not confirmed; nothing was done/);
    await using still = await DB.open(at("asked"));
    assert.equal(await still.count(), 1);
  });
});
