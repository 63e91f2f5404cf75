/**
 * The package `redis`.
 *
 * @module
 */
import { notInstalled, unreadable } from "./errors.ts";
import type { NodeRedisLike } from "./redis_client.ts";

/** A client of its own. */
export interface Connection {
  /** The client. */
  client: NodeRedisLike & { destroy(): void };
  /** Why the connection broke, if it did: commands behind that say only that the client is closed. */
  failure(): unknown;
}

/** Connects to a server; a connection that can't be made, or breaks, is an error and not tried again. */
export async function connectRedis(url: string, source: string): Promise<Connection> {
  const { createClient } = await loadPackage();
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  let failure: unknown;
  client.on("error", (error) => failure ??= error);
  try {
    await client.connect();
  } catch (cause) {
    throw unreadable(source, cause);
  }
  return { client: client as unknown as Connection["client"], failure: () => failure };
}

/** Tried, and not only caught behind: so a bundler may find the package missing. */
async function loadPackage() {
  try {
    return await import("redis");
  } catch (cause) {
    throw notInstalled("redis", cause);
  }
}
