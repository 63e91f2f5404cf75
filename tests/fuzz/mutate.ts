/** An input of a target, changed: as bytes, as JSON, or part by part with its checksums made anew. */
import type { Random } from "../model/random.ts";
import { mutateBytes } from "./mutate_bytes.ts";
import { mutateJson } from "./mutate_json.ts";
import type { Part, Structure, Target } from "./target.ts";
import { INPUT_BYTES_MAX } from "./verdict.ts";

/** The input of one case: a valid one, or now and then one that was kept, changed one to four times. */
export async function makeInput(
  target: Target,
  valid: readonly Uint8Array[],
  kept: readonly Uint8Array[],
  random: Random,
): Promise<Uint8Array<ArrayBuffer>> {
  const inputs = [...valid, ...kept];
  let bytes = random.pick(kept.length > 0 && random.chance(0.25) ? kept : valid);
  for (let n = random.weighted([[6, 1], [3, 2], [1, 4]] as const); n > 0; n--) {
    bytes = await mutated(bytes, target.structure, random, inputs);
  }
  return bytes.slice(0, INPUT_BYTES_MAX - 1);
}

async function mutated(
  bytes: Uint8Array,
  structure: Structure | undefined,
  random: Random,
  others: readonly Uint8Array[],
): Promise<Uint8Array> {
  if (structure === undefined || random.chance(0.3)) return mutateBytes(bytes, random, others);
  let parts: Part[] | undefined;
  try {
    parts = structure.take(bytes);
    if (parts === undefined || parts.length === 0) return mutateBytes(bytes, random, others);
    await changeParts(parts, random, others);
    return await structure.put(parts);
  } catch {
    // It can't be taken apart any more, or a writer refuses to write it.
    return mutateBytes(bytes, random, others);
  }
}

async function changeParts(parts: Part[], random: Random, others: readonly Uint8Array[]): Promise<void> {
  const at = random.below(parts.length);
  const choice = random.next();
  if (choice < 0.04) parts.splice(at, 1);
  else if (choice < 0.08) parts.splice(random.below(parts.length + 1), 0, { ...parts[at]!, changed: true });
  else if (choice < 0.12) {
    const to = random.below(parts.length);
    [parts[at], parts[to]] = [parts[to]!, parts[at]!];
  } else {
    const part = parts[at]!;
    parts[at] = { ...part, bytes: await changedPart(part, random, others), changed: true };
  }
}

async function changedPart(part: Part, random: Random, others: readonly Uint8Array[]): Promise<Uint8Array> {
  if (part.json && random.chance(0.85)) {
    const text = mutateJson(new TextDecoder().decode(part.bytes), random);
    if (text !== undefined) return new TextEncoder().encode(text);
  }
  return await mutated(part.bytes, part.inner, random, others);
}

/** An input that is one JSON text. */
export const JSON_TEXT: Structure = {
  take: (bytes) => [{ bytes, json: true }],
  put: (parts) => parts[0]!.bytes,
};
