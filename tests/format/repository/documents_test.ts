import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError } from "../../../lib/base/errors.ts";
import type { Shape } from "../../../lib/format/manifest/json_shape.ts";
import { type BackupDocument, backupDocument } from "../../../lib/format/repository/backup_document.ts";
import { type DocumentKind, openDocument, sealDocument } from "../../../lib/format/repository/document.ts";
import { type HeadDocument, headDocument } from "../../../lib/format/repository/head_document.ts";
import {
  type GcMark,
  gcMark,
  type LeaseDocument,
  leaseDocument,
  type Proof,
  proof,
} from "../../../lib/format/repository/house_documents.ts";
import { contentName, objectPath, parseObjectPath } from "../../../lib/format/repository/object_name.ts";
import { type RepositoryDocument, repositoryDocument } from "../../../lib/format/repository/repository_document.ts";
import { DATABASE, LINEAGE, REPOSITORY, RING } from "./fixture.ts";

const SHA = "ab".repeat(32);

const FULL: BackupDocument = {
  id: "2026-01-01.full",
  type: "full",
  requestedType: "auto",
  parentId: null,
  database: DATABASE,
  databaseName: "shop",
  lineage: LINEAGE,
  parents: [{ lineage: DATABASE, version: 3 }],
  keyEncoding: "utf8",
  databaseCreatedAt: 1,
  createdAt: 1000,
  durationMs: 5,
  version: 9,
  timestamp: 900,
  coveredUntil: 1000,
  entryCount: 2,
  fileCount: 2,
  totalBytes: 10,
  storedBytes: 12,
  addedBytes: 12,
  compression: "zstd",
  encrypted: false,
  namespace: null,
  prefix: null,
  labels: { "7": "b", why: "upgrade" },
  selective: false,
  base: {
    version: 7,
    timestamp: 700,
    manifestName: "MANIFEST-000007",
    files: [
      { name: "000010.sst", kind: "table", size: 10, object: objectPath(SHA), stored: 12 },
      { name: "", kind: "tail", size: 10, object: objectPath(SHA, 2), stored: 12 },
    ],
  },
  log: { from: 8, to: 9, chain: SHA, bytes: 30 },
};
const INCREMENTAL: BackupDocument = { ...FULL, type: "incremental", parentId: "p", base: null };
const SELECTIVE: BackupDocument = {
  ...FULL,
  log: null,
  namespace: ["a", "b"],
  prefix: { bytes: "AAE" },
  selective: true,
};

const HEAD: HeadDocument = {
  database: DATABASE,
  lineage: LINEAGE,
  parents: [],
  version: 9,
  timestamp: 900,
  chain: SHA,
  start: 1,
  coveredUntil: 1000,
  epoch: 2,
  writer: "0a",
  gaps: [{ from: 3, to: 4, after: 20, before: 40, chain: SHA }],
  ingests: [{ version: 5, files: [{ kind: "table", number: 8, size: 9, object: objectPath(SHA), stored: 10 }] }],
};
const LEASE: LeaseDocument = { id: "l1", kind: "backup", holder: "host 4711", takenAt: 1, expiresAt: 2 };
const MARK: GcMark = { id: "g1", markedAt: 1, keys: [`objects/${objectPath(SHA)}`], leases: ["l1"] };
const PROOF: Proof = {
  kind: "drill",
  at: 1,
  backupId: null,
  database: DATABASE,
  lineage: LINEAGE,
  version: 9,
  timestamp: 900,
  ok: true,
  problems: 0,
  entries: 2,
  contentChecksum: `sha256:${SHA}`,
  durationMs: 5,
};
const PLAIN: RepositoryDocument = { id: REPOSITORY, createdAt: 1, encryption: null };
const ENCRYPTED: RepositoryDocument = { ...PLAIN, encryption: { cipher: "aes-256-gcm", ringId: RING.id } };

const ALL: [DocumentKind, object, Shape<unknown>][] = [
  ["backup", FULL, backupDocument],
  ["backup", INCREMENTAL, backupDocument],
  ["backup", SELECTIVE, backupDocument],
  ["head", HEAD, headDocument],
  ["lease", LEASE, leaseDocument],
  ["gc", MARK, gcMark],
  ["proof", PROOF, proof],
  ["proof", { ...PROOF, entries: null, contentChecksum: null, backupId: "b1" }, proof],
  ["repository", PLAIN, repositoryDocument],
  ["repository", ENCRYPTED, repositoryDocument],
];

/** Sealed rightly, but not what a document of its kind may say. */
function refuses<T extends object>(kind: DocumentKind, shape: Shape<T>, body: T, changes: object[]): void {
  for (const change of changes) {
    const bytes = sealDocument(kind, { ...body, ...change });
    assert.throws(() => openDocument(kind, bytes, "d", shape), IntegrityError, JSON.stringify(change));
  }
}

describe("the documents of a repository", () => {
  it("come back as they were written, with and without a ring", () => {
    for (const [kind, body, shape] of ALL) {
      for (const ring of [undefined, RING]) {
        assert.deepEqual(openDocument(kind, sealDocument(kind, body, ring), "d", shape, ring), body);
      }
    }
  });

  it("refuse each field that lacks or is of another type", () => {
    for (const [kind, body, shape] of ALL) {
      for (const field of Object.keys(body)) {
        refuses(kind, shape as Shape<object>, body, [{ [field]: undefined }, { [field]: [[]] }, { [field]: -1 }]);
      }
    }
  });

  it("refuse backups that contradict themselves", () => {
    const base = FULL.base!;
    const log = FULL.log!;
    refuses("backup", backupDocument, FULL, [
      { base: null },
      { base: { ...base, version: 10 } },
      { log: { ...log, from: 10 } },
      { log: { ...log, to: 8 } },
      { type: "incremental" },
    ]);
    refuses("backup", backupDocument, INCREMENTAL, [{ parentId: null }, { type: "snapshot" }]);
  });

  it("refuse names that would leave the place they belong to", () => {
    const base = FULL.base!;
    const file = base.files[0]!;
    const names = ["../x", "..", ".", "a/b", "a\\b", "/etc", "c:x", "a\0b", "x".repeat(129), ""];
    const objects = [
      "../../x",
      SHA,
      `ac/${SHA}`,
      `ab/${SHA}.0`,
      `ab/${SHA}.01`,
      `ab/${SHA}/x`,
      `AB/${SHA.toUpperCase()}`,
    ];
    refuses("backup", backupDocument, FULL, [
      ...names.map((name) => ({ base: { ...base, files: [{ ...file, name }] } })),
      ...names.slice(0, -1).map((manifestName) => ({ base: { ...base, manifestName } })),
      ...objects.map((object) => ({ base: { ...base, files: [{ ...file, object }] } })),
      ...names.map((id) => ({ id })),
      ...names.map((parentId) => ({ parentId })),
    ]);
    refuses("gc", gcMark, MARK, ["../x", "a//b", "/a", "a/", "a/./b", "x".repeat(513)].map((key) => ({ keys: [key] })));
    refuses("lease", leaseDocument, LEASE, names.map((id) => ({ id })));
  });

  it("refuse a head whose chain or gaps cannot be", () => {
    refuses("head", headDocument, HEAD, [
      { start: 11 },
      { gaps: [{ from: 4, to: 3 }] },
      { writer: "" },
      { writer: "0A" },
    ]);
  });
});

describe("object names", () => {
  it("are the hash of the bytes, keyed where there is a ring", () => {
    assert.equal(contentName(SHA), SHA);
    assert.equal(contentName(SHA, RING), RING.nameOf(SHA));
    assert.notEqual(contentName(SHA, RING), SHA);
  });

  it("come back from their paths", () => {
    for (const copy of [0, 1, 12]) assert.deepEqual(parseObjectPath(objectPath(SHA, copy)), { name: SHA, copy });
    for (const path of ["", SHA, `ac/${SHA}`, `ab/${SHA}.0`, `ab/${SHA}.`, `ab/${SHA}.1.2`]) {
      assert.equal(parseObjectPath(path), undefined, path);
    }
  });
});
