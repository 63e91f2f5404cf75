/** One program: what it does in a repository, by which clock, and at which call it is killed. */
import { HoldfastError } from "../../../lib/base/errors.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import type { BackupRepository, RetentionPolicy } from "../../../mod.ts";
import { assertRestores } from "./judge.ts";
import { MINUTE, type Repository, turns, type World } from "./world.ts";

/** What a program is given. */
interface Work {
  world: World;
  id: string;
  /** The repository that it works on. */
  repo: BackupRepository;
  /** The other one. */
  other: () => Promise<BackupRepository>;
}

const POLICIES: readonly RetentionPolicy[] = [
  { keepLast: 2 },
  { keepLast: 3 },
  { keepWithin: 20 * MINUTE, keepLast: 1 },
  { keepHourly: 3, keepLast: 1 },
];

/** By how many minutes a clock is set forward or back while its program works. */
const JUMPS = [20, 40, 24 * 60, -20, -40, -24 * 60];

/** Where a drill restores. */
const SCRATCH = "/scratch";

/** What programs do, each with its weight. */
const KINDS: Record<string, readonly [weight: number, work: (work: Work) => Promise<void>]> = {
  backup: [2, async ({ world, repo, id }) => {
    const type = world.random.pick(["incremental", "incremental", "snapshot", "full", "auto"] as const);
    const { version } = await repo.backup(world.db, { type, id });
    world.told.set(id, version);
  }],
  prune: [3, async ({ world, repo }) => void await repo.prune(world.random.pick(POLICIES))],
  copy: [3, async ({ repo, other }) => void await repo.copyTo(await other())],
  verify: [2, async ({ repo }) => {
    const { problems } = await repo.verify();
    if (problems.length > 0) throw new Error(`verify beside others: ${JSON.stringify(problems)}`);
  }],
  drill: [1, async ({ repo }) => {
    if ((await repo.list()).length === 0) return;
    const { problems } = await repo.drill({ directory: SCRATCH });
    if (problems.length > 0) throw new Error(`drill beside others: ${problems.join("; ")}`);
  }],
  restore: [1, async ({ world, repo }) => {
    const backups = await repo.list();
    if (backups.length > 0) await assertRestores(world, repo, { backupId: world.random.pick(backups).id });
  }],
  repair: [1, async ({ repo }) => {
    const { repaired, lostBackups, lostPoints, setAside } = await repo.repair();
    const done = { repaired, lostBackups, lostPoints, setAside };
    if (Object.values(done).some((one) => one.length > 0)) {
      throw new Error(`repair beside others: ${JSON.stringify(done)}`);
    }
  }],
  delete: [1, async ({ world, repo }) => {
    const backups = await repo.list();
    if (backups.length < 3) return;
    const { id } = world.random.pick(backups.slice(0, -1));
    world.told.delete(id);
    await repo.delete(id);
  }],
  join: [1, async ({ world, repo }) => {
    const backups = await repo.list();
    if (backups.length === 0) return;
    await world.alone(async () => void await repo.restore(world.db, { backupId: world.random.pick(backups).id }));
  }],
  replicate: [2, async ({ world, repo }) => {
    const { random, db } = world;
    const base = random.chance(0.5) ? { baseEvery: "10m" } : {};
    const replication = await repo.replicate(db, { interval: 20, heartbeat: 1000, ...base });
    try {
      for (let times = 0; times < 3; times++) {
        await world.commit();
        if (random.chance(0.3)) world.pass(MINUTE + 1000);
        await replication.flush();
        await turns(random.below(60));
      }
    } finally {
      await replication.stop();
    }
  }],
};

/** Only the first repository is archived into, and what is in the other comes from it. */
const OF_FIRST = ["backup", "replicate"];

/** Failures that are none, where clocks are apart: whoever meets them is to try again. */
function isFine(error: unknown, kind: string, { dying }: World): boolean {
  if (!(error instanceof HoldfastError)) return false;
  const { code, message } = error;
  if (code === "REPOSITORY_LOCKED" || code === "NOT_FOUND") return true;
  // In one process a replication waits for the base that another makes, also where that is killed.
  if (code === "STORAGE") return dying;
  if (code === "NEEDED") return kind === "delete";
  // A pruning beside another, one of which has broken the other's lease.
  return code === "INTEGRITY" && /was listed, and then was not/.test(message);
}

/** Draws a program and gives its run, which fails where something is wrong. */
export function program(world: World, id: string): () => Promise<void> {
  const { random, first, second } = world;
  const kind = random.weighted(Object.entries(KINDS).map(([name, [weight]]) => [weight, name] as const));
  const deletes = kind === "prune" || kind === "delete";
  const minutes = random.pick(deletes ? [0, 20, 40, -5] : [0, 0, 0, -20, 5]);
  const [one, two] = OF_FIRST.includes(kind) || random.chance(0.7) ? [first, second] : [second, first];
  const dies = random.chance(0.25);
  world.dying ||= dies;
  const [at, how] = [random.between(1, random.pick([8, 25, 80])), random.pick(["die", "dieAfter"] as const)];
  const slowest = random.chance(0.125) ? 4 * MINUTE : 200;
  const jump = random.chance(0.125)
    ? { at: random.between(1, random.pick([8, 25, 80])), minutes: random.pick(JUMPS) }
    : undefined;
  const told = [
    `${id}: ${kind} in ${one.name}, ${minutes} minutes ahead`,
    ...(jump === undefined ? [] : [`and ${jump.minutes} more from call ${jump.at} on`]),
    ...(dies ? [`killed at call ${at}`] : []),
  ];
  world.trace.push(told.join(", "));
  world.count(kind);
  let calls = 0;
  const jumped = (): number => jump !== undefined && calls >= jump.at ? jump.minutes : 0;
  const clock = (): number => world.clock() + (minutes + jumped()) * MINUTE;
  const storeOf = ({ store }: Repository): FaultStore =>
    new FaultStore(store, {
      delay: async () => {
        calls++;
        world.pass(world.chance.below(slowest));
        await turns(world.chance.pick([0, 0, 1, 3, 10, 40]));
      },
    });
  return async () => {
    const stores = [storeOf(one), storeOf(two)] as const;
    if (dies) { for (const store of stores) store.inject({ at: () => calls >= at, do: how, times: Infinity }); }
    const open: BackupRepository[] = [];
    const opened = async (store: FaultStore): Promise<BackupRepository> => {
      const fileSystem = memoryFileSystem();
      await fileSystem.makeDirectory(SCRATCH);
      const repo = await world.open(store, { clock, fileSystem });
      open.push(repo);
      return repo;
    };
    try {
      await KINDS[kind]![1]({ world, id, repo: await opened(stores[0]), other: () => opened(stores[1]) });
    } catch (error) {
      if (!isFine(error, kind, world)) throw error;
      world.count(`${kind}: ${(error as HoldfastError).code}`);
    } finally {
      for (const repo of open) await repo.close().catch(() => {});
    }
  };
}
