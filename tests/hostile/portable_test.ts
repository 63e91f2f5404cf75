/** Portable backups made to harm: JSON that is deep, long, cut, no JSON at all, or says what no backup says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB, type HoldfastError, IntegrityError, UnsupportedFormatError } from "../../mod.ts";
import { LONG } from "../crash/random.ts";
import { inPieces } from "../backup/helpers.ts";
import { contentsOf, Shelter } from "./shelter.ts";

const NAMED = (error: HoldfastError): boolean =>
  error instanceof IntegrityError || error instanceof UnsupportedFormatError;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const document = (records: string, more = ""): string => `{"version":"1.0","records":[${records}]${more}}`;
const good = '{"key":"a","value":"v","encoding":"text"}';
const record = (fields: string): string => document(`${good},{${fields}}`);

/** Texts that are refused. */
const REFUSED: [string, string | Uint8Array][] = [
  ["100,000 levels", document("[".repeat(100_000))],
  ["100,000 levels that end", document(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)],
  ["100,000 levels in a field of no one", document(good, `,"x":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`)],
  ["a value that is a number", record('"key":"b","value":1e999999')],
  ["a value that is an object", record('"key":"b","value":{"__proto__":{"polluted":1}}')],
  ["JSON that is none", record('"key":"b","value":"{","encoding":"text","kind":"json"')],
  ["half a pair in a value", record('"key":"b","value":"\\ud800","encoding":"text"')],
  ["half a pair in a key", record('"key":"\\udc00","value":"v"')],
  ["half a pair in a tag", record('"key":"b","value":"v","tags":["\\ud800"]')],
  ["a key that is no string", record('"key":7,"value":"v"')],
  ["a key of no bytes", record('"key":"","value":"v"')],
  ["a key above the limit", record(`"key":"${"k".repeat(65_536)}","value":"v"`)],
  ["no key but those of all objects", record('"__proto__":{"key":"x"},"value":"v"')],
  ["no value", record('"key":"b"')],
  ["base64 that is none", record('"key":"b","value":"*","encoding":"base64"')],
  ["an encoding of no one", record(`"key":"b","value":"v","encoding":"${"x".repeat(100_000)}"`)],
  ["an expiry that is negative", record('"key":"b","value":"v","expires_at":-1')],
  ["an expiry with a fraction", record('"key":"b","value":"v","expires_at":1.5')],
  ["an expiry of 1e999999", record('"key":"b","value":"v","expires_at":1e999999')],
  ["an expiry of 2^53", record('"key":"b","value":"v","expires_at":9007199254740992')],
  ["an expiry as text", record('"key":"b","value":"v","expires_at":"1"')],
  ["65 tags", record(`"key":"b","value":"v","tags":[${'"t",'.repeat(64)}"t"]`)],
  ["a tag above the limit", record(`"key":"b","value":"v","tags":["${"t".repeat(256)}"]`)],
  ["256 namespaces deep", record(`"key":"b","value":"v","namespace":[${'"n",'.repeat(255)}"n"]`)],
  ["a namespace of no name", record('"key":"b","value":"v","namespace":[""]')],
  ["a count that lies", document(good, ',"total_records":2')],
  ["a count of 1e999999", document(good, ',"total_records":1e999999')],
  ["a count that is negative", document(good, ',"total_records":-1')],
  ["a version that is long", `{"version":"${"9".repeat(100_000)}","records":[]}`],
  ["records twice", document(good, ',"records":[]')],
  ["a record cut in the middle", document(good).slice(0, 60)],
  ["garbage behind the end", `${document(good)}x`],
  ["another document behind the end", `${document(good)}${document(good)}`],
  ["two marks at the start", `\ufeff\ufeff${document(good)}`],
  [
    "bytes that are not UTF-8",
    new Uint8Array([...utf8('{"version":"1.0","records":[{"key":"'), 0xff, ...utf8('","value":"v"}]}')]),
  ],
  ["UTF-16", new Uint8Array(new Uint16Array([...document(good)].map((c) => c.charCodeAt(0))).buffer)],
  ["lines without their end", `{"format":"holdfast-jsonl","version":"1.0"}\n${good}\n`],
  ["lines of which one is bad", `{"format":"holdfast-jsonl","version":"1.0"}\n${good}\n{"key":\n{"total_records":1}\n`],
];

describe("a hostile portable backup", () => {
  it("is refused by name, and nothing of it is applied", async () => {
    await using shelter = await Shelter.memory();
    for (const [what, text] of REFUSED) {
      const bytes = typeof text === "string" ? utf8(text) : text;
      await shelter.refuses(what, () => inPieces(bytes, 4096), NAMED);
    }
    console.log(`hostile portable backups: ${REFUSED.length}, each restored in five ways`);
  });

  it("of many lines with a bad one at the end is refused as a whole", async () => {
    await using shelter = await Shelter.memory();
    const lines = LONG ? 1_000_000 : 4000;
    async function* source(): AsyncGenerator<Uint8Array> {
      yield utf8('{"format":"holdfast-jsonl","version":"1.0"}\n');
      for (let i = 0; i < lines; i++) yield utf8(`{"key":"k${i}","value":"v","encoding":"text"}\n`);
      yield utf8('{"key":"last","value":1}\n');
    }
    await shelter.refuses(`${lines} lines and a bad one`, source, (error) => /record/.test(error.message));
  });

  it("finds the end of a long value in one pass", async () => {
    const value = "v".repeat(8 * 2 ** 20);
    const bytes = utf8(record(`"key":"b","value":"${value}","encoding":"text"`));
    const indexOf = Uint8Array.prototype.indexOf;
    let searched = 0;
    Uint8Array.prototype.indexOf = function (this: Uint8Array, byte: number, from = 0): number {
      const found = indexOf.call(this, byte, from);
      searched += (found < 0 ? this.length : found) - from;
      return found;
    };
    try {
      await using db = await DB.open(":memory:");
      await db.restore(inPieces(bytes, 16_384));
      assert.equal(await db.get("b"), value);
    } finally {
      Uint8Array.prototype.indexOf = indexOf;
    }
    assert.ok(searched < 3 * bytes.length, `${searched} bytes were searched for ${bytes.length}`);
  });

  it("keeps names of the prototype as data, and pollutes nothing", async () => {
    await using db = await DB.open(":memory:");
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const value = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1}');
    for (const name of names) {
      await db.set(name, value, { tags: names });
      await db.namespace(name).set(name, value);
    }
    const plain = (text: string): string => text.replaceAll(/\["(?:version|timestamp)",\d+\]/g, "");
    const lines = db.exportStream({ format: "jsonl" });
    await using copy = await DB.open(":memory:");
    await copy.restore(lines);
    assert.equal(plain(await contentsOf(copy)), plain(await contentsOf(db)));
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });
});
