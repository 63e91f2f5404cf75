/**
 * `index/backups`: the manifests of many backups in one object, so that a repository of thousands is listed by a few requests.
 *
 * ```
 * raw bytes := "HFPACKB1" | (id length varint | id | document length varint | document)*
 * ```
 *
 * The documents are the very bytes of `backups/<id>.json`, each with its own seal: a pack is believed no more than they are.
 *
 * @module
 */
import { ByteReader, ByteWriter, DecodeError, decodeText, encodeText, equalBytes } from "../../base/bytes.ts";

const MAGIC = encodeText("HFPACKB1");

/** The raw bytes of a pack. */
export function writePack(documents: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const out = new ByteWriter();
  out.bytes(MAGIC);
  for (const [id, document] of documents) {
    out.prefixed(encodeText(id));
    out.prefixed(document);
  }
  return out.view();
}

/** The documents of a pack by the ids of their backups, as views. Throws `DecodeError` for anything else. */
export function readPack(bytes: Uint8Array): Map<string, Uint8Array> {
  const reader = new ByteReader(bytes);
  if (!equalBytes(reader.bytes(MAGIC.length), MAGIC)) throw new DecodeError("no pack of manifests", 0);
  const documents = new Map<string, Uint8Array>();
  while (reader.left > 0) {
    const { at } = reader;
    let id: string;
    try {
      id = decodeText(reader.prefixed());
    } catch (error) {
      throw error instanceof DecodeError ? error : new DecodeError("an id that is no text", at);
    }
    if (documents.has(id)) throw new DecodeError("an id twice", at);
    documents.set(id, reader.prefixed());
  }
  return documents;
}
