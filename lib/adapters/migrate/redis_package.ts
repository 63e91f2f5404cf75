/**
 * The package `redis`.
 *
 * @module
 */
import { notInstalled, unreadable } from "./errors.ts";
import type { NodeRedisLike } from "./redis_client.ts";

/** Connects to a server; a connection that can't be made, or breaks, is an error and not tried again. */
export async function connectRedis(
  url: string,
  source: string,
): Promise<NodeRedisLike & { destroy(): void }> {
  const { createClient } = await import("redis").catch((cause) => {
    throw notInstalled("redis", cause);
  });
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  // Each command rejects with it as well.
  client.on("error", () => {});
  try {
    await client.connect();
  } catch (cause) {
    throw unreadable(source, cause);
  }
  return client as unknown as NodeRedisLike & { destroy(): void };
}
