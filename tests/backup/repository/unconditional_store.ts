/** A store that decides no conditions, as some services do. */
import assert from "node:assert/strict";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectBody, PutOptions, StoreCapabilities } from "../../../lib/storage/object_store.ts";

/** Whoever puts under a condition here has not looked at what it can do. */
export class UnconditionalStore extends MemoryStore {
  override readonly capabilities: StoreCapabilities = { ifAbsent: false, ifMatch: false, ranges: true };

  override put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    assert.ok(options?.ifAbsent !== true && options?.ifMatch === undefined, `${key} was put under a condition`);
    return super.put(key, body, options);
  }
}
