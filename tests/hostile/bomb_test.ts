/**
 * Bombs: files of some kilobytes that unpack to far more than memory holds. Each is restored in a process of its own, whose
 * memory is looked at: what is large may take time, and never memory.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { LONG } from "../crash/random.ts";

const program = fileURLToPath(new URL("bomb_program.ts", import.meta.url));
const isDeno = "Deno" in globalThis;

/** The most that restores may take, MiB: runtime, this library and what it holds of a stream; far less than any bomb holds. */
const USUAL = 300;
/** Where one record or one commit is held whole, up to some 500 MiB of it, and once more while its memory grows. */
const ONE_RECORD = 1300;
/** Deno unpacks a frame of another program in one call, up to 256 MiB, and keeps what the one before took for a while. */
const LONG_FRAMES = isDeno ? 1000 : USUAL;

interface Result {
  name: string;
  mib: number;
  outcome: { error?: string; message?: string; entries?: number };
  ms: number;
  rss: number;
}

/** The bomb, what it unpacks to (MiB: usually, and when there is time), and what comes of it. */
type Bomb = [string, number, number, string | undefined];

/** What comes of one frame of so many MiB: a long one Deno does not unpack, whatever is in it. */
function ofFrame(usual: number, elsewhere: string | undefined): string | undefined {
  return isDeno && (LONG || usual > 256) ? "UnsupportedFormatError" : elsewhere;
}

const STREAMS: Bomb[] = [
  ["tar.gz", 320, 8000, "IntegrityError"],
  ["spaces.gz", 64, 8000, "IntegrityError"],
  ["window.zst", 320, 8000, "UnsupportedFormatError"],
  ["window30.zst", 320, 8000, "UnsupportedFormatError"],
  ["size.zst", 320, 8000, "IntegrityError"],
  ["twice.gz", 64, 8000, "IntegrityError"],
  ["object.zst", 1000, 8000, "IntegrityError"],
  ["object.gz", 64, 64, "IntegrityError"],
  ["log.zst", 1000, 8000, "IntegrityError"],
  ["sound.gz", 16, 1000, undefined],
];

const FRAMES: Bomb[] = [
  ["tar.zst", 320, 8000, ofFrame(320, "IntegrityError")],
  ["field.zst", 320, 8000, ofFrame(320, undefined)],
  ["backslashes.zst", 64, 4000, ofFrame(64, undefined)],
  ["nested.zst", 64, 4000, ofFrame(64, "IntegrityError")],
  ["digits.zst", 64, 4000, ofFrame(64, "IntegrityError")],
  ["frames.zst", 400, 8000, "IntegrityError"],
  ["stated.zst", 64, 8000, ofFrame(64, "IntegrityError")],
  ["sound.zst", 16, 4000, ofFrame(16, undefined)],
];

const WHOLE: Bomb[] = [
  ["record.gz", 32, 4000, "IntegrityError"],
];

/** Restores them one after the other in one process, and holds its memory against `most`. */
async function explode(bombs: readonly Bomb[], most: number): Promise<void> {
  const flags = isDeno ? ["run", "-A", "--no-check"] : [];
  const args = bombs.map(([name, usual, long]) => `${name}=${LONG ? long : usual}`);
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [...flags, program, ...args], { timeout: 600_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message} ${stdout} ${stderr}`));
    });
  });
  const results = output.trim().split("\n").map((line) => JSON.parse(line) as Result);
  for (const [i, { name, mib, outcome, ms, rss }] of results.entries()) {
    console.log(`bomb ${name}: ${mib} MiB in ${ms} ms, ${rss} MiB of memory`);
    assert.equal(outcome.error, bombs[i]![3], JSON.stringify(outcome));
    if (name.startsWith("sound")) assert.equal(outcome.entries, outcome.error === undefined ? mib : undefined);
    assert.ok(rss < most, `${name} took ${rss} MiB`);
    assert.ok((outcome.message ?? "").length < 1000);
  }
  assert.equal(results.length, bombs.length);
}

describe("bombs", () => {
  it("take no memory to speak of as streams and in repositories, nor do sound backups", () => explode(STREAMS, USUAL));
  it("take no memory to speak of in zstd frames of other programs", () => explode(FRAMES, LONG_FRAMES));
  it("take that of one record where it is held whole", () => explode(WHOLE, LONG ? ONE_RECORD : 2 * USUAL));
});
