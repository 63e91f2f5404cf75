/** What the manifest of a backup may call its files: what it says is not believed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readDocument, writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { backupKey } from "../../../lib/backup/repository/core/layout.ts";
import { backupDocument, type BackupFile } from "../../../lib/format/repository/backup_document.ts";
import { House } from "./house.ts";

describe("a restore of a backup whose manifest names", () => {
  const wrongs: [what: string, change: (table: BackupFile) => BackupFile[], error: RegExp][] = [
    ["a file twice", (table) => [table, table], /names a table file \d+\.sst twice; run verify, then repair/],
    [
      "a table as a blob file",
      ({ name, ...table }) => [{ ...table, kind: "blob", name }],
      /names a blob file \d+\.sst;/,
    ],
    ["the lock", (table) => [table, { ...table, name: "LOCK" }], /names a table file LOCK;/],
  ];
  for (const [what, change, error] of wrongs) {
    it(`${what}, ends before anything is made`, async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.engine.compact();
      const { id } = await house.backup({ type: "full" });
      const { body } = (await readDocument(house.context, "backup", backupKey(id), backupDocument))!;
      const files = body.base!.files.flatMap((file) => file.kind === "table" ? change(file) : [file]);
      await writeDocument(house.context, "backup", backupKey(id), { ...body, base: { ...body.base!, files } });
      await assert.rejects(house.restore({ backupId: id }), { name: "IntegrityError", message: error });
      await house.engine.close();
    });
  }
});
