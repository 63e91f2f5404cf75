/**
 * Backups in Azure Blob Storage, and a restore on another machine that has nothing but the address and a key.
 *
 *     node examples/azure.ts
 *
 * It starts Azurite, Microsoft's emulator, on this machine. With an account of yours, leave that and `endpoint` out; without
 * a key, the identity of the machine is used, or that of `az login`.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { BackupRepository, DB } from "@holdfast/db";
import { azure } from "@holdfast/db/azure";
import { ACCOUNT, KEY, startAzurite } from "../tests/storage/servers/azurite.ts";
import { count, fact, promise, scratch, size, step, title } from "./show.ts";

/** The other machine: it knows what its environment says, and an empty disk. */
async function restoreHere(directory: string): Promise<void> {
  const { BACKUP_ADDRESS = "", BACKUP_ENDPOINT, BACKUP_KEY } = process.env;
  const store = azure(BACKUP_ADDRESS, { accountKey: BACKUP_KEY, endpoint: BACKUP_ENDPOINT });
  const { achieved } = await DB.restore(store, directory, { encryption: { passphrase: "from your vault" } });
  await using db = await DB.open(directory);
  fact("over there", `version ${achieved.version}, ${count(await db.count())} parcels`);
  promise((await db.get<{ at: string }>("parcel/7"))?.at === "the door", "parcel 7 has arrived there, too");
}

async function main(): Promise<void> {
  title("Backups in Azure Blob Storage", "Made here, restored by another process that knows the address only");
  await using home = await scratch("azure");
  const emulator = await startAzurite();
  try {
    const address = `azure://${ACCOUNT}/${await emulator.newContainer()}/parcels`;
    const store = azure(address, { accountKey: KEY, endpoint: emulator.endpoint });
    fact("the store", store.name);

    step("A full backup, then what has changed");
    await using db = await DB.open(`${home.path}/data`);
    await db.setMany(Array.from({ length: 20_000 }, (_, i) => [`parcel/${i}`, { at: "the depot", weight: i % 30 }]));
    await using repo = await BackupRepository.open(store, { encryption: { passphrase: "from your vault" } });
    const first = await repo.backup(db);
    await db.set("parcel/7", { at: "the door", weight: 7 });
    const second = await repo.backup(db);
    for (const info of [first, second]) fact(info.type, size(info.storedBytes));
    promise(second.storedBytes < first.storedBytes / 10, "the second one sent a fraction");

    step("Is it any good?");
    promise((await repo.verify()).ok, "every byte that the container holds is as it was written");

    step("Another machine");
    const child = spawn(
      process.execPath,
      [
        ...process.versions["deno"] === undefined ? [] : ["run", "-A", "--no-check"],
        fileURLToPath(import.meta.url),
        `${home.path}/there`,
      ],
      {
        env: { ...process.env, BACKUP_ADDRESS: address, BACKUP_ENDPOINT: emulator.endpoint, BACKUP_KEY: KEY },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    child.stdout.on("data", (data) => process.stdout.write(data));
    const [code] = await once(child, "close") as [number | null];
    promise(code === 0, "it has all that this one had");

    step("What goes wrong says what to do");
    const wrong = azure(`azure://${ACCOUNT}/no-such-container`, { accountKey: KEY, endpoint: emulator.endpoint });
    const error = await db.backup(wrong).catch((error: Error) => error) as Error;
    fact("", error.message.slice(error.message.indexOf("; ") + 2));
    promise(/az storage container create/.test(error.message), "the command that makes the container");
    promise(!error.message.includes(KEY), "and not the key");
  } finally {
    await emulator.remove();
  }
}

const there = process.argv[2];
if (there === undefined) await main();
else await restoreHere(there);
