import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { decodeText, encodeText } from "../../../lib/base/bytes.ts";
import { DecryptionError, IntegrityError, UnsupportedFormatError } from "../../../lib/base/errors.ts";
import { object, text, whole } from "../../../lib/format/manifest/json_shape.ts";
import { openDocument, sealDocument, UNCHECKED } from "../../../lib/format/repository/document.ts";
import { gcMark } from "../../../lib/format/repository/house_documents.ts";
import { repositoryDocument } from "../../../lib/format/repository/repository_document.ts";
import { record } from "../../../lib/format/repository/shapes.ts";
import { flipped, OTHER_RING, REPOSITORY, RING } from "./fixture.ts";

const MARK = { id: "g1", markedAt: 1000, keys: ["objects/ab/cd"], leases: ["l1"] };
const NAME = "gc/g1.json";

/** The document with some of its text replaced. */
function edited(bytes: Uint8Array, from: string | RegExp, to: string): Uint8Array {
  const before = decodeText(bytes);
  const after = before.replace(from, to);
  assert.notEqual(after, before);
  return encodeText(after);
}

describe("sealDocument() and openDocument()", () => {
  it("give back the body, with and without a ring", () => {
    assert.deepEqual(openDocument("gc", sealDocument("gc", MARK), NAME, gcMark), MARK);
    assert.deepEqual(openDocument("gc", sealDocument("gc", MARK, RING), NAME, gcMark, RING), MARK);
  });

  it("write JSON that people can read", () => {
    const shown = decodeText(sealDocument("gc", { ...MARK, note: undefined }));
    assert.match(shown, /^\{\n {2}"format": "holdfast-gc",\n {2}"formatVersion": 1,\n {2}"id": "g1",\n/);
    assert.match(shown, /\n {2}"checksum": "sha256:[0-9a-f]{64}"\n\}\n$/);
    assert.match(decodeText(sealDocument("gc", MARK, RING)), /\n {2}"mac": "hmac-sha256:[0-9a-f]{64}"\n\}\n$/);
  });

  it("notice every cut and a flipped bit in every byte", () => {
    for (const ring of [undefined, RING]) {
      const bytes = sealDocument("gc", MARK, ring);
      for (let at = 0; at < bytes.length; at++) {
        for (const changed of [bytes.subarray(0, at), flipped(bytes, at, at % 8)]) {
          // With a flipped name of the seal there may be none that counts: still an error by name.
          assert.throws(() => openDocument("gc", changed, NAME, gcMark, ring), (error: Error) => {
            assert.ok(error instanceof IntegrityError, String(error));
            assert.match(error.message, /^Cannot read gc\/g1\.json: /);
            return true;
          });
        }
      }
    }
  });

  it("refuse another spelling of the same document", () => {
    const bytes = sealDocument("gc", MARK);
    const one = JSON.stringify(JSON.parse(decodeText(bytes)));
    const twice = edited(bytes, '"id": "g1",', '"id": "g0",\n  "id": "g1",');
    const escaped = edited(bytes, '"g1"', '"g\\u0031"');
    const moved = edited(bytes, /( {2}"id": "g1",\n)( {2}"markedAt": 1000,\n)/, "$2$1");
    for (const changed of [encodeText(one), encodeText(`${decodeText(bytes)} `), twice, escaped, moved]) {
      assert.throws(() => openDocument("gc", changed, NAME, gcMark), IntegrityError);
    }
  });

  it("refuse a document of another kind, also when its body would fit", () => {
    assert.throws(() => openDocument("lease", sealDocument("gc", MARK), NAME, gcMark), /expected a lease document/);
    assert.throws(() => openDocument("lease", sealDocument("gc", MARK, RING), NAME, gcMark, RING), IntegrityError);
  });

  it("refuse a checksum in place of a mac, and the mac of another ring", () => {
    assert.throws(() => openDocument("gc", sealDocument("gc", MARK), NAME, gcMark, RING), /it has no mac/);
    const forged = sealDocument("gc", MARK, OTHER_RING);
    assert.throws(() => openDocument("gc", forged, NAME, gcMark, RING), IntegrityError);
    const both = edited(sealDocument("gc", MARK, RING), '\n  "mac"', '\n  "checksum": "sha256:00",\n  "mac"');
    assert.throws(() => openDocument("gc", both, NAME, gcMark, RING), IntegrityError);
  });

  it("refuse a seal of another length, as long as what it begins with may be", () => {
    for (const ring of [undefined, RING]) {
      const sealed = sealDocument("gc", MARK, ring);
      for (const [from, to] of [[/[0-9a-f]"\n\}/, '"\n}'], [/"\n\}/, '0"\n}'], [/:[0-9a-f]{64}"/, ':"']] as const) {
        assert.throws(() => openDocument("gc", edited(sealed, from, to), NAME, gcMark, ring), IntegrityError);
      }
    }
  });

  it("ask for the key of a document that has a mac, unless told to go without", () => {
    const bytes = sealDocument("gc", MARK, RING);
    assert.throws(() => openDocument("gc", bytes, NAME, gcMark), DecryptionError);
    assert.deepEqual(openDocument("gc", bytes, NAME, gcMark, UNCHECKED), MARK);
    assert.throws(() => openDocument("gc", bytes.subarray(1), NAME, gcMark, UNCHECKED), IntegrityError);
    const plain = sealDocument("gc", MARK);
    assert.deepEqual(openDocument("gc", plain, NAME, gcMark, UNCHECKED), MARK);
    assert.throws(() => openDocument("gc", flipped(plain, 60), NAME, gcMark, UNCHECKED), IntegrityError);
  });

  it("seal what is read before a key is known by checksum only", () => {
    const body = { id: REPOSITORY, createdAt: 1, encryption: null };
    const bytes = sealDocument("repository", body, RING);
    assert.deepEqual(bytes, sealDocument("repository", body));
    assert.deepEqual(openDocument("repository", bytes, "repository.json", repositoryDocument, RING), body);
    const maced = edited(bytes, /"checksum": "sha256:/, '"mac": "hmac-sha256:');
    for (const ring of [undefined, RING, UNCHECKED] as const) {
      assert.throws(
        () => openDocument("repository", maced, "repository.json", repositoryDocument, ring),
        IntegrityError,
      );
    }
  });

  it("tell a newer document from a damaged one", () => {
    for (const ring of [undefined, RING]) {
      // A document of format 2 is sealed as ever: by the last field.
      const newer = resealed({ format: "holdfast-gc", formatVersion: 2, whatever: [] }, ring);
      assert.throws(() => openDocument("gc", newer, NAME, gcMark, ring), (error: Error) => {
        assert.ok(error instanceof UnsupportedFormatError, String(error));
        assert.equal(error.found, "holdfast-gc 2");
        return true;
      });
      const field = sealDocument("gc", { ...MARK, extra: 1 }, ring);
      assert.throws(() => openDocument("gc", field, NAME, gcMark, ring), UnsupportedFormatError);
      const lacking = sealDocument("gc", { id: "g1" }, ring);
      assert.throws(() => openDocument("gc", lacking, NAME, gcMark, ring), IntegrityError);
      const damaged = edited(newer, "whatever", "whatevar");
      assert.throws(() => openDocument("gc", damaged, NAME, gcMark, ring), IntegrityError);
      for (const formatVersion of [0, -1, 1.5, "1", null]) {
        const odd = resealed({ format: "holdfast-gc", formatVersion, ...MARK }, ring);
        assert.throws(() => openDocument("gc", odd, NAME, gcMark, ring), IntegrityError);
      }
    }
  });

  it("refuse what is no document at all", () => {
    const nested = encodeText("[".repeat(100_000));
    for (
      const bytes of [
        new Uint8Array(0),
        encodeText("[]"),
        encodeText("null"),
        encodeText("{}"),
        Uint8Array.of(0xff),
        nested,
      ]
    ) {
      assert.throws(() => openDocument("gc", bytes, NAME, gcMark), IntegrityError);
      assert.throws(() => openDocument("gc", bytes, NAME, gcMark, RING), IntegrityError);
    }
    const deep = encodeText(`{"a":${"[".repeat(200_000)}${"]".repeat(200_000)},"checksum":"sha256:"}`);
    assert.throws(() => openDocument("gc", deep, NAME, gcMark), IntegrityError);
  });

  it("keep any names and texts: numbers, __proto__, half pairs", () => {
    const shape = object({ map: record(text), n: whole() });
    const map = JSON.parse('{"2":"b","1":"a","__proto__":"p","x\\ud800":"\\udfff","":"\\u2028"}');
    for (const ring of [undefined, RING]) {
      const back = openDocument("proof", sealDocument("proof", { map, n: 1 }, ring), "p", shape, ring);
      assert.deepEqual(Object.entries(back.map).sort(), Object.entries(map).sort());
    }
  });

  it("refuse a body with a field that would pass for a seal", () => {
    for (const name of ["format", "formatVersion", "checksum", "mac"]) {
      assert.throws(() => sealDocument("proof", { [name]: "x" }), TypeError);
    }
  });
});

/** A document with any fields and a right seal, made by what this release has. */
function resealed(fields: Record<string, unknown>, ring: typeof RING | undefined): Uint8Array {
  const covered = encodeText(JSON.stringify(fields));
  const seal = ring === undefined
    ? { checksum: `sha256:${sha(covered)}` }
    : { mac: `hmac-sha256:${ring.mac(covered)}` };
  return encodeText(`${JSON.stringify({ ...fields, ...seal }, null, 2)}\n`);
}

function sha(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
