/** What a soak does to the database beside writing: one job at a time of each runner, each looking at what came of it. */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type BackupOptions, type BackupRepository, DB, type Replication } from "../../../mod.ts";
import { pick } from "../random_numbers.ts";
import { compare, type Found, type Least, NOTHING } from "./compare.ts";
import { OPTIONS, type Plan } from "./plan.ts";

/** What jobs work on. */
export interface Scene {
  db: DB;
  repo: BackupRepository;
  plan: Plan;
  random: () => number;
  clock: () => number;
  /** A directory for copies, empty at the start of the process. */
  scratch: string;
  /** What is acknowledged now, and so to be seen by whoever reads or copies. */
  least: () => Least;
  /** The replication that runs, if one does. */
  replication: Replication | undefined;
  /** Tells the parent. */
  say: (line: string) => void;
}

type Job = (scene: Scene, path: string) => Promise<void>;

/** Answers to jobs that met each other; everything else is a failure. */
const BUSY = new Set(["REPOSITORY_LOCKED"]);

/** How often each job is chosen beside the others. */
const JOBS: readonly (readonly [name: string, weight: number, job: Job])[] = [
  ["compare", 4, async (scene) => void await look(scene, scene.db, scene.least(), "a snapshot")],
  ["scan", 3, scan],
  ["export", 2, async (scene, path) => {
    const least = scene.least();
    await scene.db.export(path, scene.random() < 0.5 ? {} : { link: "never" });
    await lookAt(scene, path, least, "an export");
  }],
  ["export-tar", 1, async (scene, path) => await unpacked(scene, path, ".tar.zst", (to) => scene.db.export(to))],
  ["portable", 1, async (scene, path) => await unpacked(scene, path, ".jsonl.gz", (to) => scene.db.backup(to))],
  ["backup", 6, backup],
  ["restore", 4, restore],
  ["replicate", 2, replicate],
  ["prune", 2, async ({ repo }) => void await repo.prune({ keepLast: 3 })],
  ["verify", 2, async ({ db }) => assert.deepEqual((await db.verify()).problems, [], "verify of the database")],
  ["verify-backups", 1, async ({ repo, random }) => {
    const { problems } = await repo.verify(undefined, { read: random() < 0.5 ? "all" : "sample" });
    assert.deepEqual(problems, [], "verify of the repository");
  }],
  ["drill", 1, async ({ repo, scratch }) => {
    if (await repo.latest() === undefined) return;
    const { ok, problems } = await repo.drill({ directory: scratch });
    assert.ok(ok, `drill: ${JSON.stringify(problems)}`);
  }],
  ["compact", 1, async ({ db }) => await db.compact()],
  ["changes", 2, changes],
];

let places = 0;

/** Chooses a job, does it, and says so. */
export async function doJob(scene: Scene): Promise<void> {
  let left = scene.random() * JOBS.reduce((sum, [, weight]) => sum + weight, 0);
  const [name, , job] = JOBS.find(([, weight]) => (left -= weight) < 0) ?? JOBS[0]!;
  await doNamed(scene, name, job);
}

/** The jobs at the end: everything that must hold when all is quiet. */
export async function doLast(scene: Scene): Promise<void> {
  for (const [name, , job] of JOBS) {
    if (/compare|verify|backup|restore|prune|compact/.test(name)) await doNamed(scene, name, job);
  }
}

async function doNamed(scene: Scene, name: string, job: Job): Promise<void> {
  const path = join(scene.scratch, String(++places));
  try {
    await job(scene, path);
    scene.say(`did ${name}`);
  } catch (error) {
    const { code } = error as { code?: string };
    if (!BUSY.has(code ?? "")) throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    scene.say(`busy ${name}`);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

async function look({ plan, clock }: Scene, db: DB, least: Least, context: string): Promise<Found> {
  return await compare(db, plan, { least, clock, context });
}

/** Opens a copy and compares it. */
async function lookAt(scene: Scene, path: string, least: Least, context: string): Promise<Found> {
  await using copy = await DB.open(path, { ...OPTIONS, clock: scene.clock, createIfMissing: false });
  const found = await look(scene, copy, least, context);
  scene.say(`compared ${context.replaceAll(" ", "-")}`);
  return found;
}

async function unpacked(
  scene: Scene,
  path: string,
  ending: string,
  make: (file: string) => Promise<unknown>,
): Promise<void> {
  const file = path + ending;
  const least = scene.least();
  try {
    await make(file);
    await DB.restore(file, path);
    await lookAt(scene, path, least, `a restore of ${ending}`);
  } finally {
    rmSync(file, { force: true });
  }
}

/** Lists forwards, backwards and in part say the same of one snapshot. */
async function scan({ db, random }: Scene): Promise<void> {
  using snapshot = db.snapshot();
  const forwards: string[] = [];
  for await (const key of snapshot.keys()) forwards.push(key);
  const backwards: string[] = [];
  for await (const key of snapshot.keys({}, { reverse: true })) backwards.push(key);
  assert.deepEqual(backwards.reverse(), forwards, "keys backwards");
  const start = forwards[pick(random, forwards.length)]!;
  const part: string[] = [];
  for await (const { key } of snapshot.list({ start }, { limit: 20 })) part.push(key);
  const at = forwards.indexOf(start);
  assert.deepEqual(part, forwards.slice(at, at + 20), `20 entries from ${start} on`);
  const values = await snapshot.getMany(part);
  assert.ok(values.every((value) => value !== undefined), "what is listed can be read");
}

async function backup({ db, repo, random, least, say }: Scene): Promise<void> {
  const type = (["auto", "incremental", "incremental", "snapshot", "full"] as const)[pick(random, 5)]!;
  const { n, counted } = least();
  const options: BackupOptions = { type, labels: { least: JSON.stringify({ n, counted }) } };
  const info = await repo.backup(db, options);
  say(`backup ${info.type}`);
}

/** Restores a backup, a version in between or the newest state, and compares it. */
async function restore(scene: Scene, path: string): Promise<void> {
  const { repo, random } = scene;
  const kind = pick(random, 3);
  const backups = await repo.list();
  const chosen = backups[pick(random, backups.length)];
  if (chosen === undefined) return;
  if (kind === 0) {
    const made = chosen.labels["least"];
    const least = made === undefined ? NOTHING : JSON.parse(made) as Least;
    if (!await restored(repo, path, { backupId: chosen.id })) return;
    const { version } = await lookAt(scene, path, least, "a restored backup");
    assert.equal(version, chosen.version, `backup ${chosen.id} shows version ${chosen.version}`);
  } else if (kind === 1) {
    const ranges = await repo.recoveryPoints();
    const { from, to } = ranges[pick(random, ranges.length)]!;
    const wanted = from.version + pick(random, to.version - from.version + 1);
    if (!await restored(repo, path, { at: { version: wanted } })) return;
    const { version } = await lookAt(scene, path, NOTHING, "a restored version");
    assert.equal(version, wanted, `version ${wanted}, between ${from.version} and ${to.version}`);
  } else {
    const least = scene.least();
    const { replication } = scene;
    await replication?.flush();
    if (!await restored(repo, path, {})) return;
    // Another runner may have stopped it meanwhile; what it flushed is there all the same.
    await lookAt(scene, path, replication === undefined ? NOTHING : least, "the restored end");
  }
}

/** Restores; false when a pruning beside has removed just that. */
async function restored(
  repo: BackupRepository,
  path: string,
  options: { backupId?: string; at?: { version: number } },
): Promise<boolean> {
  try {
    await repo.restore(path, options);
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    const gone = code === "NOT_FOUND" || code === "GAP";
    if (!gone || existsSync(join(path, "CURRENT"))) throw error;
    const still = options.backupId === undefined
      ? options.at !== undefined &&
        (await repo.recoveryPoints()).some(({ from, to }) =>
          from.version <= options.at!.version && options.at!.version <= to.version
        )
      : await repo.get(options.backupId) !== undefined;
    if (still) throw error;
    return false;
  }
}

/** Begins a replication, or lets it catch up and ends it. */
async function replicate(scene: Scene): Promise<void> {
  const { replication } = scene;
  if (replication === undefined) {
    // The field is filled once it runs: two runners may come here at once.
    const started = await scene.repo.replicate(scene.db, { interval: 100, baseBytes: 16 * 2 ** 20 });
    if (scene.replication === undefined) scene.replication = started;
    else await started.stop();
    return;
  }
  await replication.flush();
  scene.replication = undefined;
  await replication.stop();
  assert.equal(replication.status().error, undefined, "a replication that was stopped in order");
}

/** The log gives every version of the recent past, each once. */
async function changes({ db }: Scene): Promise<void> {
  const since = Math.max(0, db.version - 50);
  const until = db.version;
  let last = since;
  try {
    for await (const { version } of db.changes({ since })) {
      assert.equal(version, last + 1, "changes() leaves out no version");
      last = version;
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "HISTORY_GONE") throw error;
    return;
  }
  assert.ok(last >= until, `changes() ended at ${last}, version ${until} was committed`);
}
