/**
 * Level databases as sources: one of LevelDB in a directory, or any instance of `abstract-level`.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { toHex } from "../../base/bytes.ts";
import { checkOptions, choiceOption, describeValue, pathOf, stringOption } from "../../base/options.ts";
import { noSource, unreadable } from "./errors.ts";
import { type LevelLike, openClassicLevel } from "./level_package.ts";
import {
  bytesOfHex,
  itemOf,
  type MigrationSource,
  plainBytes,
  VALUE_FORMS,
  type ValueForm,
  valueOfBytes,
} from "./source.ts";

/** Options of `fromLevel`. */
export interface LevelSourceOptions {
  /**
   * What values are, which Level doesn't know: `"text"`, `"json"` or `"bytes"`, all of them; what is none can't be kept.
   * `"auto"` makes text of what happens to be UTF-8, and bytes of the rest. Default: `"text"`.
   */
  values?: ValueForm | undefined;
  /** What the target remembers it by. Needed with an instance; a directory is remembered by its path. */
  id?: string | undefined;
}

/**
 * A Level database: a directory, which the package `classic-level` opens (install it beside Holdfast), or an instance,
 * which stays open. A sublevel brings its own entries; the database as a whole brings those of sublevels too, under the
 * keys that they have in it, as `HoldfastLevel` of `@holdfast/db/level` reads them.
 *
 * LevelDB tidies up when it opens a directory: take a copy if it has to stay untouched.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { HoldfastLevel } from "@holdfast/db/level"; // or ClassicLevel, MemoryLevel, ...
 * import { fromLevel, migrate } from "@holdfast/db/migrate";
 *
 * await using level = new HoldfastLevel("./some-level");
 * await level.put("ada", '{"name":"Ada"}');
 * await using db = await DB.open(":memory:");
 * await migrate(db, fromLevel(level, { id: "users", values: "json" }));
 * console.log(await db.get("ada")); // { name: "Ada" }
 * ```
 */
export function fromLevel(level: string | URL | LevelLike, options?: LevelSourceOptions): MigrationSource {
  const checked = checkOptions("fromLevel", options, ["values", "id"]);
  const form = choiceOption("fromLevel", checked, "values", "text", VALUE_FORMS);
  const id = stringOption("fromLevel", checked, "id", undefined);
  const isPath = typeof level === "string" || level instanceof URL;
  if (!isPath && typeof level?.iterator !== "function") {
    throw new TypeError(`fromLevel: expected a directory or a Level database, not ${describeValue(level)}`);
  }
  if (!isPath && id === undefined) {
    throw new TypeError('fromLevel: a database that is handed in needs option "id", which the target remembers it by');
  }
  const path = isPath ? resolve(pathOf("fromLevel", level)) : "";
  const name = id ?? `level ${path}`;
  return {
    id: name,
    plan: JSON.stringify({ values: form }),
    async open() {
      const open = isPath ? await openDirectory(path, name) : level;
      return {
        async *entries(_encoding, after) {
          const views = { keyEncoding: "view", valueEncoding: "view" } as const;
          const range = after === undefined ? views : { ...views, gt: bytesOfHex(after) };
          for await (const [key, value] of open.iterator(range)) {
            yield itemOf(toHex(key), key, () => ({
              key: plainBytes(key),
              value: valueOfBytes(value, form),
              bytes: key.length + value.length,
            }));
          }
        },
        close: async () => isPath ? await open.close() : undefined,
      };
    },
  };
}

async function openDirectory(path: string, name: string): Promise<LevelLike> {
  if (await stat(path).catch(() => undefined) === undefined) throw noSource(path);
  try {
    return await openClassicLevel(path);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "NOT_INSTALLED") throw cause;
    throw unreadable(name, cause);
  }
}
