/** The exports, backups and restores into a new directory that are swept. */
import { BackupRepository, DB, MemoryStore } from "../../../mod.ts";
import { type Making } from "./making.ts";

/** Exports and backups of an open database. */
export const copies: Making[] = [];
for (const earlier of [false, "same", "other"] as const) {
  const over = earlier === false ? "" : earlier === "same" ? ", over an earlier one" : ", over another database";
  copies.push({
    name: `export to a directory${over}`,
    to: "/copy",
    earlier,
    make: (_, db, overwrite) => db!.export("/copy", { overwrite }),
  });
  if (earlier === "other") continue;
  for (const to of ["/copy.tar", "/copy.tar.gz", "/copy.tar.zst"]) {
    copies.push({
      name: `export to ${to.slice(5)}${over}`,
      to,
      earlier,
      make: (_, db, overwrite) => db!.export(to, { overwrite }),
    });
  }
  for (const to of ["/dump.json", "/dump.jsonl", "/dump.jsonl.gz"]) {
    copies.push({
      name: `backup to ${to.slice(5)}${over}`,
      to,
      earlier,
      make: (_, db, overwrite) => db!.backup(to, { overwrite }),
    });
  }
}
copies.push({
  name: "export to a directory without links",
  to: "/copy",
  earlier: false,
  make: (_, db, overwrite) => db!.export("/copy", { overwrite, link: "never" }),
});

/** Restores into a new directory. */
export const restores: Making[] = [];
for (const earlier of [false, "same", "other"] as const) {
  const over = earlier === false ? "" : earlier === "same" ? ", over an earlier database" : ", over another database";
  for (const path of ["/source", "/source.tar", "/source.tar.zst", "/source.json", "/source.jsonl"]) {
    const isDump = path.includes(".json");
    restores.push({
      name: `restore of ${path.slice(7) || "a directory"}${over}`,
      to: "/restored",
      earlier,
      source: { path, make: (db, to) => isDump ? db.backup(to) : db.export(to, { link: "never" }) },
      make: (disk, _, overwrite) => DB.restore(path, "/restored", { fileSystem: disk, overwrite }),
    });
  }
  let store: MemoryStore;
  restores.push({
    name: `restore of a repository${over}`,
    to: "/restored",
    earlier,
    source: {
      path: "",
      async make(db) {
        const repo = await BackupRepository.open(store = new MemoryStore());
        await repo.backup(db);
        await db.set("later", true);
        await db.delete("later");
        await repo.backup(db, { type: "incremental" });
      },
    },
    async make(fileSystem, _, overwrite) {
      const repo = await BackupRepository.open(store, { fileSystem });
      await repo.restore("/restored", { overwrite });
    },
  });
}
