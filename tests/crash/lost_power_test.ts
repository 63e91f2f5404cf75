/**
 * A real file system that loses power: ext4 in a file, shut down under a writer without writing its journal, mounted again.
 * Whatever was not synced is gone then, as after a real cut. Needs root, `mkfs.ext4` and `xfs_io`; where they are missing it
 * says so. Where `strace` may be used every other writer has slow syncs: what is acknowledged before its sync, and not
 * after it, would be synced by the time of the cut otherwise.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { obstacle, slowSyncs } from "./injection.ts";
import { LONG, pick, randomFrom, SEED } from "./random.ts";
import { installedRuntimes, judge, ownRuntime, startWriter } from "./writer_process.ts";

const CUTS = LONG ? 60 : 4;
const DISK_BYTES = 96 * 2 ** 20;
/** Longest time between a writer's first sign of life and the cut, ms. */
const LIFE_MS = 400;
/** How much longer a slow sync takes, ms: most of the time one is under way then. */
const SLOW_MS = 200;
/** More syncs than come before the first commit's is done: of a log segment, of an edit of the manifest, its own. */
const FIRST_SYNCS = 5;

const runtimes = LONG ? installedRuntimes() : [ownRuntime];

/** Debian keeps these programs where only root's shells look. */
const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };

function run(program: string, ...args: string[]): void {
  const { error, status, stderr } = spawnSync(program, args, { encoding: "utf8", env });
  if (error !== undefined || status !== 0) {
    throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
  }
}

/** A disk in a file, mounted; undefined, and says why, where there is none to be had. */
function makeDisk(root: string): { mount: string; cut(): void; repower(): void; remove(): void } | undefined {
  const [image, mount] = [join(root, "disk"), join(root, "mounted")];
  try {
    if (process.getuid?.() !== 0) throw new Error("only root may mount");
    run("xfs_io", "-V");
    mkdirSync(mount);
    const file = openSync(image, "w");
    ftruncateSync(file, DISK_BYTES);
    closeSync(file);
    run("mkfs.ext4", "-q", image);
    run("mount", "-o", "loop", image, mount);
  } catch (error) {
    console.log(`not tried: ${(error as Error).message}`);
    return undefined;
  }
  return {
    mount,
    cut: () => run("xfs_io", "-x", "-c", "shutdown", mount),
    repower() {
      run("umount", mount);
      run("mount", "-o", "loop", image, mount);
    },
    remove: () => run("umount", "-l", mount),
  };
}

describe("a disk that loses power under a writer", () => {
  it("has everything that was acknowledged when it is mounted again", async () => {
    const root = mkdtempSync(join(tmpdir(), "holdfast-power-"));
    const disk = makeDisk(root);
    if (disk === undefined) return void rmSync(root, { recursive: true, force: true });
    const random = randomFrom(SEED);
    const directory = join(disk.mount, "data");
    let last = -1;
    let failed = 0;
    const untraced = obstacle();
    if (untraced !== undefined) console.log(`no slow syncs: ${untraced}`);
    try {
      for (let round = 1; round <= CUTS; round++) {
        const runtime = runtimes[round % runtimes.length]!;
        const slow = untraced === undefined && round % 2 === 0;
        const after = pick(random, LIFE_MS) + (slow ? FIRST_SYNCS * SLOW_MS : 0);
        const through = slow ? slowSyncs(SLOW_MS) : [];
        // Half of them with so many writers that groups of commits overlap.
        const writers = round % 4 < 2 ? 8 : 64;
        const writer = startWriter({ runtime, directory, first: last + 1, writers, through });
        await writer.alive;
        await new Promise((resolve) => setTimeout(resolve, after));
        // It stands still for the cut, which takes its time: no sync may succeed meanwhile. What it says later doesn't
        // count: a sync that is under way when ext4 is shut down may succeed and not be kept.
        writer.signal("SIGSTOP");
        await new Promise((resolve) => setTimeout(resolve, 20));
        const acknowledged = writer.acknowledged();
        disk.cut();
        writer.signal("SIGCONT");
        // It may notice, and say what still works; or not come to it.
        const timer = setTimeout(() => writer.kill(), 2000);
        const { other } = await writer.ended;
        clearTimeout(timer);
        if (other.some((line) => line.startsWith("failed"))) failed++;
        assert.ok(!other.includes("writes"), `writes went on without a disk: ${other.join("; ")}`);
        disk.repower();
        const context =
          `cut ${round} under a writer in ${runtime}${slow ? " with slow syncs" : ""}, ${after} ms after ` +
          `it opened; HOLDFAST_SEED=${SEED}`;
        last = await judge(directory, { before: last, acknowledged, context, whole: round === CUTS });
      }
      console.log(`${CUTS} cuts, noticed by ${failed} writers; ${last + 1} writes, all there`);
      assert.ok(last > 0);
    } finally {
      disk.remove();
      rmSync(root, { recursive: true, force: true });
    }
  });
});
