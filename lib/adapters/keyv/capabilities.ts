/**
 * What Keyv 6 asks a store about itself.
 *
 * @module
 */

/** The methods that Keyv asks for. */
export type KeyvMethodName =
  | "get"
  | "getMany"
  | "has"
  | "hasMany"
  | "set"
  | "setMany"
  | "delete"
  | "deleteMany"
  | "clear"
  | "disconnect"
  | "iterator";

/** What a store says of itself: that it has every method, and takes times of expiry. */
export interface KeyvHoldfastCapabilities {
  /** Whether it can be used: yes. */
  compatible: boolean;
  /** Which interface it has. */
  store: "keyvStorage";
  /** Whether `set` takes the time of expiry: yes, and it is kept to the millisecond. */
  expires: boolean;
  /** Of each method whether it is there, and how it answers. */
  methods: Record<KeyvMethodName, { exists: boolean; methodType: "sync" | "async" | "none" }>;
}

/** What `KeyvHoldfast` says of itself. */
export function keyvCapabilities(): KeyvHoldfastCapabilities {
  const awaited = { exists: true, methodType: "async" } as const;
  const methods = {
    get: awaited,
    getMany: awaited,
    has: awaited,
    hasMany: awaited,
    set: awaited,
    setMany: awaited,
    delete: awaited,
    deleteMany: awaited,
    clear: awaited,
    disconnect: awaited,
    // It is there at once, its steps are promises.
    iterator: { exists: true, methodType: "sync" } as const,
  };
  return { compatible: true, store: "keyvStorage", expires: true, methods };
}
