/** A repository in a bucket of Swift, which decides no conditions: one program at a time writes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { BackupRepository, DB, RepositoryLockedError } from "../../../mod.ts";
import { s3, type S3Options } from "../../../lib/adapters/s3.ts";
import { isMyDay } from "../../crash/random.ts";
import { keysOf, pattern } from "../helpers.ts";
import { newBucket, optionsFor } from "../servers/buckets.ts";
import { sharedServer } from "../servers/shared.ts";
import { HASTY } from "./hasty_timers.ts";

const MIB = 2 ** 20;
const server = await sharedServer("swift");

if (server === undefined) it("Swift is not here", () => {});
else if (!isMyDay(0)) it("another runtime's turn today", () => {});
else {
  const bucket = await newBucket(server);
  const options: S3Options = { ...optionsFor(server), partBytes: 5 * MIB };
  const claims = (place: string): Promise<string[]> => keysOf(s3(place, options), { prefix: "writers/" });

  it("a repository on Swift, asked what it can do, is backed up into, replicated to, verified, copied, pruned and restored from", async () => {
    const place = `s3://${bucket}/whole`;
    const encryption = { passphrase: "three random words" };
    await using db = await DB.open(":memory:");
    const states: [key: string, value: Uint8Array][] = [];
    const set = async (key: string, value: Uint8Array): Promise<void> => {
      await db.set(key, value);
      states.push([key, value]);
    };
    {
      await using repo = await BackupRepository.open(s3(place, options), { encryption });
      await set("first", pattern(1000));
      assert.equal((await repo.backup(db)).type, "full");
      // More than a part, and an object of its own.
      await set("large", pattern(7 * MIB, 5));
      assert.equal((await repo.backup(db)).type, "incremental");
      const replication = await repo.replicate(db, { interval: 50 });
      await set("shipped", pattern(10, 7));
      await replication.flush();
      await replication.stop();
      await repo.drill();
      assert.deepEqual((await repo.verify(undefined, { read: "all" })).problems, []);
      await using other = await BackupRepository.open(s3(`s3://${bucket}/copy`, options), { encryption });
      await repo.copyTo(other);
      assert.deepEqual((await other.verify(undefined, { read: "all" })).problems, []);
      await repo.prune({ keepLast: 1 });
      assert.equal((await claims(place)).length, 1);
    }
    assert.deepEqual(await claims(place), [], "who closes it lets others write");
    await using back = await DB.open(":memory:");
    await back.restore(s3(place, options), { encryption });
    for (const [key, value] of states) assert.deepEqual(await back.get(key), value);
    assert.equal(await back.count(), states.length);
  });

  it("a repository on Swift is refused to a second program that would write, until the first one has gone", async () => {
    const place = `s3://${bucket}/two`;
    const program = fileURLToPath(new URL("lasting_writer.ts", import.meta.url));
    const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const child = spawn(process.execPath, [...flags, program, place, JSON.stringify(options)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      await once(child.stdout, "data");
      await using db = await DB.open(":memory:");
      await db.set("mine", 1);
      await using repo = await BackupRepository.open(s3(place, options), { timers: HASTY });
      await assert.rejects(
        repo.backup(db),
        (error) => error instanceof RepositoryLockedError && error.message.includes(`(process ${child.pid}, since `),
      );
      assert.ok((await repo.list()).length > 0, "reading needs no claim");
      await using reader = await BackupRepository.open(s3(place, options), { readOnly: true });
      await using back = await DB.open(":memory:");
      await reader.restore(back);
      assert.ok((await back.get<number>("i"))! >= 3);
      const ended = once(child, "close");
      child.stdin.end();
      assert.deepEqual((await ended)[0], 0);
      await repo.backup(db);
      assert.equal((await repo.list()).length, 2);
    } finally {
      child.kill("SIGKILL");
    }
  });
}
