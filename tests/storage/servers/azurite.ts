/**
 * Azurite, the emulator of Azure Blob Storage, as a process of its own: on a free port of this machine, in a temporary
 * directory, ended by whoever started it.
 *
 * It writes its index (what blobs there are) to disk every 5 s: killed at once, it loses acknowledged writes, which a real
 * account does not. `end` is graceful and loses nothing; `kill` is the accident.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import { root } from "../../tools/runtimes.ts";
import { freePorts } from "./own_process.ts";

/** The account that the server knows. Its key is made for the tests. */
export const ACCOUNT = "holdfasttests";
export const KEY: string = btoa("this key is for the tests, and is known to everyone who reads it");

/** The account, as the tests see it. */
export interface AzuriteAccount {
  /** Where it answers. */
  readonly endpoint: string;
  /** What knows the key. */
  readonly service: BlobServiceClient;
  /** Makes a container; gives its name. */
  newContainer(): Promise<string>;
}

/** A server that this process started. */
export interface Azurite extends AzuriteAccount {
  /** Ends it, so that everything is kept; `start` starts it again on the same port. */
  end(): Promise<void>;
  /** Ends it at once. */
  kill(): Promise<void>;
  /** Starts it again. */
  start(): Promise<void>;
  /** Ends it and removes what it stored. */
  remove(): Promise<void>;
}

const main = join(root, "node_modules", "azurite", "dist", "src", "blob", "main.js");

/** All that this process has started and not yet ended. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** The account of a server that answers at an endpoint. */
export function accountAt(endpoint: string): AzuriteAccount {
  const service = new BlobServiceClient(endpoint, new StorageSharedKeyCredential(ACCOUNT, KEY));
  return {
    endpoint,
    service,
    async newContainer() {
      const name = `c${randomUUID()}`;
      await service.createContainer(name);
      return name;
    },
  };
}

/** Starts a server of its own. It keeps its data on disk only where a test means to start it again. */
export async function startAzurite({ onDisk = false }: { onDisk?: boolean } = {}): Promise<Azurite> {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-azurite-"));
  const [port = 0] = await freePorts(1);
  const endpoint = `http://127.0.0.1:${port}/${ACCOUNT}`;
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    // Under Node whichever runtime tests: it is written for it.
    const node = "Deno" in globalThis || "Bun" in globalThis
      ? join(root, "node_modules", ".bin", "node")
      : process.execPath;
    const place = onDisk ? ["-l", directory] : ["--inMemoryPersistence"];
    const started = spawn(
      node,
      [main, "--blobHost", "127.0.0.1", "--blobPort", String(port), ...place]
        // The client may speak a newer version of the protocol than the emulator knows by name.
        .concat("--disableTelemetry", "--silent", "--skipApiVersionCheck"),
      { env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` }, stdio: ["ignore", "pipe", "pipe"] },
    );
    child = started;
    running.add(started);
    let said = "";
    started.stdout?.on("data", (data) => said += data);
    started.stderr?.on("data", (data) => said += data);
    started.once("exit", () => running.delete(started));
    for (let tries = 0;; tries++) {
      if (started.exitCode !== null || tries > 600) throw new Error(`Azurite did not start: ${said}`);
      const answered = await fetch(endpoint).then((answer) => answer.arrayBuffer()).then(() => true, () => false);
      if (answered) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const stop = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    const ending = child;
    if (ending === undefined || !running.has(ending)) return;
    const ended = new Promise<void>((resolve) => ending.once("exit", () => resolve()));
    ending.kill(signal);
    await ended;
  };
  await start();
  return {
    ...accountAt(endpoint),
    end: () => stop("SIGTERM"),
    kill: () => stop("SIGKILL"),
    start,
    async remove() {
      await stop("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
