/**
 * Inputs that are kept: of each target one for every outcome that a long run has reached, and every one that broke the rule
 * when it was found. They are tried again by the tests, and are what new inputs are made from.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "../../lib/base/checksum.ts";
import { encodeText } from "../../lib/base/bytes.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "corpus");

/** Longer inputs are not kept, unless they are put there by hand: all of them together should stay small. */
export const KEPT_BYTES_MAX = 4096;

/** So many are kept of one target. */
const KEPT_MAX = 32;

/** The folders of the corpus. */
export function corpusNames(): string[] {
  return readdirSync(root).sort();
}

/** The inputs kept for a target, by their names. */
export function corpusOf(target: string): [name: string, input: Uint8Array][] {
  let names: string[];
  try {
    names = readdirSync(join(root, target)).sort();
  } catch {
    return []; // Nothing is kept yet.
  }
  return names.map((name) => [name, new Uint8Array(readFileSync(join(root, target, name)))]);
}

/** Keeps an input under the name of its outcome, unless a shorter one is there. Says whether it was kept. */
export function keep(target: string, shape: string, input: Uint8Array): boolean {
  if (input.length > KEPT_BYTES_MAX) return false;
  const words = shape.toLowerCase().replace(/[^a-z]+/g, "-").replace(/^-|-$/g, "").slice(0, 50);
  const name = `${words}-${crc32(encodeText(shape)).toString(16).padStart(8, "0")}.bin`;
  const there = corpusOf(target).find(([one]) => one === name)?.[1];
  if (there !== undefined && there.length <= input.length) return false;
  if (there === undefined && corpusOf(target).length >= KEPT_MAX) return false;
  mkdirSync(join(root, target), { recursive: true });
  writeFileSync(join(root, target, name), input);
  return true;
}
