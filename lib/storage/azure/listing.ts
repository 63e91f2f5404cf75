/**
 * Listing: from pages of the service, which begin where its own tokens say, to ours, which begin behind a key.
 *
 * @module
 */
import { isKey } from "../object_key.ts";
import type { ListPage, ObjectInfo } from "../object_store.ts";
import { RequestFailure } from "../remote/request_failure.ts";
import type { CheckedList } from "../store_options.ts";

/** What the service is asked for. */
export interface SegmentOptions {
  prefix: string;
  startFrom?: string;
  maxPageSize: number;
  continuationToken?: string;
}

/** What is used of its answer. */
export interface Segment {
  continuationToken?: string;
  segment: { blobItems: { name: string; properties: { contentLength?: number | undefined } }[] };
}

/**
 * One page. The service is asked to begin at `after`, and asked for one more, as it gives that key, too. Its pages may be
 * short, or empty with more to come. Blobs whose names are no keys are another program's and left out.
 */
export async function listPage(
  { prefix, after, limit }: Omit<CheckedList, "signal">,
  ownPrefix: string,
  ask: (options: SegmentOptions) => Promise<Segment>,
): Promise<ListPage> {
  const objects: ObjectInfo[] = [];
  // Every key with this prefix comes before `after`.
  if (after !== undefined && after > prefix && !after.startsWith(prefix)) return { objects, next: undefined };
  const asked: SegmentOptions = { prefix: ownPrefix + prefix, maxPageSize: limit + 1 };
  if (after !== undefined && after > prefix) asked.startFrom = ownPrefix + after;
  let last = "";
  for (;;) {
    const { segment, continuationToken } = await ask(asked);
    for (const { name, properties } of segment.blobItems) {
      const key = name.slice(ownPrefix.length);
      // Names of others that are no keys may sort in another order as strings than with the service; keys do not.
      if (!name.startsWith(ownPrefix) || !isKey(key)) continue;
      if (last !== "" && name <= last) throw disorder(last, name);
      last = name;
      // Not believed: a service that knows no startFrom begins at the first key.
      if (after !== undefined && key <= after) continue;
      if (objects.length === limit) return { objects, next: objects.at(-1)!.key };
      objects.push({ key, size: properties.contentLength ?? 0 });
    }
    if (continuationToken === undefined || continuationToken === "") return { objects, next: undefined };
    if (objects.length === limit) return { objects, next: objects.at(-1)!.key };
    asked.continuationToken = continuationToken;
  }
}

function disorder(last: string, name: string): RequestFailure {
  return new RequestFailure(
    `the service lists ${name} behind ${last}; an account with a hierarchical namespace can't be used`,
    { code: "Disorder", retryable: false },
  );
}
