/** Archives made by hand, rightly sealed and otherwise as wrong as a test wants them. */
import { concatBytes, encodeText } from "../../lib/base/bytes.ts";
import { readTar } from "../../lib/backup/archive/tar_reader.ts";
import { padded } from "../../lib/backup/archive/tar_header.ts";
import { DB } from "../../mod.ts";
import { collect, inPieces } from "../backup/helpers.ts";

/** What a header says; what is left out is what GNU tar writes for a small file. */
export interface Forged {
  /** At most 100 bytes. */
  name?: string | Uint8Array;
  /** A number is written in octal; bytes stand as they are. */
  size?: number | Uint8Array;
  /** One character. */
  type?: string;
  /** Where a link leads. */
  link?: string;
  /** Before the name. */
  prefix?: string;
  /** Left wrong. */
  badChecksum?: boolean;
}

/** The 512 bytes of a header. */
export function header(
  { name = "000001.sst", size = 0, type = "0", link = "", prefix = "", badChecksum }: Forged,
): Uint8Array {
  const block = new Uint8Array(512);
  const octal = (value: number, at: number, length: number): void =>
    block.set(encodeText(`${value.toString(8).padStart(length - 1, "0")}\0`), at);
  block.set((typeof name === "string" ? encodeText(name) : name).subarray(0, 100));
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (typeof size === "number") octal(size, 124, 12);
  else block.set(size.subarray(0, 12), 124);
  octal(0, 136, 12);
  block[156] = type.charCodeAt(0);
  block.set(encodeText(link).subarray(0, 100), 157);
  block.set(encodeText("ustar\x0000"), 257);
  block.set(encodeText(prefix).subarray(0, 155), 345);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0) + (badChecksum ? 1 : 0);
  block.set(encodeText(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return block;
}

/** A header and its padded bytes; the size is that of the bytes unless it says otherwise. */
export function member(forged: Forged, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const out = new Uint8Array(512 + padded(body.length));
  out.set(header({ size: body.length, ...forged }));
  out.set(body, 512);
  return out;
}

/** An extended header with these records, for the member behind it. */
export function pax(records: Record<string, string>, type = "x"): Uint8Array {
  return member({ name: "PaxHeader", type }, concatBytes(...Object.entries(records).map(([k, v]) => paxRecord(k, v))));
}

function paxRecord(key: string, value: string): Uint8Array {
  const rest = encodeText(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = rest.length + String(length).length;
  return concatBytes(encodeText(String(length)), rest);
}

/** GNU's way to give the next member a long name (or, "K", a long link). */
export function gnuLong(text: string, type = "L"): Uint8Array {
  return member({ name: "././@LongLink", type }, encodeText(`${text}\0`));
}

/** What ends an archive. */
export const END: Uint8Array = new Uint8Array(1024);

/** The files of a sound export, the marker last. */
export async function soundFiles(): Promise<Map<string, Uint8Array>> {
  await using db = await DB.open(":memory:");
  await db.set("a", 1);
  await db.set("b", "text", { tags: ["x"] });
  await db.namespace("n").set("c", new Uint8Array(50_000));
  await db.compact();
  await db.set("d", { last: true });
  const files = new Map<string, Uint8Array>();
  const bytes = await collect(db.exportStream({ format: "tar" }));
  for await (const { name, pieces } of readTar(inPieces(bytes), "x.tar")) files.set(name, await collect(pieces));
  return files;
}

/** An archive of files, with whatever before and behind them. */
export function archiveOf(
  files: ReadonlyMap<string, Uint8Array>,
  before: Uint8Array[] = [],
  behind: Uint8Array[] = [],
): Uint8Array {
  const members = [...files].map(([name, bytes]) => member({ name }, bytes));
  return concatBytes(...before, ...members, ...behind, END);
}
