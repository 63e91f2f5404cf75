/**
 * Whether this state of the library is slower than an earlier one.
 *
 *     node bench/guard.ts [--base COMMIT] [--rounds 3] [--rows get,load-random]
 *
 * The earlier state is that of the newest tag `v*` before this one; where there is none, of the commit before the last
 * one that touched `lib/`. It is checked out beside, given the benches and packages of this one, and measured in turn
 * with it (A B A B) under Node. What counts is the best of the rounds: what else the machine does only makes slower.
 *
 * A ratio below 0.8 is a warning; the exit code is 0 all the same, and 2 when nothing could be compared.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { list, positive } from "./options.ts";
import { short, table } from "./report.ts";
import { ROWS } from "./rows/mod.ts";
import type { Row } from "./rows/row.ts";
import { fresh, placeOf, progress, runRow } from "./run_row.ts";
import { BENCH } from "./runtime.ts";

const HELP = `Usage: bench/guard.ts [options]

  --base COMMIT    what to compare with (the newest tag v*; else the commit before the last that touched lib/)
  --rounds N       how often each measurement is repeated (3)
  --rows LIST      of: ${ROWS.map(({ id }) => id).join(" ")}
  --entries N      (20000)
  --seconds N      how long reads, mixes and durable puts go on (0.2)
  --limit N        after so many seconds no further measurement begins (45)
  --directory DIR  where the other state and the databases are put (the system's temporary directory)
`;

/** One of each kind. */
const DEFAULT_ROWS = "load-random,get,seek-50,put-64,ycsb-a";

/** Below this a row is called slower. */
const WARNING = 0.8;

/** No measurement takes this long, unless it hangs. */
const TIMEOUT_MS = 30_000;

const ROOT = join(BENCH, "..");

/** Nothing can be compared, for a reason that is no fault of the library. */
class Impossible extends Error {}

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    ...{ help: { type: "boolean", short: "h", default: false }, base: text, rounds: text, rows: text },
    ...{ entries: text, seconds: text, limit: text, directory: text },
  },
});

/** What git says; undefined when it refuses. */
function git(...args: string[]): string | undefined {
  try {
    return execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}

/** The commit to compare with. */
function baseOf(given: string | undefined): { commit: string; name: string } {
  if (git("rev-parse", "--git-dir") === undefined) throw new Impossible("this is not a clone that git can read");
  const shallow = git("rev-parse", "--is-shallow-repository") === "true" ? " (the clone is shallow)" : "";
  const find = (revision: string) => git("rev-parse", "--verify", "--quiet", `${revision}^{commit}`);
  if (given !== undefined) {
    const commit = find(given);
    if (commit === undefined) throw new Impossible(`there is no commit ${given}${shallow}`);
    return { commit, name: given };
  }
  // The tag of this very state says nothing.
  const tag = git("describe", "--tags", "--match", "v*", "--abbrev=0", "HEAD^");
  if (tag !== undefined) return { commit: find(tag)!, name: tag };
  const last = git("log", "-1", "--format=%H", "--", "lib");
  const commit = last ? find(`${last}^`) : undefined;
  if (commit === undefined) {
    throw new Impossible(
      `there is neither a tag v* before this commit nor one before the last change of lib/${shallow}`,
    );
  }
  return { commit, name: `${commit.slice(0, 10)}, before the last change of lib/` };
}

/** Checks out the commit, with the benches and packages of this state. */
async function checkOut(commit: string, directory: string): Promise<string> {
  git("worktree", "prune");
  if (git("worktree", "add", "--detach", directory, commit) === undefined) {
    throw new Impossible(`git can't check out ${commit} beside this state`);
  }
  const folder = join(directory, "bench");
  await rm(folder, { recursive: true, force: true });
  await cp(BENCH, folder, { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"), "dir");
  return folder;
}

/** One of the two states, and the best that was seen of it in each row. */
interface Side {
  name: string;
  folder: string;
  loaded: string;
  best: Map<string, number>;
}

async function compare(sides: readonly Side[], rows: readonly Row[], scratch: string): Promise<string[]> {
  const common = {
    ...{ runtime: "node" as const, driver: "holdfast", large: 20, timeoutMs: TIMEOUT_MS },
    codeCache: join(scratch, "..", "code"),
    entries: positive(values.entries, 20_000, "entries"),
    seconds: positive(values.seconds, 0.2, "seconds"),
  };
  const rounds = positive(values.rounds, 3, "rounds");
  const end = performance.now() + positive(values.limit, 45, "limit") * 1000;
  const notes: string[] = [];
  for (const { name, folder, loaded } of sides) {
    await runRow({ ...common, folder, row: "prepare", directory: await fresh(loaded) }).catch((error: Error) => {
      throw new Impossible(`the database of ${name} can't be made: ${error.message}`);
    });
  }
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      for (const { name, folder, loaded, best } of sides) {
        if (performance.now() > end) return [...notes, `stopped for time in round ${round} of ${rounds}, at ${row.id}`];
        progress(`${row.title}, round ${round} of ${rounds}, ${name}`);
        try {
          const directory = await placeOf(row.needs, loaded, scratch);
          const { value } = await runRow({ ...common, folder, row: row.id, directory });
          // Higher is better here, of times as well.
          const rate = row.unit === "ms" ? 1000 / value : value;
          best.set(row.id, Math.max(rate, best.get(row.id) ?? 0));
        } catch (error) {
          notes.push(`failed: ${name}: ${(error as Error).message}`);
        }
      }
    }
  }
  return notes;
}

function tableOf([before, now]: readonly [Side, Side], rows: readonly Row[]): string {
  const body = rows.map(({ id, title, unit }) => {
    const [was, is] = [before.best.get(id), now.best.get(id)];
    const ratio = was === undefined || is === undefined ? undefined : is / was;
    return [
      `${title} (${unit === "ms" ? "/s" : unit})`,
      ...[was, is].map((rate) => rate === undefined ? "-" : short(rate)),
      ratio === undefined ? "-" : `${ratio.toFixed(2)} x`,
      ratio !== undefined && ratio < WARNING ? "SLOWER" : "",
    ];
  });
  return table(["best of the rounds", "before", "now", "ratio", ""], body);
}

async function guard(): Promise<void> {
  const ids = list(values.rows ?? DEFAULT_ROWS, ROWS.map(({ id }) => id), "row");
  const rows = ROWS.filter(({ id }) => ids.includes(id));
  const { commit, name } = baseOf(values.base);
  const root = await mkdtemp(join(values.directory ?? tmpdir(), "holdfast-guard-"));
  const tree = join(root, "before");
  try {
    const sides: [Side, Side] = [
      { name: "before", folder: await checkOut(commit, tree), loaded: join(root, "loaded-before"), best: new Map() },
      { name: "now", folder: BENCH, loaded: join(root, "loaded-now"), best: new Map() },
    ];
    const notes = await compare(sides, rows, join(root, "scratch"));
    progress("");
    console.log(`guard: now beside ${name}\n\n${tableOf(sides, rows)}\n`);
    for (const note of notes) console.log(note);
  } finally {
    git("worktree", "remove", "--force", tree);
    await rm(root, { recursive: true, force: true });
  }
}

if (values.help) {
  console.log(HELP);
} else {
  try {
    await guard();
  } catch (error) {
    if (!(error instanceof Impossible)) throw error;
    console.log(`guard: nothing to compare: ${error.message}`);
    process.exitCode = 2;
  }
}
