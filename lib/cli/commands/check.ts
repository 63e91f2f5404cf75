/**
 * Whether all is well: `verify`, `drill`, `health`.
 *
 * @module
 */
import { CorruptionError } from "../../base/errors.ts";
import type { OnProgress } from "../../base/progress.ts";
import type { VerifyReport } from "../../engine/types.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { openToRead } from "../core/database.ts";
import { POINT_OPTIONS, pointOf, wholeIds } from "../core/point.ts";
import { HEALTH_OPTIONS, healthOf } from "../core/policy.ts";
import { inShellWords } from "../core/wording.ts";
import {
  KEYLESS,
  KIND,
  kindOf,
  openRepository,
  PLACE,
  READ_ONLY,
  refuseRepositoryOptions,
  REPOSITORY,
  REPOSITORY_OPTIONS,
  TRANSFER_OPTIONS,
} from "../core/repository.ts";
import { showKey } from "../output/entries.ts";
import { showBytes, showCount, showCounted, showDuration, showShare, showTime } from "../output/figures.ts";
import { codeFor } from "../output/output.ts";

/** `verify` */
export const verify: CommandSpec = {
  name: "verify",
  summary: "Read a database or a repository, and check all of it",
  details:
    "Damage is reported (exit code 3), nothing is changed. Of an encrypted repository --keyless checks what can be checked " +
    "without the key: that every object is there and is what was written.",
  group: "Care of backups",
  args: [PLACE],
  options: [
    { name: "backup", short: "b", kind: "text", value: "ID", help: "of a repository: only what this backup needs" },
    {
      name: "read",
      kind: "choice",
      choices: ["all", "sample", "none"],
      help: "of a repository: every byte, some others each time, or only what there is",
    },
    KEYLESS,
    READ_ONLY,
    KIND,
    ...REPOSITORY_OPTIONS,
    ...TRANSFER_OPTIONS,
  ],
  examples: [
    { line: "verify ./data", does: "check a database, also beside the program that uses it" },
    { line: "verify ./backups --read sample", does: "check a repository, a part of its bytes" },
  ],
  async run(call) {
    const [place = ""] = call.words;
    return await kindOf(call, place) === "database"
      ? await verifyDatabase(call, place)
      : await verifyBackups(call, place);
  },
};

async function verifyDatabase(call: Call, path: string): Promise<number> {
  const { out, io } = call;
  refuseRepositoryOptions(call, ["backup", "read"], `${path} is a database`);
  const report = await readDatabase(call, path, { signal: io.signal, onProgress: out.progress("verify") });
  out.endProgress();
  await out.result(report, async () => {
    await out.facts([
      verdict(call, report.ok, report.problems.length),
      ["files", `${showCount(report.files)}, ${showBytes(report.bytes)}`],
      ["rows", showCount(report.entries)],
      ["took", showDuration(report.durationMs)],
    ]);
    await out.sentences(
      report.problems.map(({ file, offset, detail }) =>
        `${out.paint("bad", "✗")} ${file} at byte ${offset}: ${detail}`
      ),
    );
  });
  return codeFor(report.ok);
}

/** A database too damaged to be opened is a finding as well. */
async function readDatabase(
  call: Call,
  path: string,
  long: { signal: AbortSignal; onProgress: OnProgress },
): Promise<VerifyReport> {
  try {
    await using db = await openToRead(call, path);
    const { tableBytes, blobBytes, logBytes } = db.stats();
    // About so much is read; the library does not say it beforehand.
    const total = tableBytes + blobBytes + logBytes;
    const onProgress: OnProgress = (now) => long.onProgress({ ...now, totalBytes: Math.max(total, now.doneBytes) });
    return await db.verify({ ...long, onProgress });
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    const { file, offset, detail } = error;
    return { ok: false, problems: [{ file, offset, detail }], files: 0, bytes: 0, entries: 0, durationMs: 0 };
  }
}

async function verifyBackups(call: Call, place: string): Promise<number> {
  const { out, given, io } = call;
  const read = given.choice<"all" | "sample" | "none">("read");
  const write = !given.flag("read-only") && !given.flag("keyless");
  await using repo = await openRepository(call, place, { write });
  const report = await repo.verify(given.text("backup"), {
    ...(read === undefined ? {} : { read }),
    signal: io.signal,
    onProgress: out.progress("verify"),
  });
  out.endProgress();
  await out.result(report, async () => {
    await out.facts([
      verdict(call, report.ok, report.problems.length),
      ["backups", showCount(report.backups)],
      ["objects", `${showCount(report.objects)}, of which log ${showCount(report.logObjects)}`],
      ["read", `${report.read}: ${showBytes(report.bytes)}`],
      ["took", showDuration(report.durationMs)],
    ]);
    await out.sentences(report.problems.map(({ key, detail, backups }) => {
      const whose = backups.length === 0 ? "" : ` (needed by ${backups.join(", ")})`;
      return `${out.paint("bad", "✗")} ${key}: ${detail}${whose}`;
    }));
  });
  return codeFor(report.ok);
}

function verdict({ out }: Call, ok: boolean, problems: number): readonly [string, string] {
  return ["result", ok ? out.paint("good", "✓ no damage") : out.paint("bad", `✗ ${showCounted(problems, "problem")}`)];
}

/** `drill` */
export const drill: CommandSpec = {
  name: "drill",
  summary: "Restore for real into a scratch directory, check it, and remove it again",
  details: "That the state does not come back is a finding (exit code 3). What was proven is noted in the repository.",
  group: "Care of backups",
  args: [REPOSITORY],
  options: [
    ...POINT_OPTIONS,
    { name: "directory", kind: "path", help: "where the scratch directory is made: the system's place unless given" },
    READ_ONLY,
    ...REPOSITORY_OPTIONS,
    ...TRANSFER_OPTIONS,
  ],
  examples: [
    { line: "drill ./backups", does: "prove that the newest state can be restored" },
    { line: "drill ./backups --directory /scratch --at '1d ago'", does: "prove it of yesterday's, on another disk" },
  ],
  async run(call) {
    const { out, given, io } = call;
    const directory = given.text("directory");
    await using repo = await openRepository(call, call.words[0] ?? "", { write: !given.flag("read-only") });
    const report = await repo.drill({
      ...await wholeIds(repo, pointOf(call)),
      ...(directory === undefined ? {} : { directory }),
      signal: io.signal,
      onProgress: out.progress("drill"),
    });
    out.endProgress();
    await out.result(report, async () => {
      await out.facts([
        ["result", report.ok ? out.paint("good", "✓ restored") : out.paint("bad", "✗ not restored")],
        ["state", `version ${report.version} of ${showTime(report.timestamp)}`],
        ["entries", showCount(report.entries)],
        ["replayed", showCounted(report.recordsReplayed, "commit")],
        ["fetched", showBytes(report.bytes)],
        ["checksum", report.checksum],
        ["took", showDuration(report.durationMs)],
      ]);
      await out.sentences(report.problems.map((problem) => `${out.paint("bad", "✗")} ${inShellWords(problem, call)}`));
    });
    return codeFor(report.ok);
  },
};

/** `health` */
export const health: CommandSpec = {
  name: "health",
  summary: "Judge a repository by its facts: age, success, size, proofs, lag, space",
  details:
    "Findings end it with exit code 3, so that a monitor needs nothing else. A limit of 0 switches its check off.",
  group: "Care of backups",
  args: [REPOSITORY],
  options: [...HEALTH_OPTIONS, KEYLESS, ...REPOSITORY_OPTIONS],
  examples: [
    { line: "health ./backups", does: "with the usual limits" },
    { line: "health ./backups --max-age 1h --drill-within 30d --json", does: "for a monitor" },
  ],
  async run(call) {
    const { out } = call;
    await using repo = await openRepository(call, call.words[0] ?? "", { write: false });
    const report = await repo.health(healthOf(call));
    await out.result(report, async () => {
      await out.facts([
        [
          "status",
          report.ok
            ? out.paint("good", "✓ OK")
            : out.paint("bad", `✗ ${showCounted(report.findings.length, "finding")}`),
        ],
        ["last backup", showTime(report.lastBackupAt)],
        ["succeeded", showShare(report.successRate)],
        ["last verified", showTime(report.lastVerifiedAt)],
        ["last drill", showTime(report.lastDrillAt)],
        report.lagMs === undefined ? undefined : ["lag", showDuration(report.lagMs)],
      ]);
      if (report.findings.length > 0) await out.line("");
      await out.table(
        report.findings.length === 0
          ? []
          : [{ title: "SEVERITY" }, { title: "CODE" }, { title: "FINDING", narrow: "wrap" }],
        report.findings.map(({ severity, code, message }) => [
          out.paint(severity === "error" ? "bad" : "warning", severity),
          code,
          showKey(message),
        ]),
      );
    });
    return codeFor(report.ok);
  },
};
