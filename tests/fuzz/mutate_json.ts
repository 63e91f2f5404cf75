/**
 * Changes of JSON as a value: wrong types, absurd numbers, fields missing, doubled and too many, names that mean something to
 * JavaScript, deep nesting, long strings. Written by hand and not by `JSON.stringify`, which can't say all of that.
 */
import type { Random } from "../model/random.ts";

/** A value: scalars are their text. */
type Node = string | { list: Node[] } | { fields: [string, Node][] };

/** In place of a value. */
const SCALARS: readonly string[] = [
  ...["null", "true", "false", "0", "-0", "-1", "1", "1.5", "-1e-7", "1e999", "-1e999", "1e21"],
  ...["255", "256", "65535", "65536", "2147483648", "4294967296", "9007199254740991", "9007199254740992"],
  ...["18446744073709551616", '""', '"x"', '"NaN"', '"0"', '"__proto__"', '"../x"', '"/"', '"\\u0000"', '"\\ud800"'],
  ...["[]", "{}", "[null]", "[[]]", '{"toString":1,"valueOf":1}', '{"toJSON":1}', '{"length":4294967295}', "NaN"],
];

/** Names that decoders must treat as any other. */
const NAMES: readonly string[] = [
  ...["__proto__", "constructor", "prototype", "toString", "valueOf", "toJSON", "hasOwnProperty", "length", ""],
  ...["then", "0", "x", "checksum", "mac", "format"],
];

const DEPTHS: readonly number[] = [10, 255, 256, 257, 1000, 8000, 25_000];
const LENGTHS: readonly number[] = [65, 129, 256, 1025, 20_000];

/** The text of a value changed in one place; undefined when the text is not JSON to begin with. */
export function mutateJson(text: string, random: Random): string | undefined {
  let root: Node;
  try {
    root = nodeOf(JSON.parse(text) as unknown);
  } catch {
    return undefined; // Also when it is nested too deep for `nodeOf`.
  }
  const places: Place[] = [];
  collect(root, (node) => root = node, places);
  const place = random.pick(places);
  const { node } = place;
  if (typeof node !== "string" && random.chance(0.6)) {
    if ("list" in node) changeItems(node.list, random);
    else changeFields(node.fields, random, places);
  } else {
    place.set(replacement(node, random, places));
  }
  return textOf(root);
}

/** Where a value stands. */
interface Place {
  node: Node;
  set: (node: Node) => void;
}

function nodeOf(value: unknown): Node {
  if (Array.isArray(value)) return { list: value.map(nodeOf) };
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  return { fields: Object.entries(value).map(([name, one]) => [name, nodeOf(one)]) };
}

function textOf(node: Node): string {
  if (typeof node === "string") return node;
  if ("list" in node) return `[${node.list.map(textOf).join(",")}]`;
  return `{${node.fields.map(([name, one]) => `${JSON.stringify(name)}:${textOf(one)}`).join(",")}}`;
}

function collect(node: Node, set: (node: Node) => void, places: Place[]): void {
  places.push({ node, set });
  if (typeof node === "string") return;
  if ("list" in node) node.list.forEach((one, i) => collect(one, (changed) => node.list[i] = changed, places));
  else for (const field of node.fields) collect(field[1], (changed) => field[1] = changed, places);
}

function replacement(node: Node, random: Random, places: readonly Place[]): Node {
  const choice = random.below(10);
  if (choice < 4) return random.pick(SCALARS);
  if (choice === 4) return nested(random);
  if (choice === 5) {
    return JSON.stringify(random.pick(["x", "0", "f", "A", "/", "é", "\n"]).repeat(random.pick(LENGTHS)));
  }
  if (choice === 6) return structuredClone(random.pick(places).node); // A copy, or it could stand inside itself.
  if (choice === 7) return random.chance(0.5) ? { list: [node] } : { fields: [[random.pick(NAMES), node]] };
  return typeof node === "string" ? near(node, random) : random.pick(SCALARS);
}

/** A scalar that is nearly the same. */
function near(text: string, random: Random): string {
  const value = JSON.parse(/^-?\d|^"|^[tfn]/.test(text) && text !== "NaN" ? text : "0") as unknown;
  if (typeof value === "number") return String(value + random.pick([1, -1, 0.5, -value - 1, 2 ** 27, 2 ** 31]));
  if (typeof value !== "string") return JSON.stringify(String(value));
  const at = random.below(value.length + 1);
  const put = random.pick(["", "a", "0", "G", ".", "/", "=", " ", "\u00e9", '"']);
  return JSON.stringify(value.slice(0, at) + put + value.slice(at + random.below(2)));
}

function nested(random: Random): string {
  const depth = random.pick(DEPTHS);
  return random.chance(0.5) ? "[".repeat(depth) + "]".repeat(depth) : '{"a":'.repeat(depth >> 2) + "1" +
    "}".repeat(depth >> 2);
}

/** A field that was not there; every third is one that would become a prototype, were it assigned. */
function added(random: Random, places: readonly Place[]): [string, Node] {
  if (random.chance(0.3)) return ["__proto__", '{"polluted":true}'];
  return [random.pick(NAMES), replacement("1", random, places)];
}

function changeItems(list: Node[], random: Random): void {
  const at = random.below(list.length + 1);
  const choice = random.below(4);
  if (choice === 0) list.splice(at, 1);
  else if (choice === 1) list.splice(at, 0, list.length === 0 ? random.pick(SCALARS) : random.pick(list));
  else if (choice === 2) list.reverse();
  else list.push(...Array.from({ length: random.pick([1, 3, 64, 65, 300]) }, () => list[0] ?? random.pick(SCALARS)));
}

function changeFields(fields: [string, Node][], random: Random, places: readonly Place[]): void {
  const at = random.below(fields.length + 1);
  const choice = random.below(5);
  const one = fields[Math.min(at, fields.length - 1)];
  if (choice === 0) fields.splice(at, 1);
  else if (choice === 1) fields.splice(at, 0, added(random, places));
  else if (choice === 2 && one !== undefined) fields.splice(at, 0, [one[0], replacement(one[1], random, places)]);
  else if (choice === 3 && one !== undefined) one[0] = random.chance(0.5) ? random.pick(NAMES) : `${one[0]}x`;
  else fields.reverse();
}
