import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { Interruption, type OutStream, run } from "../../lib/cli/cli.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { DB } from "../../mod.ts";
import {
  cli,
  freshDisk,
  jsonLines,
  linesOf,
  ok,
  open,
  otherProcess,
  type Ran,
  type RunSettings,
  withStreams,
} from "./harness.ts";

const [db, repo] = ["/db", "/repo"];

beforeEach(async () => {
  freshDisk();
  await ok(["set", db, "a", "1", "--create"]);
});

/** Runs a command that goes on, and interrupts it once its output has what is waited for. */
async function until(argv: readonly string[], output: RegExp, settings: RunSettings = {}): Promise<Ran> {
  const controller = new AbortController();
  const look = (text: string): void => {
    settings.onOutput?.(text);
    if (output.test(text)) controller.abort(new Interruption("SIGINT"));
  };
  return await cli(argv, { ...settings, signal: controller.signal, onOutput: look });
}

describe("holdfast watch", () => {
  it("prints what another process changes, as lines of JSON", async () => {
    // The writer is another process: the watching one reads beside it.
    const writing = await DB.open(db, otherProcess());
    let begins = (): void => {};
    const begun = new Promise<void>((resolve) => begins = resolve);
    const argv = ["watch", db, "--interval", "20ms", "--initial", "-p", "a"];
    const watching = until(argv, /deleteRange/, { onOutput: () => begins() });
    // What is written before it has opened the database is no change to it.
    await begun;
    await writing.set("a2", { n: 2 }, { tags: ["t"] });
    await writing.set("b", "not wanted");
    await writing.namespace("inner").set("a3", "not wanted");
    await writing.delete("a2");
    await writing.deleteRange({ prefix: "a" });
    const { code, stdout, stderr } = await watching;
    await writing.close();
    assert.equal(code, 130, stderr);
    const lines = linesOf(stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(lines.map(({ type, key, value, tags }) => [type, key, value, tags]), [
      ["set", "a", "1", undefined],
      ["set", "a2", { n: 2 }, ["t"]],
      ["delete", "a2", undefined, undefined],
      ["deleteRange", undefined, undefined, undefined],
    ]);
  });

  it("begins after a version, and ends by itself when told to", async () => {
    await ok(["set", db, "b", "2"]);
    await ok(["set", db, "c", "3", "-n", "inner"]);
    const keys = async (...options: string[]): Promise<unknown[]> =>
      (await jsonLines(["watch", db, "--no-follow", ...options])).map(({ key, namespace }) =>
        namespace ? [namespace, key] : key
      );
    assert.deepEqual(await keys(), []);
    assert.deepEqual(await keys("--since", "0"), ["a", "b"]);
    assert.deepEqual(await keys("--since", "1"), ["b"]);
    assert.deepEqual(await keys("--since", "0", "--key", "a"), ["a"]);
    assert.deepEqual(await keys("--since", "0", "-n", "inner"), [[["inner"], "c"]]);
    assert.deepEqual(await keys("--since", "0", "--all-namespaces"), ["a", "b", [["inner"], "c"]]);
  });

  it("writes the bounds of a range as it writes keys", async () => {
    await ok(["init", "/bytes", "--key-encoding", "bytes"]);
    await ok(["delete", "/bytes", "--prefix", "a/", "--yes"]);
    await ok(["delete", "/bytes", "--start", "00ff", "--key-as", "hex", "--yes"]);
    await ok(["delete", "/bytes", "--end", "ff", "--key-as", "hex", "--yes"]);
    const lines = await jsonLines(["watch", "/bytes", "--since", "0", "--no-follow"]);
    assert.deepEqual(lines.map(({ version: _, timestamp: __, ...line }) => line), [
      { type: "deleteRange", start: "a/", end: "a0" },
      { type: "deleteRange", start: "AP8=", startEncoding: "base64" },
      { type: "deleteRange", end: "/w==", endEncoding: "base64" },
    ]);
  });

  it("says that the log does not reach back so far", async () => {
    await ok(["backup", db, "/dump.json"]);
    await ok(["restore", "/dump.json", "/new"]);
    const [line] = await jsonLines(["watch", "/new", "--since", "99", "--no-follow"]);
    assert.equal(line!["type"], "reset");
  });
});

describe("holdfast replicate", () => {
  it("ships what is there and what comes, and ends clean when it is interrupted", async () => {
    const { code, stdout, stderr } = await until(["replicate", db, repo, "--interval", "20ms"], /base|shipped/);
    assert.equal(code, 130);
    assert.match(stdout, /new base .* of version 1/);
    assert.match(stderr, /Ctrl-C ends it/);
    await ok(["set", db, "b", "2"]);
    assert.match((await ok(["replicate", db, repo, "--once"])).stdout, /archived up to version 2/);
    await ok(["restore", repo, "/restored", "--at-version", "2"]);
    assert.equal((await ok(["count", "/restored"])).stdout, "2\n");
  });

  it("ends in the middle of a base with --once, and makes it anew", async () => {
    const disk = memoryFileSystem();
    await ok(["set", db, "a", "1", "--create"], { fileSystem: disk });
    const controller = new AbortController();
    const fileSystem = new Proxy(disk, {
      get(target, name) {
        const own: unknown = Reflect.get(target, name);
        if (typeof own !== "function") return own;
        return (...given: unknown[]) => {
          if (name === "open" && String(given[0]).startsWith(`${repo}/objects/`)) {
            controller.abort(new Interruption("SIGINT"));
          }
          return own.apply(target, given);
        };
      },
    });
    const line = ["replicate", db, repo, "--once"];
    const { code, stderr } = await cli(line, { fileSystem, signal: controller.signal });
    assert.deepEqual([code, stderr], [130, "error: interrupted by SIGINT; nothing is left half done\n"]);
    assert.deepEqual(await jsonLines(["backups", repo], { fileSystem: disk }), []);
    await ok(line, { fileSystem: disk });
    assert.equal((await jsonLines(["backups", repo], { fileSystem: disk })).length, 1);
  });

  it("ends with an error when it can't hold the database", async () => {
    await using _ = await open(db);
    assert.equal((await cli(["replicate", db, repo, "--once"])).code, 1);
  });
});

describe("holdfast schedule", () => {
  it("makes backups when they are due, and ends when it is interrupted", async () => {
    const argv = ["schedule", db, repo, "--snapshot", "* * * * * *", "--keep-last", "2", "--json"];
    const { code, stdout } = await until(argv, /"success","job":"snapshot"/);
    assert.equal(code, 130);
    const [first] = linesOf(stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual([first!["type"], first!["job"]], ["start", "snapshot"]);
    assert.equal((await jsonLines(["backups", repo])).length, 1);
    // Between its jobs it does not hold the database.
    await ok(["set", db, "b", "2"]);
  });

  for (
    const [errno, code, told] of [["ENOSPC", 1, /error: .*ENOSPC/], ["EPIPE", 0, /standard output was closed/]] as const
  ) {
    it(`says when it happens that nobody hears of its jobs, and goes on: ${errno}`, async () => {
      const controller = new AbortController();
      const end = async (): Promise<void> => {
        while ((await jsonLines(["backups", repo])).length === 0) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        controller.abort(new Interruption("SIGINT"));
      };
      let ending: Promise<void> | undefined;
      const onError = (text: string): void => {
        if (/warning: .*; jobs go on, and nothing more is told of them\n/.test(text)) ending ??= end();
      };
      const stdout: OutStream = {
        write: (_, done) => done?.(Object.assign(new Error("no"), { code: errno })),
      };
      const argv = ["schedule", db, repo, "--snapshot", "* * * * * *"];
      const ran = await withStreams({ signal: controller.signal, onError }, (io) => run(argv, { ...io, stdout }));
      await ending;
      assert.equal(ran.code, code);
      assert.match(ran.stderr, told);
      assert.equal(ran.stderr.match(/jobs go on/g)?.length, 1);
    });
  }

  it("refuses what makes no sense before it begins", async () => {
    assert.match((await cli(["schedule", db, repo])).stderr, /at least one of --full/);
    const wrong = await cli(["schedule", db, repo, "--full", "at noon"]);
    assert.deepEqual([wrong.code, /at noon/.test(wrong.stderr)], [2, true]);
    assert.equal((await cli(["schedule", "/nowhere", repo, "--full", "0 1 * * 0"])).code, 1);
  });
});

describe("an interruption", () => {
  it("leaves what was begun undone, and says by what it was ended", async () => {
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
      const aborted = AbortSignal.abort(new Interruption(signal));
      const ran = await cli(["backup", db, repo, "--json"], { signal: aborted });
      assert.equal(ran.code, code);
      assert.equal((JSON.parse(ran.stderr) as { error: { code: string } }).error.code, "INTERRUPTED");
      const asked = await cli(["delete", db, "--all"], { signal: aborted, answers: [[/Delete everything/, "y"]] });
      assert.equal(asked.code, code);
    }
    assert.equal((await ok(["count", db])).stdout, "1\n");
  });
});
