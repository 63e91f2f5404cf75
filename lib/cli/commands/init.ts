/**
 * `init`, `demo`.
 *
 * @module
 */
import { NotFoundError } from "../../base/errors.ts";
import { DB } from "../../db/db.ts";
import { BackupRepository } from "../../db/repository/backup_repository.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { join } from "../../files/paths.ts";
import { PROGRAM_NAME } from "../version.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { KEY_ENCODING, localPath } from "../core/database.ts";
import { CommandFailure, UsageError } from "../core/exit_code.ts";
import { isRepository } from "../core/places.ts";
import { ENCRYPT, openRepository, PLACE, REPOSITORY_OPTIONS } from "../core/repository.ts";
import { isAddress, storeAt } from "../core/store.ts";

/** `init` */
export const init: CommandSpec = {
  name: "init",
  summary: "Make a database, or with --repository a repository",
  group: "Databases",
  args: [{ ...PLACE, help: "where: nothing, or an empty directory, may be there" }],
  options: [
    { name: "repository", kind: "flag", help: "make a repository for backups; an address is one in any case" },
    { ...KEY_ENCODING, help: "what keys are in the database: text unless given" },
    ENCRYPT,
    ...REPOSITORY_OPTIONS,
  ],
  examples: [
    { line: "init ./data", does: "a database" },
    { line: "init ./safe --repository --encrypt", does: "an encrypted repository; the passphrase is asked for" },
  ],
  async run(call) {
    const { given, out, io } = call;
    const [place = ""] = call.words;
    const keyEncoding = given.choice<KeyEncoding>("key-encoding");
    if (given.flag("repository") || isAddress(place)) {
      if (keyEncoding !== undefined) throw new UsageError("--key-encoding is for databases");
      await refuseExisting(call, place);
      await using repo = await openRepository(call, place, { write: true, create: true });
      const { id, encrypted, name } = repo;
      return await out.result(
        { id, encrypted },
        () => out.line(`made ${name} (${encrypted ? "encrypted, " : ""}${id})`),
      );
    }
    if (given.flag("encrypt")) {
      throw new UsageError("a database is not encrypted on disk; its backups may be (--repository)");
    }
    if (await isRepository(io, place)) throw new CommandFailure(`a repository is in ${place} already`);
    const options = { errorIfExists: true, clock: io.now, fileSystem: io.fileSystem, signal: io.signal };
    await using db = await DB.open(localPath(place), keyEncoding === undefined ? options : { ...options, keyEncoding });
    const { id, path } = db;
    await out.result({ id, path, keyEncoding: db.keyEncoding }, () => out.line(`made ${path} (${id})`));
  },
};

async function refuseExisting({ io, given }: Call, place: string): Promise<void> {
  const target = isAddress(place) ? await storeAt(io, place, given.list("store")) : place;
  try {
    // Without its key: whether one is there can be seen all the same.
    await using _ = await BackupRepository.open(target, {
      keyless: true,
      readOnly: true,
      createIfMissing: false,
      fileSystem: io.fileSystem,
    });
  } catch (error) {
    if (error instanceof NotFoundError) return;
    throw error;
  }
  throw new CommandFailure(`a repository is in ${place} already`);
}

/** `demo` */
export const demo: CommandSpec = {
  name: "demo",
  summary: "Make a small database with backups, and say what to try with them",
  details:
    "It is made in DIR/data and DIR/backups: some people, orders and notes; three backups; and an accident between two of them.",
  group: "Help",
  args: [{ name: "DIR", help: "a directory that is empty or not there yet", kind: "path" }],
  options: [],
  examples: [{ line: "demo ./try", does: "then try the commands that it prints" }],
  async run(call) {
    const { out, io } = call;
    const { fileSystem, signal } = io;
    const [directory = ""] = call.words;
    if ((await fileSystem.stat(directory)) !== undefined && (await fileSystem.list(directory)).length > 0) {
      throw new CommandFailure(`${directory} is not empty; choose another directory`);
    }
    await fileSystem.makeDirectory(directory, { parents: true });
    const [data, backups] = [join(directory, "data"), join(directory, "backups")];
    await using db = await DB.open(data, { clock: io.now, fileSystem, signal });
    await using repo = await BackupRepository.open(backups, { clock: io.now, fileSystem });
    await fill(db);
    const first = await repo.backup(db, { id: "first", labels: { of: "demo" }, signal });
    await db.setMany(orders(21, 40));
    await db.set("note/1", "Forty orders by now.");
    const second = await repo.backup(db, { id: "second", signal });
    await db.deleteRange({ prefix: "order/" });
    await db.set("note/2", "Where have all the orders gone?");
    const third = await repo.backup(db, { id: "third", signal });
    const versions = [first, second, third].map(({ version }) => version);
    const tries = trials(data, backups, join(directory, "restored"), versions[1]!);
    await out.result({ data, backups, versions, try: tries.map(([line]) => line) }, async () => {
      await out.sentences([
        `A database in ${data}, and three backups of it in ${backups}. Before the third one, all orders were deleted.`,
      ]);
      for (const [line, does] of tries) {
        await out.lines(["", `  ${out.paint("faint", `# ${does}`)}`, `  ${out.paint("name", line)}`]);
      }
    });
  },
};

const PEOPLE = ["Ada", "Grace", "Edsger", "Barbara", "Donald", "Hedy"];
const THINGS = ["apples", "bread", "coffee", "lamps", "paper"];

async function fill(db: DB): Promise<void> {
  await db.setMany(PEOPLE.map((name, index) => ({
    key: `person/${index + 1}`,
    value: { name, orders: index * 2 },
    tags: index % 2 === 0 ? ["newsletter"] : [],
  })));
  await db.setMany(orders(1, 20));
  await db.set("logo", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));
  await db.namespace("settings").set("language", "en");
}

function* orders(from: number, to: number): Generator<[string, object]> {
  for (let n = from; n <= to; n++) {
    const thing = THINGS[n % THINGS.length]!;
    yield [`order/${String(n).padStart(3, "0")}`, {
      by: `person/${n % PEOPLE.length + 1}`,
      what: thing,
      count: n % 7 + 1,
    }];
  }
}

function trials(data: string, backups: string, restored: string, version: number): (readonly [string, string])[] {
  return ([
    [`list ${data} --long`, "what is there"],
    [`list ${data} --tag newsletter --json`, "the same for programs"],
    [`backups ${backups}`, "the backups"],
    [`points ${backups}`, "what can be restored: every version in between, too"],
    [`restore ${backups} ${restored} --at-version ${version}`, "bring the orders back, into another directory"],
    [`count ${restored} --prefix order/`, "and here they are"],
    [`drill ${backups}`, "prove that the newest state can be restored"],
    [`health ${backups}`, "whether the backups are as they should be"],
  ] as const).map(([line, does]) => [`${PROGRAM_NAME} ${line}`, does]);
}
