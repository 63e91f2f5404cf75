/** Portable backups: JSON and JSON Lines. */
import { decodeText, encodeText } from "../../../lib/base/bytes.ts";
import { PortableReader } from "../../../lib/backup/portable/portable_reader.ts";
import { writeJson, writeLines } from "../../../lib/backup/portable/portable_writer.ts";
import { type PortableRecord, RecordDigest } from "../../../lib/backup/portable/record.ts";
import { recordFromJson } from "../../../lib/backup/portable/record_json.ts";
import { KIND_BYTES, KIND_JSON, KIND_TEXT } from "../../../lib/format/cell.ts";
import { collect } from "../../backup/helpers.ts";
import type { Part, Steps, Structure, Target } from "../target.ts";
import { assertSame, DATABASE, piecesOf } from "./files.ts";

const record = (key: string, kind: number, value: string, more: Partial<PortableRecord> = {}): PortableRecord => ({
  namespace: [],
  key: encodeText(key),
  kind,
  value: encodeText(value),
  tags: [],
  expiresAt: undefined,
  ...more,
});

const RECORDS: readonly PortableRecord[] = [
  record("username", KIND_TEXT, 'alice \\ "quoted" \u2028 é'),
  record("binary", KIND_BYTES, "\x01\x02"),
  record("json", KIND_JSON, '{"a":[1,"\\""]}', { tags: ["new", "tag,2"] }),
  record("u", KIND_TEXT, "", { namespace: ["users", "a/b"], expiresAt: 1.9e12 }),
  record("x", KIND_TEXT, "x", { key: new Uint8Array([0xff, 0xfe]) }),
];

const HEADER = {
  createdAt: Date.UTC(2026, 10, 21),
  totalRecords: RECORDS.length,
  database: DATABASE,
  lastVersion: 7,
  keyEncoding: "utf8",
  namespaces: [{ path: ["users"], keyEncoding: "bytes" }],
} as const;

async function* each(records: readonly PortableRecord[]): AsyncGenerator<PortableRecord> {
  yield* records;
}

/** The checksum over records that may be none: then any. */
function digestOf(records: readonly unknown[]): string {
  const digest = new RecordDigest();
  try {
    for (const one of records) digest.add(recordFromJson(one, "record"));
  } catch {
    // No checksum could be right.
  }
  return `sha256:${digest.finish()}`;
}

/** What a record says of a text, so that the count and the checksum of what was changed hold again. */
function totalsOf(records: readonly unknown[]): { total_records: number; checksum: string } {
  return { total_records: records.length, checksum: digestOf(records) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const AS_JSON: Structure = {
  take: (bytes) => [{ bytes, json: true }],
  put([part]) {
    const value = parsed(new TextDecoder().decode(part!.bytes));
    const records = (value as { records?: unknown } | null | undefined)?.records;
    if (!Array.isArray(records)) return part!.bytes;
    // In place, so that the order of the fields stays what it was made.
    return encodeText(JSON.stringify(Object.assign(value as object, totalsOf(records))));
  },
};

const AS_LINES: Structure = {
  take: (bytes) => {
    const lines = decodeText(bytes).split("\n").slice(0, -1);
    return lines.map((line, i): Part => ({
      bytes: encodeText(line),
      json: true,
      label: i === lines.length - 1 ? "footer" : "line",
    }));
  },
  put(parts) {
    const lines = parts.map(({ bytes }) => new TextDecoder().decode(bytes));
    const last = parts.at(-1)!;
    if (last.label === "footer" && !last.changed) {
      lines[lines.length - 1] = JSON.stringify(totalsOf(lines.slice(1, -1).map(parsed)));
    }
    return encodeText(lines.map((line) => `${line}\n`).join(""));
  },
};

async function recordsOf(bytes: Uint8Array, steps: Steps, verify = true): Promise<PortableRecord[]> {
  const found: PortableRecord[] = [];
  for await (const one of new PortableReader(piecesOf(bytes, steps), "x", verify).records()) {
    steps.take();
    found.push(one);
  }
  return found;
}

async function decode(bytes: Uint8Array, steps: Steps): Promise<unknown> {
  const found = await recordsOf(bytes, steps);
  assertSame(await recordsOf(bytes, steps, false), found);
  for (const write of [writeJson, writeLines]) {
    const again = await collect(write({ ...HEADER, totalRecords: found.length }, each(found)));
    assertSame(await recordsOf(again, steps), found);
  }
  return found;
}

const json: Target = {
  name: "json-backup",
  seeds: async () => [
    await collect(writeJson(HEADER, each(RECORDS))),
    // What skv writes.
    encodeText('[{"key":"a","value":"b","is_binary":false},{"key":"c","value_b64":"AQI=","is_binary":true}]'),
    encodeText('{"version":"1.0","records":[{"key":"a","value":"AQI=","encoding":"base64"}],"more":{"any":[1]}}'),
  ],
  structure: AS_JSON,
  coded: true,
  decode,
};

const lines: Target = {
  name: "json-lines",
  seeds: async () => [
    await collect(writeLines(HEADER, each(RECORDS))),
    await collect(writeLines({ ...HEADER, namespaces: [] }, each([]))),
  ],
  structure: AS_LINES,
  coded: true,
  decode,
};

export const PORTABLE_TARGETS: readonly Target[] = [json, lines];
