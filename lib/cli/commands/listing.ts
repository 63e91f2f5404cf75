/**
 * `list`, `count`.
 *
 * @module
 */
import type { Entry } from "../../db/data/entries.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import type { OptionSpec } from "../core/option_spec.ts";
import { DATABASE, KEY_OPTIONS, keySpace, listRangeOf, openToRead, RANGE_OPTIONS } from "../core/database.ts";
import { UsageError } from "../core/exit_code.ts";
import { showKey, showValue } from "../output/entries.ts";
import { showTime } from "../output/figures.ts";
import { entryJson, jsonLine, keyJson } from "../output/json.ts";
import type { Column } from "../output/table.ts";

const TAG: OptionSpec = { name: "tag", short: "t", kind: "text", value: "TAG", many: true, help: "only with this tag" };
const LIMIT: OptionSpec = { name: "limit", short: "l", kind: "count", help: "at most so many" };

/** Rows that are laid out together: enough to stand in line, few enough to begin at once and to hold in memory. */
const ROWS_TOGETHER = 200;
/** Fewer where their values have this many characters. */
const CHARACTERS_TOGETHER = 2 ** 20;

/** `list` */
export const list: CommandSpec = {
  name: "list",
  summary: "List entries in the order of their keys",
  details:
    "All entries are of one version of the database, whatever is written meanwhile. On a terminal long values are cut; " +
    "in a file or pipe, and with --json, they are whole.",
  group: "Entries",
  args: [DATABASE],
  options: [
    ...RANGE_OPTIONS,
    TAG,
    { name: "reverse", short: "r", kind: "flag", help: "from the last key to the first" },
    LIMIT,
    { name: "keys", short: "k", kind: "flag", help: "only the keys" },
    { name: "long", kind: "flag", help: "with version, time, tags and expiry" },
    { name: "namespaces", kind: "flag", help: "the names of the namespaces instead of entries" },
    ...KEY_OPTIONS,
  ],
  examples: [
    { line: "list ./data --prefix user/ --limit 10", does: "list the first ten keys of a prefix, with their values" },
    { line: "list ./data --json | jq .value", does: "hand every value to another program" },
    { line: "list ./data --tag admin --keys", does: "list the keys that have a tag" },
    { line: "list ./data --namespaces", does: "list the namespaces" },
  ],
  async run(call) {
    const { out, given } = call;
    await using db = await openToRead(call, call.words[0] ?? "");
    const { space, encoding, path } = keySpace(call, db);
    if (given.flag("namespaces")) {
      const names = (space as typeof db).namespaces();
      return out.json
        ? await out.write(names.map((name) => jsonLine(name)).join(""))
        : await out.lines(names.map(showKey));
    }
    const [onlyKeys, long] = [given.flag("keys"), given.flag("long")];
    if (onlyKeys && long) throw new UsageError("give --keys or --long, not both");
    const range = await listRangeOf(call, encoding);
    const options = { reverse: given.flag("reverse"), limit: given.number("limit"), signal: call.io.signal };
    if (onlyKeys) {
      for await (const key of space.keys(range, options)) {
        await out.gather(out.json ? jsonLine({ ...keyJson(key) }) : `${showKey(key)}\n`);
      }
    } else if (out.json) {
      for await (const entry of space.list(range, options)) {
        await out.gather(jsonLine(entryJson(entry as Entry<Key>, path)));
      }
    } else return await table(call, space.list(range, options) as AsyncIterable<Entry<Key>>, long);
    await out.flush();
  },
};

async function table({ out }: Call, entries: AsyncIterable<Entry<Key>>, long: boolean): Promise<void> {
  const more: Column[] = [
    { title: "VERSION", align: "right" },
    { title: "WRITTEN" },
    { title: "TAGS" },
    { title: "EXPIRES" },
  ];
  const columns: Column[] = [
    { title: "KEY", narrow: "alone" },
    ...(long ? more : []),
    { title: "VALUE", narrow: "cut" },
  ];
  let rows: string[][] = [];
  let characters = 0;
  let headed = true;
  const print = async (): Promise<void> => {
    await out.table(columns, rows, { headed });
    [rows, characters, headed] = [[], 0, false];
  };
  for await (const { key, value, version, timestamp, tags, expiresAt } of entries) {
    const cells = [String(version), showTime(timestamp), tags.map(showKey).join(","), showTime(expiresAt)];
    const shown = showValue(value, out.width);
    characters += shown.length;
    const count = rows.push([showKey(key), ...(long ? cells : []), shown]);
    if (count === ROWS_TOGETHER || characters >= CHARACTERS_TOGETHER) await print();
  }
  if (rows.length > 0) await print();
}

/** `count` */
export const count: CommandSpec = {
  name: "count",
  summary: "Count entries",
  group: "Entries",
  args: [DATABASE],
  options: [...RANGE_OPTIONS, TAG, ...KEY_OPTIONS],
  examples: [
    { line: "count ./data", does: "count all entries outside of namespaces" },
    { line: "count ./data --prefix user/ --tag admin", does: "count those of a prefix that have a tag" },
  ],
  async run(call) {
    await using db = await openToRead(call, call.words[0] ?? "");
    const { space, encoding } = keySpace(call, db);
    const counted = await space.count(await listRangeOf(call, encoding), { signal: call.io.signal });
    await call.out.result({ count: counted }, () => call.out.line(String(counted)));
  },
};
