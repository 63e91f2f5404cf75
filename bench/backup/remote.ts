/**
 * Backup and restore over loopback to servers of object storage, beside their own clients that do no more than put and get
 * objects of the same lengths, as many at once. The ratio says what a repository adds: reading the database, hashing, sealing,
 * reading back what was put; and writing, checking and publishing what comes back. Much of that nobody can leave out who wants
 * a database on his disk that is sure to be the one that was backed up; so the clients also do the least of it: they read and
 * hash files before they put them, and they hash what comes, write it to files and sync these.
 *
 * A server is started anew for each round, so that none is faster for what it has seen. It runs on the same machine, and the
 * ratio tells more than the rates do.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { BackupRepository, DB } from "@holdfast/db";
import { azure } from "../../lib/adapters/azure.ts";
import { s3 } from "../../lib/adapters/s3.ts";
import type { ObjectStore } from "../../lib/storage/object_store.ts";
import { ACCOUNT, KEY, startAzurite } from "../../tests/storage/servers/azurite.ts";
import { clientOf, newBucket, optionsFor } from "../../tests/storage/servers/buckets.ts";
import { cephMissing, startCeph } from "../../tests/storage/servers/ceph.ts";
import { table } from "../report.ts";
import { machine } from "../runtime.ts";
import { ENTRY_BYTES, loaded } from "./data.ts";
import { type Common, inTemporary } from "./options.ts";
import { progress, record } from "./run_job.ts";

/** Options of this bench. */
export interface RemoteOptions extends Common {
  /** Bytes of entries. */
  bytes: number;
  /** How often everything is repeated. */
  rounds: number;
  /** Which servers; all unless given. */
  only: string[] | undefined;
}

/** Objects at once: a repository's own. */
const AT_ONCE = 4;

/** A server, a store on it, and its client without the store. */
interface Remote {
  store: ObjectStore;
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Its pieces as they come. */
  get(key: string): Promise<AsyncIterable<Uint8Array>>;
  stop(): Promise<void>;
}

/** The servers there are. */
export const SERVERS: Record<string, () => Promise<Remote>> = {
  async ceph() {
    const missing = cephMissing();
    if (missing !== undefined) throw new Error(`There is no Ceph here: ${missing}.`);
    const server = await startCeph();
    const Bucket = await newBucket(server);
    const client = clientOf(server);
    return {
      store: s3(`s3://${Bucket}/repository`, optionsFor(server)),
      put: async (key, Body) => void await client.send(new PutObjectCommand({ Bucket, Key: `plain/${key}`, Body })),
      async get(key) {
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: `plain/${key}` }));
        return Body as AsyncIterable<Uint8Array>;
      },
      stop: () => server.stop(),
    };
  },
  async azurite() {
    const server = await startAzurite({ onDisk: true });
    const name = await server.newContainer();
    const container = server.service.getContainerClient(name);
    return {
      store: azure(`azure://${ACCOUNT}/${name}/repository`, { accountKey: KEY, endpoint: server.endpoint }),
      async put(key, bytes) {
        await container.getBlockBlobClient(`plain/${key}`).upload(bytes as Uint8Array<ArrayBuffer>, bytes.length);
      },
      async get(key) {
        const { readableStreamBody } = await container.getBlobClient(`plain/${key}`).download();
        return readableStreamBody as unknown as AsyncIterable<Uint8Array>;
      },
      stop: () => server.remove(),
    };
  },
};

/** Starts a server by its name. */
export async function startServer(name: string): Promise<Remote> {
  const start = SERVERS[name];
  if (start === undefined) throw new TypeError(`There is no server "${name}"; there are: ${Object.keys(SERVERS)}`);
  return await start();
}

/** Runs it and prints its table. It works in this process. */
export async function remote(options: RemoteOptions): Promise<void> {
  const { runtime, bytes, rounds, out, only = Object.keys(SERVERS) } = options;
  const entries = Math.round(bytes / ENTRY_BYTES);
  console.log(
    `${machine()}; ${runtime}; ${entries} entries of 1 KiB; ${AT_ONCE} objects at once; medians of ${rounds}`,
  );
  const rows: string[][] = [];
  await inTemporary(options, async (root) => {
    await using db = await DB.open(join(root, "data"), { durability: "interval" });
    progress("loading");
    await db.setMany(loaded(entries));
    await db.flush();
    for (const name of only) {
      const all: Times[] = [];
      for (let round = 1; round <= rounds; round++) {
        progress(`${name}, round ${round}`);
        const server = await startServer(name);
        try {
          const times = await measure(server, db, join(root, `${name}-${round}`), entries);
          all.push(times);
          const { stored, objects, ...ms } = times;
          for (const [what, each] of Object.entries(ms)) {
            await record(out, [{
              row: `remote.${name}.${what}`,
              round,
              runtime,
              ms: each,
              figures: { stored, objects },
            }]);
          }
        } finally {
          await server.stop();
        }
      }
      rows.push(...rowsOf(name, all));
    }
    progress("");
  });
  console.log(`\n${table(["", "repository", "plain client", "ratio"], rows)}\n`);
}

/** ms, and what was stored. */
interface Times {
  backup: number;
  puts: number;
  restore: number;
  gets: number;
  /** Gets whose bytes are hashed, written and synced. */
  keeps: number;
  /** Puts of files that are read and hashed. */
  reads: number;
  stored: number;
  objects: number;
}

async function measure(server: Remote, db: DB, destination: string, entries: number): Promise<Times> {
  await using repository = await BackupRepository.open(server.store, { concurrency: AT_ONCE });
  const backup = await timed(() => repository.backup(db, { type: "full" }));
  const sizes = await sizesOf(server.store);
  const largest = Math.max(...sizes.values());
  const filling = new Uint8Array(largest).map((_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
  const puts = await timed(() => inTurns(sizes, (key, size) => server.put(key, filling.subarray(0, size))));
  const restore = await timed(() => repository.restore(destination, { concurrency: AT_ONCE }));
  const gets = await timed(() =>
    inTurns(sizes, async (key, size) => {
      expectSize(key, size, await lengthOf(await server.get(key)));
    })
  );
  const kept = `${destination}-kept`;
  await mkdir(kept);
  const paths = new Map([...sizes.keys()].map((key, i) => [key, join(kept, `${i}`)]));
  const keeps = await timed(() =>
    inTurns(sizes, async (key, size) => expectSize(key, size, await keep(await server.get(key), paths.get(key)!)))
  );
  const reads = await timed(() =>
    inTurns(sizes, async (key) => {
      const bytes = await readFile(paths.get(key)!);
      createHash("sha256").update(bytes).digest();
      await server.put(`${key}-again`, bytes);
    })
  );
  await using restored = await DB.open(destination, { readOnly: true });
  const count = await restored.count();
  if (count !== entries) throw new Error(`${count} entries came back of ${entries}.`);
  const stored = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  return { backup, puts, restore, gets, keeps, reads, stored, objects: sizes.size };
}

/** Tables, values and log of the store, with their lengths: what is many bytes. */
async function sizesOf(store: ObjectStore): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const prefix of ["objects/", "log/"]) {
    for (let after: string | undefined;;) {
      const { objects, next } = await store.list({ prefix, after });
      for (const { key, size } of objects) sizes.set(key, size);
      if ((after = next) === undefined) break;
    }
  }
  return sizes;
}

async function inTurns(sizes: Map<string, number>, work: (key: string, size: number) => Promise<void>): Promise<void> {
  const waiting = [...sizes];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(...next);
  }));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function expectSize(key: string, size: number, found: number): void {
  if (found !== size) throw new Error(`${key}: ${found} bytes came of ${size}.`);
}

/** Hashes what comes, writes it to a file and syncs that; gives how many bytes came. */
async function keep(body: AsyncIterable<Uint8Array>, path: string): Promise<number> {
  const hash = createHash("sha256");
  const file = await open(path, "wx");
  try {
    let length = 0;
    for await (const piece of body) {
      hash.update(piece);
      await file.write(piece);
      length += piece.length;
    }
    hash.digest();
    await file.datasync();
    return length;
  } finally {
    await file.close();
  }
}

async function lengthOf(body: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const piece of body) length += piece.length;
  return length;
}

function rowsOf(name: string, all: readonly Times[]): string[][] {
  const median = (what: keyof Times): number => all.map((times) => times[what]).sort((a, b) => a - b)[all.length >> 1]!;
  const stored = median("stored");
  const rate = (what: keyof Times): string =>
    `${(median(what) / 1000).toFixed(2)} s, ${(stored / 2 ** 20 / (median(what) / 1000)).toFixed(0)} MiB/s`;
  const pairs = [
    ["backup", "puts", "puts"],
    ["backup", "reads", "files read, hashed and put"],
    ["restore", "gets", "gets"],
    ["restore", "keeps", "gets, hashed, written and synced"],
  ] as const;
  return pairs.map(([ours, plain, told]) => [
    `${name}: ${ours} (${told})`,
    rate(ours),
    rate(plain),
    (median(ours) / median(plain)).toFixed(2),
  ]);
}
