/**
 * Removing many objects by one request each thousand (`DeleteObjects`), where the service has that.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Sdk } from "./client.ts";
import { type S3Requests, UnansweredFailure } from "./requests.ts";

/** As many as a request may name. */
const KEYS_MAX = 1000;

/** What services answer that lack it, or want it in another way. */
const LACKING = new Set([400, 404, 405, 411, 501]);

/** What came of it. */
export interface DeletedMany {
  /** Keys that are not known to be gone. */
  left: string[];
  /** Whether it is worth asking again. */
  able: boolean;
}

/** Removes objects. What is refused, for one key or as a whole, is left: by itself each is told why. */
export async function deleteMany(
  requests: S3Requests,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<DeletedMany> {
  const left: string[] = [];
  for (let at = 0; at < keys.length; at += KEYS_MAX) {
    const some = keys.slice(at, at + KEYS_MAX);
    const request = { operation: "delete", key: some[0]!, signal };
    try {
      const { output } = await requests.call<Sdk.DeleteObjectsCommandOutput>(
        request,
        (sdk) => command(sdk, requests, some),
      );
      // Each is named in the answer, lest one that was cut off passes for all.
      const gone = new Set(output.Deleted?.map(({ Key }) => Key));
      for (const { Key, Code } of output.Errors ?? []) if (Code === "NoSuchKey") gone.add(Key);
      for (const key of some) if (!gone.has(requests.full(key))) left.push(key);
    } catch (error) {
      const failure = error instanceof UnansweredFailure ? error.failure : undefined;
      if (failure === undefined || failure.retryable) throw await requests.told(request, error);
      const able = !LACKING.has(failure.status ?? 0);
      return { left: [...left, ...keys.slice(at)], able };
    }
  }
  return { left, able: true };
}

type Middleware = (
  next: (args: { request: { body: string; headers: Record<string, string> } }) => Promise<unknown>,
) => typeof next;

function command(sdk: typeof Sdk, requests: S3Requests, keys: readonly string[]): unknown {
  const made = new sdk.DeleteObjectsCommand({
    Bucket: requests.settings.bucket,
    Delete: { Objects: keys.map((key) => ({ Key: requests.full(key) })) },
  });
  // The one checksum that every service takes; one is asked for by all.
  const withDigest: Middleware = (next) => (args) => {
    const { body, headers } = args.request;
    for (const name of Object.keys(headers)) if (/^x-amz-(?:sdk-)?checksum-/.test(name)) delete headers[name];
    headers["content-md5"] = createHash("md5").update(body).digest("base64");
    return next(args);
  };
  const stack = made.middlewareStack as unknown as { add(middleware: Middleware, options: object): void };
  stack.add(withDigest, { step: "build", priority: "low", name: "holdfastDigest" });
  return made;
}
