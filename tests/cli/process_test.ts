/** The command line as a process of its own: real files, pipes, signals and a terminal. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { PassThrough } from "node:stream";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { BackupRepository, DB } from "../../mod.ts";
import { run as runHere } from "../../lib/cli/cli.ts";
import { widthOf } from "../../lib/cli/output/width.ts";

const program = fileURLToPath(new URL("../../lib/cli/cli.ts", import.meta.url));
const isDeno = process.versions["deno"] !== undefined;
/** Under Deno with no more permissions than the documentation asks for: files, and whether colours are wanted. */
const command = [
  process.execPath,
  ...(isDeno ? ["run", "--no-check", "-RW", "--allow-env=NO_COLOR,TERM"] : []),
  program,
];
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

  it("has not succeeded where it ended for want of anything left to wait for", async () => {
    const main = new URL("../../lib/cli/main.ts", import.meta.url);
    const stuck = at("stuck.ts");
    await writeFile(
      stuck,
      `import { promises } from "node:fs";
      import { main } from "${main}";
      promises.link = () => new Promise(() => {}); // as a database is made
      void main();`,
    );
    const before = isDeno ? ["run", "--no-check", "-A"] : [];
    const { status } = spawnSync(process.execPath, [...before, stuck, "init", at("stuck")], { env: environment });
    assert.equal(status, 1);
  });

  it("drills in the place for temporary files with no more permissions than to files", async () => {
    await using db = await DB.open(at("drilled"));
    await db.set("k", "v");
    await db.backup(at("proven"));
    // Whoever has a terminal would be asked by Deno instead.
    const { code, stderr } = await run(["drill", "proven"]);
    assert.deepEqual([code, stderr], [0, ""]);
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

  it("says that its output can't be written, and fails, whichever command it is", async (t) => {
    if (!existsSync("/dev/full")) return t.diagnostic("not tried: there is no /dev/full");
    await using db = await DB.open(at("unsaid"));
    await db.set("k", "v");
    await db.close();
    const reason = "Cannot write to standard output: no space is left on the disk \\(ENOSPC\\); free some space";
    const full = openSync("/dev/full", "w");
    const commands = ["list unsaid", "get unsaid k --json", "export unsaid -", "watch unsaid --since 0", "help"];
    // What goes on until it is ended does not when it can't tell any more.
    for (const line of [...commands, "replicate unsaid unsaid-backups"]) {
      const [program = "", ...before] = command;
      const { status, stderr } = spawnSync(program, [...before, ...line.split(" ")], {
        ...{ cwd: directory, env: environment, encoding: "utf8", timeout: 60_000 },
        stdio: ["ignore", full, "pipe"],
      });
      const told = line.includes("--json")
        ? `{"error":{"code":"NO_SPACE","message":"${reason}",.*}}`
        : `error: ${reason}`;
      assert.deepEqual([line, status], [line, 1], stderr);
      assert.match(stderr, new RegExp(`^${told}$`, "m"));
    }
    closeSync(full);
  });

  it("does not take a file in which only the beginning found room for all of it", async (t) => {
    if (process.platform === "win32") return t.diagnostic("not tried: there is no ulimit");
    // The last write of all: no later one would tell.
    const limited = `ulimit -f 8; trap '' XFSZ; exec "$@" > cut`;
    const line = ["-c", limited, "sh", ...command, "completions", "bash"];
    const { status, stderr } = spawnSync("sh", line, { cwd: directory, env: environment, encoding: "utf8" });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^error: Cannot write to standard output: the file would become too large \(EFBIG\)$/m);
    assert.ok(readFileSync(at("cut")).length > 0);
  });

  it("reads secrets and values from pipes as from files, and from nothing else", async (t) => {
    if (spawnSync("bash", ["--version"]).status !== 0) return t.diagnostic("not tried: there is no bash");
    const shell = async (line: string): Promise<Ended> =>
      await ended(spawn("bash", ["-c", `"$@" ${line}`, "bash", ...command], {
        ...{ cwd: directory, env: environment, stdio: "pipe" },
      }));
    const open = "backups locked --passphrase-file";
    const made = await shell("init locked --repository --encrypt --passphrase-file <(sleep 0.1; echo secret)");
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    assert.deepEqual(await shell(`${open} <(printf secret)`), { code: 0, stdout: "", stderr: "no backups\n" });
    const empty = await shell(`${open} <(true)`);
    assert.deepEqual([empty.code, empty.stderr.includes("holds no passphrase: it is empty")], [2, true], empty.stderr);
    for (const other of [".", "/dev/null"]) {
      const { code, stderr } = await shell(`${open} ${other}`);
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(`^error: Cannot \\S+ ${other}: it is n(?:ot a|either a) plain file`));
    }
    for (const line of ["import unmade <(true) --create", "restore <(true) unmade"]) {
      const { code, stderr } = await shell(line);
      assert.deepEqual([code, /is no plain file; give - instead/.test(stderr)], [2, true], stderr);
    }
    // More than a pipe holds at once.
    const long = await shell("set piped k @<(head -c 300000 /dev/zero) --create --quiet");
    assert.deepEqual([long.code, long.stderr], [0, ""]);
    spawnSync("mkfifo", [at("fifo")]);
    const late = shell("set piped k2 @fifo --quiet");
    await writeFile(at("fifo"), "late");
    assert.equal((await late).code, 0);
    await using db = await DB.open(at("piped"));
    assert.deepEqual([(await db.get<string>("k"))?.length, await db.get("k2")], [300_000, "late"]);
  });

  it("waits for a pipe that nobody writes to until a signal ends it", async (t) => {
    if (spawnSync("mkfifo", [at("silent")]).status !== 0) {
      return t.diagnostic("not tried: there are no pipes with names");
    }
    const child = start(["set", "unmade", "k", "@silent", "--create"]);
    const ending = ended(child);
    // Resolves once it is read from.
    await (await open(at("silent"), "w")).close();
    process.kill(child.pid!, "SIGTERM");
    assert.deepEqual(await ending, {
      code: 143,
      stdout: "",
      stderr: "error: interrupted by SIGTERM; nothing is left half done\n",
    });
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

interface Terminal {
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** What standard input is read from instead of the terminal. */
  readonly input?: string;
}

/** Runs on a terminal, and types each answer once its question stands there. */
async function onTerminal(
  argv: readonly string[],
  answers: readonly (readonly [RegExp, string])[],
  { columns = 100, env = {}, input }: Terminal = {},
): Promise<{ code: number | null; screen: string }> {
  const line = [...command, ...argv].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const from = input === undefined ? "" : ` < '${input}'`;
  const child = spawn("script", ["-qec", `stty cols ${columns}; exec ${line}${from}`, "/dev/null"], {
    cwd: directory,
    env: { ...environment, ...env },
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
    assert.match(made.screen, /made directory \S*safe \(encrypted/);
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

  it("keeps to its width and to NO_COLOR", async (t) => {
    if (!script) return t.diagnostic("not tried: there is no script command");
    await using db = await DB.open(at("wide"));
    await db.setMany([["city", "x".repeat(100)], ["町", "東".repeat(50)]]);
    await db.close();
    const { code, screen } = await onTerminal(["list", "wide", "--long"], [], { columns: 50, env: { NO_COLOR: "1" } });
    assert.equal(code, 0, screen);
    const [heading, city, written, town, ...rest] = screen.trimEnd().split("\r\n");
    assert.match(heading!, /^KEY {3}VERSION {2}VALUE$/);
    assert.match(city!, /^city {8}\d {2}x+…$/);
    assert.match(town!, /^町 {10}\d {2}東+…$/);
    assert.match(written!, /^ {2}written 20\S+ \S+Z$/);
    assert.deepEqual([city!.length, widthOf(town!) <= 50, rest], [50, true, [written]]);
  });
});

/** What a screen shows in the end, of lines that are drawn over: only what cli-progress and we ourselves send. */
function shownOf(screen: string): string[] {
  return screen.split("\r\n").map((line) => {
    // What is drawn last from the beginning of the line, or behind its wiping, is what stands there.
    const last = line.replaceAll("\u001b[1G", "\r").replaceAll("\u001b[2K", "\r").split("\r").at(-1)!;
    return stripVTControlCharacters(last);
  });
}

/** Drawn, wiped, and the terminal left as it was: with its cursor, and with lines that go on. */
function assertWiped(screen: string, work: string): void {
  assert.match(screen, new RegExp(`${work}: \\w+`));
  assert.ok(screen.lastIndexOf("\u001b[?25h") > screen.lastIndexOf("\u001b[?25l"), JSON.stringify(screen));
  assert.ok(screen.lastIndexOf("\u001b[?7h") > screen.lastIndexOf("\u001b[?7l"), JSON.stringify(screen));
  const told = shownOf(screen).filter((line) => line !== "");
  assert.deepEqual(told, ["error: interrupted by SIGINT; nothing is left half done"], screen);
}

/** The same program inside of the test's process, which is quicker; its streams are no terminal. */
async function here(...argv: string[]): Promise<Ended> {
  const [stdout, stderr] = [new PassThrough({ encoding: "utf8" }), new PassThrough({ encoding: "utf8" })];
  const code = await runHere(argv, { stdout, stderr });
  return { code, stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? "") };
}

describe("Ctrl-C in the middle of the work", () => {
  /** Slow enough that it is interrupted long before its end. */
  const slowly = ["--bytes-per-second", "50kB"];
  const [much, taken, kept, back, into, pipe] = ["much", "taken", "kept", "back", "into", "pipe"].map(at) as [
    ...[string, string, string, string, string, string],
  ];
  const lines = Array.from({ length: 2000 }, (_, n) => `${JSON.stringify({ key: `key-${n}`, value: n })}\n`);

  it("leaves nothing half done; the next run does what the first one was to do", async (t) => {
    if (!script) return t.diagnostic("not tried: there is no script command");
    await using db = await DB.open(much);
    // What no compression makes smaller, and more than goes over the line at once: only then there is waiting.
    await db.setMany(Array.from({ length: 40 }, (_, n) => [`key-${n}`, new Uint8Array(randomBytes(50_000))] as const));
    await using repo = await BackupRepository.open(kept);
    await repo.backup(db, { id: "first" });
    await db.close();
    spawnSync("mkfifo", [pipe]);
    // Half of what comes in; then the writer is silent, and keeps its end open.
    const writer = open(pipe, "w").then(async (file) => {
      await file.write(lines.slice(0, 1000).join(""));
      return file;
    });
    const ctrlC = (work: RegExp): readonly (readonly [RegExp, string])[] => [[work, "\u0003"]];
    const [backup, restore, imported] = await Promise.all([
      onTerminal(["backup", much, taken, ...slowly], ctrlC(/ \d+ %/)),
      onTerminal(["restore", kept, back, ...slowly], ctrlC(/ \d+ %/)),
      onTerminal(["import", into, "-", "--create", "--format", "jsonl"], ctrlC(/import: write/), { input: pipe }),
    ]);
    await (await writer).close();
    for (const [work, { code, screen }] of Object.entries({ backup, restore, import: imported })) {
      assert.equal(code, 130, screen);
      assertWiped(screen, work);
    }
    assert.deepEqual(await here("backups", taken), { code: 0, stdout: "", stderr: "no backups\n" });
    assert.equal(await DB.exists(back), false);
    const piped = await here("backup", much, taken, "--id", "one", "--bytes-per-second", "8MB");
    assert.deepEqual([piped.code, piped.stderr], [0, ""], "no progress where no terminal is");
    assert.match(piped.stdout, /^one: full of version /);
    assert.equal((await here("restore", kept, back)).code, 0);
    assert.equal((await here("count", back)).stdout, "40\n");
    await writeFile(at("lines.jsonl"), lines.join(""));
    assert.equal((await here("import", into, at("lines.jsonl"))).code, 0);
    assert.equal((await here("count", into)).stdout, "2000\n");
  });
});
