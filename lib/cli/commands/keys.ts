/**
 * `keys list`, `keys add`, `keys rotate`, `keys remove`.
 *
 * @module
 */
import type { KeyInfo } from "../../backup/repository/mod.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { confirm } from "../core/prompt.ts";
import { openRepository, REPOSITORY, REPOSITORY_OPTIONS } from "../core/repository.ts";
import { newSecret, secretOptions } from "../core/secrets.ts";
import { showTime } from "../output/figures.ts";
import { jsonLine } from "../output/json.ts";
import { YES } from "./entries.ts";

const list: CommandSpec = {
  name: "list",
  summary: "List the keys and passphrases that open a repository, by their ids",
  group: "Care of backups",
  args: [REPOSITORY],
  options: [...REPOSITORY_OPTIONS],
  examples: [{ line: "keys list ./safe", does: "which keys open it" }],
  async run(call) {
    const { out } = call;
    await using repo = await openRepository(call, call.words[0] ?? "", { write: false });
    const keys = await repo.keys();
    if (out.json) return await out.write(keys.map(jsonLine).join(""));
    if (keys.length === 0) out.note("the repository is not encrypted");
    else await printKeys(call, keys);
  },
};

const add: CommandSpec = {
  name: "add",
  summary: "Let another passphrase or key open a repository too",
  group: "Care of backups",
  args: [REPOSITORY],
  options: [...REPOSITORY_OPTIONS, ...secretOptions("new-")],
  examples: [
    { line: "keys add ./safe", does: "asks for the present passphrase, then for the new one" },
    { line: "keys add ./safe --passphrase-file old --new-key-file key.bin", does: "without anyone there" },
  ],
  async run(call) {
    const { out } = call;
    const [place = ""] = call.words;
    await using repo = await openRepository(call, place, { write: true });
    const info = await repo.addKey(await newSecret(call, "new-", place));
    await out.result(info, () => printKeys(call, [info]));
  },
};

const rotate: CommandSpec = {
  name: "rotate",
  summary: "Make a new passphrase or key the only one that opens a repository",
  details:
    "All others open nothing any more. No data is written anew, so this does not protect what is there from someone who had " +
    "an old key and a copy.",
  group: "Care of backups",
  args: [REPOSITORY],
  options: [YES, ...REPOSITORY_OPTIONS, ...secretOptions("new-")],
  examples: [{ line: "keys rotate ./safe --new-passphrase-file new", does: "only the new passphrase opens it then" }],
  async run(call) {
    const { out } = call;
    const [place = ""] = call.words;
    await using repo = await openRepository(call, place, { write: true });
    const secret = await newSecret(call, "new-", place);
    await confirm(call, `Let only the new key open ${place}, and none of the others?`);
    const info = await repo.rotateKey(secret);
    await out.result(info, () => printKeys(call, [info]));
  },
};

const remove: CommandSpec = {
  name: "remove",
  summary: "Take a key or passphrase away, by its id",
  group: "Care of backups",
  args: [REPOSITORY, { name: "ID", help: "as keys list shows it", kind: "text" }],
  options: [YES, ...REPOSITORY_OPTIONS],
  examples: [{ line: "keys remove ./safe 5d3a1f00c2e4b6a8", does: "this one opens it no more" }],
  async run(call) {
    const { out } = call;
    const [place = "", id = ""] = call.words;
    await using repo = await openRepository(call, place, { write: true });
    await confirm(call, `Let key ${id} not open ${place} any more?`);
    await repo.removeKey(id);
    await out.result({ id }, () => out.note(`removed key ${id}`));
  },
};

async function printKeys({ out }: Call, keys: readonly KeyInfo[]): Promise<void> {
  await out.table(
    [{ title: "ID" }, { title: "KIND" }, { title: "MADE" }],
    keys.map(({ id, kind, createdAt }) => [out.paint("name", id), kind, showTime(createdAt)]),
  );
}

/** `keys` */
export const keys: CommandSpec = {
  name: "keys",
  summary: "The keys of an encrypted repository",
  group: "Care of backups",
  args: [],
  options: [],
  examples: [],
  commands: [list, add, rotate, remove],
};
