/**
 * Reads every worked example of a repository in docs/format.md and writes it again; what is encrypted is also read as the page
 * says, with node:crypto and nothing of the library.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createDecipheriv, createHash, createHmac, hkdfSync, scryptSync } from "node:crypto";
import { describe, it } from "node:test";
import { concatBytes, decodeText, encodeText, readU32, toHex } from "../../../lib/base/bytes.ts";
import {
  genesisChain,
  logName,
  nextChain,
  readArchivedLog,
  recordsOf,
  writeLogHead,
} from "../../../lib/format/repository/archived_log.ts";
import { readPack, writePack } from "../../../lib/format/repository/backup_pack.ts";
import { PieceWriter } from "../../../lib/format/repository/piece_writer.ts";
import { auditHash, decodeAuditLine, encodeAuditLine } from "../../../lib/format/repository/audit_line.ts";
import { openDocument, sealDocument } from "../../../lib/format/repository/document.ts";
import { gcMark } from "../../../lib/format/repository/house_documents.ts";
import { type KeyFile, unwrapKeyRing, wrapKeyRing } from "../../../lib/format/repository/key_ring.ts";
import { readObject, writeObject } from "../../../lib/format/repository/object.ts";
import { readObjectHeader } from "../../../lib/format/repository/object_header.ts";
import { rootOf } from "../../../lib/format/repository/ring.ts";
import { bytesOf, DocumentedPage } from "../documented_page.ts";
import { counting, drain, pieces, REPOSITORY, RING } from "./fixture.ts";

const page = new DocumentedPage("format.md");
const ROOT = rootOf(RING);

async function checkObjectExample(section: string, keyed: { ring?: typeof RING }): Promise<Uint8Array> {
  const { bytes, stated } = page.example(section);
  const { raw, compression, chunkBytes, encrypted, chunks, ...totals } = stated;
  const header = readObjectHeader(bytes.subarray(0, 64), section);
  assert.deepEqual([header.compression, header.chunkBytes], [compression, chunkBytes]);
  assert.equal(header.cipher !== undefined, encrypted);
  assert.equal(Math.ceil(totals.rawBytes / chunkBytes), chunks);
  const back = await drain(readObject(pieces(bytes), { name: section, ...keyed }));
  assert.deepEqual([toHex(back.bytes), back.totals], [raw, totals]);
  const again = writeObject(pieces(bytesOf(raw)), { compression, chunkBytes, randomBytes: counting(), ...keyed });
  assert.deepEqual((await drain(again)).bytes, bytes);
  return bytes;
}

function key(salt: Uint8Array, info: string, root = ROOT): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", root, salt, info, 32));
}

function decrypted(key: Uint8Array, nonce: Uint8Array, beside: Uint8Array, sealed: Uint8Array): Uint8Array {
  const cipher = createDecipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(beside);
  cipher.setAuthTag(sealed.subarray(-16));
  return concatBytes(cipher.update(sealed.subarray(0, -16)), cipher.final());
}

describe("docs/format.md, of repositories", () => {
  it("names the ring of its examples", () => {
    const section = page.section("Repository");
    assert.ok(section.includes(`the key ring ${RING.id} with the root ${toHex(ROOT)}`));
  });

  it("shows an object that reads as stated", async () => {
    await checkObjectExample("Object", {});
  });

  it("shows an object with the digest of its body, which is made of what is stated", async () => {
    const { bytes, stated } = page.example("Object with the digest of its body");
    const { word, times, body, ...totals } = stated;
    assert.equal(readObjectHeader(bytes.subarray(0, 64), "example").digest, "body");
    const back = await drain(readObject(pieces(bytes), { name: "example" }));
    assert.equal(new TextDecoder().decode(back.bytes), Array(times).fill(word).join(" "));
    assert.deepEqual(back.totals, totals);
    const parts = (body as string[]).map(bytesOf);
    assert.equal(createHash("sha256").update(concatBytes(...parts)).digest("hex"), totals.check);
  });

  it("shows an encrypted object that reads as stated, also without this library", async () => {
    const bytes = await checkObjectExample("Encrypted object", { ring: RING });
    const length = readU32(bytes, 64) - 2 ** 31;
    const beside = concatBytes(bytes.subarray(0, 64), new Uint8Array(8), Uint8Array.of(1));
    const objectKey = key(bytes.subarray(32, 48), "holdfast object");
    const payload = decrypted(objectKey, new Uint8Array(12), beside, bytes.subarray(68, 68 + length));
    assert.equal(decodeText(payload), "\0hello hello");
  });

  it("shows an archived log that reads as stated", async () => {
    const { bytes, stated } = page.example("Archived log");
    const { head, pieces: found } = await readArchivedLog(pieces(bytes), "example");
    assert.deepEqual(head, stated.head);
    assert.equal(head.previous, genesisChain(head.database, head.lineage, head.first));
    const shown = [];
    for await (const { bytes: _, ...piece } of withCommits(found)) shown.push(piece);
    assert.deepEqual(shown, stated.pieces);
    assert.equal(stated.name, logName(head.first, head.last, stated.pieces.at(-1).chain));

    const written = [writeLogHead(stated.head)];
    let chain = head.previous;
    for (const { commits, chain: behind } of stated.pieces) {
      const writer = new PieceWriter();
      for (const { version, timestamp, operations } of commits) writer.add(version, timestamp, bytesOf(operations));
      const piece = writer.take();
      chain = nextChain(chain, piece.bytes);
      assert.equal(chain, behind);
      written.push(piece.bytes);
    }
    assert.deepEqual(concatBytes(...written), bytes);
  });

  it("index of backups", () => {
    const { bytes, stated } = page.example("Index of backups");
    const texts = [...readPack(bytes)].map(([id, document]) => [id, decodeText(document)]);
    assert.deepEqual(Object.fromEntries(texts), stated);
    assert.deepEqual(writePack(new Map(texts.map(([id, text]) => [id!, encodeText(text!)]))), bytes);
  });

  it("shows documents that read and are sealed as stated", () => {
    for (const [i, shown] of page.json("Documents").entries()) {
      const bytes = encodeText(shown);
      const ring = i === 0 ? undefined : RING;
      assert.deepEqual(sealDocument("gc", openDocument("gc", bytes, "example", gcMark, ring), ring), bytes);
      const { checksum, mac, ...fields } = JSON.parse(shown);
      const covered = JSON.stringify(fields);
      const documentKey = key(new Uint8Array(0), "holdfast document");
      if (i === 0) assert.equal(checksum, `sha256:${createHash("sha256").update(covered).digest("hex")}`);
      else assert.equal(mac, `hmac-sha256:${createHmac("sha256", documentKey).update(covered).digest("hex")}`);
    }
  });

  it("shows a key slot that opens as stated, also without this library", async () => {
    const file = JSON.parse(page.json("Key slot")[0]!) as KeyFile;
    const secret = { passphrase: "correct horse" };
    const ring = await unwrapKeyRing(file, secret, REPOSITORY);
    assert.deepEqual(rootOf(ring!), ROOT);
    const { N, r, p } = file.kdf as { N: number; r: number; p: number };
    const options = { repository: REPOSITORY, slot: file.id, createdAt: file.createdAt, randomBytes: counting() };
    assert.deepEqual(await wrapKeyRing(RING, secret, { ...options, scrypt: { N, r, p } }), file);

    const wrapping = scryptSync("correct horse", Buffer.from(file.kdf.salt, "base64url"), 32, { N, r, p });
    const wrapped = Buffer.from(file.wrapped, "base64url");
    const beside = encodeText(`["holdfast key slot","${REPOSITORY}","${file.id}","${file.ringId}",${file.createdAt}]`);
    assert.deepEqual(decrypted(wrapping, wrapped.subarray(0, 12), beside, wrapped.subarray(12)), ROOT);
  });

  it("shows an audit line that reads as stated", () => {
    const [shown] = page.json("Audit line");
    assert.equal(encodeAuditLine(decodeAuditLine(shown!, "example")), shown);
    assert.ok(page.section("Audit line").includes(`is \`${auditHash(shown!)}\``));
  });
});

async function* withCommits<T extends Parameters<typeof recordsOf>[0]>(
  all: AsyncIterable<T>,
): AsyncGenerator<T & { commits: { version: number; timestamp: number; operations: string }[] }> {
  for await (const piece of all) {
    const commits = [...recordsOf(piece)].map(({ version, timestamp, ops }) => ({
      version,
      timestamp,
      operations: toHex(ops),
    }));
    yield { ...piece, commits };
  }
}
