/** Ways in which the files of a directory go bad, one file at a time. */
import { parseFileName } from "../../lib/engine/file_names.ts";
import { FILE_HEADER_BYTES } from "../../lib/format/identity.ts";
import { LONG, pick, randomFrom, SEED } from "../crash/random.ts";
import type { Specimen } from "./specimen.ts";

/** One thing that went wrong. */
export interface Fault {
  /** What, in words. */
  what: string;
  /** The kind of thing. */
  kind: string;
  /** The files concerned as they are now; undefined where one is gone. */
  files: Map<string, Uint8Array | undefined>;
}

/** In the short form one byte in so many is flipped, beside those at the ends of a file. */
const STRIDE = LONG ? 1 : 97;

/** Bytes at the end of a file that are all tried: every footer is shorter. */
const END_BYTES = 70;

/** Which bits of a byte are flipped: all, or one that depends on the place. */
function bitsAt(at: number): number[] {
  return LONG ? [0, 2, 5, 7] : [at % 8];
}

/** Where a byte is flipped: most densely in header and footer of the first file of each kind. */
function placesIn(bytes: Uint8Array, thorough: boolean): number[] {
  const places = new Set<number>();
  const step = LONG ? 1 : thorough ? 7 : 31;
  for (let at = 0; at < Math.min(FILE_HEADER_BYTES + 20, bytes.length); at += step) places.add(at);
  for (let at = Math.max(0, bytes.length - END_BYTES); at < bytes.length; at += step) places.add(at);
  for (let at = 0; at < bytes.length; at += STRIDE) places.add(at);
  return [...places];
}

/** The kind of a file: `table`, `blob`, `log`, `manifest` or `marker`. */
export function kindOf(name: string): string {
  return parseFileName(name)?.kind ?? "marker";
}

/** Every fault of every file. `foreign`: another database that was made by the same steps. */
export function* faultsOf(specimen: Specimen, foreign: Specimen): Generator<Fault> {
  const seen = new Set<string>();
  for (const [name, bytes] of specimen.files) {
    const kind = kindOf(name);
    const thorough = !seen.has(kind) || name === openLogOf(specimen);
    seen.add(kind);
    yield* flips(name, bytes, thorough);
    yield* lengths(name, bytes);
    yield* stretches(name, bytes);
    yield* others(name, bytes, specimen, foreign);
  }
}

/** The name of the segment in use. */
export function openLogOf(specimen: Specimen): string {
  const number = specimen.state.openLog!.number;
  return [...specimen.files.keys()].find((name) => kindOf(name) === "log" && parseFileName(name)!.number === number)!;
}

function one(name: string, kind: string, what: string, bytes: Uint8Array | undefined): Fault {
  return { kind, what: `${name}: ${what}`, files: new Map([[name, bytes]]) };
}

function* flips(name: string, bytes: Uint8Array, thorough: boolean): Generator<Fault> {
  for (const at of placesIn(bytes, thorough)) {
    for (const bit of bitsAt(at)) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << bit;
      yield one(name, "flip", `bit ${bit} of byte ${at} flipped`, changed);
    }
  }
}

function* lengths(name: string, bytes: Uint8Array): Generator<Fault> {
  const cuts = new Set([0, 1, FILE_HEADER_BYTES - 1, FILE_HEADER_BYTES, FILE_HEADER_BYTES + 1, bytes.length - 1]);
  const stride = LONG ? 1 : Math.max(1, Math.floor(bytes.length / 3));
  for (let length = 0; length < bytes.length; length += stride) cuts.add(length);
  for (const length of cuts) {
    if (length < bytes.length) yield one(name, "cut", `cut to ${length} bytes`, bytes.slice(0, length));
  }
  const random = randomFrom(SEED, bytes.length);
  for (const more of LONG ? [1, 8, 16, 28, 68, 500, 70_000] : [28, 5000]) {
    const longer = new Uint8Array(bytes.length + more);
    longer.set(bytes);
    yield one(name, "longer", `${more} zeros behind it`, longer.slice());
    for (let i = bytes.length; i < longer.length; i++) longer[i] = pick(random, 256);
    yield one(name, "longer", `${more} bytes of noise behind it`, longer.slice());
  }
  const twice = new Uint8Array(2 * bytes.length);
  twice.set(bytes);
  twice.set(bytes, bytes.length);
  yield one(name, "longer", "its bytes twice", twice);
  yield one(name, "gone", "removed", undefined);
}

function* stretches(name: string, bytes: Uint8Array): Generator<Fault> {
  const random = randomFrom(SEED, bytes.length, 1);
  for (let round = 0; round < (LONG ? 200 : 2); round++) {
    const at = pick(random, bytes.length);
    const end = Math.min(bytes.length, at + 1 + pick(random, round % 4 === 0 ? bytes.length : 100));
    const changed = bytes.slice();
    if (round % 2 === 0) changed.fill(0, at, end);
    else for (let i = at; i < end; i++) changed[i] = pick(random, 256);
    if (changed.some((byte, i) => byte !== bytes[i])) {
      yield one(name, "stretch", `bytes ${at} to ${end} ${round % 2 === 0 ? "zeroed" : "noise"}`, changed);
    }
    const from = pick(random, bytes.length);
    const length = Math.min(end - at, bytes.length - from);
    const moved = bytes.slice();
    moved.set(bytes.subarray(from, from + length), Math.min(at, bytes.length - length));
    if (moved.some((byte, i) => byte !== bytes[i])) {
      yield one(name, "misdirected", `bytes ${from} to ${from + length} also at ${at}`, moved);
    }
  }
}

function* others(name: string, bytes: Uint8Array, specimen: Specimen, foreign: Specimen): Generator<Fault> {
  const kind = kindOf(name);
  const peers = [...specimen.files.keys()].filter((each) => each !== name && kindOf(each) === kind);
  for (const peer of LONG ? peers : peers.slice(-1)) {
    yield one(peer, "duplicate", `${name} in its place`, bytes);
    yield {
      kind: "swap",
      what: `${name} and ${peer} swapped`,
      files: new Map([[name, specimen.files.get(peer)!], [peer, bytes]]),
    };
  }
  if (parseFileName(name) !== undefined) {
    const spare = name.replace(/\d+/, (digits) => String(Number(digits) + 900).padStart(6, "0"));
    yield one(spare, "duplicate", `${name} also under this name`, bytes);
  }
  const theirs = foreign.files.get(name);
  if (theirs !== undefined) yield one(name, "foreign", "that of another database", theirs);
}
