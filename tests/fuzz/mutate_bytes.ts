/** Changes of bytes that know nothing of their meaning. */
import type { Random } from "../model/random.ts";

/** One change; `others` are further inputs to take pieces from. */
type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

/** The lengths and limits at which decoders go wrong, and their neighbors. */
const NUMBERS: readonly bigint[] = [
  ...[0, 1, 2, 3, 4, 7, 8, 15, 16, 63, 64, 127, 128, 255, 256, 511, 512, 0x7fff, 0x8000, 0xffff, 0x10000],
  ...[2 ** 20, 2 ** 24, 2 ** 28, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 3, 2 ** 40],
  ...[2 ** 53 - 2, 2 ** 53 - 1, 2 ** 53],
].map(BigInt).concat([2n ** 56n - 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]);

const EDGES: readonly number[] = [0, 0x7f, 0x80, 0xff];

/** Changes `bytes` once; what comes out shares no memory with it. */
export function mutateBytes(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  return random.weighted(MUTATIONS)(bytes, random, others);
}

const MUTATIONS: readonly (readonly [number, Mutation])[] = [
  [6, flipBit],
  [4, (bytes, random) => changed(bytes, random, () => random.pick(EDGES))],
  [3, (bytes, random) => changed(bytes, random, () => random.below(256))],
  [3, (bytes, random) => changed(bytes, random, (old) => old + random.between(-2, 2))],
  [3, (bytes, random) => bytes.slice(0, random.below(bytes.length + 1))],
  [1, (bytes, random) => bytes.slice(random.below(bytes.length + 1))],
  [2, extend],
  [2, double],
  [2, cutOut],
  [2, swap],
  [2, splice],
  [5, writeFixed],
  [4, writeVarint],
  [1, fill],
];

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  return changed(bytes, random, (old) => old ^ (1 << random.below(8)));
}

function changed(bytes: Uint8Array, random: Random, make: (old: number) => number): Uint8Array {
  const out = bytes.slice();
  if (out.length === 0) return random.bytes(1);
  for (let n = random.chance(0.8) ? 1 : random.between(2, 6); n > 0; n--) {
    const at = random.below(out.length);
    out[at] = make(out[at]!);
  }
  return out;
}

function extend(bytes: Uint8Array, random: Random): Uint8Array {
  const more = random.between(1, random.chance(0.8) ? 16 : 2000);
  return joined(bytes, random.chance(0.5) ? new Uint8Array(more) : random.bytes(more));
}

/** A slice of it, never empty unless it is. */
function someSlice(bytes: Uint8Array, random: Random): { start: number; end: number } {
  const start = random.below(Math.max(1, bytes.length));
  const most = random.chance(0.5) ? 16 : bytes.length;
  return { start, end: Math.min(bytes.length, start + random.between(1, Math.max(1, most))) };
}

function double(bytes: Uint8Array, random: Random): Uint8Array {
  const { start, end } = someSlice(bytes, random);
  const to = random.chance(0.5) ? end : random.below(bytes.length + 1);
  return joined(bytes.subarray(0, to), bytes.subarray(start, end), bytes.subarray(to));
}

function cutOut(bytes: Uint8Array, random: Random): Uint8Array {
  const { start, end } = someSlice(bytes, random);
  return joined(bytes.subarray(0, start), bytes.subarray(end));
}

function swap(bytes: Uint8Array, random: Random): Uint8Array {
  const length = random.between(1, 16);
  const [a, b] = [random.below(bytes.length + 1), random.below(bytes.length + 1)].sort((x, y) => x - y) as [
    number,
    number,
  ];
  const out = bytes.slice();
  out.set(bytes.subarray(b, b + length).subarray(0, Math.max(0, bytes.length - a)), a);
  out.set(bytes.subarray(a, a + length).subarray(0, Math.max(0, bytes.length - b)), b);
  return out;
}

function splice(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const other = others.length === 0 ? bytes : random.pick(others);
  const { start, end } = someSlice(other, random);
  const at = random.below(bytes.length + 1);
  if (random.chance(0.3)) return joined(bytes.subarray(0, at), other.subarray(start));
  return joined(bytes.subarray(0, at), other.subarray(start, end), bytes.subarray(at + end - start));
}

/** A number at the edge of something, or one of what this input itself is about. */
function number(bytes: Uint8Array, random: Random): bigint {
  if (random.chance(0.75)) return random.pick(NUMBERS);
  return BigInt(Math.max(0, bytes.length - random.below(bytes.length + 1) + random.between(-1, 1)));
}

function writeFixed(bytes: Uint8Array, random: Random): Uint8Array {
  const width = random.pick([2, 4, 4, 8, 8]);
  if (bytes.length < width) return flipBit(bytes, random);
  const out = bytes.slice();
  // Fields of fixed width mostly stand at multiples of four.
  let at = random.below(out.length - width + 1);
  if (random.chance(0.5)) at -= at % 4;
  let value = BigInt.asUintN(8 * width, number(bytes, random));
  const isLittle = random.chance(0.8);
  for (let i = 0; i < width; i++) {
    out[at + (isLittle ? i : width - 1 - i)] = Number(value & 0xffn);
    value >>= 8n;
  }
  return out;
}

/** In place of as many bytes as it takes, or in place of one. */
function writeVarint(bytes: Uint8Array, random: Random): Uint8Array {
  const digits: number[] = [];
  for (let value = number(bytes, random);;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    if (value === 0n) {
      digits.push(low);
      break;
    }
    digits.push(low | 0x80);
  }
  // A second spelling of the same number.
  if (random.chance(0.1)) digits.splice(-1, 1, digits.at(-1)! | 0x80, 0);
  const at = random.below(bytes.length + 1);
  return joined(
    bytes.subarray(0, at),
    Uint8Array.from(digits),
    bytes.subarray(at + (random.chance(0.5) ? 1 : digits.length)),
  );
}

function fill(bytes: Uint8Array, random: Random): Uint8Array {
  const { start, end } = someSlice(bytes, random);
  return bytes.slice().fill(random.pick(EDGES), start, end);
}

/** All in a row; not the product's own, so that a defect there can't hide itself. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
