import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { COMMANDS } from "../../lib/cli/commands/mod.ts";
import { readArguments } from "../../lib/cli/core/arguments.ts";
import { runnable } from "../../lib/cli/core/command.ts";
import { COMMON_OPTIONS } from "../../lib/cli/core/option_spec.ts";
import { Output } from "../../lib/cli/output/output.ts";
import { PROGRAM } from "../../lib/cli/run.ts";
import { freshDisk, ok, putFile, withStreams } from "./harness.ts";

/** Command lines that between them come past every place where an option is read. */
const LINES: readonly (readonly string[])[] = [
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
    freshDisk();
    await putFile("/lines", '{"key":"a","value":1}\n');
    for (const [index, name] of ["/key", "/key2", "/key3"].entries()) {
      await putFile(name, new Uint8Array(32).fill(index + 1));
    }
    const asked = new Map<string, Set<string>>();
    for (const argv of LINES) {
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
        await spec.run!({ words, given, io, out, name }).catch(() => {});
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
