import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { concatBytes, decodeText, encodeText } from "../../lib/base/bytes.ts";
import { IntegrityError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import { KIND_BYTES, KIND_JSON, KIND_TEXT } from "../../lib/format/cell.ts";
import { PortableReader } from "../../lib/backup/portable/portable_reader.ts";
import { type PortableHeader, writeJson, writeLines } from "../../lib/backup/portable/portable_writer.ts";
import type { PortableRecord } from "../../lib/backup/portable/record.ts";
import { collect, inPieces } from "./helpers.ts";

/** The file that skv's documentation shows, word for word. */
const DOCUMENTED = `{
    "version": "1.0",
    "created_at": "2024-12-06T12:00:00Z",
    "total_records": 2,
    "records": [
        {
            "key": "username",
            "value": "alice",
            "encoding": "text"
        },
        {
            "key": "binary_data",
            "value": "AQIDBA==",
            "encoding": "base64"
        }
    ]
}
`;

const record = (key: string, value: string | Uint8Array, more: Partial<PortableRecord> = {}): PortableRecord => ({
  namespace: [],
  key: encodeText(key),
  kind: typeof value === "string" ? KIND_TEXT : KIND_BYTES,
  value: typeof value === "string" ? encodeText(value) : value,
  tags: [],
  expiresAt: undefined,
  ...more,
});

async function readRecords(text: string | Uint8Array, piece = 1000): Promise<PortableRecord[]> {
  const bytes = typeof text === "string" ? encodeText(text) : text;
  const records: PortableRecord[] = [];
  for await (const found of new PortableReader(inPieces(bytes, piece), "x.json").records()) records.push(found);
  return records;
}

const headerOf = (totalRecords: number): PortableHeader => ({
  createdAt: Date.UTC(2026, 10, 21),
  totalRecords,
  database: "ab".repeat(16),
  lastVersion: 7,
  keyEncoding: "utf8",
  namespaces: [{ path: ["users"], keyEncoding: "bytes" }],
});

async function* each(records: PortableRecord[]): AsyncGenerator<PortableRecord> {
  yield* records;
}

const SAMPLES: PortableRecord[] = [
  record("username", "alice"),
  record("binary_data", new Uint8Array([1, 2, 3, 4])),
  record("json", "", { kind: KIND_JSON, value: encodeText('{"a":[1,"\\""]}') }),
  record("empty", ""),
  record("no bytes", new Uint8Array(0)),
  record('odd \u0000 " \\ \u2028 😀', 'back\\slash "quote" \n 😀'),
  record("", "x", { key: new Uint8Array([0xff, 0xfe]) }),
  record("u", "x", { namespace: ["users", "a/b"], tags: ["new", "tag,2"], expiresAt: 1_900_000_000_000 }),
  record("__proto__", "safe"),
];

describe("PortableReader", () => {
  it("reads the file that skv documents, in pieces of any size", async () => {
    for (const piece of [1, 2, 3, 7, 64, 10_000]) {
      assert.deepEqual(await readRecords(DOCUMENTED, piece), SAMPLES.slice(0, 2));
    }
  });

  it("reads it compact, with a byte order mark, and with fields in any order", async () => {
    const compact = JSON.stringify(JSON.parse(DOCUMENTED));
    assert.equal((await readRecords(compact, 5)).length, 2);
    assert.equal(
      (await readRecords(concatBytes(new Uint8Array([0xef, 0xbb, 0xbf]), encodeText(DOCUMENTED)), 1)).length,
      2,
    );
    const { records, ...rest } = JSON.parse(DOCUMENTED);
    const turned = JSON.stringify({ note: { deep: ["}", '\\"', 1] }, records, later: "x\\", n: -1.5e3, ...rest });
    assert.equal((await readRecords(turned, 3)).length, 2);
  });

  it("reads the bare array that skv's released code writes", async () => {
    const released = JSON.stringify(
      [
        { key: "a", value: "text", is_binary: false },
        { key: "b", value_b64: "AQI=", is_binary: true },
        { key: "c", value_b64: "AQI=" },
        { key: "d", value: "plain" },
        { key: "e", value: "AQI=", is_binary: true },
        { key: "f", value: "", value_b64: "AQI=" },
        { key: "g", is_binary: false },
      ],
      null,
      2,
    );
    const values = (await readRecords(released, 11)).map(({ kind, value }) => [kind, ...value].join());
    const bytes = "0,1,2";
    assert.deepEqual(values, [
      `1,${[...encodeText("text")]}`,
      bytes,
      bytes,
      `1,${[...encodeText("plain")]}`,
      bytes,
      bytes,
      "1",
    ]);
    assert.deepEqual(await readRecords("[]"), []);
    assert.deepEqual(await readRecords(" [ ] \n"), []);
  });

  it("keeps records that come twice, in their order", async () => {
    const twice = await readRecords('[{"key":"a","value":"1"},{"key":"a","value":"2"}]');
    assert.deepEqual(twice.map(({ value }) => decodeText(value)), ["1", "2"]);
  });

  it("is not led astray by names of the prototype", async () => {
    const [first] = await readRecords(
      '[{"__proto__":{"value":"evil","tags":["x"]},"key":"__proto__","value":"1","constructor":1}]',
    );
    assert.deepEqual(first, record("__proto__", "1"));
    assert.equal(({} as Record<string, unknown>).value, undefined);
    await assert.rejects(readRecords('[{"__proto__":{"value":"evil"},"key":"a"}]'), /"value" is missing/);
  });

  it("refuses a count that does not hold, naming both numbers", async () => {
    await assert.rejects(
      readRecords(DOCUMENTED.replace('"total_records": 2', '"total_records": 10')),
      (error) => error instanceof IntegrityError && /total_records 10 but holds 2 records/.test(error.message),
    );
  });

  it("refuses a file that ends early, wherever it does", async () => {
    const bytes = encodeText(DOCUMENTED.trimEnd());
    for (let n = 0; n < bytes.length; n += 3) {
      await assert.rejects(readRecords(bytes.subarray(0, n)), IntegrityError, `cut at ${n}`);
    }
  });

  it("refuses versions it does not know, before and behind the records", async () => {
    const newer = DOCUMENTED.replace('"1.0"', '"2.0"');
    await assert.rejects(
      readRecords(newer),
      (error) => error instanceof UnsupportedFormatError && error.found === "2.0" && error.supported === "1.0",
    );
    await assert.rejects(readRecords('{"records":[],"version":"1.1"}'), UnsupportedFormatError);
    // What records are in a newer one is not for this release to judge.
    await assert.rejects(readRecords('{"version":"2.0","records":[[]]}'), UnsupportedFormatError);
    await assert.rejects(readRecords('{"records":[]}'), /version none/);
  });

  const refused: [string, RegExp][] = [
    ["", /empty/],
    ["hello", /does not begin as a JSON object or array/],
    ["{}", /no field "records"/],
    ['{"version":"1.0"}', /no field "records"/],
    ['{"version":"1.0","records":{}}', /"\[" should stand where "{" does/],
    ['{"version":"1.0","records":[],"records":[]}', /two fields/],
    ['{"version":"1.0","total_records":"2","records":[]}', /should be a count/],
    ['{"version":"1.0","records":[]} x', /more after its end/],
    ['[{"key":"a","value":"b"},]', /not JSON|should stand/],
    ['[{"key":"a","value":"b"} {"key":"c","value":"d"}]', /should stand/],
    ["[1]", /not an object/],
    ['[{"value":"b"}]', /"key" is missing/],
    ['[{"key":1,"value":"b"}]', /"key" is missing or not a string/],
    ['[{"key":"","value":"b"}]', /key has 0 bytes/],
    [`[{"key":"${"k".repeat(65_536)}","value":"b"}]`, /key has 65536 bytes/],
    ['[{"key":"a"}]', /"value" is missing/],
    ['[{"key":"a","value":5}]', /"value" is missing or not a string/],
    ['[{"key":"a","value":"?","encoding":"base64"}]', /not base64/],
    ['[{"key":"a","value":"AQI","encoding":"base64"}]', /not base64/],
    ['[{"key":"a","value":"b","encoding":"hex"}]', /"encoding" is "hex"/],
    ['[{"key":"a","value":"{","kind":"json"}]', /should be JSON but is not/],
    ['[{"key":"a","value":"b","kind":"date"}]', /"kind" is "date"/],
    ['[{"key":"a","value":"\\ud800"}]', /surrogate/],
    ['[{"key":"a","value":"b","tags":[1]}]', /"tags" holds something/],
    ['[{"key":"a","value":"b","tags":[""]}]', /"tags" holds a string of 0 bytes/],
    ['[{"key":"a","value":"b","expires_at":"soon"}]', /"expires_at"/],
    ['[{"key":"a","value":"b","x":' + "[".repeat(10_000) + "]".repeat(10_000) + "}]", /nested deeper/],
  ];
  for (const [text, message] of refused) {
    it(`refuses ${text.length > 70 ? `${text.slice(0, 40)}...` : text || "an empty file"}`, async () => {
      for (const piece of [1, 1000]) await assert.rejects(readRecords(text, piece), message);
    });
  }

  it("refuses bytes that are not UTF-8", async () => {
    const bytes = encodeText('[{"key":"a","value":"bb"}]');
    bytes[bytes.indexOf(0x62)] = 0xff;
    await assert.rejects(readRecords(bytes), IntegrityError);
  });

  it("never fails otherwise than by its own errors on damage", async () => {
    const bytes = await collect(writeJson(headerOf(SAMPLES.length), each(SAMPLES)));
    let seed = 99;
    for (let round = 0; round < 400; round++) {
      const damaged = bytes.slice();
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      damaged[(seed >>> 4) % damaged.length]! ^= 1 << (seed >>> 28 & 7);
      await readRecords(damaged, 100).catch((error) =>
        assert.ok(error instanceof IntegrityError || error instanceof UnsupportedFormatError, String(error))
      );
    }
  });

  it("passes over an unknown field larger than memory allows, and reads far more than it holds", async () => {
    const filler = encodeText("\\".repeat(2 ** 20));
    const one = encodeText(`${'{"key":"k","value":"'}${"v".repeat(1000)}"},`);
    const thousand = concatBytes(...Array.from({ length: 1000 }, () => one));
    async function* big(): AsyncGenerator<Uint8Array> {
      yield encodeText('{"version":"1.0","junk":"');
      for (let n = 0; n < 64; n++) yield filler;
      yield encodeText('","records":[');
      for (let n = 0; n < 64; n++) yield thousand;
      yield encodeText('{"key":"k","value":""}]}');
    }
    let most = 0;
    let count = 0;
    for await (const _ of new PortableReader(big(), "big.json", false).records()) {
      if (++count % 8000 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers ?? 0);
    }
    assert.equal(count, 64_001);
    assert.ok(most < 64 * 2 ** 20, `held ${most} bytes`);
  });

  it("reads any number of namespaces, and refuses what is no list of them", async () => {
    const namespaces = Array.from({ length: 70_000 }, (_, n) => ({
      path: [String(n).padStart(250, "n")],
      keyEncoding: n % 2 === 0 ? "utf8" as const : "bytes" as const,
    }));
    for (const write of [writeJson, writeLines]) {
      const pieces: Uint8Array[] = [];
      for await (const piece of write({ ...headerOf(1), namespaces }, each(SAMPLES.slice(0, 1)))) pieces.push(piece);
      assert.ok(pieces.every((piece) => piece.length < 2 ** 20));
      const reader = new PortableReader(inPieces(concatBytes(...pieces), 2 ** 18), "x.json");
      const records: PortableRecord[] = [];
      for await (const found of reader.records()) records.push(found);
      assert.deepEqual(records, SAMPLES.slice(0, 1));
      assert.deepEqual(reader.meta.namespaces, namespaces);
    }
    const good = '{"path":["a"],"key_encoding":"utf8"}';
    const wrongs = [
      "{}",
      "5",
      "[5]",
      '[{"path":["a"]}]',
      '[{"path":[],"key_encoding":"utf8"}]',
      `[${good} 5]`,
      `[${good},]`,
    ];
    for (const wrong of wrongs) {
      await assert.rejects(readRecords(`{"version":"1.0","namespaces":${wrong},"records":[]}`), IntegrityError, wrong);
    }
    for (const right of ["[]", "null", `[${good}]`]) {
      assert.deepEqual(await readRecords(`{"version":"1.0","namespaces":${right},"records":[]}`), []);
    }
  });
});

describe("writeJson", () => {
  it("writes skv's format where that says all", async () => {
    const text = decodeText(await collect(writeJson({ ...headerOf(2), namespaces: [] }, each(SAMPLES.slice(0, 2)))));
    const ours = JSON.parse(text);
    const theirs = JSON.parse(DOCUMENTED);
    assert.deepEqual(ours.records, theirs.records);
    assert.equal(ours.version, theirs.version);
    assert.equal(ours.total_records, theirs.total_records);
    assert.equal(ours.created_at, "2026-11-21T00:00:00.000Z");
    assert.deepEqual(Object.keys(ours).filter((name) => name in theirs), Object.keys(theirs));
  });

  it("is read back as it was written", async () => {
    for (const piece of [1, 1000]) {
      const bytes = await collect(writeJson(headerOf(SAMPLES.length), each(SAMPLES)));
      const reader = new PortableReader(inPieces(bytes, piece), "x.json");
      const found: PortableRecord[] = [];
      for await (const one of reader.records()) found.push(one);
      assert.deepEqual(found, SAMPLES);
      assert.deepEqual(reader.meta.namespaces, headerOf(0).namespaces);
      assert.equal(reader.meta.keyEncoding, "utf8");
      assert.equal(reader.meta.lastVersion, 7);
    }
    assert.deepEqual(await readRecords(await collect(writeJson(headerOf(0), each([])))), []);
  });

  it("notices a changed value by its checksum, and takes an edited file without one", async () => {
    const text = decodeText(await collect(writeJson(headerOf(SAMPLES.length), each(SAMPLES)))).replace(
      "alice",
      "Alice",
    );
    await assert.rejects(readRecords(text), /checksum .* remove its "checksum"/);
    const edited = JSON.parse(text);
    delete edited.checksum;
    assert.equal((await readRecords(JSON.stringify(edited))).length, SAMPLES.length);
  });

  it("does not mind being indented by another program", async () => {
    const text = decodeText(await collect(writeJson(headerOf(SAMPLES.length), each(SAMPLES))));
    assert.deepEqual(await readRecords(JSON.stringify(JSON.parse(text), null, "\t")), SAMPLES);
  });

  it("refuses to end with another count than it announced", async () => {
    await assert.rejects(collect(writeJson(headerOf(3), each(SAMPLES))), /3 entries were counted but 9 came/);
  });
});

describe("writeLines", () => {
  it("is read back as it was written, one record a line", async () => {
    const bytes = await collect(writeLines(headerOf(0), each(SAMPLES)));
    assert.equal(decodeText(bytes).trimEnd().split("\n").length, SAMPLES.length + 2);
    for (const piece of [1, 1000]) assert.deepEqual(await readRecords(bytes, piece), SAMPLES);
  });

  it("is refused when lines are missing or changed", async () => {
    const lines = decodeText(await collect(writeLines(headerOf(0), each(SAMPLES)))).trimEnd().split("\n");
    await assert.rejects(readRecords(lines.slice(0, -1).join("\n")), /ends early/);
    await assert.rejects(readRecords(lines.filter((_, i) => i !== 2).join("\n")), /total_records 9 but holds 8/);
    await assert.rejects(readRecords(lines.join("\n").replace("alice", "bob")), /checksum/);
    await assert.rejects(readRecords(`${lines.join("\n")}\n${lines[1]}`), /more after its end/);
  });
});
