import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { beforeEach, describe, it } from "node:test";
import { Interruption } from "../../lib/cli/cli.ts";
import { COMMANDS } from "../../lib/cli/commands/mod.ts";
import { readArguments } from "../../lib/cli/core/arguments.ts";
import { runnable } from "../../lib/cli/core/command.ts";
import { completionScript, SHELLS } from "../../lib/cli/core/completions.ts";
import { COMMON_OPTIONS } from "../../lib/cli/core/option_spec.ts";
import { parseBytes, parseTime } from "../../lib/cli/core/parse_value.ts";
import { storeOptions } from "../../lib/cli/core/store.ts";
import { showBytes, showDuration } from "../../lib/cli/output/figures.ts";
import { Output } from "../../lib/cli/output/output.ts";
import { lineOf, NO_PROGRESS, progressLine } from "../../lib/cli/output/progress.ts";
import { PROGRAM } from "../../lib/cli/run.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { root } from "../tools/runtimes.ts";
import { cli, freshDisk, makeDirectory, ok, open, putFile, withStreams } from "./harness.ts";

const all = runnable(COMMANDS);

beforeEach(freshDisk);

describe("holdfast --help", () => {
  it("lists every command, and is what one gets without a word", async () => {
    const { stdout } = await ok(["--help"]);
    for (const { name, summary } of COMMANDS) {
      assert.match(stdout.replace(/\s+/g, " "), new RegExp(` ${name} ${summary.slice(0, 30)}`));
    }
    assert.match(stdout, /Exit codes: 0 done/);
    assert.equal((await ok([])).stdout, stdout);
  });

  it("explains every command with all its words and options, and an example that parses", async () => {
    for (const { name, spec } of all) {
      const { stdout } = await ok([...name.split(" "), "--help"], { columns: 200 });
      if (spec.run === undefined) continue;
      for (const { name: option } of [...spec.options, ...COMMON_OPTIONS]) {
        assert.ok(stdout.includes(`--${option}`), `${name}: --${option}`);
      }
      for (const word of spec.args) assert.ok(stdout.includes(word.name), `${name}: ${word.name}`);
      assert.ok(spec.examples.length > 0, name);
      for (const { line } of spec.examples) {
        assert.ok(stdout.includes(`holdfast ${line}`), line);
        assert.ok(line.startsWith(`${name} `), line);
        const given = [...line.matchAll(/ --([a-z-]+)/g)].map(([, option]) => option!);
        const known = [...spec.options, ...COMMON_OPTIONS].map((option) => option.name);
        assert.deepEqual(given.filter((option) => !known.includes(option)), [], line);
      }
    }
  });

  it("is what help prints, too", async () => {
    assert.equal((await ok(["help"])).stdout, (await ok(["--help"])).stdout);
    for (const words of [["backup"], ["keys"], ["keys", "add"]]) {
      assert.equal((await ok(["help", ...words])).stdout, (await ok([...words, "--help"])).stdout);
    }
    assert.match((await ok(["help", "--help"])).stdout, /^Usage: holdfast help /);
  });

  it("keeps within the terminal's width", async () => {
    for (
      const [argv, columns] of [[["restore"], 80], [["restore"], 60], [["health"], 60], [["keys", "add"], 60]] as const
    ) {
      const { stdout } = await ok(["help", ...argv], { columns });
      const long = stdout.split("\n").filter((line) => line.length > columns && !/^ {2}(?:holdfast|#)/.test(line));
      assert.deepEqual(long, []);
    }
  });
});

describe("the table of commands", () => {
  it("has no name, option or letter twice, and full sentences nowhere", () => {
    for (const { name, spec } of all) {
      const options = [...spec.options, ...COMMON_OPTIONS];
      const names = options.map((option) => option.name);
      assert.deepEqual(names.filter((option, index) => names.indexOf(option) !== index), [], name);
      const letters = options.flatMap(({ short }) => short === undefined ? [] : [short]);
      assert.equal(new Set(letters).size, letters.length, `${name}: ${letters.join("")}`);
      for (const { help } of options) assert.ok(!help.endsWith("."), `${name}: ${help}`);
    }
  });
});

describe("a command line that makes no sense", () => {
  it("is refused by name, with what was meant where that is near", async () => {
    for (
      const [argv, said] of [
        [["bakup"], /unknown command 'bakup'; did you mean backup\?\n {2}holdfast help lists the commands\n$/],
        [
          ["list", "/db", "--prefx", "a"],
          /unknown option '--prefx'; did you mean --prefix\?\n {2}holdfast help list explains it\n$/,
        ],
        [["keys", "rotat"], /unknown command 'rotat'/],
        [["keys"], /which one\?/],
        [
          ["get", "/db"],
          /missing required argument 'KEY'\n {2}usage: holdfast get \[options\] <DB> <KEY>\n {2}holdfast help get /,
        ],
        [["keys", "add"], /'REPO'\n {2}usage: holdfast keys add \[options\] <REPO>\n {2}holdfast help keys add /],
        [["help", "bakup"], /there is no command bakup\n {2}holdfast help lists the commands/],
        [["help", "keys", "rotat"], /there is no command keys rotat/],
        [["get", "/db", "k", "more"], /too many arguments[^]*\n {2}usage: holdfast get /],
        [["list", "/db", "--limit", "few"], /--limit takes a whole number such as 10, not "few"/],
        [["get", "/db", "k", "--as", "xml"], /--as takes one of text, json, base64, hex, not "xml"/],
        [["restore", "/repo", "/db", "--at", "2026-02-30"], /--at takes a time/],
        [["backups", "ftp://host/x"], /ftp:\/\/ is no place for backups/],
        [["backups", "s3://b/x", "--store", "credentials.secret=1"], /would be a secret in the open/],
        [["backups", "https://a.blob.core.windows.net/c?sig=x"], /AZURE_STORAGE_SAS_TOKEN/],
        [
          ["backups", "/repo", "--prometheus"],
          /unknown option '--prometheus'\n {2}holdfast help backups explains it\n$/,
        ],
        [["completions", "csh"], /SHELL is one of bash, zsh, fish/],
      ] as const
    ) {
      const { code, stdout, stderr } = await cli(argv);
      assert.deepEqual([code, stdout], [2, ""], argv.join(" "));
      assert.match(stderr, said);
      assert.ok(!stderr.includes("sig=x"));
    }
  });

  it("is one JSON document with --json", async () => {
    const { code, stderr } = await cli(["list", "/nowhere", "--json"]);
    assert.equal(code, 1);
    const { error } = JSON.parse(stderr) as { error: { code: string; path: string } };
    assert.deepEqual([error.code, error.path], ["NOT_FOUND", "/nowhere"]);
  });

  it("takes words only, and rejects with nothing", async () => {
    for (const argv of [undefined, "list", [5], [null], { 0: "list" }]) {
      const { code, stdout, stderr } = await cli(argv as never);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, /^error: the words of a command line are an array of texts, as in \["list", ".\/data"\]\n$/);
    }
  });
});

describe("colours", () => {
  it("are for terminals that want them", async () => {
    await using db = await open("/db");
    await db.set("k", "v");
    await db.close();
    const colored = async (argv: string[], env: Record<string, string> = {}, terminal = true): Promise<boolean> =>
      (await ok(argv, { terminal, env })).stdout.includes("\u001b[");
    const list = ["list", "/db"];
    assert.equal(await colored(list), true);
    assert.equal(await colored(list, {}, false), false);
    assert.equal(await colored(list, { NO_COLOR: "1" }), false);
    assert.equal(await colored(list, { TERM: "dumb" }), false);
    assert.equal(await colored([...list, "--no-color"]), false);
    assert.equal(await colored([...list, "--json"]), false);
    assert.equal(await colored(["list", "--help"]), true);
    assert.equal(await colored(["list", "--help", "--no-color"]), false);
  });
});

describe("completion scripts", () => {
  it("know every command and option there is", () => {
    for (const shell of SHELLS) {
      const script = completionScript(shell, "holdfast", COMMANDS);
      for (const { name, spec } of all) {
        for (const word of name.split(" ")) assert.ok(script.includes(word), `${shell}: ${word}`);
        for (const { name: option } of spec.options) {
          assert.ok(
            script.includes(shell === "fish" ? `-l ${option} ` : `--${option}`),
            `${shell}: ${name} --${option}`,
          );
        }
      }
    }
  });
});

describe("values of options", () => {
  it("are sizes", () => {
    assert.deepEqual(["1", "1kB", "1.5MiB", "2 GB", "1TiB"].map(parseBytes), [1, 1000, 1_572_864, 2e9, 2 ** 40]);
    assert.deepEqual(["", "-1", "1x", "MiB", "1e3"].map(parseBytes), Array(5).fill(undefined));
  });

  it("are times", () => {
    const now = Date.UTC(2026, 10, 26, 12);
    for (
      const [text, time] of [
        ["now", now],
        ["2h ago", now - 7_200_000],
        ["2026-11-26", Date.UTC(2026, 10, 26)],
        ["2026-11-26 11:30", now - 1_800_000],
        ["2026-11-26T11:30:00.250Z", now - 1_799_750],
        ["2026-11-26T12:30:00+01:00", now - 1_800_000],
        [String(now), now],
        ["2026-02-29", undefined],
        ["yesterday", undefined],
        ["12:00", undefined],
        ["ago", undefined],
      ] as const
    ) assert.equal(parseTime(text, now), time, text);
  });

  it("are options of stores, with their own names and kinds", () => {
    assert.deepEqual(
      storeOptions(["region=eu", "pathStyle=true", "attempts=3", "objectLock.mode=GOVERNANCE", "objectLock.for=30d"]),
      {
        region: "eu",
        pathStyle: true,
        attempts: 3,
        objectLock: { mode: "GOVERNANCE", for: "30d" },
      },
    );
    storeOptions(["constructor.polluted=1"]);
    assert.equal((Object as { polluted?: number }).polluted, undefined);
    for (const wrong of ["region", "=x", "accountKey=x", "__proto__.x=1"]) {
      assert.throws(() => storeOptions([wrong]), { name: "UsageError" });
    }
  });
});

describe("figures for people", () => {
  it("have the unit that fits", () => {
    assert.deepEqual([0, 999, 1000, 999_949, 999_950, 17_142_887].map(showBytes), [
      ...["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "17.1 MB"],
    ]);
    assert.deepEqual([12, 999.6, 59_940, 59_960, 3_600_000, 200_000_000].map(showDuration), [
      ...["12 ms", "1.0 s", "59.9 s", "1 min 0 s", "1 h 0 min", "2 d 7 h"],
    ]);
  });
});

describe("progress", () => {
  const plain = (_: string, text: string): string => text;

  it("says how far, how fast since the phase began, and how long still", () => {
    const now = { phase: "objects", doneBytes: 25_000_000, totalBytes: 100_000_000, doneItems: 1 };
    const shown = { now, startedAt: 0, startedWith: 0 };
    const line = lineOf(plain, "backup", shown, 5000, 100);
    assert.equal(
      line,
      `backup: objects  ${"█".repeat(6)}${"░".repeat(18)}   25 %  25.0 MB of 100.0 MB  5.0 MB/s  15 s left`,
    );
    assert.match(
      lineOf(plain, "backup", { ...shown, startedWith: 20_000_000 }, 5000, 100),
      / 1\.0 MB\/s {2}1 min 15 s left$/,
    );
    const open = { now: { phase: "import", doneBytes: 0, doneItems: 3000 }, startedAt: 0, startedWith: 0 };
    assert.equal(lineOf(plain, "import", open, 2000, 100), "import  3,000  1,500/s");
    const plan = { now: { phase: "plan", doneBytes: 0, doneItems: 0 }, startedAt: 0, startedWith: 0 };
    assert.equal(lineOf(plain, "backup", plan, 5000, 100), "backup: plan");
  });

  it("keeps within the terminal's width, with what matters most", () => {
    const now = { phase: "objects", doneBytes: 25_000_000, totalBytes: 100_000_000, doneItems: 1 };
    const at = (columns: number): string =>
      lineOf(plain, "backup", { now, startedAt: 0, startedWith: 0 }, 5000, columns);
    for (let columns = 20; columns < 120; columns++) assert.ok(at(columns).length < columns, at(columns));
    assert.match(at(80), /░ {3}25 % .* 15 s left$/);
    assert.equal(at(30), "backup: objects   25 %");
  });

  it("is drawn of work that reports once and then takes its time", async () => {
    let drawn = "";
    const stream = { isTTY: true, columns: 80, write: (text: string | Uint8Array) => (drawn += String(text), true) };
    const bar = progressLine(stream, plain, "restore", 1);
    bar.onProgress({ phase: "tables", doneBytes: 0, totalBytes: 100, doneItems: 0 });
    while (!drawn.includes("restore: tables")) await new Promise((resolve) => setTimeout(resolve, 5));
    bar.end();
    assert.ok(drawn.includes("\u001b[?25h"), "the cursor is shown again");
  });

  it("is drawn of work that has to wait before it reports", async () => {
    let drawn = "";
    const stream = { isTTY: true, columns: 80, write: (text: string | Uint8Array) => (drawn += String(text), true) };
    const bar = progressLine(stream, plain, "backup", 1);
    while (!drawn.includes("backup: waiting")) await new Promise((resolve) => setTimeout(resolve, 5));
    bar.onProgress({ phase: "objects", doneBytes: 50, totalBytes: 100, doneItems: 0 });
    assert.match(drawn, /backup: waiting.*backup: objects .* 50 %/s);
    bar.end();
  });

  it("is drawn on one line, which it wipes", () => {
    let drawn = "";
    const stream = { isTTY: true, columns: 80, write: (text: string | Uint8Array) => (drawn += String(text), true) };
    const bar = progressLine(stream, plain, "backup", 0);
    bar.onProgress({ phase: "objects", doneBytes: 0, totalBytes: 100, doneItems: 0 });
    bar.onProgress({ phase: "objects", doneBytes: 100, totalBytes: 100, doneItems: 1 });
    bar.end();
    assert.match(drawn, /backup: objects/);
    assert.ok(!drawn.includes("\n"));
    assert.ok(drawn.includes("\u001b[2K"), "the line is wiped");
    assert.ok(drawn.includes("\u001b[?25h"), "the cursor is shown again");
    drawn = "";
    bar.onProgress({ phase: "objects", doneBytes: 100, totalBytes: 100, doneItems: 2 });
    assert.equal(drawn, "", "work that was given up may report late");
  });

  it("is for terminals that can draw, and whoever wants it", async () => {
    const drawn = async (settings: Parameters<typeof withStreams>[0], quiet = false): Promise<boolean> => {
      let isDrawn = false;
      await withStreams(settings, async (io) => {
        const out = new Output(io, { json: false, quiet, noColor: false });
        isDrawn = out.progress("backup") !== NO_PROGRESS.onProgress;
        out.endProgress();
        return 0;
      });
      return isDrawn;
    };
    assert.equal(await drawn({ terminal: true }), true);
    assert.equal(await drawn({ terminal: true, env: { NO_COLOR: "1" } }), true);
    assert.equal(await drawn({ terminal: true, env: { TERM: "dumb" } }), false);
    assert.equal(await drawn({ terminal: true }, true), false);
    assert.equal(await drawn({}), false);
  });

  it("is not drawn for work that is done at once", () => {
    let drawn = "";
    const stream = { isTTY: true, columns: 80, write: (text: string | Uint8Array) => (drawn += String(text), true) };
    const bar = progressLine(stream, plain, "backup", 60_000);
    bar.onProgress({ phase: "objects", doneBytes: 0, totalBytes: 100, doneItems: 0 });
    bar.end();
    assert.equal(drawn, "");
  });
});

describe("holdfast --version", () => {
  it("is that of the release", async () => {
    assert.equal((await ok(["--version"])).stdout, `${VERSION}\n`);
    const { version } = JSON.parse(readFileSync(`${root}deno.json`, "utf8")) as { version: string };
    assert.equal(VERSION, version);
  });
});

/** Command lines that between them come past every place where an option is read. */
const OPTION_LINES: readonly (readonly string[])[] = [
  ["set", "/db", "k", "v", "--create"],
  ["get", "/db", "k"],
  ["list", "/db", "--prefix", "k"],
  ["count", "/db", "--start", "k"],
  ["delete", "/db", "k"],
  ["delete", "/db", "--prefix", "k", "--yes"],
  ["import", "/db", "/lines"],
  ["export", "/db", "/copy"],
  ["backup", "/db", "/repo", "--id", "one", "--prefix", "a"],
  ["backup", "/db", "/dump.json"],
  ["backups", "/repo"],
  ["points", "/repo"],
  ["estimate", "/repo"],
  ["pin", "/repo", "one"],
  ["unpin", "/repo", "one"],
  ["restore", "/repo", "/restored", "--prefix", "a"],
  ["restore", "/repo", "/restored", "--mode", "replace", "--yes"],
  ["verify", "/db"],
  ["verify", "/repo"],
  ["drill", "/repo", "--directory", "/"],
  ["health", "/repo"],
  ["prune", "/repo", "--keep-last", "1"],
  ["prune", "/repo", "--keep-last", "1", "--dry-run"],
  ["prune", "/repo", "--backup", "two", "--yes"],
  ["copy", "/repo", "/other"],
  ["history", "/repo"],
  ["watch", "/db", "--prefix", "a", "--no-follow"],
  ["replicate", "/db", "/repo", "--once"],
  ["schedule", "/db", "/repo", "--snapshot", "* * * * * *", "--keep-last", "9"],
  ["init", "/new"],
  ["init", "/new-repo", "--repository"],
  ["stats", "/db"],
  ["stats", "/repo"],
  ["compact", "/db"],
  ["repair", "/restored", "--yes"],
  ["repair", "/repo", "--yes"],
  ["slots", "/db"],
  ["slots", "/restored", "--drop", "0000000000000000", "--yes"],
  ["demo", "/demo"],
  ["completions", "bash"],
  ["init", "/safe", "--repository", "--encrypt", "--key-file", "/key"],
  ["keys", "list", "/safe", "--key-file", "/key"],
  ["keys", "add", "/safe", "--key-file", "/key", "--new-key-file", "/key2"],
  ["keys", "rotate", "/safe", "--key-file", "/key", "--new-key-file", "/key3", "--yes"],
  ["keys", "remove", "/safe", "0000000000000000", "--key-file", "/key3", "--yes"],
];

describe("every command", () => {
  it("reads every option that it accepts", async () => {
    await putFile("/lines", '{"key":"a","value":1}\n');
    for (const [index, name] of ["/key", "/key2", "/key3"].entries()) {
      await putFile(name, new Uint8Array(32).fill(index + 1));
    }
    const asked = new Map<string, Set<string>>();
    for (const argv of OPTION_LINES) {
      const wish = await readArguments(PROGRAM, COMMANDS, argv, { columns: 100, paint: (_, text) => text }, Date.now());
      assert.equal(wish.kind, "run");
      if (wish.kind !== "run") return;
      const { name, spec, words, given } = wish;
      // A command that goes on ends with its first line.
      const controller = new AbortController();
      const settings = name === "schedule" ? { signal: controller.signal, onOutput: () => controller.abort() } : {};
      await withStreams(settings, async (io) => {
        const out = new Output(io, { json: false, quiet: true, noColor: true });
        // Some fail, for what they are about is not there; what they read they have read by then.
        await spec.run!({ words, given, io, out, name, spec }).catch(() => {});
        return 0;
      });
      asked.set(name, new Set([...asked.get(name) ?? [], ...given.asked]));
      if (argv[0] === "backup") await ok(["backup", "/db", "/repo", "--type", "full"]);
    }
    const ignored = runnable(COMMANDS).flatMap(({ name, spec }) =>
      spec.options.filter((option) => asked.get(name)?.has(option.name) !== true).map((option) =>
        `${name} --${option.name}`
      )
    );
    assert.deepEqual(ignored, []);
    // Those of all commands are read by what runs them.
    assert.deepEqual(COMMON_OPTIONS.map(({ name }) => name), ["json", "quiet", "no-color"]);
  });
});

const page = readFileSync(`${root}docs/cli.md`, "utf8");
/** The commands of docs/cli.md, run one after the other as someone would who follows the page. */
const lines = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block]) => block!.trimEnd().split("\n"));

describe("docs/cli.md", () => {
  it("shows every command", () => {
    const shown = (name: string): boolean => lines.some((line) => line.startsWith(`holdfast ${name} `));
    assert.deepEqual(runnable(COMMANDS).map(({ name }) => name).filter((name) => !shown(name)), []);
  });

  it("has commands that do what they say", async () => {
    await makeDirectory(tmpdir());
    await putFile("./passphrase", "one\n");
    await putFile("./key", new Uint8Array(32).fill(9));
    await putFile("./new-key", new Uint8Array(32).fill(10));
    for (const line of lines) {
      const { argv, into, fails } = parse(line);
      // What goes on until it is ended is ended.
      const goesOn = ["watch", "replicate", "schedule"].includes(argv[0]!) && !argv.includes("--once") &&
        !argv.includes("--no-follow");
      const controller = new AbortController();
      if (goesOn) setTimeout(() => controller.abort(new Interruption("SIGINT")), 100);
      const { code, stderr, bytes } = await cli(argv, goesOn ? { signal: controller.signal } : {});
      assert.equal(code, goesOn ? 130 : fails ? 1 : 0, `${line}\n${stderr}`);
      if (into !== undefined) await putFile(into, bytes);
    }
  });
});

/** A line of a shell as far as the page needs one: quotes, a redirection, a comment. */
function parse(line: string): { argv: string[]; into: string | undefined; fails: boolean } {
  const [, command = "", comment = ""] = /^(.*?)(?: # (.*))?$/.exec(line)!;
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
  assert.equal(words.shift(), "holdfast", line);
  const at = words.indexOf(">");
  const into = at < 0 ? undefined : words[at + 1];
  return { argv: at < 0 ? words : words.slice(0, at), into, fails: comment.startsWith("fails") };
}
