/**
 * What goes with the request that makes a blob: its condition, its mark, and where and for how long it is kept.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { RequestFailure } from "../remote/request_failure.ts";
import type { BlobImmutabilityPolicy } from "./sdk.ts";
import type { AzureSettings } from "./settings.ts";

/** At most one of them. */
export interface Conditions {
  ifNoneMatch?: "*";
  ifMatch?: string;
}

/** What Put Blob and Put Block List have in common. */
export interface WriteOptions {
  abortSignal: AbortSignal;
  conditions: Conditions;
  metadata?: Record<string, string>;
  tier?: string;
  encryptionScope?: string;
  immutabilityPolicy?: BlobImmutabilityPolicy;
}

/** The service wants times in whole seconds; one that lies in the past is refused. */
function immutabilityPolicy({ immutability }: AzureSettings, now: number): BlobImmutabilityPolicy | undefined {
  if (immutability === undefined) return undefined;
  const until = "ms" in immutability ? now + immutability.ms : immutability.until;
  return { expiriesOn: new Date(Math.ceil(until / 1000) * 1000), policyMode: immutability.mode };
}

/** The options of one write. `mark` names the put, so that it knows itself again. */
export function writeOptions(
  settings: AzureSettings,
  conditions: Conditions,
  mark: string | undefined,
  abortSignal: AbortSignal,
  now: number,
): WriteOptions {
  const { accessTier, encryptionScope } = settings;
  const policy = immutabilityPolicy(settings, now);
  return {
    abortSignal,
    conditions,
    ...(mark === undefined ? {} : { metadata: { holdfastput: mark } }),
    ...(accessTier === undefined ? {} : { tier: accessTier }),
    ...(encryptionScope === undefined ? {} : { encryptionScope }),
    ...(policy === undefined ? {} : { immutabilityPolicy: policy }),
  };
}

/** Whether the service refused a write because its condition did not hold. A lease, or a policy, answers 409 and 412 too. */
export function isConflict(failure: RequestFailure, condition: Conditions): boolean {
  const { status, code } = failure;
  if (status === 412) return code === undefined || code === "ConditionNotMet" || code === "TargetConditionNotMet";
  // A signature that may create but not overwrite.
  if (condition.ifNoneMatch !== undefined) return code === "BlobAlreadyExists" || code === "UnauthorizedBlobOverwrite";
  return condition.ifMatch !== undefined && code === "BlobNotFound";
}

/** All ids of a blob's blocks must have one length; a put's own prefix keeps its blocks apart from another's. */
export function blockId(prefix: Uint8Array, index: number): string {
  const id = Buffer.alloc(18);
  id.set(prefix);
  id.writeUIntBE(index, 15, 3);
  return id.toString("base64");
}

/** The client wants Node's own kind of bytes; no copy is made. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}
