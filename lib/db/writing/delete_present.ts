/**
 * Deleting keys and saying of each whether it was there: decided at the commit's turn in the queue, so that writes that were
 * called before are seen, be they visible yet or not, and of two deletes of one key only the first finds it.
 *
 * @module
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { internalKey } from "../../format/space.ts";
import { encodeKey, type Key } from "../data/keys.ts";
import { accessOf, type Reader } from "../reading/reader.ts";
import { commitWrites } from "./commit.ts";
import { type WriteOptions, writeOptions } from "./write_options.ts";
import { Writes } from "./writes.ts";

/**
 * Deletes keys in one commit; resolves to whether each was there, a key that is named twice only the first time. There is no
 * commit when none was. @internal
 */
export async function deletePresent(
  call: string,
  space: Reader<Key>,
  keys: readonly string[],
  options?: WriteOptions,
): Promise<boolean[]> {
  const { context, definition } = accessOf(call, space);
  const durability = writeOptions(call, options);
  context.assertOpen(call);
  const writes = new Writes(context);
  const bytes = keys.map((key) => encodeKey(call, definition.encoding, EMPTY_BYTES, key));
  for (const key of keys) writes.delete(call, definition, key);
  const seen = new Set<string>();
  const first = keys.map((key) => seen.size < seen.add(key).size);
  let present = keys.map(() => false);
  const check = (state: { get(key: Uint8Array): unknown }): boolean => {
    present = bytes.map((key, i) => first[i]! && state.get(internalKey(definition.prefix, key)) !== undefined);
    return present.includes(true);
  };
  if (keys.length > 0) await commitWrites(context, writes, { durability, check });
  return present;
}
