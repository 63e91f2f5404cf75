/**
 * Backups that only you can read: a passphrase, another one later, and a copy under other keys elsewhere.
 *
 *     node examples/encrypted.ts
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BackupRepository, DB, DecryptionError } from "@holdfast/db";
import { fact, promise, scratch, size, step, title } from "./show.ts";

/** From where such things are kept, in a program of yours: a vault, an environment variable. */
const passphrase = "correct horse battery staple";

/** Whether any file below a directory has these bytes. */
async function appearsIn(directory: string, text: string): Promise<boolean> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    if ((await readFile(join(entry.parentPath, entry.name))).includes(text)) return true;
  }
  return false;
}

title("Encrypted backups", "AES-256-GCM, under keys that a passphrase opens");
await using home = await scratch("encrypted");
const place = join(home.path, "backups");
await using db = await DB.open(join(home.path, "diary"));
await db.set("2026-11-21", "The password of the lab is Sesame");

step("The repository is encrypted when it is made with a key");
const repo = await BackupRepository.open(place, { encryption: { passphrase } });
const backup = await repo.backup(db);
fact("backup", `${backup.type}, ${size(backup.storedBytes)}, encrypted: ${backup.encrypted}`);
promise(
  !await appearsIn(place, "Sesame") && !await appearsIn(place, passphrase),
  "neither text nor passphrase is in any file",
);

step("Without the right key it does not open");
for (const encryption of [undefined, { passphrase: "incorrect horse" }]) {
  const error = await BackupRepository.open(place, encryption === undefined ? {} : { encryption }).catch((error) =>
    error
  );
  promise(error instanceof DecryptionError, encryption === undefined ? "not without one" : "not with another");
}

step("But whoever only stores it can check it, and reads nothing");
const keeper = await BackupRepository.open(place, { keyless: true });
const check = await keeper.verify();
fact("verify without a key", `${check.objects + check.logObjects} objects, ${check.problems.length} problems`);
promise(check.ok, "every object is as it was written");

step("A second key, for the machine that restores at night");
const machine = { key: new Uint8Array(randomBytes(32)) };
await repo.addKey(machine);
for (const { id, kind } of await repo.keys()) fact(id, kind);
await using night = await BackupRepository.open(place, { encryption: machine });
promise((await night.list()).length === 1, "either opens it");

step("Someone leaves who knew the passphrase: rotate");
// Data is not written anew. Who has kept the inner key, or a copy of the repository, can still read what was there then:
// when a key has leaked, copy into a repository of other keys (below) and delete this one.
const renewed = { passphrase: "a longer walk along the winter river" };
await repo.rotateKey(renewed);
const old = await BackupRepository.open(place, { encryption: { passphrase } }).catch((error) => error);
promise(old instanceof DecryptionError, "the old passphrase opens nothing any more");
const stale = await BackupRepository.open(place, { encryption: machine }).catch((error) => error);
promise(stale instanceof DecryptionError, "nor does the machine's key");

step("Off to another place, under other keys");
await using current = await BackupRepository.open(place, { encryption: renewed });
await using other = await BackupRepository.open(join(home.path, "elsewhere"), {
  encryption: machine,
  compression: "zstd",
});
const copied = await current.copyTo(other);
fact("copied", `${copied.backups.length} backup, ${copied.objects} objects, ${size(copied.storedBytes)}`);
const again = await current.copyTo(other);
fact("copied again", `${again.objects} objects: what is there is not sent again`);

step("And back from there");
await other.restore(join(home.path, "back"));
await using back = await DB.open(join(home.path, "back"), { readOnly: true });
promise(await back.get("2026-11-21") === "The password of the lab is Sesame", "only who has the key reads the diary");
