/** The small files of a repository: documents of every kind, key slots, audit lines. */
import assert from "node:assert/strict";
import { decodeText, encodeText } from "../../../lib/base/bytes.ts";
import type { Shape } from "../../../lib/format/manifest/json_shape.ts";
import {
  AUDIT_START,
  auditHash,
  checkAuditChain,
  decodeAuditLine,
  encodeAuditLine,
} from "../../../lib/format/repository/audit_line.ts";
import { backupDocument } from "../../../lib/format/repository/backup_document.ts";
import {
  type DocumentKind,
  openDocument,
  sealDocument,
  sealOf,
  UNCHECKED,
} from "../../../lib/format/repository/document.ts";
import { headDocument } from "../../../lib/format/repository/head_document.ts";
import { gcMark, leaseDocument, proof } from "../../../lib/format/repository/house_documents.ts";
import {
  type KeyFile,
  keyFile,
  type KeyRing,
  unwrapKeyRing,
  wrapKeyRing,
} from "../../../lib/format/repository/key_ring.ts";
import { objectPath } from "../../../lib/format/repository/object_name.ts";
import { repositoryDocument } from "../../../lib/format/repository/repository_document.ts";
import { counting, REPOSITORY, RING } from "../../format/repository/fixture.ts";
import type { Structure, Target } from "../target.ts";
import { assertSame, DATABASE, LINEAGE } from "./files.ts";

const SHA = "ab".repeat(32);
const OF = { database: DATABASE, lineage: LINEAGE, version: 9, timestamp: 900 };

const BACKUP = {
  ...OF,
  ...{ id: "b1", type: "full", requestedType: "auto", parentId: null, databaseName: "shop", keyEncoding: "utf8" },
  ...{ parents: [{ lineage: DATABASE, version: 3 }], databaseCreatedAt: 1, createdAt: 1000, durationMs: 5 },
  ...{ coveredUntil: 1000, entryCount: 2, fileCount: 1, totalBytes: 10, storedBytes: 12, addedBytes: 12 },
  ...{ compression: "zstd", encrypted: false, namespace: ["a"], prefix: { bytes: "AAE" }, labels: { why: "upgrade" } },
  selective: false,
  base: {
    ...{ version: 7, timestamp: 700, manifestName: "MANIFEST-000007" },
    files: [{ name: "000010.sst", kind: "table", size: 10, object: objectPath(SHA), stored: 12 }],
  },
  log: { from: 8, to: 9, chain: SHA, bytes: 30 },
};

const HEAD = {
  ...OF,
  ...{ parents: [], chain: SHA, start: 1, coveredUntil: 1000, epoch: 2, writer: "0a", pruned: 3 },
  gaps: [{ from: 3, to: 4, after: 20, before: 40, chain: SHA, timestamp: 30 }],
  ingests: [{ version: 5, files: [{ kind: "table", number: 8, size: 9, object: objectPath(SHA), stored: 10 }] }],
};

const BODIES: readonly [DocumentKind, object][] = [
  ["backup", BACKUP],
  ["head", HEAD],
  ["lease", { id: "l1", kind: "backup", holder: "host 4711", takenAt: 1, expiresAt: 2 }],
  ["gc", { id: "g1", markedAt: 1, keys: [`objects/${objectPath(SHA)}`], leases: ["l1"] }],
  [
    "proof",
    {
      ...OF,
      kind: "drill",
      at: 1,
      backupId: null,
      ok: true,
      problems: 0,
      entries: 2,
      contentChecksum: null,
      durationMs: 5,
    },
  ],
  ["repository", { id: REPOSITORY, createdAt: 1, encryption: { cipher: "aes-256-gcm", ringId: RING.id } }],
];

const SHAPES: Record<DocumentKind, Shape<unknown>> = {
  backup: backupDocument,
  head: headDocument,
  lease: leaseDocument,
  gc: gcMark,
  proof,
  repository: repositoryDocument,
  key: keyFile,
};

/** The kind that a document says it is, as a reader would expect it by the document's place. */
function kindOf(bytes: Uint8Array): DocumentKind {
  const named = /holdfast-([a-z]+)/.exec(new TextDecoder().decode(bytes.subarray(0, 200)))?.[1] as DocumentKind;
  return Object.hasOwn(SHAPES, named) ? named : "backup";
}

const DEEP = /\[{50}|(?:\{"a":){50}/;

/** A document's fields but for the seal, which is made again. What can't be laid out keeps the seal it had. */
function sealed(ring: KeyRing | undefined): Structure {
  return {
    take(bytes) {
      const { checksum: _checksum, mac: _mac, ...fields } = JSON.parse(decodeText(bytes)) as Record<string, unknown>;
      return [{ bytes: encodeText(JSON.stringify(fields)), json: true }];
    },
    put([part]) {
      const text = new TextDecoder().decode(part!.bytes);
      try {
        if (DEEP.test(text)) throw new RangeError("laid out it would take the square of its depth");
        const fields = JSON.parse(text) as object;
        const [name, seal] = sealOf(fields, ["key", "repository"].includes(kindOf(part!.bytes)) ? undefined : ring);
        return encodeText(`${JSON.stringify({ ...fields, [name]: seal }, null, 2)}\n`);
      } catch {
        return encodeText(`${text.slice(0, -1)},"${ring === undefined ? "checksum" : "mac"}":"x"}\n`);
      }
    },
  };
}

function openAny(bytes: Uint8Array, ring: KeyRing | typeof UNCHECKED | undefined): unknown {
  const kind = kindOf(bytes);
  const body = openDocument(kind, bytes, "d.json", SHAPES[kind], ring);
  if (ring !== UNCHECKED) {
    const again = sealDocument(kind, body as object, ring);
    assertSame(openDocument(kind, again, "d.json", SHAPES[kind], ring), body);
  }
  return body;
}

const plain: Target = {
  name: "document",
  seeds: () => BODIES.map(([kind, body]) => sealDocument(kind, body)),
  structure: sealed(undefined),
  coded: true,
  decode(bytes) {
    const body = openAny(bytes, undefined);
    assertSame(openAny(bytes, UNCHECKED), body);
    return body;
  },
};

const withMac: Target = {
  name: "document-with-mac",
  seeds: () => BODIES.map(([kind, body]) => sealDocument(kind, body, RING)),
  structure: sealed(RING),
  coded: true,
  decode(bytes) {
    let unchecked: unknown;
    let refused: unknown;
    try {
      unchecked = openAny(bytes, UNCHECKED);
    } catch (error) {
      refused = error;
    }
    // Whoever has no key checks less, and never more.
    const body = openAny(bytes, RING);
    if (refused !== undefined) throw refused;
    assertSame(unchecked, body);
    return body;
  },
};

const KEY = { key: counting(3)(32) };
const PASSPHRASE = { passphrase: "correct horse" };

/** Above this a test of a passphrase would take most of the time of all. */
const SCRYPT_WORK_MAX = 2 ** 17;

const slots: Target = {
  name: "key-slot",
  seeds: () => {
    const options = { repository: REPOSITORY, slot: "main", createdAt: 1000, randomBytes: counting() };
    const scrypt = { N: 16, r: 8, p: 1 };
    return Promise.all(
      [KEY, PASSPHRASE].map(async (secret) =>
        sealDocument("key", await wrapKeyRing(RING, secret, { ...options, scrypt }))
      ),
    );
  },
  structure: sealed(undefined),
  coded: true,
  share: 0.5,
  async decode(bytes) {
    const file: KeyFile = openDocument("key", bytes, "k.json", keyFile);
    const { kdf } = file;
    if (kdf.name === "scrypt" && kdf.N * kdf.r * kdf.p > SCRYPT_WORK_MAX && kdf.N <= 2 ** 21 && kdf.p <= 16) {
      return file;
    }
    const ring = await unwrapKeyRing(file, kdf.name === "scrypt" ? PASSPHRASE : KEY, REPOSITORY);
    if (ring !== undefined) assert.equal(ring.nameOf(SHA), RING.nameOf(SHA), "another ring came out");
    return file;
  },
};

function lines(ring?: KeyRing): string[] {
  const detail = { id: "b1", bytes: 12, whole: true, parent: null };
  const first = encodeAuditLine(
    { seq: 1, at: 1000, action: "backup", result: "ok", detail, previous: AUDIT_START },
    ring,
  );
  const next = { seq: 2, at: 1001, action: "prune", result: "failed", detail: {}, previous: auditHash(first) } as const;
  return [first, encodeAuditLine(next, ring)];
}

const audit: Target = {
  name: "audit-line",
  seeds: () => [...lines(), ...lines(RING), lines().join("")].map(encodeText),
  structure: {
    take: (bytes) => [{ bytes, json: true }],
    put([part]) {
      const text = new TextDecoder().decode(part!.bytes);
      try {
        const { mac, ...line } = JSON.parse(text) as { mac?: unknown };
        const seal = mac === undefined ? {} : { mac: sealOf(line, RING)[1] };
        return encodeText(`${JSON.stringify({ ...line, ...seal })}\n`);
      } catch {
        return encodeText(`${text}\n`);
      }
    },
  },
  coded: true,
  decode(bytes) {
    const text = new TextDecoder().decode(bytes);
    const each = text.split(/(?<=\n)/);
    // A chain of lines, as far as it goes.
    let chained: Error | undefined;
    try {
      checkAuditChain(each.map((line, i) => ({ name: `line ${i + 1}`, text: line })));
    } catch (error) {
      chained = error as Error;
    }
    const unchecked = decodeAuditLine(each[0]!, "a line", UNCHECKED);
    const line = decodeAuditLine(each[0]!, "a line", each[0]!.includes('"mac"') ? RING : undefined);
    assertSame(unchecked, line);
    if (chained !== undefined) throw chained;
    return line;
  },
};

export const DOCUMENT_TARGETS: readonly Target[] = [plain, withMac, slots, audit];
