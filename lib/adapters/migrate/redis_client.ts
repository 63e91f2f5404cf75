/**
 * Clients of Redis, of which one thing is asked: to send a command and give its answer with bytes as bytes.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { describeValue } from "../../base/options.ts";

/** A client of the package `redis` (5 and later), connected. */
export interface NodeRedisLike {
  /** The same client with other types of answers. */
  withTypeMapping(types: Record<number, unknown>): {
    sendCommand(args: readonly (string | Uint8Array)[]): Promise<unknown>;
  };
}

/** A client of the package `ioredis`. */
export interface IoRedisLike {
  /** Sends a command; texts of the answer are buffers. */
  callBuffer(command: string, ...args: never[]): Promise<unknown>;
  /** Whether it is one of a cluster, which is refused. */
  readonly isCluster?: boolean | undefined;
  /** What it was made with: a `keyPrefix` is refused. */
  readonly options?: { readonly keyPrefix?: string | Uint8Array | null | undefined };
}

/** Sends a command. Texts in the answer are bytes, but for those that can only be plain words. */
export type SendCommand = (...args: (string | Uint8Array)[]) => Promise<unknown>;

/** The type of answer that holds text of any kind, by its first byte in the protocol: `$`. */
const BLOB_STRING = 36;

/** How to send commands with a client; `TypeError` when it is none that is known. */
export function commandsOf(client: NodeRedisLike | IoRedisLike): SendCommand {
  refuseOthersKeys(client);
  // Both take buffers, and no other bytes.
  const buffers = (args: readonly (string | Uint8Array)[]): (string | Uint8Array)[] =>
    args.map((arg) => typeof arg === "string" ? arg : Buffer.from(arg.buffer, arg.byteOffset, arg.byteLength));
  if (typeof (client as IoRedisLike)?.callBuffer === "function") {
    return async (command, ...args) =>
      await (client as IoRedisLike).callBuffer(String(command), ...buffers(args) as never[]);
  }
  if (typeof (client as NodeRedisLike)?.withTypeMapping === "function") {
    const withBuffers = (client as NodeRedisLike).withTypeMapping({ [BLOB_STRING]: Buffer });
    return async (...args) => await withBuffers.sendCommand(buffers(args));
  }
  throw new TypeError(`fromRedis: expected an address, or a client of redis or ioredis, not ${describeValue(client)}`);
}

/** Refuses clients whose commands are about other keys than those that `SCAN` gives, or that ask one server after another. */
function refuseOthersKeys(client: NodeRedisLike | IoRedisLike): void {
  if (typeof client !== "object" || client === null) return;
  const { isCluster, options } = client as Partial<IoRedisLike>;
  // The one is of ioredis, the other of redis.
  if (isCluster === true || "masters" in client) {
    throw new TypeError(
      "fromRedis: a client of a cluster asks now one server and now another; migrate from each server by its address",
    );
  }
  const keyPrefix = options?.keyPrefix ?? "";
  if (keyPrefix.length === 0) return;
  throw new TypeError(
    `fromRedis: a client with keyPrefix would ask for other keys than there are; give one without, and match: "${keyPrefix}*"`,
  );
}

/** An answer that is a word or a text for people. */
export function textOf(answer: unknown): string {
  return answer instanceof Uint8Array ? new TextDecoder().decode(answer) : String(answer);
}
