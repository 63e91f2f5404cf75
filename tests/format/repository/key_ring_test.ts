import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { toHex } from "../../../lib/base/bytes.ts";
import { UnsupportedFormatError } from "../../../lib/base/errors.ts";
import { openDocument, sealDocument } from "../../../lib/format/repository/document.ts";
import {
  type KeyFile,
  keyFile,
  newKeyRing,
  SCRYPT_COST,
  type Secret,
  unwrapKeyRing,
  wrapKeyRing,
} from "../../../lib/format/repository/key_ring.ts";
import { ringOf, rootOf } from "../../../lib/format/repository/ring.ts";
import { counting, failure, REPOSITORY, RING } from "./fixture.ts";

const PASSPHRASE: Secret = { passphrase: "correct horse battery" };
const KEY: Secret = { key: counting(50)(32) };
const CHEAP = { N: 16, r: 8, p: 1 };

function slot(secret: Secret, name = "main"): Promise<KeyFile> {
  return wrapKeyRing(RING, secret, {
    repository: REPOSITORY,
    slot: name,
    createdAt: 1000,
    randomBytes: counting(),
    scrypt: CHEAP,
  });
}

describe("a key ring", () => {
  it("names bytes and documents by its keys, and no other ring does so", async () => {
    const sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ring = ringOf("00112233445566778899aabbccddeeff", counting()(32));
    assert.equal(ring.nameOf(sha), "bffa839c09dd5dba948fa5c7c134dadafb0458fee786c50c68aca7f58a871a4c");
    assert.match(ring.mac(new Uint8Array(3)), /^[0-9a-f]{64}$/);
    const other = newKeyRing(counting(7));
    assert.notEqual(other.nameOf(sha), ring.nameOf(sha));
    assert.notEqual(other.mac(new Uint8Array(3)), ring.mac(new Uint8Array(3)));
    assert.throws(() => ring.nameOf("e3"), TypeError);
    const key = ring.objectKey(new Uint8Array(16));
    assert.deepEqual([Object.keys(key), JSON.stringify(key), inspect(key, { showHidden: true, depth: 9 })], [
      ...[[], "{}", "AesKey {}"],
    ]);
    assert.throws(() => ring.objectKey(new Uint8Array(15)), TypeError);
  });

  it("shows its id and no key, however it is printed", () => {
    const root = toHex(rootOf(RING));
    for (const shown of [inspect(RING, { depth: 9, showHidden: true }), JSON.stringify(RING), String(RING)]) {
      assert.ok(!shown.replace(/[^0-9a-f]/g, "").includes(root.slice(0, 16)), shown);
      assert.ok(!/151,\s*152,\s*153/.test(shown), shown);
    }
    assert.deepEqual(JSON.parse(JSON.stringify(RING)), { id: RING.id });
  });
});

describe("wrapKeyRing() and unwrapKeyRing()", () => {
  for (const [kind, secret] of [["passphrase", PASSPHRASE], ["raw key", KEY]] as const) {
    it(`open a slot by its ${kind}, through a document`, async () => {
      const file = await slot(secret);
      const bytes = sealDocument("key", file, RING);
      const back = openDocument("key", bytes, "keys/main.json", keyFile);
      assert.deepEqual(back, file);
      const ring = await unwrapKeyRing(back, secret, REPOSITORY);
      assert.equal(ring?.id, RING.id);
      assert.deepEqual(rootOf(ring!), rootOf(RING));
    });

    it(`do not open a slot of a ${kind} by anything else`, async () => {
      const file = await slot(secret);
      const others: Secret[] = [{ passphrase: "correct horse batterx" }, { key: counting(51)(32) }];
      for (const other of others) assert.equal(await unwrapKeyRing(file, other, REPOSITORY), undefined);
      assert.equal(await unwrapKeyRing(file, secret, REPOSITORY.replace("2", "3")), undefined);
    });

    it(`do not open a slot of a ${kind} that was renamed, re-dated or edited`, async () => {
      const file = await slot(secret);
      const wrapped = `${file.wrapped.slice(0, 20)}${file.wrapped[20] === "A" ? "B" : "A"}${file.wrapped.slice(21)}`;
      const changes: Partial<KeyFile>[] = [{ id: "other" }, { createdAt: 1001 }, { ringId: "0".repeat(32) }, {
        wrapped,
      }];
      for (const change of changes) {
        assert.equal(await unwrapKeyRing({ ...file, ...change }, secret, REPOSITORY), undefined);
      }
      const salt = `${file.kdf.salt.slice(0, -1)}${file.kdf.salt.endsWith("8") ? "4" : "8"}`;
      assert.equal(await unwrapKeyRing({ ...file, kdf: { ...file.kdf, salt } }, secret, REPOSITORY), undefined);
    });
  }

  it("take a passphrase for the same however its accents were typed", async () => {
    const file = await slot({ passphrase: "caf\u00e9" });
    assert.equal((await unwrapKeyRing(file, { passphrase: "cafe\u0301" }, REPOSITORY))?.id, RING.id);
  });

  it("use the costly scrypt unless told otherwise", async () => {
    const options = { repository: REPOSITORY, slot: "main", createdAt: 1, randomBytes: counting() };
    const file = await wrapKeyRing(RING, PASSPHRASE, options);
    assert.deepEqual(file.kdf, { name: "scrypt", ...SCRYPT_COST, salt: file.kdf.salt });
    assert.equal((await unwrapKeyRing(file, PASSPHRASE, REPOSITORY))?.id, RING.id);
  });

  it("refuse a slot that asks for too much memory or time, before any is spent", async () => {
    const file = await slot(PASSPHRASE);
    const costs = [
      { N: 2 ** 19, r: 8, p: 1 },
      { N: 2 ** 15, r: 8, p: 17 },
      { N: 3, r: 8, p: 1 },
      { N: 2, r: 2 ** 20, p: 1 },
      { N: 2 ** 53 - 1, r: 1, p: 1 },
    ];
    for (const cost of costs) {
      const costly = { ...file, kdf: { ...file.kdf, name: "scrypt" as const, ...cost } };
      const error = await failure(() => unwrapKeyRing(costly, PASSPHRASE, REPOSITORY));
      assert.ok(error instanceof UnsupportedFormatError, String(error));
    }
    const newer = sealDocument("key", { ...file, kdf: { ...file.kdf, name: "argon2id" } });
    assert.throws(() => openDocument("key", newer, "keys/main.json", keyFile), UnsupportedFormatError);
  });

  it("refuse what is no secret, and never repeat it", async () => {
    const bad: unknown[] = [
      { passphrase: "" },
      { passphrase: "hunter2\ud800" },
      { passphrase: 1234567 },
      { key: new Uint8Array(31).fill(77) },
      { key: "hunter2hunter2hunter2hunter2hunt" },
      { passphrase: "hunter2", key: new Uint8Array(32) },
      {},
      null,
      "hunter2",
    ];
    for (const secret of bad) {
      const error = await failure(() => slot(secret as Secret));
      assert.ok(error instanceof TypeError, String(error));
      assert.doesNotMatch(inspect(error), /hunter2|1234567|77, 77/);
    }
  });

  it("write nothing of the secret into the slot", async () => {
    for (const secret of [PASSPHRASE, KEY]) {
      const shown = JSON.stringify(await slot(secret));
      assert.doesNotMatch(shown, /correct|horse|battery/);
      for (const hidden of [rootOf(RING), (KEY as { key: Uint8Array }).key]) {
        assert.ok(!shown.includes(Buffer.from(hidden).toString("base64url").slice(0, 12)));
      }
    }
  });
});
