import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DecryptionError, IntegrityError, UnsupportedFormatError } from "../../../lib/base/errors.ts";
import {
  AUDIT_START,
  auditHash,
  type AuditLine,
  checkAuditChain,
  decodeAuditLine,
  encodeAuditLine,
} from "../../../lib/format/repository/audit_line.ts";
import type { KeyRing } from "../../../lib/format/repository/key_ring.ts";
import { OTHER_RING, RING } from "./fixture.ts";

const LINE: AuditLine = {
  seq: 1,
  at: 1000,
  action: "backup",
  result: "ok",
  detail: { id: "b1", bytes: 1.5, full: true, parent: null },
  previous: AUDIT_START,
};

/** Lines that follow each other. */
function chain(count: number, ring?: KeyRing): { name: string; text: string }[] {
  const out = [];
  let previous = AUDIT_START;
  for (let seq = 1; seq <= count; seq++) {
    const text = encodeAuditLine({ ...LINE, seq, previous }, ring);
    out.push({ name: `audit/${seq}`, text });
    previous = auditHash(text);
  }
  return out;
}

describe("encodeAuditLine() and decodeAuditLine()", () => {
  it("give back the line, one line of JSON", () => {
    for (const ring of [undefined, RING]) {
      const text = encodeAuditLine(LINE, ring);
      assert.equal(text.indexOf("\n"), text.length - 1);
      assert.deepEqual(decodeAuditLine(text, "a", ring), LINE);
    }
  });

  it("refuse another spelling, what lacks and what is not known", () => {
    const text = encodeAuditLine(LINE);
    for (
      const bad of [text.slice(0, -1), ` ${text}`, "", "[]", "null", text.replace('"ok"', '"fine"'), text.slice(5)]
    ) {
      assert.throws(() => decodeAuditLine(bad, "a"), IntegrityError);
    }
    assert.throws(() => decodeAuditLine(text.replace('"seq"', '"extra":1,"seq"'), "a"), UnsupportedFormatError);
    const nested = { ...LINE, detail: { deep: {} } } as unknown as AuditLine;
    assert.throws(() => encodeAuditLine(nested));
    assert.throws(() => encodeAuditLine({ ...LINE, seq: 0 }));
  });

  it("with a ring, take no line that others could have written", () => {
    const text = encodeAuditLine(LINE, RING);
    assert.throws(() => decodeAuditLine(encodeAuditLine(LINE), "a", RING), IntegrityError);
    assert.throws(() => decodeAuditLine(text.replace("b1", "b2"), "a", RING), IntegrityError);
    assert.throws(() => decodeAuditLine(text, "a", OTHER_RING), IntegrityError);
    assert.throws(() => decodeAuditLine(text, "a"), DecryptionError);
  });
});

describe("checkAuditChain()", () => {
  it("accepts lines in a row, from the first or from any", () => {
    for (const ring of [undefined, RING]) {
      const lines = chain(5, ring);
      const end = { seq: 5, hash: auditHash(lines[4]!.text) };
      assert.deepEqual(checkAuditChain(lines, undefined, ring), end);
      const middle = checkAuditChain(lines.slice(0, 2), undefined, ring);
      assert.deepEqual(checkAuditChain(lines.slice(2), middle, ring), end);
      assert.deepEqual(checkAuditChain([]), { seq: 0, hash: AUDIT_START });
    }
  });

  it("notices a line that was changed, dropped, moved or put in", () => {
    const lines = chain(5);
    const [a, b, c, d, e] = lines as [Line, Line, Line, Line, Line];
    const changed = { ...b, text: b.text.replace("1000", "1001") };
    for (const wrong of [[a, changed, c], [a, c], [a, c, b], [b], [a, a], [a, b, c, e, d]]) {
      assert.throws(() => checkAuditChain(wrong), IntegrityError);
    }
    assert.throws(() => checkAuditChain([a, changed, c]), /audit\/3/);
  });
});

type Line = { name: string; text: string };
